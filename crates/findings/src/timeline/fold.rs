//! Long runs of equal calls.

use crate::moment::Moment;

/// Fewest equal calls that are shown as one line.
const LONG: usize = 4;

/// Events that are shown as one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Run<'e, 'm> {
    /// A single event; the slice holds one.
    One(&'e [(usize, &'m Moment)]),
    /// Equal calls one after the other.
    Many(&'e [(usize, &'m Moment)]),
}

/// Splits events in time order into single ones and long runs of equal calls. A silence of
/// `gap` seconds ends a run; an event that planted something is always shown by itself.
pub(super) fn runs<'e, 'm>(events: &'e [(usize, &'m Moment)], gap: i64) -> Vec<Run<'e, 'm>> {
    let mut runs = Vec::new();
    for part in events.chunk_by(|(_, a), (_, b)| is_equal(a, b) && !is_far(a, b, gap)) {
        if part.len() >= LONG {
            runs.push(Run::Many(part));
        } else {
            runs.extend(part.chunks(1).map(Run::One));
        }
    }
    runs
}

fn is_equal(a: &Moment, b: &Moment) -> bool {
    let key = |m: &Moment| {
        [
            m.call.clone(),
            m.address.clone(),
            m.client.clone(),
            m.region.clone(),
            m.account.clone(),
            m.reason.clone(),
        ]
    };
    a.made.is_empty()
        && b.made.is_empty()
        && (a.verdict, &a.error) == (b.verdict, &b.error)
        && key(a) == key(b)
        && (&a.techniques, &a.detections) == (&b.techniques, &b.detections)
}

/// Whether so much time lies between two events that it is shown.
fn is_far(a: &Moment, b: &Moment, gap: i64) -> bool {
    match (a.time, b.time) {
        (Some(a), Some(b)) => b.duration_since(a).as_secs() >= gap,
        (a, b) => a.is_some() != b.is_some(),
    }
}
