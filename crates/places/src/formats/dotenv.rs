//! `.env` files: `KEY=value` lines as shells, Docker Compose and the usual libraries read them.
//!
//! Understood: `export`, spaces around `=`, values bare, in `'…'`, `` `…` `` or `"…"` (with
//! escapes and over several lines), comments, CRLF. The libraries disagree on backslashes,
//! dollar signs and mixed quotes; a value is only written in a way that all of them read alike.

use std::collections::BTreeMap;

use relatch_case::model::Slot;
use relatch_secret::Secret;
use zeroize::Zeroizing;

use super::FormatError;
use super::leaf::{self, Leaf, line_of};

/// Every assigned value by its key. Where a key is assigned twice the last one counts.
pub fn slots(text: &str) -> Result<BTreeMap<Slot, Secret>, FormatError> {
    Ok(leaf::slots(parse(text)?))
}

/// The text with the named values replaced and every other byte as it was. A key that is
/// assigned twice is not changed: readers disagree on which assignment counts.
pub fn replace(
    text: &str,
    changes: &BTreeMap<Slot, Secret>,
) -> Result<Zeroizing<String>, FormatError> {
    leaf::replace(text, changes, parse, encode)
}

/// Whether a text without a telling name is read as `.env`: nothing in it is anything else,
/// and something is assigned. (The `=` at the end of a Base64 value assigns nothing.)
pub(super) fn looks_like(text: &str) -> bool {
    let assigns = |leaf: &Leaf| leaf.value.expose().iter().any(|byte| *byte != b'=');
    parse(text).is_ok_and(|leaves| leaves.iter().any(assigns))
}

fn parse(text: &str) -> Result<Vec<Leaf>, FormatError> {
    let mut leaves = Vec::new();
    let mut at = if text.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    };
    while at < text.len() {
        let end = line_end(text, at);
        at = match key(text, at, end)? {
            Some(key) => {
                let (leaf, next) = value(text, key, end)?;
                leaves.push(leaf);
                next
            }
            None => end + 1,
        };
    }
    Ok(leaves)
}

fn line_end(text: &str, at: usize) -> usize {
    text[at..]
        .find('\n')
        .map_or(text.len(), |length| at + length)
}

fn syntax(text: &str, at: usize, what: &'static str) -> FormatError {
    FormatError::Syntax {
        format: ".env",
        line: line_of(text, at),
        what,
    }
}

/// A key and where what follows its `=` begins.
struct Key<'a> {
    name: &'a str,
    after: usize,
}

/// The key of the line, or `None` for a line that assigns nothing.
fn key(text: &str, start: usize, end: usize) -> Result<Option<Key<'_>>, FormatError> {
    let line = &text[start..end];
    let trimmed = line.trim();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return Ok(None);
    }
    let (left, after) = match line.find('=') {
        Some(equals) => (&line[..equals], start + equals + 1),
        None => (line, end),
    };
    let name = without_export(left.trim());
    if !is_name(name) {
        return Err(syntax(
            text,
            start,
            "it is neither an assignment nor a comment",
        ));
    }
    // A bare name passes the variable of the caller on; there is no value here.
    Ok((after <= end && line.contains('=')).then_some(Key { name, after }))
}

