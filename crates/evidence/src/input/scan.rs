//! Reads one record straight out of the bytes of a log, in a single pass and without a copy.
//!
//! Only JSON that a strict parser accepts too is taken, and only where the names of the fields
//! are plain. Everything else gives `None` and is left to the tolerant readers.

use wide::u8x16;

use crate::input::identities::{Caller, Known};
use crate::input::record::{Record, Text};
use crate::input::splitter::is_list;

/// Deepest nesting followed here; deeper records go the slow way, since a parser may refuse them.
const DEPTH: u8 = 64;

/// Most digits of a number, and most of its exponent, that are followed here: no number within
/// these is too large to be parsed.
const DIGITS: usize = 200;
const EXPONENT: usize = 2;

/// A record, and how much of the input it takes.
pub(crate) struct Scanned<'a> {
    pub(crate) record: Record<'a>,
    /// The record's own bytes, the first of the input.
    pub(crate) bytes: &'a [u8],
    /// Newlines among them.
    pub(crate) lines: u64,
}

/// Reads the JSON object that `bytes` begins with.
///
/// `None` when it does not end within `bytes`, is not plain valid JSON, or is a wrapper around
/// a list of records. `known` tells whether bytes begin with a `userIdentity` read before.
pub(crate) fn record<'a>(
    bytes: &'a [u8],
    known: &dyn Fn(&[u8]) -> Option<Known>,
) -> Option<Scanned<'a>> {
    let mut cursor = Cursor {
        bytes,
        at: 0,
        lines: 0,
        known,
    };
    let fields = cursor.fields()?;
    let bytes = &bytes[..cursor.at];
    let text = std::str::from_utf8(bytes).ok()?;
    Some(Scanned {
        record: fields.record(text)?,
        bytes,
        lines: cursor.lines,
    })
}

/// What a value is, as far as can be told without parsing it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Absent,
    /// A string without escapes; the span leaves out its quotes.
    Plain,
    /// Anything else.
    Other,
}

/// Where a value stands in the record.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    form: Form,
}

const ABSENT: Span = Span {
    start: 0,
    end: 0,
    form: Form::Absent,
};

/// The place of `userIdentity` in [`Fields`].
const IDENTITY: usize = 16;

/// How many fields of a record are wanted.
const WANTED: usize = 21;

/// The place of a field in [`Fields`], `None` for a field nobody looks at.
fn slot(key: &[u8]) -> Option<usize> {
    Some(match key {
        b"eventID" => 0,
        b"eventTime" => 1,
        b"@timestamp" => 2,
        b"eventSource" => 3,
        b"eventName" => 4,
        b"eventType" => 5,
        b"eventCategory" => 6,
        b"awsRegion" => 7,
        b"sourceIPAddress" => 8,
        b"userAgent" => 9,
        b"errorCode" => 10,
        b"errorMessage" => 11,
        b"readOnly" => 12,
        b"managementEvent" => 13,
        b"recipientAccountId" => 14,
        b"sharedEventID" => 15,
        b"userIdentity" => IDENTITY,
        b"requestParameters" => 17,
        b"responseElements" => 18,
        b"additionalEventData" => 19,
        b"resources" => 20,
        _ => return None,
    })
}

/// The wanted fields of one record.
struct Fields {
    spans: [Span; WANTED],
    caller: Option<Caller>,
}

impl Fields {
    fn record<'a>(&self, text: &'a str) -> Option<Record<'a>> {
        let field = |slot: usize| self.text(slot, text);
        let raw = |slot: usize| self.raw(slot, text);
        Some(Record {
            event_id: field(0)?,
            event_time: field(1)?,
            shipped_time: field(2)?,
            event_source: field(3)?,
            event_name: field(4)?,
            event_type: field(5)?,
            event_category: field(6)?,
            aws_region: field(7)?,
            source_address: field(8)?,
            user_agent: field(9)?,
            error_code: field(10)?,
            error_message: field(11)?,
            read_only: field(12)?,
            management_event: field(13)?,
            recipient_account_id: field(14)?,
            shared_event_id: field(15)?,
            user_identity: raw(IDENTITY),
            request_parameters: raw(17),
            response_elements: raw(18),
            additional_event_data: raw(19),
            resources: raw(20),
            caller: self.caller,
            is_sound: true,
        })
    }

    fn text<'a>(&self, slot: usize, text: &'a str) -> Option<Text<'a>> {
        let span = self.spans[slot];
        let found = &text[span.start..span.end];
        match span.form {
            Form::Absent => Some(Text::default()),
            Form::Plain => Some(Text(Some(found.into()))),
            Form::Other if found == "null" => Some(Text::default()),
            Form::Other if matches!(found, "true" | "false") => Some(Text(Some(found.into()))),
            Form::Other => serde_json::from_str(found).ok(),
        }
    }

    /// A value as it stands in the record; null counts as absent.
    fn raw<'a>(&self, slot: usize, text: &'a str) -> Option<&'a str> {
        let span = self.spans[slot];
        match span.form {
            Form::Absent => None,
            Form::Plain => Some(&text[span.start - 1..=span.end]),
            Form::Other => Some(&text[span.start..span.end]).filter(|found| *found != "null"),
        }
    }
}

