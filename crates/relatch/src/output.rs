//! The one place that writes to the terminal: data to standard output, all else to standard
//! error, nothing but JSON where JSON was asked for.

use std::io::{self, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

/// Writes for a person or for a program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    json: bool,
}

impl Printer {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether JSON was asked for.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether a person can be asked something.
    pub(crate) fn can_ask(self) -> bool {
        !self.json && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// The command's result: JSON for programs, else what `text` makes of it.
    pub(crate) fn result<T: Serialize>(self, data: &T, text: impl FnOnce(&T) -> String) {
        if self.json {
            self.json_line(data);
        } else {
            self.data(&text(data));
        }
    }

    /// One line of JSON on standard output.
    pub(crate) fn json_line<T: Serialize>(self, data: &T) {
        match serde_json::to_string(data) {
            Ok(line) => self.data(&line),
            Err(error) => self.note(&format!("cannot be written as JSON: {error}")),
        }
    }

    /// Text on standard output.
    #[expect(clippy::unused_self, reason = "the printer is the right to write")]
    pub(crate) fn data(self, text: &str) {
        let mut out = io::stdout().lock();
        // A reader that went away (`| head`) is no error of ours.
        let _ = writeln!(out, "{}", text.trim_end_matches('\n'));
    }

    /// Text on standard output, to the byte.
    #[expect(clippy::unused_self, reason = "the printer is the right to write")]
    pub(crate) fn exactly(self, text: &str) {
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }

    /// A message for a person, on standard error.
    #[expect(clippy::unused_self, reason = "the printer is the right to write")]
    pub(crate) fn note(self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// Narrowest table, in columns: below, lines wrap better than cells.
const LEAST_WIDTH: u16 = 80;

/// A plain table.
pub(crate) fn table<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(head);
    if table.width().is_some_and(|width| width < LEAST_WIDTH) {
        table.set_width(LEAST_WIDTH);
    }
    for row in rows {
        table.add_row(row.map(|cell| relatch_secret::redact::printable_text(&cell)));
    }
    table.to_string()
}

/// Rows of a list that are shown without being asked for all of it.
pub(crate) const MOST_ROWS: usize = 20;

/// The first rows, or all.
pub(crate) fn first<T>(rows: impl Iterator<Item = T>, all: bool) -> impl Iterator<Item = T> {
    rows.take(if all { usize::MAX } else { MOST_ROWS })
}

/// A line that says how many rows were left out, if any.
pub(crate) fn more(rows: usize, noun: &str, all: bool, hint: &str) -> String {
    match rows.saturating_sub(MOST_ROWS) {
        left if left > 0 && !all => format!("\n… and {}: {hint}", more_of(left, noun)),
        _ => String::new(),
    }
}

fn more_of(n: usize, noun: &str) -> String {
    count(n, &format!("more {noun}"))
}

/// A time in words, to two units: `1 d 2 h`, `16 min`.
pub(crate) fn span(seconds: u64) -> String {
    let parts: Vec<String> = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ]
    .into_iter()
    .skip_while(|(n, _)| *n == 0)
    .take(2)
    .filter(|(n, _)| *n > 0)
    .map(|(n, unit)| format!("{n} {unit}"))
    .collect();
    if parts.is_empty() {
        return "no time".to_string();
    }
    parts.join(" ")
}

/// `1 key`, `2 keys`; `1 identity`, `2 identities`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    match (n, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{n} {stem}ies"),
        _ => format!("{n} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::{count, more, span};

    #[test]
    fn times_have_two_units_at_most() {
        for (seconds, words) in [
            (0, "no time"),
            (59, "59 s"),
            (60, "1 min"),
            (90, "1 min 30 s"),
            (3601, "1 h"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(span(seconds), words);
        }
    }

    #[test]
    fn what_is_left_out_is_counted() {
        assert_eq!(more(20, "step", false, "x"), "");
        assert_eq!(more(22, "step", false, "x"), "\n… and 2 more steps: x");
        assert_eq!(more(22, "step", true, "x"), "");
    }

    #[test]
    fn nouns_are_counted() {
        assert_eq!(count(1, "identity"), "1 identity");
        assert_eq!(count(0, "identity"), "0 identities");
        assert_eq!(count(2, "key"), "2 keys");
    }
}
