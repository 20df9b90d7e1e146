//! What tells one event from another in what rules usually look at. Events of one shape come to
//! the same, so that most are looked at once.

use std::hash::Hash;
use std::sync::Arc;

use relatch_detect::{Answers, Event, Interest, RuleIndex, RuleSet, Sighted, habit};

use super::view::{NAMES, Sight};
use crate::input::identities::Name;
use crate::input::memo::Memo;
use crate::input::record::Record;
use crate::log::Sym;
use crate::log::tables::Map;

/// Most shapes and kinds of callers kept.
pub(super) const KEPT: usize = 4096;

/// Longest text kept, in bytes.
const LONGEST: usize = 4096;

/// What events of one shape have in common.
pub(super) struct Shape {
    pub(super) rules: Box<[RuleIndex]>,
    /// `None` where the request, which tells it, is not part of the shape.
    pub(super) habit: Option<Arc<str>>,
    /// All that they come to; `None` where that takes the caller's own texts, or more.
    pub(super) sighted: Option<Sighted>,
}

/// What rules can tell of a caller: those of one number are alike to every rule. `None` is like
/// nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind(pub(super) Option<u32>);

/// Tells kinds of callers apart.
#[derive(Default)]
pub(super) struct Kinds {
    answers: Map<Answers, u32>,
    kinds: Map<[u32; NAMES.len()], u32>,
    /// The number of the answers to a field's text, by the text's number in the file at hand.
    answered: Map<(usize, Sym), u32>,
}

impl Kinds {
    /// The next caller is of another file.
    pub(super) fn next_file(&mut self) {
        self.answered.clear();
    }

    /// What kind of caller it is.
    pub(super) fn kind(&mut self, set: &RuleSet, sight: &Sight<'_>) -> Kind {
        let mut answers = [0; NAMES.len()];
        for (field, (known, name)) in NAMES.iter().zip(sight.names.0).enumerate() {
            let text = match name {
                Name::Absent => None,
                Name::Plain(text) => Some(text),
                Name::Odd => return Kind(None),
            };
            let before = text.and_then(|text| self.answered.get(&(field, text)));
            let number = before.copied().or_else(|| {
                let spelled = text.map(|text| sight.texts.get(text));
                let number = number(&mut self.answers, set.answers(*known, spelled))?;
                self.answered
                    .extend(text.map(|text| ((field, text), number)));
                Some(number)
            });
            let Some(number) = number else {
                return Kind(None);
            };
            answers[field] = number;
        }
        Kind(number(&mut self.kinds, answers))
    }
}

/// The number of a key, new if there is room.
fn number<K: Eq + Hash>(numbers: &mut Map<K, u32>, key: K) -> Option<u32> {
    if let Some(known) = numbers.get(&key) {
        return Some(*known);
    }
    let next = u32::try_from(numbers.len()).ok();
    let next = next.filter(|_| numbers.len() < KEPT);
    numbers.extend(next.map(|next| (key, next)));
    next
}

/// Writes down all that tells an event from others of its file in what rules usually look at:
/// events of one shape come to the same. False where that is too long to be kept.
pub(super) fn shape(shape: &mut Vec<u8>, sight: &Sight<'_>, kind: u32, interest: Interest) -> bool {
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
pub(super) fn habit_of(
    record: &Record<'_>,
    event: &dyn Event,
    habits: &mut Memo<Arc<str>>,
) -> Arc<str> {
    let known = habits.find([
        record.event_name.get(),
        record.source_address.get(),
        record.user_agent.get(),
        record.request_parameters.unwrap_or_default(),
    ]);
    known.unwrap_or_else(|| {
        let habit: Arc<str> = habit(event).into();
        habits.keep(habit.clone());
        habit
    })
}