/// A position in the bytes. Every method returns `None` at what a strict parser refuses.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    lines: u64,
    known: &'a dyn Fn(&[u8]) -> Option<Known>,
}

impl Cursor<'_> {
    /// Reads the whole object.
    fn fields(&mut self) -> Option<Fields> {
        let mut fields = Fields {
            spans: [ABSENT; WANTED],
            caller: None,
        };
        self.expect(b'{')?;
        if self.next()? == b'}' {
            self.at += 1;
            return Some(fields);
        }
        loop {
            self.field(&mut fields)?;
            match self.next()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(fields);
                }
                _ => return None,
            }
            self.next()?;
        }
    }

    /// One name with its value.
    fn field(&mut self, fields: &mut Fields) -> Option<()> {
        self.expect(b'"')?;
        let start = self.at;
        if self.string()? {
            return None;
        }
        let key = &self.bytes[start..self.at - 1];
        self.next()?;
        self.expect(b':')?;
        let first = self.next()?;
        let Some(slot) = slot(key) else {
            if first == b'[' && is_list(key) {
                return None;
            }
            return self.value(0);
        };
        if fields.spans[slot].form != Form::Absent {
            return None;
        }
        if slot == IDENTITY
            && let Some(known) = (self.known)(&self.bytes[self.at..])
        {
            fields.caller = Some(known.caller);
            fields.spans[slot] = Span {
                start: self.at,
                end: self.at + known.bytes,
                form: Form::Other,
            };
            self.at += known.bytes;
            self.lines += known.lines;
            return Some(());
        }
        fields.spans[slot] = self.span(first)?;
        Some(())
    }

    fn span(&mut self, first: u8) -> Option<Span> {
        let start = self.at;
        if first == b'"' {
            self.at += 1;
            if !self.string()? {
                return Some(Span {
                    start: start + 1,
                    end: self.at - 1,
                    form: Form::Plain,
                });
            }
        } else {
            self.value(0)?;
        }
        Some(Span {
            start,
            end: self.at,
            form: Form::Other,
        })
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (*self.bytes.get(self.at)? == byte).then(|| self.at += 1)
    }

    /// The next byte that is no blank; the position is then on it.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        loop {
            match *self.bytes.get(self.at)? {
                b'\n' => self.lines += 1,
                b' ' | b'\t' | b'\r' => {}
                byte => return Some(byte),
            }
            self.at += 1;
        }
    }

    /// Passes over a value, of which the position is on the first byte.
    fn value(&mut self, depth: u8) -> Option<()> {
        match *self.bytes.get(self.at)? {
            b'"' => {
                self.at += 1;
                self.string().map(|_| ())
            }
            b'{' => self.inner(depth, b'}'),
            b'[' => self.inner(depth, b']'),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    /// Passes over an object or a list.
    fn inner(&mut self, depth: u8, end: u8) -> Option<()> {
        if depth >= DEPTH {
            return None;
        }
        self.at += 1;
        if self.next()? == end {
            self.at += 1;
            return Some(());
        }
        loop {
            if end == b'}' {
                self.expect(b'"')?;
                self.string()?;
                self.next()?;
                self.expect(b':')?;
                self.next()?;
            }
            self.value(depth + 1)?;
            match self.next()? {
                b',' => self.at += 1,
                byte if byte == end => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
            self.next()?;
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.bytes[self.at..]
            .starts_with(word)
            .then(|| self.at += word.len())
    }

    /// Passes over a number; one that touches the end of the bytes may go on and is refused.
    fn number(&mut self) -> Option<()> {
        if self.bytes[self.at] == b'-' {
            self.at += 1;
        }
        let zero = *self.bytes.get(self.at)? == b'0';
        if self.digits(DIGITS)? > 1 && zero {
            return None;
        }
        if *self.bytes.get(self.at)? == b'.' {
            self.at += 1;
            self.digits(DIGITS)?;
        }
        if matches!(self.bytes.get(self.at)?, b'e' | b'E') {
            self.at += 1;
            if matches!(self.bytes.get(self.at)?, b'+' | b'-') {
                self.at += 1;
            }
            self.digits(EXPONENT)?;
        }
        Some(())
    }

    /// Passes over digits, of which there must be some, and tells how many.
    fn digits(&mut self, most: usize) -> Option<usize> {
        let start = self.at;
        while self.bytes.get(self.at)?.is_ascii_digit() {
            self.at += 1;
        }
        let count = self.at - start;
        (1..=most).contains(&count).then_some(count)
    }

    /// Passes over a string behind its opening quote; tells whether it holds escapes.
    #[inline]
    fn string(&mut self) -> Option<bool> {
        let mut escaped = false;
        loop {
            self.at += plain(&self.bytes[self.at..]);
            match *self.bytes.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(escaped);
                }
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let length = match *self.bytes.get(self.at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' => {
                let digits = self.bytes.get(self.at + 2..self.at + 6)?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(6)?
            }
            _ => return None,
        };
        self.at += length;
        Some(())
    }
}

/// Sixteen bytes are looked at in one step.
const STEP: usize = 16;

/// How many bytes lie before the first quote, backslash or control character.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((step, after)) = rest.split_first_chunk::<STEP>() {
        let step = u8x16::new(*step);
        // The least of a byte and the last control character is the byte itself for those.
        let special = step.simd_eq(u8x16::splat(b'"'))
            | step.simd_eq(u8x16::splat(b'\\'))
            | step.simd_eq(step.min(u8x16::splat(0x1f)));
        let found = special.to_bitmask();
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize;
        }
        rest = after;
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    bytes.len() - rest.len() + rest.iter().position(special).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a strict parser makes of the same bytes must be the same.
    fn agrees(text: &str) {
        let Some(scanned) = record(text.as_bytes(), &|_| None) else {
            return;
        };
        let mut parsed: Record<'_> =
            serde_json::from_slice(scanned.bytes).unwrap_or_else(|error| panic!("{error}: {text}"));
        parsed.is_sound = true;
        assert!(serde_json::from_slice::<serde_json::Value>(scanned.bytes).is_ok());
        assert_eq!(format!("{parsed:?}"), format!("{:?}", scanned.record));
    }

    #[test]
    fn plain_records_are_read_whole() {
        let text = "{ \"eventName\" : \"A\\u0042\",\n\"readOnly\":true,\"userIdentity\":{\"a\":[1,-0.5e3,{}]},\"resources\":null,\"eventVersion\":1.0,\"x\":[]} tail";
        let scanned = record(text.as_bytes(), &|_| None).expect("a record");
        assert_eq!(scanned.bytes.len(), text.len() - 5);
        assert_eq!(scanned.lines, 1);
        assert_eq!(scanned.record.event_name.get(), "AB");
        assert_eq!(scanned.record.user_identity, Some("{\"a\":[1,-0.5e3,{}]}"));
        assert_eq!(scanned.record.resources, None);
        agrees(text);
    }

    #[test]
    fn what_is_odd_is_left_to_others() {
        for text in [
            "{\"Records\":[{}]}",
            "{\"eventName\":\"A\",\"eventName\":\"B\"}",
            "{\"event\\u004eame\":\"A\"}",
            "{\"a\":01}",
            "{\"a\":1,}",
            "{\"a\":1e400}",
            "{\"a\":\"\n\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":tru}",
            "{\"a\":1",
            "{\"a\" 1}",
            "{\"eventName\":\"\\ud800\"}",
        ] {
            assert!(record(text.as_bytes(), &|_| None).is_none(), "{text}");
        }
        assert!(record(b"{\"a\":\"\xff\"}", &|_| None).is_none());
        assert!(
            record(
                format!("{{\"a\":{}", "[".repeat(100_000)).as_bytes(),
                &|_| None
            )
            .is_none()
        );
    }

    proptest! {
        #[test]
        fn never_more_lenient_than_the_strict_parser(
            text in "\\{(\"(eventName|readOnly|userIdentity|x)\" ?: ?(\"[a\\\\\"u0é/]{0,9}\"|-?[0-9]{1,2}(\\.[0-9]?)?(e[+-]?[0-9]{0,3})?|true|nul|null|\\[[1, ]{0,3}\\]|\\{(\"a\":[{}1]?)?\\})[, ]{0,2}){0,4}\\}"
        ) {
            agrees(&text);
        }

        #[test]
        fn specials_are_found_where_they_are(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let expected = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            prop_assert_eq!(plain(&bytes), expected.unwrap_or(bytes.len()));
        }
    }
}
