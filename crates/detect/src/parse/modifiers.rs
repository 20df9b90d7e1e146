//! What follows a field's name: `|contains|all` and so on.

use super::Refusal;
use crate::ast::{Order, Place, TimePart};

/// A change of the value, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Utf16Le,
    Utf16Be,
    Utf16,
    Base64,
    Base64Offset,
    Windash,
    Expand,
}

/// What the value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Regex {
        ignore_case: bool,
        multi_line: bool,
        dot_all: bool,
    },
    Cidr,
    Exists,
    FieldRef,
}

/// All modifiers of a key.
#[derive(Clone, Debug)]
pub(super) struct Modifiers {
    pub(super) changes: Vec<Change>,
    pub(super) kind: Kind,
    pub(super) place: Place,
    pub(super) order: Option<Order>,
    pub(super) time: Option<TimePart>,
    pub(super) cased: bool,
    pub(super) all: bool,
    pub(super) neq: bool,
}

impl Modifiers {
    /// Reads `contains|all`; unknown words and combinations without meaning are refused.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut found = Self {
            changes: Vec::new(),
            kind: Kind::Plain,
            place: Place::Whole,
            order: None,
            time: None,
            cased: false,
            all: false,
            neq: false,
        };
        for word in text.split('|').filter(|word| !word.is_empty()) {
            found.take(word)?;
        }
        found.check()?;
        Ok(found)
    }

    fn take(&mut self, word: &str) -> Result<(), Refusal> {
        if let Some(change) = change(word) {
            self.changes.push(change);
        } else if let Some(order) = order(word) {
            self.order = Some(order);
        } else if let Some(time) = time(word) {
            self.time = Some(time);
        } else {
            self.take_other(word)?;
        }
        Ok(())
    }

    fn take_other(&mut self, word: &str) -> Result<(), Refusal> {
        match (word, &mut self.kind) {
            ("contains", _) => self.place = Place::Within,
            ("startswith", _) => self.place = Place::Start,
            ("endswith", _) => self.place = Place::End,
            ("all", _) => self.all = true,
            ("cased", _) => self.cased = true,
            ("neq", _) => self.neq = true,
            ("re", kind) => {
                *kind = Kind::Regex {
                    ignore_case: false,
                    multi_line: false,
                    dot_all: false,
                };
            }
            ("cidr", kind) => *kind = Kind::Cidr,
            ("exists", kind) => *kind = Kind::Exists,
            ("fieldref", kind) => *kind = Kind::FieldRef,
            ("i", Kind::Regex { ignore_case, .. }) => *ignore_case = true,
            ("m", Kind::Regex { multi_line, .. }) => *multi_line = true,
            ("s", Kind::Regex { dot_all, .. }) => *dot_all = true,
            _ => return Err(Refusal::unsupported(format!("modifier `{word}`"))),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Refusal> {
        let placed = self.place != Place::Whole;
        let sized = self.order.is_some() || self.time.is_some();
        let special = matches!(self.kind, Kind::Regex { .. } | Kind::Cidr | Kind::Exists);
        let clash = match self.kind {
            Kind::Plain => sized && (placed || self.cased || !self.changes.is_empty()),
            Kind::FieldRef => sized || !self.changes.is_empty(),
            Kind::Regex { .. } | Kind::Cidr | Kind::Exists => {
                let only_expand = self.changes.iter().all(|change| *change == Change::Expand);
                sized || placed || self.cased || !only_expand
            }
        };
        if clash || (special && self.kind == Kind::Exists && self.all) {
            return Err(Refusal::faulty("these modifiers mean nothing together"));
        }
        Ok(())
    }
}

fn change(word: &str) -> Option<Change> {
    Some(match word {
        "wide" | "utf16le" => Change::Utf16Le,
        "utf16be" => Change::Utf16Be,
        "utf16" => Change::Utf16,
        "base64" => Change::Base64,
        "base64offset" => Change::Base64Offset,
        "windash" => Change::Windash,
        "expand" => Change::Expand,
        _ => return None,
    })
}

fn order(word: &str) -> Option<Order> {
    Some(match word {
        "lt" => Order::Less,
        "lte" => Order::AtMost,
        "gt" => Order::More,
        "gte" => Order::AtLeast,
        _ => return None,
    })
}

fn time(word: &str) -> Option<TimePart> {
    Some(match word {
        "minute" => TimePart::Minute,
        "hour" => TimePart::Hour,
        "day" => TimePart::Day,
        "week" => TimePart::Week,
        "month" => TimePart::Month,
        "year" => TimePart::Year,
        _ => return None,
    })
}
