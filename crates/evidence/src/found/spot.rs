//! Holds the detections against each record while it is at hand: most are told by their source,
//! name and a few fields, and only for the rest is the record looked at as a whole.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::sync::{Arc, Mutex, PoisonError};

use relatch_detect::{
    Answers, Event, Interest, Known, Path, RawEvent, RuleIndex, RuleSet, Scanner, See, Sighted,
    Sightings, Value, habit, walk_json,
};

use crate::input::identities::{Name, Names};
use crate::input::record::{Record, Text};
use crate::log::Texts;
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

/// Looks at records, one after the other.
pub(crate) struct Spotter<'r> {
    set: &'r RuleSet,
    scanner: Scanner<'r>,
    rules: Vec<RuleIndex>,
    kinds: Map<Box<[Answers]>, u32>,
    habits: Map<Box<[u8]>, Arc<str>>,
    habit: Vec<u8>,
    /// How much to look at, by the number of the call. This and what follows is of one file.
    interests: Vec<Option<Interest>>,
    /// The kinds of callers, by the number of their text.
    callers: Vec<Option<Kind>>,
    /// What is known of events by their shape.
    shapes: Map<Box<[u8]>, Shape>,
    shape: Vec<u8>,
    found: Sightings,
}

/// What events of one shape have in common.
struct Shape {
    rules: Box<[RuleIndex]>,
    /// `None` where the request, which tells it, is not part of the shape.
    habit: Option<Arc<str>>,
    /// All that they come to; `None` where that takes the caller's own texts, or more.
    sighted: Option<Sighted>,
}

/// What rules can tell of a caller: those of one number are alike to every rule. `None` is like
/// nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind(Option<u32>);

impl<'r> Spotter<'r> {
    fn new(set: &'r RuleSet) -> Self {
        Spotter {
            set,
            scanner: set.scanner(),
            rules: Vec::new(),
            kinds: Map::default(),
            habits: Map::default(),
            habit: Vec::new(),
            interests: Vec::new(),
            callers: Vec::new(),
            shapes: Map::default(),
            shape: Vec::new(),
            found: Sightings::default(),
        }
    }

    /// What was found in the file at hand. The next record is of another.
    pub(crate) fn found(&mut self) -> Sightings {
        self.interests.clear();
        self.callers.clear();
        self.shapes.clear();
        std::mem::take(&mut self.found)
    }

    /// Looks at a record.
    pub(crate) fn look(&mut self, sight: &Sight<'_>) {
        let interest = self.interest(sight);
        if interest == Interest::Nothing {
            return;
        }
        let Kind(kind) = self.kind(sight);
        let has_shape = kind.is_some_and(|kind| shape(&mut self.shape, sight, kind, interest));
        let known = has_shape.then(|| self.shapes.get(self.shape.as_slice()));
        let known = known.flatten();
        if let Some(sighted) = known.and_then(|shape| shape.sighted.as_ref()) {
            self.found.add(sighted, sight.event);
            return;
        }
        let view = View::new(sight);
        if let Some(shape) = known {
            let habit = match &shape.habit {
                Some(habit) => habit.clone(),
                None => habit_of(&view, &mut self.habits, &mut self.habit),
            };
            let number = sight.event;
            self.found
                .take(self.set, &shape.rules, &habit, number, &view);
            return;
        }
        self.scanner.matches(&view, &mut self.rules);
        let is_told = has_shape && !view.beyond.get();
        let (mut habit, mut sighted) = (None, Sighted::default());
        if !self.rules.is_empty() {
            view.wants_names.set(true);
            let words = habit_of(&view, &mut self.habits, &mut self.habit);
            sighted = self.found.sight(self.set, &self.rules, &words, &view);
            self.found.add(&sighted, sight.event);
            habit = Some(words);
        }
        if !is_told {
            return;
        }
        if self.shapes.len() >= KEPT {
            self.shapes.clear();
        }
        let has_all = self.rules.is_empty() || interest == Interest::Record && !view.beyond.get();
        let shape = Shape {
            rules: self.rules.as_slice().into(),
            habit: habit.filter(|_| interest == Interest::Record),
            sighted: has_all.then_some(sighted),
        };
        self.shapes.insert(self.shape.as_slice().into(), shape);
    }

