//! Two readers, one answer: the fast scanner must read of a record what the strict parser reads.
//!
//! The scanner leaves a record alone in which the name of a field has an escape; the parser does
//! not care. So each line is read as it is, and again with such a field in front.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::{Corpus, fuzz_target};
use relatch_detect::RuleSet;
use relatch_evidence::{Limits, Options, Seeds, Source, triage_sources};
use serde_json::Value;

static RULES: LazyLock<Arc<RuleSet>> =
    LazyLock::new(|| Arc::new(RuleSet::compile(relatch_detect::builtin())));

/// Lists under these names make an object a wrapper, which is opened and not read.
const WRAPPERS: [&str; 8] = [
    "Records",
    "records",
    "Events",
    "events",
    "logEvents",
    "Rows",
    "Findings",
    "findings",
];

fuzz_target!(|text: &str| -> Corpus {
    let Some(lines) = objects(text) else {
        return Corpus::Reject;
    };
    let slow: Vec<String> = lines.iter().map(|line| escaped(line)).collect();
    assert_eq!(answer(&lines.join("\n")), answer(&slow.join("\n")));
    Corpus::Keep
});

/// The lines, if every one of them is an object with an id: else the hash of its bytes is its id.
fn objects(text: &str) -> Option<Vec<&str>> {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let sound = |line: &&str| {
        line.starts_with('{')
            && serde_json::from_str::<Value>(line).is_ok_and(|value| {
                let id = value.get("eventID").and_then(Value::as_str);
                id.is_some_and(|id| !id.is_empty())
                    && WRAPPERS.iter().all(|name| value.get(name).is_none())
            })
    };
    (!lines.is_empty() && lines.len() <= 16 && lines.iter().all(sound)).then_some(lines)
}

fn escaped(line: &str) -> String {
    let rest = line[1..].trim_start();
    let comma = if rest.starts_with('}') { "" } else { "," };
    format!("{{\"\\u0078\":0{comma}{rest}")
}

/// Everything but what tells of the file itself, and where in it a problem is.
fn answer(text: &str) -> Value {
    let source = Source::Bytes {
        name: "fuzz.json".into(),
        bytes: text.as_bytes().to_vec(),
    };
    let options = Options {
        limits: Limits {
            file_bytes: 1 << 20,
            event_bytes: 1 << 16,
        },
        detections: Some(RULES.clone()),
        ..Options::with_seeds(Seeds::default())
    };
    let found = triage_sources(&[source], &options).expect("a document in memory");
    let mut value = serde_json::to_value(&found).expect("an answer can be written");
    value["files"] = Value::Null;
    let problems = found.problems.iter().map(|problem| {
        // A parser names the column of what it did not like.
        let what = problem.what.split(" at line ").next();
        what.unwrap_or_default().to_owned()
    });
    value["problems"] = problems.collect();
    value
}
