//! The figures of a case (requirement M6). Whole seconds and counts, no fractions.

use jiff::Timestamp;
use relatch_case::State;
use relatch_case::state::Measure;
use serde::{Deserialize, Serialize};

use crate::credential::{CredentialReport, Status};
use crate::history::History;

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// Done.
    pub done: usize,
    /// Of all.
    pub of: usize,
}

/// What can be counted of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Seconds from opening until every standing measure was seen to bind; `None` while one
    /// is not.
    pub contained_s: Option<i64>,
    /// Seconds from opening until evidence was last taken in.
    pub scoped_s: Option<i64>,
    /// Seconds from opening until the last old key was proven dead; `None` while one that is
    /// not waived is not.
    pub all_dead_s: Option<i64>,
    /// Old keys proven dead, of all in scope.
    pub dead: Count,
    /// Credentials with a new key everywhere.
    pub rotated: usize,
    /// Credentials that ended without a new key.
    pub retired: usize,
    /// Credentials excepted.
    pub waived: usize,
    /// Credentials that are none of these.
    pub open: usize,
    /// Places written, of all to be written.
    pub places: Count,
    /// Consumers seen on new values, of all that read them.
    pub consumers: Count,
    /// Places of credentials in scope that no known consumer reads.
    pub places_without_consumer: usize,
    /// Measures seen to bind, of all that stand.
    pub measures: Count,
    /// Log files taken in.
    pub evidence_files: usize,
    /// Events in them.
    pub events: u64,
    /// Things that could not be looked at.
    pub blind_spots: usize,
    /// Exceptions.
    pub exceptions: usize,
    /// Uses of retired keys that were seen.
    pub tripwire_hits: usize,
    /// Facts in the journal.
    pub facts: u64,
}

impl Figures {
    /// Counts a case.
    pub(crate) fn of(
        credentials: &[CredentialReport],
        exceptions: usize,
        history: &History,
        state: &State,
    ) -> Self {
        let opened = state.case.as_ref().map(|case| case.opened_at);
        let since = |at: Option<Timestamp>| Some(at?.duration_since(opened?).as_secs());
        let with = |status| credentials.iter().filter(|c| c.status == status).count();
        let standing = || state.measures.values().filter(|m| m.restored_at.is_none());
        Self {
            contained_s: since(history.contained_at),
            scoped_s: since(state.scoped_at),
            all_dead_s: since(all_dead(credentials)),
            dead: Count {
                done: credentials.iter().filter(|c| c.is_dead()).count(),
                of: credentials.len(),
            },
            rotated: with(Status::Rotated),
            retired: with(Status::Retired),
            waived: with(Status::Waived),
            open: with(Status::Open),
            places: sum(credentials.iter().map(|c| c.places)),
            consumers: sum(credentials.iter().map(|c| c.consumers)),
            places_without_consumer: unread(credentials, state),
            measures: Count {
                done: standing().filter(|m| is_bound(m)).count(),
                of: standing().count(),
            },
            evidence_files: state.evidence.len(),
            events: history.events,
            blind_spots: state.blind_spots.len(),
            exceptions,
            tripwire_hits: state.tripwires.len(),
            facts: state.head.seq,
        }
    }
}

/// Whether a measure was last seen to bind.
pub(crate) fn is_bound(measure: &Measure) -> bool {
    matches!(measure.verified, Some((_, Some(true), _)))
}

/// When the last old key died, if every one that is not waived did.
fn all_dead(credentials: &[CredentialReport]) -> Option<Timestamp> {
    let open = credentials
        .iter()
        .any(|c| !c.is_dead() && c.status != Status::Waived);
    let last = credentials.iter().filter_map(|c| c.dead_since).max();
    last.filter(|_| !open)
}

fn sum(counts: impl Iterator<Item = Count>) -> Count {
    counts.fold(Count::default(), |sum, count| Count {
        done: sum.done + count.done,
        of: sum.of + count.of,
    })
}

fn unread(credentials: &[CredentialReport], state: &State) -> usize {
    let places = credentials.iter().flat_map(|c| state.places_of(&c.id));
    places
        .filter(|place| state.consumers_of(&place.container).next().is_none())
        .count()
}
