//! Conditions, in three truth values.
//!
//! Facts: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Set operators
//! for multivalued context keys".

use crate::ask::Ask;
use crate::compare::{Order, Test};
use crate::context::Value;
use crate::pattern::{Filled, Pattern, Reading};
use crate::truth::Truth;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    All,
    Any,
}

/// One operator on one key.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    /// As written, for messages.
    key: String,
    /// In lower case.
    lower: String,
    set: Option<Set>,
    if_exists: bool,
    /// `None`: `Null`.
    test: Option<Test>,
    negated: bool,
    values: Vec<Pattern>,
}

impl Condition {
    pub(crate) fn new(
        operator: &str,
        key: &str,
        values: &[&str],
        variables: bool,
    ) -> Result<Self, String> {
        let lower = operator.to_ascii_lowercase();
        let (set, rest) = match lower.split_once(':') {
            Some(("forallvalues", rest)) => (Some(Set::All), rest),
            Some(("foranyvalue", rest)) => (Some(Set::Any), rest),
            Some(_) => return Err(format!("has the unknown condition {operator:?}")),
            None => (None, lower.as_str()),
        };
        let (name, if_exists) = match rest.strip_suffix("ifexists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let (test, negated) =
            test(name).ok_or_else(|| format!("has the unknown condition {operator:?}"))?;
        let reading = Reading {
            variables,
            wildcards: matches!(test, Some(Test::Like | Test::Arn)),
        };
        let values = values.iter().map(|v| Pattern::parse(v, reading)).collect();
        Ok(Self {
            key: key.to_owned(),
            lower: key.to_ascii_lowercase(),
            set,
            if_exists,
            test,
            negated,
            values,
        })
    }

    /// Whether it holds; what is not known is told in words.
    pub(crate) fn holds(&self, ask: &Ask<'_>) -> (Truth, Option<String>) {
        let value = ask.value(&self.lower);
        let truth = match (self.test, &value) {
            (_, Value::Unknown) => Truth::Maybe,
            (None, value) => self.is_null(*value == Value::Absent),
            (Some(_), Value::Absent) => self.without_key(),
            (Some(test), Value::Known(values)) => self.over(test, values, ask),
        };
        let why = (truth == Truth::Maybe).then(|| match value {
            Value::Unknown => format!("{} is not known", self.key),
            _ => format!("the condition on {} is not decided", self.key),
        });
        (truth, why)
    }

    fn is_null(&self, absent: bool) -> Truth {
        let spelt = if absent { "true" } else { "false" };
        let is = |pattern: &Pattern| pattern.is_text_ignoring_case(spelt);
        Truth::from(self.values.iter().any(is))
    }

    fn without_key(&self) -> Truth {
        Truth::from(match self.set {
            _ if self.if_exists => true,
            Some(Set::All) => true,
            Some(Set::Any) => false,
            None => self.negated,
        })
    }

    fn over(&self, test: Test, values: &[String], ask: &Ask<'_>) -> Truth {
        let each = values.iter().map(|value| self.one(test, value, ask));
        match self.set {
            Some(Set::All) => Truth::all(each),
            Some(Set::Any) => Truth::any(each),
            None => agreed(each),
        }
    }

    fn one(&self, test: Test, found: &str, ask: &Ask<'_>) -> Truth {
        let any = Truth::any(self.values.iter().map(|pattern| match pattern.fill(ask) {
            Filled::Known(pieces) => test.holds(&pieces, found),
            // The guide says that the statement does not match; what a negation makes of it
            // is not said.
            Filled::Absent if !self.negated => Truth::No,
            Filled::Absent | Filled::Unknown(_) => Truth::Maybe,
        }));
        if self.negated { !any } else { any }
    }
}

/// Several values under an operator for one: decided only if all agree.
fn agreed(mut each: impl Iterator<Item = Truth>) -> Truth {
    let first = each.next().unwrap_or(Truth::Maybe);
    if each.all(|truth| truth == first) {
        first
    } else {
        Truth::Maybe
    }
}

fn test(name: &str) -> Option<(Option<Test>, bool)> {
    let (test, negated) = match name {
        "stringequals" => (Test::Equal, false),
        "stringnotequals" => (Test::Equal, true),
        "stringequalsignorecase" => (Test::EqualIgnoringCase, false),
        "stringnotequalsignorecase" => (Test::EqualIgnoringCase, true),
        "stringlike" => (Test::Like, false),
        "stringnotlike" => (Test::Like, true),
        "numericequals" => (Test::Number(Order::Equal), false),
        "numericnotequals" => (Test::Number(Order::Equal), true),
        "numericlessthan" => (Test::Number(Order::Less), false),
        "numericlessthanequals" => (Test::Number(Order::LessOrEqual), false),
        "numericgreaterthan" => (Test::Number(Order::Greater), false),
        "numericgreaterthanequals" => (Test::Number(Order::GreaterOrEqual), false),
        "dateequals" => (Test::Date(Order::Equal), false),
        "datenotequals" => (Test::Date(Order::Equal), true),
        "datelessthan" => (Test::Date(Order::Less), false),
        "datelessthanequals" => (Test::Date(Order::LessOrEqual), false),
        "dategreaterthan" => (Test::Date(Order::Greater), false),
        "dategreaterthanequals" => (Test::Date(Order::GreaterOrEqual), false),
        "bool" => (Test::Bool, false),
        "binaryequals" => (Test::Binary, false),
        "ipaddress" => (Test::Ip, false),
        "notipaddress" => (Test::Ip, true),
        "arnequals" | "arnlike" => (Test::Arn, false),
        "arnnotequals" | "arnnotlike" => (Test::Arn, true),
        "null" => return Some((None, false)),
        _ => return None,
    };
    Some((Some(test), negated))
}
