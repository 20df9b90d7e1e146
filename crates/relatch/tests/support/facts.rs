//! The journal as `relatch case log --json` tells it, and what it must show.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use relatch_case::Journal as _;
use relatch_case::fact::Record;
use relatch_case::sqlite::SqliteJournal;
use serde_json::Value;

use super::Tool;

/// All facts of a case, in order.
pub(crate) struct Facts(pub(crate) Vec<Value>);

impl Facts {
    pub(crate) async fn of(tool: &Tool) -> Self {
        let text = tool.ok("case log --json").await;
        let read = |line: &str| serde_json::from_str(line).expect("JSON");
        Self(text.lines().map(read).collect())
    }

    /// Those of a journal in a file, read past the tool.
    pub(crate) fn in_file(journal: &Path) -> Self {
        let records = records(journal);
        let value = |record| serde_json::to_value(record).expect("JSON");
        Self(records.iter().map(value).collect())
    }

    /// Whether a step was intended and has not ended.
    pub(crate) fn is_torn(&self) -> bool {
        let mut under_way = BTreeSet::new();
        for record in &self.0 {
            let step = record["fact"]["step"].as_str();
            match record["fact"]["kind"].as_str() {
                Some("step_intended" | "undo_intended") => under_way.insert(step),
                Some("step_ended" | "undo_ended") => under_way.remove(&step),
                _ => false,
            };
        }
        !under_way.is_empty()
    }

    /// An old key is switched off only after everyone was seen on the new one.
    pub(crate) fn assert_never_early(&self, credentials: usize) {
        let plan = self.last(|fact| fact["kind"] == "plan_recorded");
        let steps = plan["fact"]["plan"]["steps"].as_array().expect("steps");
        let mut adopted: BTreeMap<&str, u64> = BTreeMap::new();
        let mut revoked: BTreeMap<&str, u64> = BTreeMap::new();
        for step in steps {
            let credential = step["credential"].as_str().expect("a credential");
            match step["action"]["verb"].as_str().expect("a verb") {
                "adopt" => {
                    let seq = self.done(&step["id"]);
                    let latest = adopted.entry(credential).or_default();
                    *latest = seq.max(*latest);
                }
                "cut" | "disable" | "delete" => {
                    let seq = self.intended(&step["id"]);
                    let first = revoked.entry(credential).or_insert(seq);
                    *first = seq.min(*first);
                }
                _ => {}
            }
        }
        assert_eq!(adopted.len(), credentials);
        for (credential, seq) in &adopted {
            let first = revoked.get(credential).expect("revoked");
            assert!(
                seq < first,
                "{credential}: revoked at {first}, adopted only at {seq}"
            );
        }
    }

    /// Every step that ended well did so once for each time that it was due.
    pub(crate) fn assert_nothing_twice(&self) {
        let mut done: BTreeSet<&str> = BTreeSet::new();
        for record in &self.0 {
            let fact = &record["fact"];
            let step = fact["step"].as_str().unwrap_or_default();
            match fact["kind"].as_str() {
                Some("step_ended") if fact["outcome"]["outcome"] == "done" => {
                    assert!(done.insert(step), "{step} was done twice");
                }
                Some("undo_ended" | "step_retried") => {
                    done.remove(step);
                }
                _ => {}
            }
        }
    }

    /// How many keys were minted to the end.
    pub(crate) fn mints(&self) -> usize {
        let minted = self.0.iter().filter(|record| {
            let step = record["fact"]["step"].as_str().unwrap_or_default();
            step.contains("mint") && record["fact"]["outcome"]["outcome"] == "done"
        });
        minted.count()
    }

    /// When a step was last seen done.
    fn done(&self, step: &Value) -> u64 {
        let is = |fact: &Value| {
            fact["step"] == *step
                && fact["kind"] == "step_ended"
                && fact["outcome"]["outcome"] == "done"
        };
        self.last(is)["seq"].as_u64().expect("a number")
    }

    /// When a step was first begun.
    fn intended(&self, step: &Value) -> u64 {
        let is = |fact: &Value| fact["step"] == *step && fact["kind"] == "step_intended";
        let mut facts = self.0.iter();
        let found = facts.find(|record| is(&record["fact"])).expect("begun");
        found["seq"].as_u64().expect("a number")
    }

    fn last(&self, is: impl Fn(&Value) -> bool) -> &Value {
        let found = self.0.iter().rfind(|record| is(&record["fact"]));
        found.expect("such a fact")
    }
}

/// The chain of a journal in a file holds, read past the tool.
pub(crate) fn assert_chained(journal: &Path) {
    relatch_case::chain::verify(&records(journal)).expect("the chain holds");
}

/// Read from a copy, so that looking changes nothing.
fn records(journal: &Path) -> Vec<Record> {
    let folder = tempfile::tempdir().expect("temp dir");
    for end in ["", "-wal"] {
        let from = format!("{}{end}", journal.display());
        if Path::new(&from).exists() {
            let to = folder.path().join(format!("journal.db{end}"));
            std::fs::copy(from, to).expect("copied");
        }
    }
    let copy = SqliteJournal::open(&folder.path().join("journal.db")).expect("open");
    copy.read_after(0, usize::MAX).expect("read")
}
