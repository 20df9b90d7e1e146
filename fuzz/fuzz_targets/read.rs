//! Any bytes as a log: the reader ends, holds its limits, and nothing in it reaches a terminal.
#![no_main]

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use relatch_detect::RuleSet;
use relatch_evidence::{
    Limits, Options, Seeds, Source, Triage, summary, triage_sources, uses_of_keys,
};

static RULES: LazyLock<Arc<RuleSet>> =
    LazyLock::new(|| Arc::new(RuleSet::compile(relatch_detect::builtin())));

fuzz_target!(|bytes: &[u8]| {
    let source = Source::Bytes {
        name: "fuzz.json".into(),
        bytes: bytes.to_vec(),
    };
    let options = Options {
        limits: Limits {
            file_bytes: 1 << 20,
            event_bytes: 1 << 16,
        },
        detections: Some(RULES.clone()),
        ..Options::with_seeds(Seeds::default())
    };
    let found = triage_sources(std::slice::from_ref(&source), &options)
        .expect("one document was named, and documents in memory can always be opened");
    assert!(
        found.events_read > 0
            || !found.problems.is_empty()
            || !found.aws_findings.is_empty()
            || !has_content(bytes),
        "something was lost in silence"
    );
    let forbidden = |c: char| c != '\n' && c.is_control();
    assert!(
        !summary(&found).contains(forbidden),
        "an escape got through"
    );
    let text = serde_json::to_string(&found).expect("an answer can be written");
    let read: Triage = serde_json::from_str(&text).expect("an answer can be read");
    assert_eq!(read, found);
    uses(&source, &found);
});

/// Whether there is a record that must leave a trace. Packed bytes may hold nothing, a list of
/// records and a table may be empty.
fn has_content(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.trim_start().starts_with('{') && text.contains("eventName") && !text.contains(['[', ']'])
}

/// Whoever looks for a key finds the events that the whole triage saw it in.
fn uses(source: &Source, found: &Triage) {
    let Source::Bytes { bytes, .. } = source else {
        return;
    };
    if !is_shown_as_written(bytes) {
        return;
    }
    let keys = found.actors.iter().flat_map(|actor| &actor.access_keys);
    let keys: BTreeSet<String> = keys.filter(|key| stands_in(bytes, key)).cloned().collect();
    if keys.is_empty() {
        return;
    }
    let used = uses_of_keys(std::slice::from_ref(source), &keys);
    let seen: BTreeSet<&String> = used.uses.iter().map(|used| &used.key_id).collect();
    assert_eq!(seen, keys.iter().collect(), "a use was missed");
}

/// Whether no text in the document is shown in another way than it was read: what is left of a
/// name without its terminal escapes is another name, and no log has a key of either.
fn is_shown_as_written(bytes: &[u8]) -> bool {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n') && *byte != b'\\';
    bytes.iter().all(plain)
}

/// Whether the key stands in the bytes as it is: in a table quotes are doubled.
fn stands_in(bytes: &[u8], key: &str) -> bool {
    bytes
        .windows(key.len().max(1))
        .any(|part| part == key.as_bytes())
}
