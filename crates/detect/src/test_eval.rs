//! Whether one test holds for one event.

use std::borrow::Cow;
use std::ops::ControlFlow;

use crate::ast::{FieldRef, Matcher, Number, Order, Place, Test, TimePart};
use crate::event::{Event, Value};

/// Holds when one value fits one matcher, or the absence of any value does.
pub(crate) fn holds(test: &Test, event: &dyn Event) -> bool {
    let (mut seen, mut fit) = (false, false);
    event.visit(&test.path, &mut |value| {
        seen = true;
        fit = test
            .matchers
            .iter()
            .any(|matcher| fits(matcher, &value, Some(event)));
        if fit {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    fit || (!seen && absent(test))
}

/// Whether the test holds for an event that has no such field.
pub(crate) fn absent(test: &Test) -> bool {
    test.matchers
        .iter()
        .any(|matcher| matches!(matcher, Matcher::Null | Matcher::Exists(false)))
}

/// Whether the test holds for an event whose only value at the path is this text.
pub(crate) fn holds_for_text(test: &Test, text: &str) -> bool {
    let value = Value::Text(Cow::Borrowed(text));
    test.matchers
        .iter()
        .any(|matcher| fits(matcher, &value, None))
}

/// Whether one of the matchers fits a scalar anywhere.
pub(crate) fn word(matchers: &[Matcher], event: &dyn Event) -> bool {
    let mut fit = false;
    event.visit_all(&mut |value| {
        fit = matchers
            .iter()
            .any(|matcher| fits(matcher, &value, Some(event)));
        if fit {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    fit
}

fn fits(matcher: &Matcher, value: &Value<'_>, event: Option<&dyn Event>) -> bool {
    match matcher {
        Matcher::Null => *value == Value::Null,
        Matcher::Exists(there) => *there,
        Matcher::Text(pattern) => text(value).is_some_and(|text| pattern.matches(&text)),
        Matcher::Regex(regex) => text(value).is_some_and(|text| regex.is_match(&text)),
        Matcher::Cidr(cidr) => text(value).is_some_and(|text| cidr.contains(&text)),
        Matcher::Bool(wanted) => match value {
            Value::Bool(there) => there == wanted,
            Value::Text(text) => text.eq_ignore_ascii_case(if *wanted { "true" } else { "false" }),
            _ => false,
        },
        Matcher::Number(wanted) => compare(Order::Same, *wanted, value),
        Matcher::Compare(order, wanted) => compare(*order, *wanted, value),
        Matcher::Time(part, order, wanted) => text(value)
            .and_then(|text| time(*part, &text))
            .is_some_and(|there| order.holds(&there, wanted)),
        Matcher::Field(other) => event.is_some_and(|event| field(other, value, event)),
    }
}

/// A value as text patterns see it; null is no text.
pub(crate) fn text<'v>(value: &'v Value<'_>) -> Option<Cow<'v, str>> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
        Value::Int(value) => Cow::Owned(value.to_string()),
        Value::Float(value) => Cow::Owned(value.to_string()),
        Value::Text(text) | Value::Json(text) => Cow::Borrowed(text),
    })
}

/// Whole numbers are compared exactly, others by size. Text counts as the number it spells.
fn compare(order: Order, wanted: Number, value: &Value<'_>) -> bool {
    let there = match value {
        Value::Int(value) => Number::Int(*value),
        Value::Float(value) => Number::Float(*value),
        Value::Text(text) => match (text.parse(), text.parse::<f64>()) {
            (Ok(whole), _) => Number::Int(whole),
            (_, Ok(size)) if size.is_finite() => Number::Float(size),
            _ => return false,
        },
        _ => return false,
    };
    match (there, wanted) {
        (Number::Int(there), Number::Int(wanted)) => order.holds(&there, &wanted),
        (there, wanted) => order.holds(&there.size(), &wanted.size()),
    }
}

fn time(part: TimePart, text: &str) -> Option<i64> {
    let at: jiff::Timestamp = text.parse().ok()?;
    let at = at.to_zoned(jiff::tz::TimeZone::UTC);
    Some(match part {
        TimePart::Minute => at.minute().into(),
        TimePart::Hour => at.hour().into(),
        TimePart::Day => at.day().into(),
        TimePart::Week => at.date().iso_week_date().week().into(),
        TimePart::Month => at.month().into(),
        TimePart::Year => at.year().into(),
    })
}

fn field(other: &FieldRef, value: &Value<'_>, event: &dyn Event) -> bool {
    let fold = |text: Cow<'_, str>| {
        if other.cased {
            text.into_owned()
        } else {
            text.to_lowercase()
        }
    };
    let Some(this) = text(value).map(fold) else {
        return false;
    };
    let mut fit = false;
    event.visit(&other.path, &mut |value| {
        let that = text(&value).map(fold);
        fit = that.is_some_and(|that| match other.place {
            Place::Whole => this == that,
            Place::Start => this.starts_with(&that),
            Place::End => this.ends_with(&that),
            Place::Within => this.contains(&that),
        });
        if fit {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    fit
}
