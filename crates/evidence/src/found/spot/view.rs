//! A record at hand, as rules see it.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};

use relatch_detect::{Event, Interest, Known, Path, RawEvent, See, Value, walk_json};

use crate::input::identities::{Name, Names};
use crate::input::record::{Record, Text};
use crate::log::Texts;

/// A record at hand, with what is known of it in the numbers of its file, where equal numbers
/// stand for equal texts.
pub(crate) struct Sight<'a> {
    pub(crate) record: &'a Record<'a>,
    /// The record's own bytes.
    pub(crate) bytes: &'a [u8],
    /// The number of the event.
    pub(crate) event: u32,
    /// What was called, where, and with what outcome.
    pub(crate) call: u32,
    /// The address and the client.
    pub(crate) origin: u32,
    /// The text of the caller, if it is one of those kept.
    pub(crate) caller: Option<u32>,
    pub(crate) names: Names,
    pub(crate) texts: &'a Texts,
}

/// The fields of [`Names`], as rules know them.
pub(super) const NAMES: [Known; 5] = [
    Known::IdentityType,
    Known::AccessKeyId,
    Known::Arn,
    Known::UserName,
    Known::InvokedBy,
];

/// A record as rules see it. A null in one of the fields that are known counts as absent.
pub(super) struct View<'a> {
    record: &'a Record<'a>,
    bytes: &'a [u8],
    names: Names,
    texts: &'a Texts,
    request: OnceCell<Option<RawEvent<'a>>>,
    text: OnceCell<Cow<'a, str>>,
    /// The request is part of the shape.
    tells_request: bool,
    /// Something was looked at that the shape does not tell.
    beyond: Cell<bool>,
    /// The caller's own texts are wanted, not only the answers to them, which the shape tells.
    wants_names: Cell<bool>,
}

impl<'a> View<'a> {
    pub(super) fn new(sight: &Sight<'a>, interest: Interest) -> Self {
        View {
            record: sight.record,
            bytes: sight.bytes,
            names: sight.names,
            texts: sight.texts,
            request: OnceCell::new(),
            text: OnceCell::new(),
            tells_request: interest == Interest::Record,
            beyond: Cell::new(false),
            wants_names: Cell::new(false),
        }
    }

    /// From now on the caller's own texts count.
    pub(super) fn want_names(&self) {
        self.wants_names.set(true);
    }

    /// Whether anything was looked at that the shape does not tell.
    pub(super) fn looked_beyond(&self) -> bool {
        self.beyond.get()
    }

    /// The field as it was read already, if it is one of the record's own texts.
    fn field(&self, known: Known) -> Option<&Text<'_>> {
        let record = self.record;
        Some(match known {
            Known::EventSource => &record.event_source,
            Known::EventName => &record.event_name,
            Known::AwsRegion => &record.aws_region,
            Known::SourceIpAddress => &record.source_address,
            Known::UserAgent => &record.user_agent,
            Known::ErrorCode => &record.error_code,
            Known::ErrorMessage => &record.error_message,
            Known::EventType => &record.event_type,
            _ => return None,
        })
    }

    fn known(&self, known: Known, path: &Path, see: &mut See<'_>) {
        let told = match self.field(known) {
            Some(Text(None)) => return,
            // Numbers and truth values are texts here too, and are not taken for such by rules.
            Some(Text(Some(Cow::Borrowed(text)))) if !matches!(*text, "true" | "false") => {
                Some(*text)
            }
            Some(_) => None,
            None => match self.named(known) {
                Name::Plain(text) => Some(self.texts.get(text)),
                Name::Absent => return,
                Name::Odd => None,
            },
        };
        match told {
            Some(text) => drop(see(Value::Text(Cow::Borrowed(text)))),
            None => self.whole(&mut |whole| whole.visit(path, see)),
        }
    }

    fn named(&self, known: Known) -> Name {
        if self.wants_names.get() {
            self.beyond.set(true);
        }
        let at = NAMES.iter().position(|field| *field == known);
        at.map_or(Name::Odd, |at| self.names.0[at])
    }

    fn request(&self, path: &Path, see: &mut See<'_>) {
        if !self.tells_request {
            self.beyond.set(true);
        }
        let Some(raw) = self.record.request_parameters else {
            return;
        };
        let fields = self.request.get_or_init(|| RawEvent::new(raw).ok());
        match fields {
            Some(fields) if path.depth() > 1 => {
                if let Some(text) = fields.field(path.rest(1)) {
                    walk_json(text, path, path.depth(), see);
                } else if let Some(text) = fields.field(path.segment(1)) {
                    walk_json(text, path, 2, see);
                }
            }
            _ => walk_json(raw, path, 1, see),
        }
    }

    /// Hands on the whole record; nothing where it is no record, which none of ours is.
    fn whole(&self, look: &mut dyn FnMut(&RawEvent<'_>)) {
        self.beyond.set(true);
        let text = self
            .text
            .get_or_init(|| String::from_utf8_lossy(self.bytes));
        if let Ok(whole) = RawEvent::new(text) {
            look(&whole);
        }
    }
}

