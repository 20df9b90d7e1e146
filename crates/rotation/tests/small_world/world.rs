//! One moment of the small world, in as few bytes as tell it apart from any other.

use std::collections::BTreeSet;

/// What stands in a place or runs in a consumer: the old value, somebody else's, or the
/// value of the n-th new key as `NEW + n`.
pub(crate) type Value = u8;
pub(crate) const OLD: Value = 0;
pub(crate) const STRANGE: Value = 1;
pub(crate) const NEW: Value = 2;

/// What the journal says of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Status {
    Untouched,
    Intended,
    Unknown,
    Done,
    /// It failed without effect in a way that passes.
    Failed,
    /// It failed without effect in a way that does not pass.
    Refused,
    NotDone,
    Stuck,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) status: Status,
    pub(crate) attempt: u8,
    /// Whether it was recorded longer ago than anything waits.
    pub(crate) aged: bool,
}

pub(crate) const UNTOUCHED: Entry = Entry {
    status: Status::Untouched,
    attempt: 0,
    aged: false,
};

/// How far a command under way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// The first request is on its way.
    Sent,
    /// A place was read, the write is on its way.
    Read,
    /// The same, and the place was written meanwhile.
    Stale,
    /// A key was made; the answer with it is on its way.
    Made(u8),
    /// Recorded and not sealed yet: only [`Flaw::RecordsBeforeSealing`](crate::moves::Flaw).
    Unsealed(u8),
    /// Custody does not have the key; the list is asked for.
    Asked,
    /// The orphan was found; it is being disabled.
    Listed(u8),
    /// It is disabled and being deleted.
    Switched(u8),
    /// The outside world is through; its answer is on its way.
    Answer(Status),
    /// The outcome is known and not recorded yet.
    Known(Status),
}

/// A command under way in an executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Flight {
    pub(crate) step: u8,
    /// Which executor.
    pub(crate) hand: u8,
    pub(crate) attempt: u8,
    pub(crate) reconcile: bool,
    pub(crate) stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Life {
    Alive,
    Disabled,
    Deleted,
}

/// A key that the tool made; its attempt is its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Minted {
    pub(crate) attempt: u8,
    pub(crate) life: Life,
}

/// One credential: at its issuer and in custody.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Keys {
    pub(crate) old: Life,
    /// Whether the old value is in custody.
    pub(crate) kept: bool,
    pub(crate) new: Vec<Minted>,
    /// How many of `new` the last intent's baseline lists.
    pub(crate) baseline: u8,
    /// Sealed new keys: attempt, and index in `new`.
    pub(crate) custody: Vec<(u8, u8)>,
}

impl Keys {
    /// The key that custody holds for an attempt.
    pub(crate) fn sealed(&self, attempt: u8) -> Option<u8> {
        self.custody
            .iter()
            .find(|(of, _)| *of == attempt)
            .map(|&(_, key)| key)
    }

    pub(crate) fn life(&self, value: Value) -> Option<Life> {
        match value {
            OLD => Some(self.old),
            STRANGE => None,
            new => self.new.get(usize::from(new - NEW)).map(|key| key.life),
        }
    }

    /// Keys that take up room at the issuer.
    pub(crate) fn held(&self) -> usize {
        let new = self.new.iter().map(|key| key.life);
        new.chain([self.old])
            .filter(|life| *life != Life::Deleted)
            .count()
    }
}

/// How often what may go wrong may still go wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    pub(crate) crashes: u8,
    /// Requests lost, answers lost, requests refused for now.
    pub(crate) losses: u8,
    /// The executor stalls and another takes the lease over.
    pub(crate) takeovers: u8,
    /// Somebody else writes into a place.
    pub(crate) strangers: u8,
}

/// What goes wrong in a transition, and cannot be seen in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Wrong {
    EffectWithoutIntent,
    Clobbered,
    DeletedAlive,
    NoNearer,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) journal: Vec<Entry>,
    pub(crate) flights: Vec<Flight>,
    /// By credential.
    pub(crate) keys: Vec<Keys>,
    /// By place.
    pub(crate) places: Vec<Value>,
    /// What each consumer runs with, by the pairs of consumer and place in the setup.
    pub(crate) runs: Vec<Value>,
    /// Which executor has the lease.
    pub(crate) lease: u8,
    pub(crate) left: Budget,
    pub(crate) wrong: BTreeSet<Wrong>,
}

impl World {
    pub(crate) fn entry(&self, step: u8) -> Entry {
        self.journal[usize::from(step)]
    }

    pub(crate) fn flight(&self, hand: u8, step: u8) -> Option<&Flight> {
        self.flights
            .iter()
            .find(|flight| flight.hand == hand && flight.step == step)
    }

    pub(crate) fn note(&mut self, is: bool, wrong: Wrong) {
        if is {
            self.wrong.insert(wrong);
        }
    }

    /// Changes how far a flight is.
    pub(crate) fn on_to(&mut self, flight: Flight, stage: Stage) {
        let same = |known: &&mut Flight| (known.hand, known.step) == (flight.hand, flight.step);
        if let Some(known) = self.flights.iter_mut().find(same) {
            known.stage = stage;
        }
    }

    pub(crate) fn land(&mut self, flight: Flight) {
        self.flights
            .retain(|known| (known.hand, known.step) != (flight.hand, flight.step));
    }
}
