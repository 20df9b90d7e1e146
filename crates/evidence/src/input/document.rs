//! From a JSON document to rows: the fast way for CloudTrail's own form, the slow one for the rest.

use serde_json::{Map, Value};

use crate::found::spot::Spotter;
use crate::input::identities::Known;
use crate::input::normalise;
use crate::input::record::Record;
use crate::input::rows::Rows;
use crate::input::splitter::{Piece, Sink};
use crate::log::Events;

/// A problem before its file is named: line, byte, what.
type Note = (Option<u64>, Option<u64>, String);

/// Collects the rows and problems of one file.
#[derive(Default)]
pub(crate) struct Documents<'r> {
    rows: Rows<'r>,
    notes: Vec<Note>,
}

impl<'r> Documents<'r> {
    /// Nothing collected yet. The spotter looks at every record.
    pub(crate) fn new(spotter: Option<Spotter<'r>>) -> Self {
        let mut documents = Documents::default();
        documents.rows.spotter = spotter;
        documents
    }

    /// The events and problems collected, and the spotter.
    pub(crate) fn done(self) -> (Events, Vec<Note>, Option<Spotter<'r>>) {
        (self.rows.events, self.notes, self.rows.spotter)
    }

    /// Notes a problem.
    pub(crate) fn note(&mut self, line: Option<u64>, offset: Option<u64>, what: String) {
        self.notes.push((line, offset, what));
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
    fn document(&mut self, bytes: &[u8], record: Option<Record<'_>>) -> Option<String> {
        let record = match record {
            Some(record) => Some(record).filter(Record::is_event),
            None => Record::parse(bytes),
        };
        if let Some(record) = record {
            // A record without identity may have it under flattened names.
            if record.user_identity.is_some() || !self.slow(bytes) {
                self.add(&record, bytes);
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
                    Ok(_) => "is JSON but not a CloudTrail record".into(),
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

    /// Opens envelopes and renames fields; false when no event was found.
    fn slow(&mut self, bytes: &[u8]) -> bool {
        let before = self.rows.events.len();
        for text in normalise::records(bytes) {
            if let Some(record) = Record::parse(text.as_bytes()) {
                self.add(&record, text.as_bytes());
            }
        }
        self.rows.events.len() > before
    }

    fn add(&mut self, record: &Record<'_>, bytes: &[u8]) {
        if !self.rows.add(record, bytes) {
            let id = crate::text::sanitize(record.event_id.get());
            self.note(
                None,
                None,
                format!("has an event without a readable time: {id}"),
            );
        }
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