impl Event for View<'_> {
    fn visit(&self, path: &Path, see: &mut See<'_>) {
        if let Some(known) = path.known() {
            return self.known(known, path, see);
        }
        let part = match path.segment(0) {
            "requestParameters" => return self.request(path, see),
            "responseElements" => self.record.response_elements,
            "additionalEventData" => self.record.additional_event_data,
            "userIdentity" => self.record.user_identity,
            "resources" => self.record.resources,
            _ => return self.whole(&mut |whole| whole.visit(path, see)),
        };
        self.beyond.set(true);
        if let Some(part) = part {
            walk_json(part, path, 1, see);
        }
    }

    fn visit_all(&self, see: &mut See<'_>) {
        self.whole(&mut |whole| whole.visit_all(see));
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use relatch_detect::habit;

    use super::*;
    use crate::input::identities::Identities;
    use crate::log::Events;

    const RECORD: &str = r#"{"eventVersion":"1.08","eventSource":"iam.amazonaws.com","eventName":"Put\u0041","errorCode":null,"userAgent":"a b","awsRegion":true,"userIdentity":{"type":"IAMUser","arn":"arn:\u0061","accessKeyId":null,"userName":7,"sessionContext":{"attributes":{"mfaAuthenticated":"true"}}},"requestParameters":{"a":{"b":[1,{"c":"d"}]},"a.b":"dotted","list":["x","y"],"no":null},"responseElements":{"ok":true},"resources":[{"ARN":"r1"},{"ARN":"r2"}],"tlsDetails":{"tlsVersion":"TLSv1.3"}}"#;

    fn seen(event: &dyn Event, path: &str) -> Vec<String> {
        let mut all = Vec::new();
        event.visit(&Path::new(path), &mut |value| {
            all.push(format!("{value:?}"));
            ControlFlow::Continue(())
        });
        all
    }

    #[test]
    fn a_view_shows_what_the_whole_record_shows() {
        let record = Record::parse(RECORD.as_bytes()).expect("a record");
        let mut events = Events::default();
        let mut identities = Identities::default();
        let caller = identities.caller(&record, &mut events);
        let names = identities.names(caller);
        assert!(names.0.contains(&Name::Odd) && names.0.contains(&Name::Absent));
        let sight = Sight {
            record: &record,
            bytes: RECORD.as_bytes(),
            event: 0,
            call: 0,
            origin: 0,
            caller: caller.text,
            names,
            texts: &events.texts,
        };
        let view = View::new(&sight, Interest::Record);
        let whole = RawEvent::new(RECORD).expect("a record");
        let paths = Known::ALL.map(Known::text);
        let more = [
            "requestParameters",
            "requestParameters.a.b",
            "requestParameters.a.b.c",
            "requestParameters.list",
            "requestParameters.no",
            "requestParameters.gone",
            "responseElements.ok",
            "resources.ARN",
            "userIdentity.sessionContext.attributes.mfaAuthenticated",
            "tlsDetails.tlsVersion",
            "eventVersion",
            "gone",
        ];
        for path in paths.iter().chain(&more) {
            let expected = match *path {
                "errorCode" | "userIdentity.accessKeyId" => Vec::new(),
                // Of a name with a dot and a path of the same letters, the name counts.
                "requestParameters.a.b" => vec!["Text(\"dotted\")".to_owned()],
                path => seen(&whole, path),
            };
            assert_eq!(seen(&view, path), expected, "{path}");
        }
        assert_eq!(habit(&view), habit(&whole));
    }
}
