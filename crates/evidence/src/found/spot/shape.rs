//! What tells one event from another in what rules usually look at. Events of one shape come to
//! the same, so that most are looked at once.

use std::sync::Arc;

use relatch_detect::{Answers, Event, Interest, RuleIndex, RuleSet, Sighted, habit};

use super::view::{NAMES, Sight};
use crate::input::identities::Name;
use crate::input::record::Record;
use crate::log::tables::Map;

/// Most shapes, habits and kinds of callers kept.
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

/// What kind of caller it is, in the numbers of `kinds`.
pub(super) fn kind_of(
    set: &RuleSet,
    sight: &Sight<'_>,
    kinds: &mut Map<Box<[Answers]>, u32>,
) -> Kind {
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
    habits: &mut Map<Box<[u8]>, Arc<str>>,
    key: &mut Vec<u8>,
) -> Arc<str> {
    key.clear();
    let parts = [
        record.event_name.get(),
        record.source_address.get(),
        record.user_agent.get(),
        record.request_parameters.unwrap_or_default(),
    ];
    for part in parts {
        key.extend_from_slice(&part.len().to_le_bytes());
        key.extend_from_slice(part.as_bytes());
    }
    if let Some(known) = habits.get(key.as_slice()) {
        return known.clone();
    }
    let habit: Arc<str> = habit(event).into();
    if key.len() <= LONGEST {
        if habits.len() >= KEPT {
            habits.clear();
        }
        habits.insert(key.as_slice().into(), habit.clone());
    }
    habit
}
