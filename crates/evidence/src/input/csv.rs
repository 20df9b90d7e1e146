//! A small reader for comma-separated exports: one record a row, named by the first row.

use serde_json::{Map, Value};

/// Longest row kept, in bytes.
const LIMIT: usize = 16 << 20;

/// A push parser for RFC 4180: quotes may hold commas and newlines.
#[derive(Default)]
pub(crate) struct Rows {
    header: Vec<String>,
    row: Vec<String>,
    cell: Vec<u8>,
    quoted: bool,
    /// The last byte was a quote that may end the cell or be the first of a pair.
    pending: bool,
    line: u64,
    start: u64,
    size: usize,
}

impl Rows {
    /// Whether a first line names columns that an export of CloudTrail would have.
    pub(crate) fn recognises(line: &str) -> bool {
        let bare: String = line
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == ',')
            .collect::<String>()
            .to_ascii_lowercase();
        let named = [
            "eventname",
            "eventid",
            "eventtime",
            "eventdatetime",
            "eventsource",
            "sourceip",
            "sourceipaddress",
        ];
        bare.split(',').filter(|cell| named.contains(cell)).count() >= 2
    }

    /// Takes the next bytes; every finished row goes to `sink` with its line, as a JSON object.
    pub(crate) fn push(
        &mut self,
        chunk: &[u8],
        sink: &mut dyn FnMut(u64, Option<Map<String, Value>>),
    ) {
        for &byte in chunk {
            self.line += u64::from(byte == b'\n');
            self.size += 1;
            match byte {
                b'"' if self.pending => {
                    self.pending = false;
                    self.cell.push(byte);
                }
                b'"' if self.quoted => self.pending = true,
                b'"' if self.cell.is_empty() => self.quoted = true,
                _ if self.quoted && !self.pending => self.keep(byte),
                b',' => self.end_cell(),
                b'\n' => self.end_row(sink),
                b'\r' => {}
                _ => self.keep(byte),
            }
        }
    }

    /// Ends the stream with its last row.
    pub(crate) fn finish(&mut self, sink: &mut dyn FnMut(u64, Option<Map<String, Value>>)) {
        if self.quoted && !self.pending {
            sink(self.start + 1, None);
        } else if !self.cell.is_empty() || !self.row.is_empty() {
            self.end_row(sink);
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.size <= LIMIT {
            self.cell.push(byte);
        }
    }

    fn end_cell(&mut self) {
        self.row
            .push(String::from_utf8_lossy(&self.cell).into_owned());
        self.cell.clear();
        (self.quoted, self.pending) = (false, false);
    }

    fn end_row(&mut self, sink: &mut dyn FnMut(u64, Option<Map<String, Value>>)) {
        self.end_cell();
        let row = std::mem::take(&mut self.row);
        let line = self.start + 1;
        self.start = self.line;
        let size = std::mem::take(&mut self.size);
        if row.iter().all(|cell| cell.trim().is_empty()) {
            return;
        }
        if self.header.is_empty() {
            // A quote that is never closed makes names of what should be rows.
            if row.iter().any(|cell| cell.contains('\n')) {
                sink(line, None);
            }
            self.header = row
                .iter()
                .map(|cell| cell.trim_start_matches('\u{feff}').trim().to_owned())
                .collect();
        } else if size > LIMIT || row.len() > self.header.len() {
            sink(line, None);
        } else {
            sink(
                line,
                Some(
                    self.header
                        .iter()
                        .cloned()
                        .zip(row.into_iter().map(Value::String))
                        .collect(),
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_commas_and_lines() {
        let mut rows = Vec::new();
        let mut sink = |line, row: Option<Map<String, Value>>| {
            rows.push((line, row.map(|row| Value::Object(row).to_string())));
        };
        let mut csv = Rows::default();
        for chunk in b"Event Name,Event ID\r\nA,\"x, \"\"y\"\"\nz\"\nB,1,2\n\nC,3".chunks(3) {
            csv.push(chunk, &mut sink);
        }
        csv.finish(&mut sink);
        let expected = [
            (2, Some(r#"{"Event ID":"x, \"y\"\nz","Event Name":"A"}"#)),
            (4, None),
            (6, Some(r#"{"Event ID":"3","Event Name":"C"}"#)),
        ];
        assert_eq!(
            rows.iter()
                .map(|(line, row)| (*line, row.as_deref()))
                .collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn a_header_that_swallows_rows_is_told() {
        let told = |text: &[u8]| {
            let mut told = 0;
            let mut sink = |_, row: Option<Map<String, Value>>| told += usize::from(row.is_none());
            let mut csv = Rows::default();
            csv.push(text, &mut sink);
            csv.finish(&mut sink);
            told
        };
        assert_eq!(told(b"Event Name,\"Event ID\nA,1\nB,2"), 1);
        assert_eq!(told(b"Event Name,\"Event ID\nA,1\nB\",2\nC,3"), 1);
        assert_eq!(told(b"Event Name,\"Event ID\"\nA,1\nB,2"), 0);
    }

    #[test]
    fn headers_are_recognised() {
        assert!(Rows::recognises(
            "Event Type,Event Name,Request ID,Source IP"
        ));
        assert!(!Rows::recognises("name,size,colour"));
    }
}
