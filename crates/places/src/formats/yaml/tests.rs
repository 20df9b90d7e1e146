use std::collections::BTreeMap;

use proptest::prelude::*;
use relatch_case::model::Slot;
use relatch_secret::Secret;

use crate::formats::FormatError;
use crate::formats::yaml::{replace, slots};

const REAL: &str = "# top
---
name: billing   # who
list:
- a
- key: one
  'other key': \"t\\u0077o\"
-   - deep
nested:
  # inside
  open/ai:  # why
    api_key: sk-old
    n: 12
    when: 2024-01-01
    empty:
  flow: {a: x, \"b\": ['y', {c: z}], d: }
single: 'it''s'
block: |
  line 1
    line 2

folded: >-
  f1
  f2
long: word1
  word2
url: http://host:80/a#b
end: last
";

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
        ("name", "billing"),
        ("list/0", "a"),
        ("list/1/key", "one"),
        ("list/1/other key", "two"),
        ("list/2/0", "deep"),
        ("nested/open~1ai/api_key", "sk-old"),
        ("nested/flow/a", "x"),
        ("nested/flow/b/0", "y"),
        ("nested/flow/b/1/c", "z"),
        ("single", "it's"),
        ("block", "line 1\n  line 2\n"),
        ("folded", "f1 f2"),
        ("long", "word1 word2"),
        ("url", "http://host:80/a#b"),
        ("end", "last"),
    ];
    assert_eq!(
        read(REAL),
        expected.map(|(k, v)| (k.to_string(), v.to_string())).into()
    );
}

#[test]
fn only_the_named_string_changes_and_its_style_stays() {
    for (slot, value, old, new) in [
        ("name", "other", "billing", "other"),
        ("name", "yes", "billing", "\"yes\""),
        ("name", "0x1", "billing", "\"0x1\""),
        ("name", "a: b # c", "billing", "\"a: b # c\""),
        ("list/1/other key", "q\"q", "\"t\\u0077o\"", "\"q\\\"q\""),
        ("nested/open~1ai/api_key", "sk-new", "sk-old", "sk-new"),
        ("nested/flow/a", "new", "a: x", "a: new"),
        ("nested/flow/b/0", "o'o", "'y'", "'o''o'"),
        ("nested/flow/b/1/c", "1", "c: z", "c: \"1\""),
        ("single", "a\nb", "'it''s'", "\"a\\nb\""),
        ("long", "one", "word1\n  word2", "one"),
        ("folded", "one", ">-\n  f1\n  f2", "\"one\""),
        ("end", "first", "last", "first"),
    ] {
        let text = replace(REAL, &change(slot, value)).expect(slot);
        assert_eq!(*text, REAL.replacen(old, new, 1), "{slot}");
    }
}

#[test]
fn a_block_scalar_becomes_quoted_and_its_neighbours_stay() {
    let text = replace(REAL, &change("block", "new\n")).expect("replace");
    let mut expected = read(REAL);
    expected.insert("block".into(), "new\n".into());
    assert_eq!(read(&text), expected);
    assert!(text.contains("block: \"new\\n\"\n"));
}

#[test]
fn blocks_and_escapes_are_read_as_other_readers_do() {
    for (text, value) in [
        ("k: |\n  a\n\n  b  \n", "a\n\nb  \n"),
        ("k: |\n  a", "a"),
        ("k: |-\n  a \n\nz: 1\n", "a "),
        ("k: | # note\n  a\n", "a\n"),
        ("k: >\n  a\n  b\n\n  c\n\n\n  d\n", "a b\nc\n\nd\n"),
        ("k: >-\r\n  a\r\n  b\r\n", "a b"),
        ("k: \"\\ud83d\\ude00\\x41\\u00e9\"\n", "😀Aé"),
        ("k: 'a\n\n  b'\n", "a\nb"),
    ] {
        assert_eq!(read(text)["k"], value, "{text:?}");
    }
    assert_eq!(
        read("'it''s': x\n\"q\\\"\": z\n")
            .keys()
            .collect::<Vec<_>>(),
        ["it's", "q\""]
    );
}

#[test]
fn line_ends_stay() {
    let text = "a: old\r\nb:\r\n  - 'c'\r\n";
    assert_eq!(read(text)["a"], "old");
    assert_eq!(
        *replace(text, &change("a", "new")).expect("replace"),
        text.replace("old", "new")
    );
}

#[test]
fn what_is_not_understood_is_refused_whole() {
    for text in [
        "a: x\n---\nb: y\n",
        "a: &anchor x\nb: *anchor\n",
        "a: *missing\n",
        "a: !!str x\n",
        "!tag\na: x\n",
        "? complex\n: x\n",
        "%YAML 1.2\n---\na: x\n",
        "just a scalar\n",
        "- [a: b]\n",
        "- a\n-\n- b\n",
        "a: \"x\\\n  y\"\n",
        "\"\": x\n",
        "a: |2\n    x\n",
        "a: |+\n  x\n\n",
        "a: >\n  x\n   y\n",
        "a: \"\\ud800\"\n",
        "<<: {a: x}\n{b: y}\n",
    ] {
        assert!(slots(text).is_err(), "{text:?} gave {:?}", slots(text));
    }
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    let error = slots("o:\n  k: 1\n  k: 2\n").expect_err("duplicate");
    assert_eq!(
        error,
        FormatError::Duplicate {
            slot: "o/k".into(),
            line: 3
        }
    );
    assert!(slots("o: {k: 1, k: 2}\n").is_err());
}

#[test]
fn empty_texts_have_no_slots_and_errors_show_no_value() {
    assert!(read("# nothing\n\n").is_empty());
    let error = slots("a: [canary\nb: }\n").expect_err("refuse");
    assert!(!format!("{error} {error:?}").contains("canary"));
}

proptest! {
    #[test]
    fn only_the_leaf_changes(
        old in prop_oneof!["[a-z]{2,9}x", "'[a-z ]{1,9}'", "\"[a-z ]{1,9}\""],
        new in any::<String>(),
    ) {
        let text = format!("# c\nz: 1.50\nt:\n  k:   {old}   # d\no: [ 1,2 ]\n");
        let changed = match replace(&text, &change("t/k", &new)) {
            Ok(changed) => changed,
            Err(error) => {
                // Refused only where the syntax tree does not take a character.
                let odd = |c: char| c.is_control() || !c.is_ascii();
                prop_assert!(new.chars().any(odd) && error == FormatError::WouldDamage);
                return Ok(());
            }
        };
        prop_assert!(changed.starts_with("# c\nz: 1.50\nt:\n  k:   "));
        prop_assert!(changed.ends_with("   # d\no: [ 1,2 ]\n"));
        prop_assert_eq!(read(&changed), BTreeMap::from([("t/k".to_string(), new)]));
    }

    #[test]
    fn printable_values_are_always_written(new in "[ -~]{0,30}", style in "[\"']?") {
        let text = format!("a:\n  - k: {style}old{style} # c\n");
        let changed = replace(&text, &change("a/0/k", &new)).expect("replace");
        prop_assert_eq!(read(&changed), BTreeMap::from([("a/0/k".to_string(), new)]));
        prop_assert!(changed.ends_with(" # c\n"));
    }

    #[test]
    fn never_panics(text in "[a-z:\\-{}\\[\\],'\"|>#&*!? \n]{0,40}") {
        let _ = slots(&text);
    }
}
