//! Cuts a stream of bytes into JSON documents without holding more than one of them.
//!
//! It understands a list, a wrapper object around a list (`Records`, `Events`, `Findings`), documents one
//! after another and documents one a line, and finds its way again after a broken record.

use crate::input::identities::Known;
use crate::input::record::Record;
use crate::input::scan;

/// Keys of a wrapper object whose list holds the documents.
const LISTS: [&[u8]; 8] = [
    b"Records",
    b"records",
    b"Events",
    b"events",
    b"logEvents",
    b"Rows",
    b"Findings",
    b"findings",
];

/// Whether a list under this key holds documents.
pub(crate) fn is_list(key: &[u8]) -> bool {
    LISTS.contains(&key)
}

/// What comes out of the stream.
pub(crate) enum Piece<'a> {
    /// One JSON object, `line` counted from 1; with its fields where it could be read at once.
    Document {
        line: u64,
        offset: u64,
        bytes: &'a [u8],
        record: Option<&'a Record<'a>>,
    },
    /// Something that could not be cut into a document.
    Broken {
        line: u64,
        offset: u64,
        what: &'static str,
    },
}

/// Where the pieces go.
pub(crate) trait Sink {
    /// Takes a piece.
    fn piece(&mut self, piece: Piece<'_>);

    /// The `userIdentity` that bytes begin with, if it was read before.
    fn identity(&self, _bytes: &[u8]) -> Option<Known> {
        None
    }
}

/// What encloses the documents.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    List,
    Wrapper,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Between,
    Garbage,
    Inside,
}

/// A push parser: feed it chunks, then call [`Splitter::finish`].
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent parts of the parser's position"
)]
pub(crate) struct Splitter {
    levels: Vec<Level>,
    /// Open containers of the current document, true for an object.
    open: Vec<bool>,
    document: Vec<u8>,
    /// False while the document is a wrapper or too large to keep.
    keep: bool,
    start: u64,
    start_line: u64,
    offset: u64,
    line: u64,
    state: State,
    in_string: bool,
    escaped: bool,
    in_key: bool,
    key: Vec<u8>,
    previous: u8,
    limit: usize,
}