fn without_export(left: &str) -> &str {
    match left.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
        _ => left,
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// The value after a key, and where the next line begins.
fn value(text: &str, key: Key<'_>, end: usize) -> Result<(Leaf, usize), FormatError> {
    let right = &text[key.after..end];
    let start = key.after + right.len() - right.trim_start().len();
    let slot = Slot::key(key.name);
    match right.trim_start().chars().next() {
        Some(quote @ ('"' | '\'' | '`')) => quoted(text, slot, start, quote),
        _ => Ok((bare(text, slot, key.after, end), end + 1)),
    }
}

/// A value without quotes: it ends at a comment, which begins at `#` after white space.
fn bare(text: &str, slot: Slot, after: usize, end: usize) -> Leaf {
    let right = &text[after..end];
    let comment = right
        .char_indices()
        .find(|(at, c)| *c == '#' && right[..*at].ends_with([' ', '\t']))
        .map_or(right.len(), |(at, _)| at);
    let value = right[..comment].trim();
    // An empty value stands directly behind the `=`.
    let start = if value.is_empty() {
        after
    } else {
        after + right.len() - right.trim_start().len()
    };
    Leaf {
        slot,
        span: start..start + value.len(),
        value: Secret::from(value),
        text: true,
    }
}

fn quoted(text: &str, slot: Slot, start: usize, quote: char) -> Result<(Leaf, usize), FormatError> {
    let inner = &text[start + 1..];
    let mut out = Zeroizing::new(String::with_capacity(closing(inner, quote).unwrap_or(0)));
    let length =
        closing(inner, quote).ok_or_else(|| syntax(text, start, "a quote is not closed"))?;
    if quote == '"' {
        unescape(&inner[..length], &mut out);
    } else {
        out.push_str(&inner[..length]);
    }
    let close = start + 1 + length + 1;
    let end = line_end(text, close);
    let rest = text[close..end].trim();
    if !(rest.is_empty() || rest.starts_with('#')) {
        return Err(syntax(text, close, "something follows the closing quote"));
    }
    let value = Secret::from(out.as_str());
    Ok((
        Leaf {
            slot,
            span: start..close,
            value,
            text: true,
        },
        end + 1,
    ))
}

/// Where the closing quote stands. Only double quotes know escapes.
fn closing(inner: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    inner.char_indices().find_map(|(at, c)| {
        let closes = c == quote && !escaped;
        escaped = quote == '"' && c == '\\' && !escaped;
        closes.then_some(at)
    })
}

/// What double quotes stand for; an escape nobody knows stands for itself.
fn unescape(inner: &str, out: &mut String) {
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some(same @ ('"' | '\\' | '$' | '`' | '\'')) => out.push(same),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
}

/// Keeps the quotes that are there where every reader agrees on them, else takes others.
fn encode(raw: &str, value: &str) -> Result<Zeroizing<String>, &'static str> {
    let present = raw.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'));
    let quote = match present {
        None if is_plain(value) => None,
        Some(quote) if fits(quote, value) => Some(quote),
        _ => Some(
            ['\'', '"']
                .into_iter()
                .find(|quote| fits(*quote, value))
                .ok_or("readers of .env files disagree on how it would be written")?,
        ),
    };
    let mut out = Zeroizing::new(String::with_capacity(value.len() * 2 + 2));
    out.extend(quote);
    for c in value.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.extend(quote);
    Ok(out)
}

/// Needs no quotes anywhere. Empty is plain too.
fn is_plain(value: &str) -> bool {
    value
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_-./+=:@%,~^".contains(&b))
}

