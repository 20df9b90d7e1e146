//! Patterns of policies: `*`, `?` and policy variables.
//!
//! Facts: IAM User Guide, "IAM policy elements: Variables and tags" (variables need the version
//! 2012-10-17; `${*}`, `${?}` and `${$}` are the characters themselves; a default may follow a
//! comma) and "IAM JSON policy elements: Resource" (missing fields of a name count as `*`).

use std::borrow::Cow;

use crate::ask::Ask;
use crate::context::Value;
use crate::truth::Truth;

/// One piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Char(char),
    One,
    Any,
    Variable {
        key: String,
        default: Option<String>,
    },
}

/// How a text of a policy is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Whether `${…}` is a variable: the policy's version says.
    pub(crate) variables: bool,
    /// Whether `*` and `?` stand for other characters.
    pub(crate) wildcards: bool,
}

/// A text of a policy, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    pieces: Vec<Piece>,
    has_variables: bool,
}

/// A pattern whose variables were looked up.
pub(crate) enum Filled<'a> {
    Known(Cow<'a, [Piece]>),
    /// The request has no such key: what uses the variable does not match.
    Absent,
    /// Whether the request has the key is not known, or not its value.
    Unknown(&'a str),
}

impl Pattern {
    pub(crate) fn parse(text: &str, reading: Reading) -> Self {
        let mut pieces = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(char) = rest.chars().next() {
            let variable = if reading.variables {
                variable(rest)
            } else {
                None
            };
            if let Some((piece, after)) = variable {
                pieces.push(piece);
                rest = after;
                continue;
            }
            pieces.push(match char {
                '*' if reading.wildcards => Piece::Any,
                '?' if reading.wildcards => Piece::One,
                _ => Piece::Char(char),
            });
            rest = &rest[char.len_utf8()..];
        }
        let has_variables = pieces.iter().any(|p| matches!(p, Piece::Variable { .. }));
        Self {
            pieces,
            has_variables,
        }
    }

    /// With `*` and `?`, without variables, in lower case: what names of actions are matched by.
    pub(crate) fn action(text: &str) -> Self {
        let reading = Reading {
            variables: false,
            wildcards: true,
        };
        Self::parse(&text.to_ascii_lowercase(), reading)
    }

    /// Looks up the variables; values are put in as plain characters.
    pub(crate) fn fill(&self, ask: &Ask<'_>) -> Filled<'_> {
        if !self.has_variables {
            return Filled::Known(Cow::Borrowed(&self.pieces));
        }
        let mut filled = Vec::new();
        for piece in &self.pieces {
            let Piece::Variable { key, default } = piece else {
                filled.push(piece.clone());
                continue;
            };
            match (ask.value(key), default) {
                (Value::Known(values), _) if values.len() == 1 => {
                    filled.extend(values[0].chars().map(Piece::Char));
                }
                (Value::Absent, Some(default)) => filled.extend(default.chars().map(Piece::Char)),
                (Value::Absent, None) => return Filled::Absent,
                // Keys of several values cannot be variables.
                (Value::Known(_) | Value::Unknown, _) => return Filled::Unknown(key),
            }
        }
        Filled::Known(Cow::Owned(filled))
    }

    /// Whether it is this text and no more, whatever its case.
    pub(crate) fn is_text_ignoring_case(&self, wanted: &str) -> bool {
        !self.has_variables && text(&self.pieces).eq_ignore_ascii_case(wanted)
    }

    /// Whether an action's name, in lower case, matches.
    pub(crate) fn matches_action(&self, action: &str) -> bool {
        matches(&self.pieces, action)
    }
}

/// Reads `${…}` at the start of the text; what is never closed is plain text.
fn variable(text: &str) -> Option<(Piece, &str)> {
    let inner = text.strip_prefix("${")?;
    let (body, rest) = inner.split_once('}')?;
    let piece = match body {
        "*" | "?" | "$" => Piece::Char(body.chars().next()?),
        _ => {
            let (key, default) = match body.split_once(',') {
                Some((key, default)) => (key, Some(unquoted(default.trim()).to_owned())),
                None => (body, None),
            };
            Piece::Variable {
                key: key.trim().to_ascii_lowercase(),
                default,
            }
        }
    };
    Some((piece, rest))
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('\'')
        .and_then(|t| t.strip_suffix('\''))
        .unwrap_or(text)
}

/// Whether the whole text matches. Linear but for the last star.
pub(crate) fn matches(pattern: &[Piece], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // The last star seen, and up to where it has eaten the text.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(Piece::Any) => {
                star = Some((p, t));
                p += 1;
            }
            Some(Piece::One) => (p, t) = (p + 1, t + 1),
            Some(Piece::Char(c)) if *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((at, eaten)) = star else {
                    return false;
                };
                (p, t) = (at + 1, eaten + 1);
                star = Some((at, eaten + 1));
            }
        }
    }
    pattern[p..].iter().all(|piece| *piece == Piece::Any)
}

