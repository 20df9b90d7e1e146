//! TOML: the leaves are the strings, in tables, arrays and arrays of tables.

use std::collections::BTreeMap;
use std::ops::Range;

use relatch_case::model::Slot;
use relatch_secret::Secret;
use toml_edit::{Document, Item, TableLike, Value};
use zeroize::Zeroizing;

use super::FormatError;
use super::leaf::{self, Leaf, line_of, slot_of};

/// Every string by its path.
pub fn slots(text: &str) -> Result<BTreeMap<Slot, Secret>, FormatError> {
    Ok(leaf::slots(parse(text)?))
}

/// The text with the named strings replaced, in their style of quotes where it can hold the
/// new value, and every other byte as it was.
pub fn replace(
    text: &str,
    changes: &BTreeMap<Slot, Secret>,
) -> Result<Zeroizing<String>, FormatError> {
    leaf::replace(text, changes, parse, |raw, value| Ok(encode(raw, value)))
}

fn parse(text: &str) -> Result<Vec<Leaf>, FormatError> {
    let document = Document::parse(text).map_err(|error| FormatError::Syntax {
        format: "TOML",
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        what: "it cannot be read",
    })?;
    let mut walk = Walk {
        text,
        path: Vec::new(),
        leaves: Vec::new(),
    };
    walk.table(document.as_table())?;
    walk.leaves.sort_by_key(|leaf| leaf.span.start);
    Ok(walk.leaves)
}

struct Walk<'a> {
    text: &'a str,
    path: Vec<String>,
    leaves: Vec<Leaf>,
}

impl Walk<'_> {
    fn table(&mut self, table: &dyn TableLike) -> Result<(), FormatError> {
        table
            .iter()
            .try_for_each(|(key, item)| self.within(key, |walk| walk.item(item)))
    }

    fn within(
        &mut self,
        part: &str,
        inner: impl FnOnce(&mut Self) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        self.path.push(part.to_string());
        let outcome = inner(self);
        self.path.pop();
        outcome
    }

    fn item(&mut self, item: &Item) -> Result<(), FormatError> {
        match item {
            Item::None => Ok(()),
            Item::Value(value) => self.value(value),
            Item::Table(table) => self.table(table),
            Item::ArrayOfTables(tables) => tables
                .iter()
                .enumerate()
                .try_for_each(|(at, table)| self.within(&at.to_string(), |walk| walk.table(table))),
        }
    }

    fn value(&mut self, value: &Value) -> Result<(), FormatError> {
        match value {
            Value::InlineTable(table) => self.table(table),
            Value::Array(array) => array
                .iter()
                .enumerate()
                .try_for_each(|(at, value)| self.within(&at.to_string(), |walk| walk.value(value))),
            Value::String(string) => self.leaf(value.span(), string.value(), true),
            other => {
                let span = other.span().unwrap_or_default();
                let written = self.text.get(span.clone()).unwrap_or_default();
                self.leaf(Some(span), written, false)
            }
        }
    }

    fn leaf(
        &mut self,
        span: Option<Range<usize>>,
        value: &str,
        text: bool,
    ) -> Result<(), FormatError> {
        let slot = slot_of(&self.path);
        let span = span.unwrap_or_default();
        let written = self.text.get(span.clone()).unwrap_or_default();
        let line = line_of(self.text, span.start);
        if text && !written.starts_with(['"', '\'']) {
            return Err(FormatError::Unsupported {
                line,
                what: "a string without its quotes",
            });
        }
        if slot.0.is_empty() {
            return Err(FormatError::Unsupported {
                line,
                what: "an empty key at the top",
            });
        }
        self.leaves.push(Leaf {
            slot,
            span,
            value: Secret::from(value),
            text,
        });
        Ok(())
    }
}

fn encode(raw: &str, value: &str) -> Zeroizing<String> {
    let control = |c: char| c.is_control() && c != '\t';
    let verbatim = |open: &str, close: &str| {
        let mut out = Zeroizing::new(String::with_capacity(value.len() + 8));
        out.push_str(open);
        out.push_str(value);
        out.push_str(close);
        out
    };
    if raw.starts_with("'''") {
        let fits = !value.contains("''") && !value.ends_with('\'');
        if fits && !value.chars().any(|c| control(c) && c != '\n') {
            return verbatim(&opening(raw, "'''", value), "'''");
        }
    } else if raw.starts_with("\"\"\"") {
        if !value
            .chars()
            .any(|c| (control(c) && c != '\n') || matches!(c, '"' | '\\'))
        {
            return verbatim(&opening(raw, "\"\"\"", value), "\"\"\"");
        }
    } else if raw.starts_with('\'') && !value.chars().any(|c| control(c) || c == '\'') {
        return verbatim("'", "'");
    }
    basic(value)
}

