//! Holds the detections against each record while it is at hand: most are told by their source,
//! name and a few fields, and only for the rest is the record looked at as a whole.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::{Arc, Mutex, PoisonError};

use relatch_detect::{
    Event, Interest, Known, Path, RawEvent, RuleIndex, RuleSet, Scanner, See, Sightings, Value,
    habit, walk_json,
};

use crate::input::record::{Record, Text};
use crate::log::tables::Map;

/// Most identities and habits kept by their text.
const KEPT: usize = 4096;

/// Longest text kept, in bytes.
const LONGEST: usize = 4096;

/// Spotters that are not in use: one is made for each thread and goes from file to file.
pub(crate) struct Spotters<'r> {
    set: &'r RuleSet,
    idle: Mutex<Vec<Spotter<'r>>>,
}

impl<'r> Spotters<'r> {
    /// None made yet.
    pub(crate) fn new(set: &'r RuleSet) -> Self {
        Spotters {
            set,
            idle: Mutex::default(),
        }
    }

    /// One that nobody else uses.
    pub(crate) fn lend(&self) -> Spotter<'r> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let one = { idle }.pop();
        one.unwrap_or_else(|| Spotter::new(self.set))
    }

    /// Takes one back, without what it found.
    pub(crate) fn give_back(&self, one: Spotter<'r>) {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        { idle }.push(one);
    }
}

/// Looks at records, one after the other.
pub(crate) struct Spotter<'r> {
    set: &'r RuleSet,
    scanner: Scanner<'r>,
    rules: Vec<RuleIndex>,
    identities: Map<Box<str>, Identity>,
    habits: Map<Box<[u8]>, Arc<str>>,
    key: Vec<u8>,
    found: Sightings,
}

impl<'r> Spotter<'r> {
    fn new(set: &'r RuleSet) -> Self {
        Spotter {
            set,
            scanner: set.scanner(),
            rules: Vec::new(),
            identities: Map::default(),
            habits: Map::default(),
            key: Vec::new(),
            found: Sightings::default(),
        }
    }

    /// What was found since the last time.
    pub(crate) fn found(&mut self) -> Sightings {
        std::mem::take(&mut self.found)
    }

    /// Looks at a record, the file's event of this number. `bytes` are the record's own.
    pub(crate) fn look(&mut self, record: &Record<'_>, bytes: &[u8], number: u32) {
        let (source, name) = (record.event_source.get(), record.event_name.get());
        let named = !source.is_empty() && !name.is_empty();
        let interest = self.scanner.interest(source.as_bytes(), name.as_bytes());
        if named && interest == Interest::Nothing {
            return;
        }
        let raw = record.user_identity.unwrap_or_default();
        let long = (raw.len() > LONGEST).then(|| Identity::read(raw));
        if long.is_none() && !self.identities.contains_key(raw) {
            if self.identities.len() >= KEPT {
                self.identities.clear();
            }
            self.identities.insert(raw.into(), Identity::read(raw));
        }
        let Some(identity) = long.as_ref().or_else(|| self.identities.get(raw)) else {
            return;
        };
        let view = View {
            record,
            bytes,
            identity,
            request: OnceCell::new(),
            text: OnceCell::new(),
        };
        self.scanner.matches(&view, &mut self.rules);
        if self.rules.is_empty() {
            return;
        }
        let habit = habit_of(&view, &mut self.habits, &mut self.key);
        self.found
            .take(self.set, &self.rules, &habit, number, &view);
    }
}

/// The habit of an event: it depends on nothing but these four, which callers repeat.
fn habit_of(view: &View<'_>, habits: &mut Map<Box<[u8]>, Arc<str>>, key: &mut Vec<u8>) -> Arc<str> {
    key.clear();
    let parts = [
        view.record.event_name.get(),
        view.record.source_address.get(),
        view.record.user_agent.get(),
        view.record.request_parameters.unwrap_or_default(),
    ];
    for part in parts {
        key.extend_from_slice(&part.len().to_le_bytes());
        key.extend_from_slice(part.as_bytes());
    }
    if let Some(known) = habits.get(key.as_slice()) {
        return known.clone();
    }
    let habit: Arc<str> = habit(view).into();
    if key.len() <= LONGEST {
        if habits.len() >= KEPT {
            habits.clear();
        }
        habits.insert(key.as_slice().into(), habit.clone());
    }
    habit
}

/// What rules want of a `userIdentity` again and again.
struct Identity([Told; 5]);

/// A field of an identity.
enum Told {
    Absent,
    Plain(Box<str>),
    /// Not plain text: whoever wants it has to read it.
    Odd,
}

/// The fields kept, and their names within the identity.
const IDENTITY: [(Known, &str); 5] = [
    (Known::IdentityType, "type"),
    (Known::AccessKeyId, "accessKeyId"),
    (Known::Arn, "arn"),
    (Known::UserName, "userName"),
    (Known::InvokedBy, "invokedBy"),
];

impl Identity {
    fn read(raw: &str) -> Self {
        let event = RawEvent::new(raw).ok();
        Identity(IDENTITY.map(|(_, name)| {
            let field = event.as_ref().and_then(|event| event.field(name));
            let quoted = |text: &str| {
                let inner = text.strip_prefix('"')?.strip_suffix('"')?;
                (!inner.contains('\\')).then(|| inner.into())
            };
            match field {
                None | Some("null") => Told::Absent,
                Some(text) => quoted(text).map_or(Told::Odd, Told::Plain),
            }
        }))
    }

    fn get(&self, known: Known) -> Option<&Told> {
        let at = IDENTITY.iter().position(|(field, _)| *field == known)?;
        Some(&self.0[at])
    }
}

/// A record as rules see it. A null in one of the fields that are known counts as absent.
struct View<'a> {
    record: &'a Record<'a>,
    bytes: &'a [u8],
    identity: &'a Identity,
    request: OnceCell<Option<RawEvent<'a>>>,
    text: OnceCell<Cow<'a, str>>,
}

impl View<'_> {
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
            None => match self.identity.get(known) {
                Some(Told::Plain(text)) => Some(&**text),
                Some(Told::Absent) => return,
                _ => None,
            },
        };
        match told {
            Some(text) => drop(see(Value::Text(Cow::Borrowed(text)))),
            None => self.whole(&mut |whole| whole.visit(path, see)),
        }
    }

    fn request(&self, path: &Path, see: &mut See<'_>) {
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

    use super::*;

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
        let identity = Identity::read(record.user_identity.expect("one"));
        let view = View {
            record: &record,
            bytes: RECORD.as_bytes(),
            identity: &identity,
            request: OnceCell::new(),
            text: OnceCell::new(),
        };
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
