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

/// Most kinds of callers kept.
const KEPT: usize = 4096;

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
    /// The number of the answers to a field, by the number of its text in the file at hand.
    answered: Map<(usize, Option<Sym>), u32>,
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
            let before = self.answered.get(&(field, text)).copied();
            let number = before.or_else(|| {
                let spelled = text.map(|text| sight.texts.get(text));
                let number = number(&mut self.answers, set.answers(*known, spelled))?;
                self.answered.insert((field, text), number);
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

/// What is known of events of one shape, if one like it came before: the shape is all that tells
/// an event from others of its file in what rules usually look at.
pub(super) fn find<'s>(
    shapes: &'s mut Memo<Shape>,
    sight: &Sight<'_>,
    kind: u32,
    interest: Interest,
) -> Option<&'s Shape> {
    let record = sight.record;
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
    let there = texts.map(|text| u8::from(text.0.is_some()));
    let request = record
        .request_parameters
        .filter(|_| interest == Interest::Record);
    let parts: [&[u8]; 8] = [
        &sight.call.to_le_bytes(),
        &sight.origin.to_le_bytes(),
        &kind.to_le_bytes(),
        &there,
        record.error_code.get().as_bytes(),
        record.error_message.get().as_bytes(),
        record.event_type.get().as_bytes(),
        request.unwrap_or_default().as_bytes(),
    ];
    shapes.find(parts)
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
    known.cloned().unwrap_or_else(|| {
        let habit: Arc<str> = habit(event).into();
        habits.keep(habit.clone());
        habit
    })
}