impl Splitter {
    /// `limit` is the largest document kept, in bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Splitter {
            levels: Vec::new(),
            open: Vec::new(),
            document: Vec::new(),
            keep: true,
            start: 0,
            start_line: 1,
            offset: 0,
            line: 1,
            state: State::Between,
            in_string: false,
            escaped: false,
            in_key: false,
            key: Vec::new(),
            previous: 0,
            limit,
        }
    }

    /// Takes the next bytes of the stream.
    pub(crate) fn push(&mut self, chunk: &[u8], sink: &mut dyn Sink) {
        let mut at = 0;
        while at < chunk.len() {
            at += match self.state {
                State::Between => match self.whole(&chunk[at..], sink) {
                    Some(used) => used,
                    None => self.between(chunk[at], sink),
                },
                State::Garbage => self.garbage(&chunk[at..]),
                State::Inside => self.inside(&chunk[at..], sink),
            };
        }
    }

    /// A plain document that lies in one piece in the input; returns how many bytes it used.
    fn whole(&mut self, rest: &[u8], sink: &mut dyn Sink) -> Option<usize> {
        if rest.first() != Some(&b'{') {
            return None;
        }
        let found = scan::record(rest, &|bytes| sink.identity(bytes))
            .filter(|found| found.bytes.len() <= self.limit)?;
        sink.piece(Piece::Document {
            line: self.line,
            offset: self.offset,
            bytes: found.bytes,
            record: Some(&found.record),
        });
        self.offset += found.bytes.len() as u64;
        self.line += found.lines;
        Some(found.bytes.len())
    }

    /// Ends the stream; what is still open is reported as cut off.
    pub(crate) fn finish(&mut self, sink: &mut dyn Sink) {
        if self.state == State::Inside && self.keep {
            self.broken("ends in the middle of a record", sink);
        } else if self.state == State::Inside || !self.levels.is_empty() {
            self.start = self.offset;
            self.start_line = self.line;
            self.broken("ends in the middle of the list of records", sink);
        }
        self.levels.clear();
    }

    fn broken(&mut self, what: &'static str, sink: &mut dyn Sink) {
        sink.piece(Piece::Broken {
            line: self.start_line,
            offset: self.start,
            what,
        });
        self.open.clear();
        self.document.clear();
        self.in_string = false;
        self.state = State::Between;
    }

    /// One byte outside any document; returns how many bytes it used.
    fn between(&mut self, byte: u8, sink: &mut dyn Sink) -> usize {
        match byte {
            b'\n' => self.line += 1,
            b' ' | b'\t' | b'\r' | b',' | 0xef | 0xbb | 0xbf => {}
            b'{' => {
                self.begin();
                return 0;
            }
            b'[' if self.levels.len() < 64 => self.levels.push(Level::List),
            b']' if self.levels.last() == Some(&Level::List) => self.close_list(),
            // What closes a level whose opening was lost with a broken record.
            b']' | b'}' => {}
            _ => {
                self.start = self.offset;
                self.start_line = self.line;
                self.broken("is not a JSON object", sink);
                self.state = State::Garbage;
            }
        }
        self.offset += 1;
        1
    }

    fn close_list(&mut self) {
        self.levels.pop();
        if self.levels.last() == Some(&Level::Wrapper) {
            self.levels.pop();
            self.state = State::Inside;
            self.open = vec![true];
            self.keep = false;
            self.previous = b']';
        }
    }

    fn begin(&mut self) {
        self.state = State::Inside;
        self.start = self.offset;
        self.start_line = self.line;
        self.document.clear();
        self.open.clear();
        self.keep = true;
        self.in_string = false;
        self.escaped = false;
        self.in_key = false;
        // A brace is legal after a colon.
        self.previous = b':';
    }

    fn garbage(&mut self, rest: &[u8]) -> usize {
        let used = memchr::memchr2(b'\n', b'{', rest).unwrap_or(rest.len());
        self.offset += used as u64;
        if used < rest.len() {
            self.state = State::Between;
        }
        used
    }

    /// Bytes of a document up to its end or the end of the chunk; returns how many it used.
    fn inside(&mut self, rest: &[u8], sink: &mut dyn Sink) -> usize {
        let mut at = 0;
        while at < rest.len() {
            if self.in_string {
                at = self.string(rest, at);
                if at < rest.len() && self.in_string {
                    // A raw newline inside a string: this record was cut off, the next line is new.
                    self.offset += at as u64;
                    self.broken("breaks off inside a string", sink);
                    return at;
                }
                continue;
            }
            let byte = rest[at];
            match byte {
                b'\n' => self.line += 1,
                b' ' | b'\t' | b'\r' => {}
                b'"' => {
                    self.in_string = true;
                    self.in_key = self.open.len() == 1 && matches!(self.previous, b'{' | b',');
                    if self.in_key {
                        self.key.clear();
                    }
                    self.previous = byte;
                }
                b'{' | b'[' if !self.may_open() => {
                    self.offset += at as u64;
                    self.broken("breaks off before the next record", sink);
                    return at;
                }
                b'[' if self.open.len() == 1 && is_list(&self.key) => {
                    self.levels.extend([Level::Wrapper, Level::List]);
                    self.state = State::Between;
                    self.offset += at as u64 + 1;
                    return at + 1;
                }
                b'{' | b'[' => {
                    self.open.push(byte == b'{');
                    self.previous = byte;
                }
                b'}' | b']' if self.open.last() != Some(&(byte == b'}')) => {
                    self.offset += at as u64;
                    self.broken("closes a bracket that is not open", sink);
                    return at;
                }
                b'}' | b']' => {
                    self.open.pop();
                    self.previous = byte;
                    if self.open.is_empty() {
                        self.take(&rest[..=at], sink);
                        self.offset += at as u64 + 1;
                        if self.keep {
                            sink.piece(Piece::Document {
                                line: self.start_line,
                                offset: self.start,
                                bytes: &self.document,
                                record: None,
                            });
                        }
                        self.document.clear();
                        self.state = State::Between;
                        return at + 1;
                    }
                }
                _ => self.previous = byte,
            }
            at += 1;
        }
        self.take(rest, sink);
        self.offset += rest.len() as u64;
        rest.len()
    }

    /// Whether an object or a list may begin here.
    fn may_open(&self) -> bool {
        match self.previous {
            b':' | b'[' => true,
            b',' => self.open.last() == Some(&false),
            _ => false,
        }
    }

    /// Runs through a string; stops behind its end, at a raw newline, or at the end of the chunk.
    fn string(&mut self, rest: &[u8], mut at: usize) -> usize {
        while at < rest.len() {
            if self.escaped {
                self.escaped = false;
                at += 1;
                continue;
            }
            let end = memchr::memchr3(b'"', b'\\', b'\n', &rest[at..])
                .map_or(rest.len(), |found| at + found);
            if self.in_key && self.key.len() < 16 {
                self.key.extend_from_slice(&rest[at..end]);
            }
            match rest.get(end) {
                Some(b'"') => {
                    self.in_string = false;
                    return end + 1;
                }
                Some(b'\\') => self.escaped = true,
                Some(_) => return end,
                None => return rest.len(),
            }
            at = end + 1;
        }
        rest.len()
    }

    fn take(&mut self, bytes: &[u8], sink: &mut dyn Sink) {
        if !self.keep {
            return;
        }
        if self.document.len() + bytes.len() > self.limit {
            self.keep = false;
            self.document = Vec::new();
            sink.piece(Piece::Broken {
                line: self.start_line,
                offset: self.start,
                what: "is larger than the limit for one record",
            });
        } else {
            self.document.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Pieces {
        documents: Vec<String>,
        broken: Vec<&'static str>,
    }

    impl Sink for Pieces {
        fn piece(&mut self, piece: Piece<'_>) {
            match piece {
                Piece::Document { bytes, .. } => {
                    self.documents
                        .push(String::from_utf8_lossy(bytes).into_owned());
                }
                Piece::Broken { what, .. } => self.broken.push(what),
            }
        }
    }

    fn split(input: &[u8], step: usize) -> (Vec<String>, Vec<&'static str>) {
        let mut sink = Pieces::default();
        let mut splitter = Splitter::new(1000);
        for chunk in input.chunks(step) {
            splitter.push(chunk, &mut sink);
        }
        splitter.finish(&mut sink);
        (sink.documents, sink.broken)
    }

    #[test]
    fn every_shape_gives_the_same_documents() {
        let shapes = [
            r#"{"a":1}{"b":"}"}"#,
            "{\"a\":1}\n{\"b\":\"}\"}\n",
            r#"[{"a":1},{"b":"}"}]"#,
            "\u{feff}{ \"x\": [1], \"Records\" : [ {\"a\":1}, {\"b\":\"}\"} ], \"NextToken\": \"]\" }",
            r#"[{"Records":[{"a":1}]},{"Records":[{"b":"}"}]}]"#,
        ];
        for shape in shapes {
            assert_eq!(
                split(shape.as_bytes(), 7),
                (vec![r#"{"a":1}"#.into(), r#"{"b":"}"}"#.into()], vec![]),
                "{shape}"
            );
        }
    }

    #[test]
    fn the_rest_survives_a_broken_record() {
        let (documents, broken) = split(
            b"{\"a\":1}\n{\"b\":{\"c\":1,\n{\"d\":\"x\n{\"e\":2}\nnoise\n{\"f\":3}",
            5,
        );
        assert_eq!(documents, [r#"{"a":1}"#, r#"{"e":2}"#, r#"{"f":3}"#]);
        assert_eq!(broken.len(), 3);
        let (documents, broken) = split(br#"{"Records":[{"a":1},{"b":"#, 4);
        assert_eq!(
            (documents.len(), broken),
            (1, vec!["ends in the middle of a record"])
        );
    }

    #[test]
    fn a_huge_record_is_passed_over() {
        let input = format!("[{{\"a\":\"{}\"}},{{\"b\":1}}]", "x".repeat(2000));
        let (documents, broken) = split(input.as_bytes(), 100);
        assert_eq!(documents, [r#"{"b":1}"#]);
        assert_eq!(broken.len(), 1);
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(input in "[\\[\\]{}\",:a\\\\\n ]{0,60}", step in 1usize..9) {
            prop_assert_eq!(split(input.as_bytes(), step), split(input.as_bytes(), 1000));
        }
    }
}