/// Whether a resource's name matches. Where a star would have to reach over a `:` before the
/// last field, the guide and services differ in words: that is not decided.
pub(crate) fn matches_resource(pattern: &[Piece], resource: &str) -> Truth {
    if !pattern.is_empty() && pattern.iter().all(|piece| *piece == Piece::Any) {
        return Truth::Yes;
    }
    let whole = completed(pattern);
    match (matches(&whole, resource), matches_fields(&whole, resource)) {
        (_, true) => Truth::Yes,
        (true, false) => Truth::Maybe,
        (false, false) => Truth::No,
    }
}

/// Whether each of the six fields matches by itself (`ArnLike`).
pub(crate) fn matches_fields(pattern: &[Piece], text: &str) -> bool {
    let patterns: Vec<&[Piece]> = pattern.splitn(6, |p| *p == Piece::Char(':')).collect();
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    patterns.len() == fields.len() && patterns.iter().zip(fields).all(|(p, f)| matches(p, f))
}

/// Adds the fields that an incomplete name leaves out.
fn completed(pattern: &[Piece]) -> Cow<'_, [Piece]> {
    let colons = pattern.iter().filter(|p| **p == Piece::Char(':')).count();
    if colons >= 5 {
        return Cow::Borrowed(pattern);
    }
    let mut whole = pattern.to_vec();
    for _ in colons..5 {
        whole.extend([Piece::Char(':'), Piece::Any]);
    }
    Cow::Owned(whole)
}

/// The text of a filled pattern.
pub(crate) fn text(pieces: &[Piece]) -> String {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Char(c) => *c,
            Piece::One => '?',
            Piece::Any | Piece::Variable { .. } => '*',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Piece> {
        let reading = Reading {
            variables: true,
            wildcards: true,
        };
        Pattern::parse(text, reading).pieces
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("a?c*", "abc", true),
            ("*a*b*", "xxaxxbxx", true),
            ("${*}", "*", true),
            ("${*}", "x", false),
            ("${$}{", "${", true),
            ("é*", "éa", true),
            ("${open", "${open", true),
        ] {
            assert_eq!(matches(&read(pattern), text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_cost_little() {
        let (pattern, text) = (read(&"a*".repeat(500)), "a".repeat(20_000));
        assert!(matches(&pattern, &text));
        let ends_in_b = read(&format!("{}b", "a*".repeat(500)));
        assert!(!matches(&ends_in_b, &text));
    }

    #[test]
    fn a_star_over_a_colon_is_not_decided() {
        let says = |pattern: &str| matches_resource(&read(pattern), "arn:aws:s3:::bucket/a:b");
        assert_eq!(says("*"), Truth::Yes);
        assert_eq!(says("arn:aws:s3:::bucket/*"), Truth::Yes);
        assert_eq!(says("arn:aws:s3:*"), Truth::Yes);
        assert_eq!(says("arn:*bucket/a:*:x:y:b"), Truth::No);
        assert_eq!(says("arn:aws*:::bucket/*:*"), Truth::Maybe);
        assert_eq!(says("arn:aws:sns:*"), Truth::No);
    }

    #[test]
    fn variables_have_defaults() {
        let [Piece::Variable { key, default }] = &read("${aws:PrincipalTag/Team, 'red'}")[..]
        else {
            panic!("one variable");
        };
        assert_eq!(
            (key.as_str(), default.as_deref()),
            ("aws:principaltag/team", Some("red"))
        );
    }
}
