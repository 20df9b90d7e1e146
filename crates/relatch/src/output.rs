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
    use super::count;

    #[test]
    fn nouns_are_counted() {
        assert_eq!(count(1, "identity"), "1 identity");
        assert_eq!(count(0, "identity"), "0 identities");
        assert_eq!(count(2, "key"), "2 keys");
    }
}
