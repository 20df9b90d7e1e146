//! A page of `docs/`, held against what the tool prints.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Fields that hold names from the evidence, not fields of ours.
const MAPS: [&str; 4] = ["detections_by_event", "calls", "errors", "common"];
/// Fields that the page describes as it does another.
const ALIKE: [(&str, &str); 2] = [
    ("attempted_reads", "secrets_read"),
    ("issued_credentials", "secrets_read"),
];

/// A page.
pub(crate) struct Manual(String);

impl Manual {
    /// The page with this name.
    pub(crate) fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        Self(std::fs::read_to_string(path.join(name)).expect("a page"))
    }

    /// Fields of an answer that are described nowhere, as `field` or `field.inner`: an inner
    /// field has to stand in the row or the section of the one that it is in.
    pub(crate) fn undescribed(&self, answer: &Value) -> BTreeSet<String> {
        let mut missing = BTreeSet::new();
        for (field, value) in answer.as_object().expect("an object") {
            let about = self.about(field);
            if about.is_empty() {
                missing.insert(field.clone());
            }
            let alike = ALIKE.iter().find(|(name, _)| name == field);
            let about = alike.map_or(about, |(_, other)| self.about(other));
            lacking(&about, field, value, &mut missing);
        }
        missing
    }

    /// Fields that the table of the whole answer names and that the answer does not have.
    pub(crate) fn invented(&self, answer: &Value) -> BTreeSet<String> {
        let rows = self.section("## `--json`").lines();
        let first = rows.filter_map(|row| row.strip_prefix("| ")?.split(" | ").next());
        let names = first.flat_map(|cell| cell.split('`').skip(1).step_by(2));
        let names = names.filter(|name| answer.get(name).is_none());
        names.map(str::to_string).collect()
    }

    /// The row of a field in the table of the whole answer, and its own section.
    fn about(&self, field: &str) -> String {
        let name = format!("`{field}`");
        let rows = self.section("## `--json`").lines();
        let row = rows.filter(|row| row.starts_with("| ")).find(|row| {
            row.split(" | ")
                .next()
                .is_some_and(|first| first.contains(&name))
        });
        let section = self.section(&format!("### {name}"));
        format!("{}\n{section}", row.unwrap_or_default())
            .trim()
            .to_string()
    }

    /// The text under a heading, up to the next heading of any level.
    fn section(&self, heading: &str) -> &str {
        let start = format!("\n{heading}\n");
        let Some((_, text)) = self.0.split_once(&start) else {
            return "";
        };
        let end = text.find("\n##").unwrap_or(text.len());
        &text[..end]
    }

    /// The commands that a section shows and that begin with this word.
    pub(crate) fn commands(&self, heading: &str, word: &str) -> Vec<String> {
        let section = self.section(heading);
        let code = section.split("```sh\n").skip(1);
        let code = code.filter_map(|code| code.split("```").next());
        let (mut commands, mut open) = (Vec::new(), String::new());
        for line in code.flat_map(str::lines) {
            open.push_str(line);
            open.push('\n');
            // A quoted text may go on over lines.
            if open.matches('\'').count().is_multiple_of(2) {
                commands.push(std::mem::take(&mut open));
            }
        }
        assert_eq!(open, "", "a quote is not closed");
        commands.retain(|command| command.split_whitespace().next() == Some(word));
        commands
    }
}

/// Whether fields below a described one are described with it.
fn lacking(about: &str, path: &str, value: &Value, missing: &mut BTreeSet<String>) {
    let last = path.rsplit('.').next().unwrap_or(path);
    match value {
        Value::Array(list) => {
            for one in list {
                lacking(about, path, one, missing);
            }
        }
        Value::Object(inner) if !MAPS.contains(&last) => {
            for (field, value) in inner {
                let path = format!("{path}.{field}");
                if !about.contains(&format!("`{field}`")) {
                    missing.insert(path.clone());
                }
                lacking(about, &path, value, missing);
            }
        }
        _ => {}
    }
}

/// Runs a command line of the page in a folder, by a shell.
pub(crate) fn shell(line: &str, folder: &Path) -> Output {
    let ran = Command::new("sh")
        .args(["-c", line])
        .current_dir(folder)
        .output();
    ran.expect("sh")
}

/// Ends the test if `jq` is not there.
pub(crate) fn needs_jq() {
    let found = Command::new("jq").arg("--version").output();
    assert!(
        found.is_ok_and(|ran| ran.status.success()),
        "jq is needed to try the examples of the manual: apt-get install jq, or brew install jq"
    );
}
