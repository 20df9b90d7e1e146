//! JSON (RFC 8259): the leaves are the strings.
//!
//! An own reader, because it has to know where in the text each string stands. Text that a
//! JSON reader could take in two ways (a key twice in one object) is refused.

use std::collections::{BTreeMap, BTreeSet};

use relatch_case::model::Slot;
use relatch_secret::Secret;
use zeroize::Zeroizing;

use super::FormatError;
use super::leaf::{self, Leaf, line_of, slot_of};

/// Deepest nesting that is read.
const DEPTH: usize = 128;

/// Every string in an object or array, by its path. A text whose top is neither is refused:
/// it has no slots.
pub fn slots(text: &str) -> Result<BTreeMap<Slot, Secret>, FormatError> {
    Ok(leaf::slots(parse(text)?))
}

/// The text with the named strings replaced and every other byte as it was.
pub fn replace(
    text: &str,
    changes: &BTreeMap<Slot, Secret>,
) -> Result<Zeroizing<String>, FormatError> {
    leaf::replace(text, changes, parse, |_, value| Ok(encode(value)))
}

fn parse(text: &str) -> Result<Vec<Leaf>, FormatError> {
    let mut reader = Reader {
        text,
        at: 0,
        path: Vec::new(),
        leaves: Vec::new(),
    };
    if text.starts_with('\u{feff}') {
        reader.at = '\u{feff}'.len_utf8();
    }
    reader.skip_space();
    if !matches!(reader.peek(), Some(b'{' | b'[')) {
        return Err(reader.syntax("the top is neither an object nor an array"));
    }
    reader.value()?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(reader.leaves),
        Some(_) => Err(reader.syntax("something follows the end")),
    }
}

/// A string as JSON, with escapes only where JSON demands them.
pub(super) fn encode(value: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(value.len() * 6 + 2));
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                out.push_str("\\u00");
                for digit in [u32::from(c) >> 4, u32::from(c) & 15] {
                    out.push(char::from_digit(digit, 16).unwrap_or('0'));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    path: Vec<String>,
    leaves: Vec<Leaf>,
}

impl Reader<'_> {
    fn syntax(&self, what: &'static str) -> FormatError {
        FormatError::Syntax {
            format: "JSON",
            line: line_of(self.text, self.at),
            what,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Steps over `byte` if it is next.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn value(&mut self) -> Result<(), FormatError> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => {
                let start = self.at;
                let value = self.string()?;
                self.leaf(start, Secret::from(value.as_str()), true)
            }
            Some(_) => self.bare(),
            None => Err(self.syntax("it ends where a value is expected")),
        }
    }

    fn nested(
        &mut self,
        inner: fn(&mut Self) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        if self.path.len() == DEPTH {
            return Err(self.syntax("it is nested too deep"));
        }
        inner(self)
    }

    fn leaf(&mut self, start: usize, value: Secret, text: bool) -> Result<(), FormatError> {
        let slot = slot_of(&self.path);
        // An empty key at the top would be spelled like the whole container.
        if slot.0.is_empty() {
            return Err(self.syntax("the key at the top is empty"));
        }
        self.leaves.push(Leaf {
            slot,
            span: start..self.at,
            value,
            text,
        });
        Ok(())
    }

    fn object(&mut self) -> Result<(), FormatError> {
        self.at += 1;
        self.skip_space();
        if self.take(b'}') {
            return Ok(());
        }
        let mut seen = BTreeSet::new();
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.syntax("a key is expected"));
            }
            let key = self.string()?.to_string();
            self.path.push(key.clone());
            if !seen.insert(key) {
                let line = line_of(self.text, self.at);
                return Err(FormatError::Duplicate {
                    slot: slot_of(&self.path).0,
                    line,
                });
            }
            self.skip_space();
            if !self.take(b':') {
                return Err(self.syntax("a colon is expected"));
            }
            self.skip_space();
            self.value()?;
            self.path.pop();
            if self.closes(b'}')? {
                return Ok(());
            }
        }
    }

    fn array(&mut self) -> Result<(), FormatError> {
        self.at += 1;
        self.skip_space();
        if self.take(b']') {
            return Ok(());
        }
        for index in 0usize.. {
            self.skip_space();
            self.path.push(index.to_string());
            self.value()?;
            self.path.pop();
            if self.closes(b']')? {
                break;
            }
        }
        Ok(())
    }

    /// After a value: whether the object or array ends here; if not, a comma was stepped over.
    fn closes(&mut self, close: u8) -> Result<bool, FormatError> {
        self.skip_space();
        if self.take(close) {
            Ok(true)
        } else if self.take(b',') {
            Ok(false)
        } else {
            Err(self.syntax("a comma or the end of an object or array is expected"))
        }
    }

    /// A number, `true`, `false` or `null`.
    fn bare(&mut self) -> Result<(), FormatError> {
        let start = self.at;
        while matches!(
            self.peek(),
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'+' | b'-' | b'.')
        ) {
            self.at += 1;
        }
        let written = &self.text[start..self.at];
        let is_word = matches!(written, "true" | "false" | "null");
        if !is_word && serde_json::from_str::<serde_json::Number>(written).is_err() {
            return Err(self.syntax("a value is expected"));
        }
        self.leaf(start, Secret::from(written), false)
    }

    fn string(&mut self) -> Result<Zeroizing<String>, FormatError> {
        self.at += 1;
        let rest = &self.text[self.at..];
        let mut out = Zeroizing::new(String::with_capacity(raw_length(rest)));
        while let Some(c) = self.text[self.at..].chars().next() {
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(out),
                '\\' => {
                    let c = self.escape()?;
                    out.push(c);
                }
                c if c < ' ' => return Err(self.syntax("a control character stands in a string")),
                c => out.push(c),
            }
        }
        Err(self.syntax("a string does not end"))
    }

    fn escape(&mut self) -> Result<char, FormatError> {
        let escape = self.peek();
        self.at += 1;
        match escape {
            Some(b'"') => Ok('"'),
            Some(b'\\') => Ok('\\'),
            Some(b'/') => Ok('/'),
            Some(b'b') => Ok('\u{8}'),
            Some(b'f') => Ok('\u{c}'),
            Some(b'n') => Ok('\n'),
            Some(b'r') => Ok('\r'),
            Some(b't') => Ok('\t'),
            Some(b'u') => self.unicode(),
            _ => {
                self.at -= 1;
                Err(self.syntax("an unknown escape stands in a string"))
            }
        }
    }

    /// `\u` and four hex digits, with its second half where it is a surrogate.
    fn unicode(&mut self) -> Result<char, FormatError> {
        let high = self.hex()?;
        let code = if (0xd800..0xdc00).contains(&high) {
            if !(self.take(b'\\') && self.take(b'u')) {
                return Err(self.syntax("half a surrogate pair stands in a string"));
            }
            let low = self.hex()?;
            if !(0xdc00..0xe000).contains(&low) {
                return Err(self.syntax("half a surrogate pair stands in a string"));
            }
            0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)
        } else {
            high
        };
        char::from_u32(code).ok_or_else(|| self.syntax("half a surrogate pair stands in a string"))
    }

    fn hex(&mut self) -> Result<u32, FormatError> {
        let digits = self.text.get(self.at..self.at + 4);
        let code = digits
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| self.syntax("an escape needs four hex digits"))?;
        self.at += 4;
        Ok(code)
    }
}

