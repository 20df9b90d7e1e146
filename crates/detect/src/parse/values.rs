//! One value of a rule, with the modifiers of its key, as matchers.

use regex::RegexBuilder;

use super::Refusal;
use super::encode::{base64, base64_offsets, utf16, windash};
use super::modifiers::{Change, Kind, Modifiers};
use crate::ast::{Cidr, FieldRef, Matcher, Number, Order, Path, Place};
use crate::load::Placeholders;
use crate::pattern::{Part, Pattern};
use crate::yaml::Yaml;

/// Bounds of one regular expression, and how many of them a file may have.
const MOST_REGEX_BYTES: usize = 1 << 18;
const MOST_REGEX_LENGTH: usize = 4096;
const MOST_REGEXES: usize = 200;
/// How many values a placeholder may come to in one file.
const MOST_EXPANDED: usize = 10_000;

/// What a file may still use up.
pub(crate) struct Limits<'p> {
    placeholders: &'p Placeholders,
    regexes: usize,
    expanded: usize,
}

impl<'p> Limits<'p> {
    pub(crate) fn new(placeholders: &'p Placeholders) -> Self {
        Self {
            placeholders,
            regexes: MOST_REGEXES,
            expanded: MOST_EXPANDED,
        }
    }
}

/// The matchers that one value comes to; one of them must fit.
pub(super) fn matchers(
    value: &Yaml,
    modifiers: &Modifiers,
    limits: &mut Limits<'_>,
) -> Result<Vec<Matcher>, Refusal> {
    if modifiers.changes.contains(&Change::Expand) {
        return expanded(value, modifiers, limits);
    }
    match modifiers.kind {
        Kind::Exists => exists(value).map(|matcher| vec![matcher]),
        Kind::Regex { .. } => regex(value, modifiers, limits).map(|matcher| vec![matcher]),
        Kind::Cidr => cidr(value).map(|matcher| vec![matcher]),
        Kind::FieldRef => field_ref(value, modifiers).map(|matcher| vec![matcher]),
        Kind::Plain if modifiers.order.is_some() || modifiers.time.is_some() => {
            sized(value, modifiers).map(|matcher| vec![matcher])
        }
        Kind::Plain => plain(value, modifiers),
    }
}

fn plain(value: &Yaml, modifiers: &Modifiers) -> Result<Vec<Matcher>, Refusal> {
    let bare = modifiers.place == Place::Whole && modifiers.changes.is_empty();
    match value {
        Yaml::List(_) | Yaml::Map(_) => Err(wrong(value, "text, a number or a boolean")),
        Yaml::Null if bare => Ok(vec![Matcher::Null]),
        Yaml::Null => Err(wrong(value, "text")),
        Yaml::Bool(value) if bare => Ok(vec![Matcher::Bool(*value)]),
        Yaml::Int(value) if bare => Ok(vec![Matcher::Number(Number::Int(*value))]),
        Yaml::Float(value) if bare => Ok(vec![Matcher::Number(Number::Float(*value))]),
        scalar => {
            let parts = wildcards(&scalar.text().unwrap_or_default());
            let spelled = change(parts, &modifiers.changes)?;
            let pattern = |parts| {
                Matcher::Text(Pattern::new(
                    placed(parts, modifiers.place),
                    modifiers.cased,
                ))
            };
            Ok(spelled.into_iter().map(pattern).collect())
        }
    }
}

fn wrong(value: &Yaml, wanted: &str) -> Refusal {
    Refusal::faulty(format!("the value is {}, not {wanted}", value.kind()))
}

fn placed(mut parts: Vec<Part>, place: Place) -> Vec<Part> {
    if matches!(place, Place::Within | Place::End) {
        parts.insert(0, Part::Any);
    }
    if matches!(place, Place::Within | Place::Start) {
        parts.push(Part::Any);
    }
    parts
}

/// Splits at `*` and `?`. A backslash makes the next `*`, `?` or backslash plain.
fn wildcards(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let wild = match c {
            '*' => Part::Any,
            '?' => Part::One,
            '\\' => {
                literal.push(
                    chars
                        .next_if(|next| matches!(next, '*' | '?' | '\\'))
                        .unwrap_or('\\'),
                );
                continue;
            }
            c => {
                literal.push(c);
                continue;
            }
        };
        parts.push(Part::Text(std::mem::take(&mut literal)));
        parts.push(wild);
    }
    parts.push(Part::Text(literal));
    parts
}