    fn interest(&mut self, sight: &Sight<'_>) -> Interest {
        let at = sight.call as usize;
        if let Some(Some(interest)) = self.interests.get(at) {
            return *interest;
        }
        let source = sight.record.event_source.get();
        let name = sight.record.event_name.get();
        let interest = if source.is_empty() || name.is_empty() {
            Interest::Record
        } else {
            self.scanner.interest(source.as_bytes(), name.as_bytes())
        };
        self.interests
            .resize(self.interests.len().max(at + 1), None);
        self.interests[at] = Some(interest);
        interest
    }

    fn kind(&mut self, sight: &Sight<'_>) -> Kind {
        let Some(at) = sight.caller.map(|caller| caller as usize) else {
            return Kind(None);
        };
        if let Some(Some(kind)) = self.callers.get(at) {
            return *kind;
        }
        let kind = kind_of(self.set, sight, &mut self.kinds);
        self.callers.resize(self.callers.len().max(at + 1), None);
        self.callers[at] = Some(kind);
        kind
    }
}

/// What kind of caller it is, in the numbers of `kinds`.
fn kind_of(set: &RuleSet, sight: &Sight<'_>, kinds: &mut Map<Box<[Answers]>, u32>) -> Kind {
    let answers = NAMES.iter().zip(sight.names.0).map(|(known, name)| {
        Some(match name {
            Name::Absent => set.answers(*known, None),
            Name::Plain(text) => set.answers(*known, Some(sight.texts.get(text))),
            Name::Odd => return None,
        })
    });
    let Some(answers) = answers.collect::<Option<Box<[Answers]>>>() else {
        return Kind(None);
    };
    if let Some(known) = kinds.get(&answers) {
        return Kind(Some(*known));
    }
    let next = u32::try_from(kinds.len()).ok();
    let next = next.filter(|_| kinds.len() < KEPT);
    kinds.extend(next.map(|next| (answers, next)));
    Kind(next)
}

/// Writes down all that tells an event from others of its file in what rules usually look at:
/// events of one shape come to the same. False where that is too long to be kept.
fn shape(shape: &mut Vec<u8>, sight: &Sight<'_>, kind: u32, interest: Interest) -> bool {
    let record = sight.record;
    shape.clear();
    for number in [sight.call, sight.origin, kind] {
        shape.extend_from_slice(&number.to_le_bytes());
    }
    // An empty text is there, and one that is missing is not, though both have one number.
    let texts = [
        &record.event_source,
        &record.event_name,
        &record.aws_region,
        &record.source_address,
        &record.user_agent,
        &record.error_code,
        &record.error_message,
        &record.event_type,
    ];
    shape.extend(texts.map(|text| u8::from(text.0.is_some())));
    let request = record
        .request_parameters
        .filter(|_| interest == Interest::Record);
    let rest = [
        record.error_code.get(),
        record.error_message.get(),
        record.event_type.get(),
        request.unwrap_or_default(),
    ];
    for part in rest {
        shape.extend_from_slice(&part.len().to_le_bytes());
        shape.extend_from_slice(part.as_bytes());
    }
    shape.len() <= LONGEST
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

/// The fields of [`Names`], as rules know them.
const NAMES: [Known; 5] = [
    Known::IdentityType,
    Known::AccessKeyId,
    Known::Arn,
    Known::UserName,
    Known::InvokedBy,
];

/// A record as rules see it. A null in one of the fields that are known counts as absent.
struct View<'a> {
    record: &'a Record<'a>,
    bytes: &'a [u8],
    names: Names,
    texts: &'a Texts,
    request: OnceCell<Option<RawEvent<'a>>>,
    text: OnceCell<Cow<'a, str>>,
    /// Something was looked at that the shape does not tell.
    beyond: Cell<bool>,
    /// The caller's own texts are wanted, not only the answers to them, which the shape tells.
    wants_names: Cell<bool>,
}

impl<'a> View<'a> {
    fn new(sight: &Sight<'a>) -> Self {
        View {
            record: sight.record,
            bytes: sight.bytes,
            names: sight.names,
            texts: sight.texts,
            request: OnceCell::new(),
            text: OnceCell::new(),
            beyond: Cell::new(false),
            wants_names: Cell::new(false),
        }
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
        let view = View::new(&Sight {
            record: &record,
            bytes: RECORD.as_bytes(),
            event: 0,
            call: 0,
            origin: 0,
            caller: caller.text,
            names,
            texts: &events.texts,
        });
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
