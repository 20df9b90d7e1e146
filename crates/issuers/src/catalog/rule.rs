//! What an answer means: ordered rules over status and body.

use std::str::FromStr;

use relatch_case::FaultKind;
use relatch_case::model::Liveness;
use serde::Deserialize;
use serde_json::Value;

/// A status, or a class of them: `401`, `5xx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Status {
    low: u16,
    high: u16,
}

impl Status {
    /// Whether `code` is meant.
    pub fn matches(self, code: u16) -> bool {
        (self.low..=self.high).contains(&code)
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is no status: write it as \"401\" or \"5xx\"");
        let number = text
            .replacen("xx", "00", 1)
            .parse::<u16>()
            .map_err(|_| wrong())?;
        if text.len() != 3 || !(100..600).contains(&number) {
            return Err(wrong());
        }
        let width = if text.ends_with("xx") { 99 } else { 0 };
        Ok(Self {
            low: number,
            high: number + width,
        })
    }
}

impl TryFrom<String> for Status {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// A condition on a JSON body. All that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Where in the body, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// The text there is one of these. Numbers and booleans are compared as text.
    #[serde(default)]
    pub equals: Vec<String>,
    /// The text there contains one of these, whatever the case of the letters.
    #[serde(default)]
    pub contains: Vec<String>,
    /// Something stands there, and it is not null.
    #[serde(default)]
    pub present: bool,
}

impl Condition {
    /// Whether the body fulfils it. A body that is no JSON fulfils nothing.
    pub fn holds(&self, body: Option<&Value>) -> bool {
        let found = body
            .and_then(|body| body.pointer(&self.pointer))
            .filter(|v| !v.is_null());
        let Some(found) = found else { return false };
        let text = scalar(found);
        let equal = |text: &str| self.equals.iter().any(|one| one == text);
        let contained = |text: &str| {
            let text = text.to_lowercase();
            self.contains
                .iter()
                .any(|part| text.contains(&part.to_lowercase()))
        };
        (self.equals.is_empty() || text.as_deref().is_some_and(equal))
            && (self.contains.is_empty() || text.as_deref().is_some_and(contained))
    }
}

/// The text of a string, number or boolean; `None` for anything else.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What an answer to a call means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// What was asked for is so, by this call or before it.
    Done,
    /// See [`FaultKind::Denied`].
    Denied,
    /// See [`FaultKind::NotFound`].
    NotFound,
    /// See [`FaultKind::Conflict`].
    Conflict,
    /// See [`FaultKind::SlotsFull`].
    SlotsFull,
    /// See [`FaultKind::Throttled`].
    Throttled,
    /// See [`FaultKind::Invalid`].
    Invalid,
    /// See [`FaultKind::Ambiguous`].
    Ambiguous,
}

impl Meaning {
    /// The kind of failure, or `None` for success.
    pub fn fault(self) -> Option<FaultKind> {
        Some(match self {
            Self::Done => return None,
            Self::Denied => FaultKind::Denied,
            Self::NotFound => FaultKind::NotFound,
            Self::Conflict => FaultKind::Conflict,
            Self::SlotsFull => FaultKind::SlotsFull,
            Self::Throttled => FaultKind::Throttled,
            Self::Invalid => FaultKind::Invalid,
            Self::Ambiguous => FaultKind::Ambiguous,
        })
    }
}

/// One meaning of an answer to a call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerRule {
    /// For these statuses,
    pub status: Vec<Status>,
    /// when all of these hold,
    #[serde(default)]
    pub when: Vec<Condition>,
    /// it means this.
    pub means: Meaning,
    /// What to tell a person besides.
    #[serde(default)]
    pub say: Option<String>,
}

/// One meaning of an answer to a presented key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeRule {
    /// For these statuses,
    pub status: Vec<Status>,
    /// when all of these hold,
    #[serde(default)]
    pub when: Vec<Condition>,
    /// the key is this,
    pub liveness: Liveness,
    /// which in words is so.
    pub answer: String,
}

/// The first rule that fits an answer to a call.
pub(crate) fn meaning<'a>(
    rules: impl IntoIterator<Item = &'a AnswerRule>,
    status: u16,
    body: Option<&Value>,
) -> Option<&'a AnswerRule> {
    rules
        .into_iter()
        .find(|rule| fits(&rule.status, &rule.when, status, body))
}

/// The first rule that fits an answer to a presented key. No rule: unknown.
pub(crate) fn tell<'a>(
    rules: &'a [ProbeRule],
    status: u16,
    body: Option<&Value>,
) -> Option<&'a ProbeRule> {
    rules
        .iter()
        .find(|rule| fits(&rule.status, &rule.when, status, body))
}

fn fits(statuses: &[Status], when: &[Condition], status: u16, body: Option<&Value>) -> bool {
    statuses.iter().any(|one| one.matches(status)) && when.iter().all(|one| one.holds(body))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(pointer: &str) -> Condition {
        Condition {
            pointer: pointer.into(),
            equals: vec![],
            contains: vec![],
            present: true,
        }
    }

    #[test]
    fn statuses_and_their_classes() {
        let server: Status = "5xx".parse().expect("a class");
        assert!(server.matches(500) && server.matches(529) && !server.matches(499));
        let one: Status = "401".parse().expect("a status");
        assert!(one.matches(401) && !one.matches(402));
        for wrong in ["", "40", "4x1", "xx4", "999", "4xxx", "0xx"] {
            assert!(wrong.parse::<Status>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn conditions_need_what_they_name() {
        let body = json!({"error": {"code": "a", "n": 3, "none": null, "message": "IP Not Ok"}});
        assert!(condition("/error").holds(Some(&body)));
        assert!(!condition("/error/none").holds(Some(&body)));
        assert!(!condition("/error").holds(None));
        let equals = Condition {
            equals: vec!["3".into()],
            ..condition("/error/n")
        };
        assert!(equals.holds(Some(&body)));
        let object = Condition {
            equals: vec!["a".into()],
            ..condition("/error")
        };
        assert!(!object.holds(Some(&body)));
        let contains = Condition {
            contains: vec!["ip not".into()],
            ..condition("/error/message")
        };
        assert!(contains.holds(Some(&body)));
    }
}