/// A value while it is changed: text with wildcards, or bytes.
enum Spelling {
    Parts(Vec<Part>),
    Bytes(Vec<u8>),
}

fn change(parts: Vec<Part>, changes: &[Change]) -> Result<Vec<Vec<Part>>, Refusal> {
    let mut all = vec![Spelling::Parts(parts)];
    for change in changes {
        let mut next = Vec::new();
        for one in all {
            apply(one, *change, &mut next)?;
        }
        all = next;
    }
    all.into_iter().map(finished).collect()
}

fn apply(one: Spelling, change: Change, out: &mut Vec<Spelling>) -> Result<(), Refusal> {
    let text = |text: String| Spelling::Parts(vec![Part::Text(text)]);
    match change {
        Change::Utf16Le | Change::Utf16Be | Change::Utf16 => {
            out.push(Spelling::Bytes(utf16(&literal(&one)?, change)));
        }
        Change::Base64 => out.push(text(base64(&bytes(one)?))),
        Change::Base64Offset => out.extend(base64_offsets(&bytes(one)?)?.into_iter().map(text)),
        Change::Windash => out.extend(windash(&literal(&one)?)?.into_iter().map(text)),
        Change::Expand => out.push(one),
    }
    Ok(())
}

fn literal(one: &Spelling) -> Result<String, Refusal> {
    let Spelling::Parts(parts) = one else {
        return Err(Refusal::faulty(
            "a UTF-16 value cannot be changed like text",
        ));
    };
    let text = parts.iter().map(|part| match part {
        Part::Text(text) => Ok(text.as_str()),
        Part::Any | Part::One => Err(Refusal::unsupported(
            "a wildcard in a value that is encoded",
        )),
    });
    text.collect()
}

fn bytes(one: Spelling) -> Result<Vec<u8>, Refusal> {
    match one {
        Spelling::Bytes(bytes) => Ok(bytes),
        parts @ Spelling::Parts(_) => literal(&parts).map(String::into_bytes),
    }
}

fn finished(one: Spelling) -> Result<Vec<Part>, Refusal> {
    match one {
        Spelling::Parts(parts) => Ok(parts),
        Spelling::Bytes(bytes) => String::from_utf8(bytes)
            .map(|text| vec![Part::Text(text)])
            .map_err(|_| Refusal::unsupported("a UTF-16 value that is not put into Base64")),
    }
}

fn exists(value: &Yaml) -> Result<Matcher, Refusal> {
    match value.text().map(|text| text.to_lowercase()).as_deref() {
        Some("true" | "yes") => Ok(Matcher::Exists(true)),
        Some("false" | "no") => Ok(Matcher::Exists(false)),
        _ => Err(wrong(value, "true or false")),
    }
}

fn regex(value: &Yaml, modifiers: &Modifiers, limits: &mut Limits<'_>) -> Result<Matcher, Refusal> {
    let Kind::Regex {
        ignore_case,
        multi_line,
        dot_all,
    } = modifiers.kind
    else {
        return Err(wrong(value, "a regular expression"));
    };
    let text = value
        .text()
        .ok_or_else(|| wrong(value, "a regular expression"))?;
    if text.len() > MOST_REGEX_LENGTH || limits.regexes == 0 {
        return Err(Refusal::faulty("too long or too many regular expressions"));
    }
    limits.regexes -= 1;
    let built = RegexBuilder::new(&text)
        .case_insensitive(ignore_case)
        .multi_line(multi_line)
        .dot_matches_new_line(dot_all)
        .size_limit(MOST_REGEX_BYTES)
        .dfa_size_limit(MOST_REGEX_BYTES)
        .nest_limit(50)
        .build();
    let line = |error: regex::Error| {
        error
            .to_string()
            .lines()
            .last()
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    built.map(Matcher::Regex).map_err(|error| {
        Refusal::unsupported(format!(
            "a regular expression that cannot be used: {}",
            line(error)
        ))
    })
}

fn cidr(value: &Yaml) -> Result<Matcher, Refusal> {
    let network = value.text().and_then(|text| Cidr::parse(&text));
    network
        .map(Matcher::Cidr)
        .ok_or_else(|| wrong(value, "a network such as 10.0.0.0/8"))
}

fn field_ref(value: &Yaml, modifiers: &Modifiers) -> Result<Matcher, Refusal> {
    let name = value.text().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| wrong(value, "the name of a field"))?;
    let path = Path::new(&name);
    Ok(Matcher::Field(FieldRef {
        path,
        place: modifiers.place,
        cased: modifiers.cased,
    }))
}