/// Whether all readers get this value out of these quotes.
fn fits(quote: char, value: &str) -> bool {
    let line_breaks = quote == '"';
    let special = if quote == '"' { "$`" } else { "" };
    !value.chars().any(|c| {
        c == quote
            || c == '\\'
            || special.contains(c)
            || (c.is_control() && c != '\t' && !(line_breaks && c == '\n'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REAL: &str = "# prod\r\nexport OPENAI_API_KEY=sk-old # rotate\r\n\r\n  NAME = \"a \\\"b\\\" $x\"\nPEM='-----BEGIN\nline two\n-----END'  # pem\nEMPTY=\nPASSED_ON\nHASH=a#b\nTICK=`it's`\nLAST=x=y==";

    fn change(slot: &str, value: &str) -> BTreeMap<Slot, Secret> {
        BTreeMap::from([(Slot(slot.into()), Secret::from(value))])
    }

    fn read(text: &str) -> BTreeMap<String, String> {
        let slots = slots(text).expect("slots");
        slots
            .into_iter()
            .map(|(s, v)| (s.0, v.expose_str().expect("text").into()))
            .collect()
    }

    #[test]
    fn a_real_file_is_read() {
        let expected = [
            ("OPENAI_API_KEY", "sk-old"),
            ("NAME", "a \"b\" $x"),
            ("PEM", "-----BEGIN\nline two\n-----END"),
            ("EMPTY", ""),
            ("HASH", "a#b"),
            ("TICK", "it's"),
            ("LAST", "x=y=="),
        ];
        assert_eq!(
            read(REAL),
            expected.map(|(k, v)| (k.to_string(), v.to_string())).into()
        );
    }

    #[test]
    fn only_the_value_changes_and_quotes_come_where_needed() {
        for (slot, value, old, new) in [
            ("OPENAI_API_KEY", "sk-new", "sk-old", "sk-new"),
            ("OPENAI_API_KEY", "two words", "sk-old", "'two words'"),
            ("OPENAI_API_KEY", "it's", "sk-old", "\"it's\""),
            ("OPENAI_API_KEY", "a\nb", "sk-old", "\"a\\nb\""),
            ("NAME", "plain", "\"a \\\"b\\\" $x\"", "\"plain\""),
            ("NAME", "a$b", "\"a \\\"b\\\" $x\"", "'a$b'"),
            (
                "PEM",
                "short",
                "'-----BEGIN\nline two\n-----END'",
                "'short'",
            ),
            ("EMPTY", "full", "EMPTY=\n", "EMPTY=full\n"),
            ("LAST", "", "LAST=x=y==", "LAST="),
        ] {
            let text = replace(REAL, &change(slot, value)).expect("replace");
            assert_eq!(*text, REAL.replacen(old, new, 1), "{slot}");
        }
    }

    #[test]
    fn what_readers_disagree_on_is_not_written() {
        for value in ["back\\slash", "all ' \" quotes", "bell\u{7}", "cr\r"] {
            let error = replace(REAL, &change("NAME", value)).expect_err("refuse");
            assert!(matches!(error, FormatError::CannotHold { .. }), "{error:?}");
        }
    }

    #[test]
    fn a_key_assigned_twice_is_read_but_not_written() {
        let text = "A=1\nB=2\nA=3\n";
        assert_eq!(read(text)["A"], "3");
        let error = replace(text, &change("A", "4")).expect_err("refuse");
        assert_eq!(
            error,
            FormatError::Duplicate {
                slot: "A".into(),
                line: 3
            }
        );
        assert_eq!(
            *replace(text, &change("B", "4")).expect("replace"),
            "A=1\nB=4\nA=3\n"
        );
    }

    #[test]
    fn what_is_no_env_file_is_refused() {
        for text in [
            "{\"a\": 1}",
            "just words here",
            "A='open\nB=1",
            "A='x' y",
            "1A=x",
            "=",
        ] {
            assert!(slots(text).is_err(), "{text}");
        }
        assert!(looks_like("A=1\n") && !looks_like("# nothing\n") && !looks_like("c2stYWJj==\n"));
    }

    proptest! {
        #[test]
        fn only_the_leaf_changes(
            lines in proptest::collection::btree_map(
                "[A-Z_][A-Z0-9_]{0,6}",
                prop_oneof!["[a-z0-9]{0,9}", "'[^'\\\\\r]{0,9}'", "\"[a-z #=\n]{0,9}\"", "[a-z]{1,5} # [a-z'\"]{0,9}"],
                1..6,
            ),
            new in "[ -~\n]{0,12}",
            which in any::<prop::sample::Index>(),
            crlf in any::<bool>(),
        ) {
            let eol = if crlf { "\r\n" } else { "\n" };
            let lines_of: Vec<String> = lines.iter().map(|(k, v)| format!("{k}={v}{eol}")).collect();
            let text = lines_of.concat();
            let key = (*which.get(&lines.keys().collect::<Vec<_>>())).clone();
            let changed = match replace(&text, &change(&key, &new)) {
                Ok(changed) => changed,
                Err(error) => {
                    // Refused only where readers disagree.
                    let unclear = new.contains(['\\', '\'', '\n']);
                    let told = matches!(error, FormatError::CannotHold { .. });
                    prop_assert!(unclear && told, "{error:?}");
                    return Ok(());
                }
            };
            let (mut expected, found) = (read(&text), read(&changed));
            expected.insert(key.clone(), new);
            prop_assert_eq!(found, expected);
            let before = text.find(&format!("{key}=")).expect("there");
            prop_assert_eq!(&text[..before], &changed[..before]);
        }

        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = slots(&text);
        }
    }
}
