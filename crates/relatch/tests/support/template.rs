//! Texts with named holes: filled with values, and read back against what is found.

use std::collections::BTreeMap;

/// Values by the names of their holes.
pub(crate) type Values = BTreeMap<String, String>;

/// The text with its holes filled.
pub(super) fn render(template: &str, values: &Values) -> String {
    let mut text = template.to_string();
    for (name, value) in values {
        text = text.replace(&format!("<{name}>"), value);
    }
    text
}

/// Takes the values out of `found`. Panics if anything around them differs, or if a hole had
/// another value elsewhere.
pub(super) fn read(template: &str, found: &str, values: &mut Values) {
    let mut names = BTreeMap::new();
    let mut rest = found;
    for (i, piece) in template.split('<').enumerate() {
        let literal = if i == 0 {
            piece
        } else {
            let (name, literal) = piece.split_once('>').expect("a closed hole");
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-_+/=".contains(c));
            let (value, after) = rest.split_at(end.unwrap_or(rest.len()));
            rest = after;
            names.insert(name.to_string(), value.to_string());
            literal
        };
        rest = rest.strip_prefix(literal).unwrap_or_else(|| {
            panic!("clobbered: expected {literal:?} in {template:?}, found {found:?}")
        });
    }
    assert_eq!(rest, "", "clobbered: {found:?}");
    for (name, value) in names {
        let known = values.entry(name.clone()).or_insert_with(|| value.clone());
        assert_eq!(*known, value, "two values of {name}");
    }
}
