//! One rule as YAML.

use jiff::Timestamp;

use crate::words::day;

/// A Sigma rule for CloudTrail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its id, which stays the same for the same case.
    pub id: String,
    /// Its title.
    pub title: String,
    /// A name for its file: `relatch_retired_keys.yml`.
    pub file_name: String,
    /// The YAML text.
    pub yaml: String,
}

/// What a rule says, before it is written. Its texts are safe to show.
pub(super) struct Draft<'a> {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) made_at: Timestamp,
    pub(super) tags: &'a [&'a str],
    /// The field that must equal one of the values.
    pub(super) field: &'a str,
    pub(super) values: &'a [String],
    pub(super) false_positive: &'a str,
    pub(super) level: &'a str,
}

impl Draft<'_> {
    pub(super) fn yaml(&self) -> String {
        let mut out = Lines::default();
        out.put(&format!("title: {}", quoted(&self.title)));
        out.put(&format!("id: {}", self.id));
        out.put("status: experimental");
        out.put(&format!("description: {}", quoted(&self.description)));
        out.put("author: Relatch");
        out.put(&format!("date: '{}'", day(self.made_at)));
        out.put("tags:");
        self.tags
            .iter()
            .for_each(|tag| out.put(&format!("    - {tag}")));
        out.put("logsource:\n    product: aws\n    service: cloudtrail\ndetection:");
        out.put(&format!("    selection:\n        {}:", self.field));
        for value in self.values {
            out.put(&format!("            - {}", quoted(&plain(value))));
        }
        out.put("    condition: selection\nfalsepositives:");
        out.put(&format!("    - {}", quoted(self.false_positive)));
        out.put(&format!("level: {}", self.level));
        out.0
    }
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn put(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }
}

/// A text in single quotes: nothing but the quote itself has a meaning there.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A value whose stars, question marks and backslashes stand for themselves.
fn plain(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '*' | '?' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
