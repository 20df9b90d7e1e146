//! From a JSON document to rows: the fast way for CloudTrail's own form, the slow one for the rest.

use serde_json::{Map, Value};

use crate::found::spot::Spotter;
use crate::input::aws_findings::Noted;
use crate::input::identities::Known;
use crate::input::normalise;
use crate::input::reader::Limits;
use crate::input::record::Record;
use crate::input::rows::Rows;
use crate::input::splitter::{Piece, Sink};
use crate::log::Events;
use crate::text::sanitize;

/// A problem before its file is named: line, byte, what.
pub(crate) type Note = (Option<u64>, Option<u64>, String);

/// Problems named singly per file; further ones are counted.
const PROBLEMS: usize = 20;

/// Most findings taken from one file: an export writes a file for each few.
const FINDINGS: usize = 100_000;

/// No record of CloudTrail is shorter than this, in bytes: a file that holds more events than fit
/// into its limit at this length was made to fill the memory.
const SHORTEST: u64 = 256;

/// Collects the rows and problems of one file.
#[derive(Default)]
pub(crate) struct Documents<'r> {
    rows: Rows<'r>,
    findings: Vec<Noted>,
    notes: Vec<Note>,
    /// Problems that are not among the notes.
    more: u64,
    /// Most events taken.
    most: u64,
    /// Something was left out because there was too much of it.
    full: bool,
}

/// What one file held.
pub(crate) struct Collected<'r> {
    pub(crate) events: Events,
    pub(crate) findings: Vec<Noted>,
    pub(crate) notes: Vec<Note>,
    /// Problems that are not among the notes.
    pub(crate) more: u64,
    pub(crate) spotter: Option<Spotter<'r>>,
}

impl<'r> Documents<'r> {
    /// Nothing collected yet. The spotter looks at every record.
    pub(crate) fn new(spotter: Option<Spotter<'r>>, limits: &Limits) -> Self {
        let mut documents = Documents {
            most: limits.file_bytes / SHORTEST,
            ..Documents::default()
        };
        documents.rows.spotter = spotter;
        documents
    }

    /// What was collected, and the spotter.
    pub(crate) fn done(self) -> Collected<'r> {
        Collected {
            events: self.rows.events,
            findings: self.findings,
            notes: self.notes,
            more: self.more,
            spotter: self.rows.spotter,
        }
    }

    /// Notes a problem of one record.
    pub(crate) fn note(&mut self, line: Option<u64>, offset: Option<u64>, what: String) {
        // A hostile file has a problem in every few bytes.
        if self.notes.len() < PROBLEMS {
            self.notes.push((line, offset, what));
        } else {
            self.more += 1;
        }
    }

    /// Notes a problem of the file as a whole, which is named whatever else there is.
    pub(crate) fn note_file(&mut self, offset: Option<u64>, what: String) {
        self.notes.push((None, offset, what));
    }

    /// Says once that not everything was taken.
    fn overflow(&mut self, what: String) {
        if !std::mem::replace(&mut self.full, true) {
            self.note_file(None, what);
        }
    }

    /// Takes a row of a table; `None` is a row that could not be cut into cells.
    pub(crate) fn table_row(&mut self, line: u64, row: Option<Map<String, Value>>) {
        let text = row.map(|row| Value::Object(row).to_string());
        let taken = text.is_some_and(|text| self.slow(text.as_bytes()));
        if !taken {
            self.note(
                Some(line),
                None,
                "is not a row of a CloudTrail export".into(),
            );
        }
    }

    /// Takes a document, with its fields if they were read already; says what is wrong with it,
    /// if anything.
    fn document(&mut self, bytes: &[u8], read: Option<&Record<'_>>) -> Option<String> {
        let parsed = read.is_none().then(|| Record::parse(bytes)).flatten();
        let read = read.filter(|record| record.is_event());
        if let Some(record) = read.or(parsed.as_ref()) {
            if record.event_category.get() == "Insight" && self.slow(bytes) {
                return None;
            }
            // A record without identity may have it under flattened names.
            if record.user_identity.is_some() || !self.slow(bytes) {
                self.add(record, bytes);
            }
            return None;
        }
        if self.slow(bytes) {
            return None;
        }
        match std::str::from_utf8(bytes) {
            Err(error) => Some(self.repaired(bytes, error.valid_up_to())),
            Ok(_) => Some(
                match serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
                    Ok(_) => unusable(bytes),
                    Err(error) => format!("is broken JSON: {error}"),
                },
            ),
        }
    }

    /// Reads a document with its invalid bytes replaced; the event counts, the fault is named.
    fn repaired(&mut self, bytes: &[u8], valid: usize) -> String {
        let text = String::from_utf8_lossy(bytes);
        let read = match Record::parse(text.as_bytes()) {
            Some(record) => {
                self.add(&record, bytes);
                true
            }
            None => self.slow(text.as_bytes()),
        };
        let fate = if read {
            "they were replaced and the event was kept"
        } else {
            "the record was not read"
        };
        format!("has bytes that are not UTF-8 at byte {valid} of the record; {fate}")
    }

    /// Opens envelopes and renames fields; false when neither event nor finding was found.
    fn slow(&mut self, bytes: &[u8]) -> bool {
        let before = self.rows.events.len();
        let opened = normalise::opened(bytes);
        for text in opened.records {
            if let Some(record) = Record::parse(text.as_bytes()) {
                self.add(&record, text.as_bytes());
            }
        }
        let reported = !opened.findings.is_empty();
        self.findings.extend(opened.findings);
        if self.findings.len() > FINDINGS {
            self.findings.truncate(FINDINGS);
            self.overflow(format!(
                "holds more than {FINDINGS} findings; the rest was not read"
            ));
        }
        reported || self.rows.events.len() > before
    }

    fn add(&mut self, record: &Record<'_>, bytes: &[u8]) {
        if self.rows.events.len() as u64 >= self.most {
            self.overflow(format!(
                "holds more than {} events, more than a log of this size can; the rest was not read",
                self.most
            ));
            return;
        }
        let added = self.rows.add(record, bytes);
        let mut note = |what: &str| {
            let id = sanitize(record.event_id.get());
            self.note(None, None, format!("{what}: {id}"));
        };
        if !added.timed {
            note("has an event without a readable time");
        }
        if !added.whole {
            note("has an event whose caller, request or answer cannot be read");
        }
    }
}

/// Why sound JSON was not taken.
fn unusable(bytes: &[u8]) -> String {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(_) => "is JSON but not a CloudTrail record".into(),
        // Nested too deep, or a number out of range.
        Err(error) => format!("is JSON that cannot be taken in: {error}"),
    }
}

impl Sink for Documents<'_> {
    fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Broken { line, offset, what } => {
                self.note(Some(line), Some(offset), what.into());
            }
            Piece::Document {
                line,
                offset,
                bytes,
                record,
            } => {
                if let Some(what) = self.document(bytes, record) {
                    self.note(Some(line), Some(offset), what);
                }
            }
        }
    }

    fn identity(&self, bytes: &[u8]) -> Option<Known> {
        self.rows.identity(bytes)
    }
}