fn sized(value: &Yaml, modifiers: &Modifiers) -> Result<Matcher, Refusal> {
    let number = match value {
        Yaml::Int(value) => Number::Int(*value),
        Yaml::Float(value) => Number::Float(*value),
        Yaml::Text(text) => match (text.parse(), text.parse()) {
            (Ok(whole), _) => Number::Int(whole),
            (_, Ok(size)) => Number::Float(size),
            _ => return Err(wrong(value, "a number")),
        },
        _ => return Err(wrong(value, "a number")),
    };
    let order = modifiers.order.unwrap_or(Order::Same);
    match (modifiers.time, number) {
        (Some(part), Number::Int(wanted)) => Ok(Matcher::Time(part, order, wanted)),
        (Some(_), Number::Float(_)) => Err(wrong(value, "a whole number")),
        (None, number) => Ok(Matcher::Compare(order, number)),
    }
}

/// `%name%` stands for each of the values that the caller gave for the name.
fn expanded(
    value: &Yaml,
    modifiers: &Modifiers,
    limits: &mut Limits<'_>,
) -> Result<Vec<Matcher>, Refusal> {
    let text = value.text().ok_or_else(|| wrong(value, "text"))?;
    let mut plain = modifiers.clone();
    plain.changes.retain(|change| *change != Change::Expand);
    let mut all = Vec::new();
    for text in fill(&text, limits)? {
        all.extend(matchers(&Yaml::Text(text), &plain, limits)?);
    }
    Ok(all)
}

fn fill(text: &str, limits: &mut Limits<'_>) -> Result<Vec<String>, Refusal> {
    let mut all = vec![String::new()];
    let mut rest = text;
    while let Some(at) = rest.find(['%', '\\']) {
        let (before, after) = rest.split_at(at);
        for one in &mut all {
            one.push_str(before);
        }
        if let Some(plain) = after.strip_prefix("\\%") {
            for one in &mut all {
                one.push('%');
            }
            rest = plain;
        } else if let Some((name, behind)) = after.strip_prefix('%').and_then(|a| a.split_once('%'))
        {
            all = filled(&all, name, limits)?;
            rest = behind;
        } else {
            for one in &mut all {
                one.push_str(&after[..1]);
            }
            rest = &after[1..];
        }
    }
    for one in &mut all {
        one.push_str(rest);
    }
    Ok(all)
}

fn filled(all: &[String], name: &str, limits: &mut Limits<'_>) -> Result<Vec<String>, Refusal> {
    let values = limits
        .placeholders
        .get(name)
        .filter(|values| !values.is_empty());
    let values = values
        .ok_or_else(|| Refusal::unsupported(format!("placeholder %{name}% has no values")))?;
    let count = all.len().saturating_mul(values.len());
    limits.expanded = limits
        .expanded
        .checked_sub(count)
        .ok_or_else(|| Refusal::faulty("placeholders come to too many values"))?;
    Ok(all
        .iter()
        .flat_map(|one| values.iter().map(move |value| format!("{one}{value}")))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_and_escapes() {
        let is = |text: &str, fits: &str, not: &str| {
            let pattern = Pattern::new(wildcards(text), false);
            assert!(pattern.matches(fits), "{text} {fits}");
            assert!(!pattern.matches(not), "{text} {not}");
        };
        is(r"a\*b", "a*b", "axb");
        is(r"a\\*b", r"a\xb", "axb");
        is(r"a\\\*b", r"a\*b", r"a\xb");
        is(r"a\b", r"a\b", "ab");
        is(r"a\\b", r"a\b", r"a\\b");
        is(r"a\\\\b", r"a\\b", r"a\b");
        is("a?b", "axb", "ab");
    }
}