/// Bytes up to the end of a string, escapes included: never less than the value needs.
fn raw_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    fn only_the_named_string_changes() {
        let text = "{\r\n  \"a/b\" : [ \"x\", 1.50, {\"k\":\"old\"} ],\n\t\"z\":\"\\u00e9\\/\" }\n";
        let new = replace(text, &change("a~1b/2/k", "n\"e\\w\n\u{1}é")).expect("replace");
        assert_eq!(*new, text.replace("\"old\"", "\"n\\\"e\\\\w\\n\\u0001é\""));
    }

    #[test]
    fn strings_are_found_by_path_and_other_values_are_not_slots() {
        let found = read(r#"{"a":{"b":["\ud83d\ude00",{"c":"d"}]},"n":null,"t":true,"f":-1e9}"#);
        let expected = [("a/b/0", "😀"), ("a/b/1/c", "d")];
        assert_eq!(
            found,
            expected.map(|(k, v)| (k.to_string(), v.to_string())).into()
        );
    }

    #[test]
    fn bad_text_is_refused_with_its_line() {
        for (text, line) in [
            ("{\"a\":\n\"x\",}", 2),
            ("\"bare\"", 1),
            ("{\"a\":\"x\"\n} more", 2),
            ("{\"a\":\"\\ud800\"}", 1),
            ("{\"a\":\"\\q\"}", 1),
            ("{\"a\":01}", 1),
            ("{\"a\":\"never", 1),
            ("{\"a\":nul}", 1),
            ("{\"\":\"x\"}", 1),
            ("", 1),
        ] {
            let error = slots(text).expect_err(text);
            assert!(
                matches!(error, FormatError::Syntax { line: l, .. } if l == line),
                "{error:?}"
            );
        }
        assert!(slots(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        let error = slots("{\"o\":{\"k\":\"1\",\n\"k\":\"2\"}}").expect_err("duplicate");
        assert_eq!(
            error,
            FormatError::Duplicate {
                slot: "o/k".into(),
                line: 2
            }
        );
    }

    #[test]
    fn what_is_not_there_is_not_written() {
        let refused = |slot| replace(r#"{"a":1,"b":"x"}"#, &change(slot, "v")).expect_err("refuse");
        for slot in ["a", "c", "", "b/0"] {
            assert!(matches!(refused(slot), FormatError::NoSuchSlot { .. }));
        }
        let none = replace("{}", &BTreeMap::new()).expect_err("refuse");
        assert_eq!(none, FormatError::NothingToChange);
    }

    #[test]
    fn errors_show_no_value() {
        let error = slots("{\"a\":\"canary\" \"b\"}").expect_err("refuse");
        assert!(!format!("{error} {error:?}").contains("canary"));
    }

    proptest! {
        #[test]
        fn agrees_with_another_reader(
            map in proptest::collection::btree_map("[a-z/~]{1,6}", any::<String>(), 1..6),
            new in any::<String>(),
            which in any::<prop::sample::Index>(),
            pretty in any::<bool>(),
        ) {
            let write = if pretty { serde_json::to_string_pretty } else { serde_json::to_string };
            let text = write(&map).expect("JSON");
            let key = (*which.get(&map.keys().collect::<Vec<_>>())).clone();
            let changed = replace(&text, &change(&Slot::key(&key).0, &new)).expect("replace");
            let mut expected = map.clone();
            expected.insert(key, new);
            let read: BTreeMap<String, String> = serde_json::from_str(&changed).expect("JSON");
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = slots(&text);
        }

        #[test]
        fn accepts_what_the_other_reader_accepts(text in r#"[\[\]{}:,"a\\0-9.eE+ -]{0,20}"#) {
            if slots(&text).is_ok() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
            }
        }
    }
}