/// The opening of a multi-line string: with the line break after it that was there, or that
/// is needed because a line break directly after the quotes does not count.
fn opening(raw: &str, quotes: &str, value: &str) -> String {
    let rest = &raw[quotes.len()..];
    let line_break = if rest.starts_with("\r\n") {
        "\r\n"
    } else if rest.starts_with('\n') || value.starts_with('\n') {
        "\n"
    } else {
        ""
    };
    format!("{quotes}{line_break}")
}

/// A basic string: like JSON's, and DEL has to be escaped as well.
fn basic(value: &str) -> Zeroizing<String> {
    let json = super::json::encode(value);
    let mut out = Zeroizing::new(String::with_capacity(json.len() * 6));
    for c in json.chars() {
        if c == '\u{7f}' {
            out.push_str("\\u007f");
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REAL: &str = "# top\r\ntitle = 'x' # c\r\n[server]\nport = 80\nurl.base = \"http://h\" \n\n[keys.\"open/ai\"]\napi_key   =   \"sk-old\"\nmore = [ \"a\", { k = '''\nm''' } ]\nwhen = 2024-01-01\n\n[[pool]]\nkey = \"\"\"p1\"\"\"\n[[pool]]\nkey = \"p2\"\n";

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
    fn strings_are_found_by_path() {
        let expected = [
            ("title", "x"),
            ("server/url/base", "http://h"),
            ("keys/open~1ai/api_key", "sk-old"),
            ("keys/open~1ai/more/0", "a"),
            ("keys/open~1ai/more/1/k", "m"),
            ("pool/0/key", "p1"),
            ("pool/1/key", "p2"),
        ];
        assert_eq!(
            read(REAL),
            expected.map(|(k, v)| (k.to_string(), v.to_string())).into()
        );
    }

    #[test]
    fn only_the_named_string_changes_and_its_quotes_stay() {
        for (slot, value, old, new) in [
            ("title", "y", "'x'", "'y'"),
            ("title", "it's", "'x'", "\"it's\""),
            (
                "keys/open~1ai/api_key",
                "sk\"\\\u{7f}",
                "\"sk-old\"",
                "\"sk\\\"\\\\\\u007f\"",
            ),
            (
                "keys/open~1ai/more/1/k",
                "n\no",
                "'''\nm'''",
                "'''\nn\no'''",
            ),
            ("keys/open~1ai/more/1/k", "n'", "'''\nm'''", "\"n'\""),
            ("pool/0/key", "\nq", "\"\"\"p1\"\"\"", "\"\"\"\n\nq\"\"\""),
            ("pool/1/key", "q", "\"p2\"", "\"q\""),
        ] {
            let text = replace(REAL, &change(slot, value)).expect("replace");
            assert_eq!(*text, REAL.replacen(old, new, 1), "{slot}");
        }
    }

    #[test]
    fn bad_text_is_refused_and_not_shown() {
        let error = slots("a = 1\nb = canary canary\n").expect_err("refuse");
        assert!(
            matches!(error, FormatError::Syntax { line: 2, .. }),
            "{error:?}"
        );
        assert!(!format!("{error} {error:?}").contains("canary"));
        assert!(slots("a = 1\na = 2\n").is_err());
        assert!(matches!(
            replace("a = 1\n", &change("a", "x")),
            Err(FormatError::NoSuchSlot { .. })
        ));
    }

    proptest! {
        #[test]
        fn only_the_leaf_changes(
            quotes in prop_oneof!["\"", "'", "'''", "\"\"\""],
            old in "[a-z ]{0,9}",
            new in any::<String>(),
        ) {
            let text = format!("# c\nz = 1.50\n[t]\n  k={quotes}{old}{quotes} # d\no = [ 1,2 ]");
            let changed = replace(&text, &change("t/k", &new)).expect("replace");
            prop_assert!(changed.starts_with("# c\nz = 1.50\n[t]\n  k="));
            prop_assert!(changed.ends_with(" # d\no = [ 1,2 ]"));
            prop_assert_eq!(read(&changed), BTreeMap::from([("t/k".to_string(), new)]));
        }

        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = slots(&text);
        }
    }
}
