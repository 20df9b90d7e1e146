//! The fields of a record that are looked at, straight out of the bytes of a log.

use crate::input::identities::{Caller, Known};
use crate::input::record::Record;
use crate::input::scan::cursor::{Cursor, Form, Span, Spans};
use crate::input::splitter::is_list;

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
    let mut cursor = Cursor::new(bytes);
    let mut spans = Spans::none();
    let mut caller = None;
    cursor.object(|cursor, name, first| {
        let Some(slot) = slot(name) else {
            if first == b'[' && is_list(name) {
                return None;
            }
            return cursor.value(0);
        };
        let rest = &cursor.bytes[cursor.at..];
        let before = (slot == IDENTITY).then(|| known(rest)).flatten();
        caller = caller.or(before.map(|known| known.caller));
        let span = match before {
            Some(known) => pass(cursor, &known),
            None => cursor.span(first)?,
        };
        spans.put(slot, span)
    })?;
    let bytes = &bytes[..cursor.at];
    let text = std::str::from_utf8(bytes).ok()?;
    Some(Scanned {
        record: read(&spans, caller, text)?,
        bytes,
        lines: cursor.lines,
    })
}

/// Passes over an element that was read before.
fn pass(cursor: &mut Cursor<'_>, known: &Known) -> Span {
    let start = cursor.at;
    cursor.at += known.bytes;
    cursor.lines += known.lines;
    Span {
        start,
        end: cursor.at,
        form: Form::Other,
    }
}

/// The place of `userIdentity` among the wanted fields.
const IDENTITY: usize = 16;

/// How many fields of a record are wanted.
const WANTED: usize = 21;

/// The place of a field among the wanted fields, `None` for a field nobody looks at.
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

fn read<'a>(spans: &Spans<WANTED>, caller: Option<Caller>, text: &'a str) -> Option<Record<'a>> {
    let field = |slot: usize| spans.text(slot, text);
    let raw = |slot: usize| spans.raw(slot, text);
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
        caller,
        is_sound: true,
    })
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
            "{\"requestParameters\":{\"a\":\"\\uDc00\"}}",
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
            text in "\\{(\"(eventName|readOnly|userIdentity|x)\" ?: ?(\"([a\\\\\"u0é/]|\\\\u[dD][89]00){0,9}\"|-?[0-9]{1,2}(\\.[0-9]?)?(e[+-]?[0-9]{0,3})?|true|nul|null|\\[[1, ]{0,3}\\]|\\{(\"a\":[{}1]?)?\\})[, ]{0,2}){0,4}\\}"
        ) {
            agrees(&text);
        }
    }
}
