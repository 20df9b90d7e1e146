//! The laws, asserted after every fact and every effect.
//!
//! What is asserted is the model's own truth: what the tool believes is only looked at where
//! a law speaks of what was recorded.

mod acts;
mod end;
mod facts;

use std::collections::{BTreeMap, BTreeSet};

use relatch_case::model::{Container, Slot};
use relatch_case::{CredentialId, IssuerId, KeyId, Principal, StepId};

use crate::world::{Inner, Ms, Text};

/// The laws of the design, and what makes a rotation worth it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Law {
    /// Intent before effect; one attempt at a time; outcomes follow intents.
    Intent,
    /// No key is lost.
    NoKeyLost,
    /// No orphan.
    NoOrphan,
    /// No early revoke.
    NoEarlyRevoke,
    /// No feeding the thief.
    NoFeeding,
    /// No clobber.
    NoClobber,
    /// No silence.
    NoSilence,
    /// No leak.
    NoLeak,
    /// One hand.
    OneHand,
    /// Reversible first.
    ReversibleFirst,
    /// Nothing is changed outside before a person approved it.
    Approval,
    /// Once nothing fails any more the rotation ends.
    Liveness,
    /// At the end old keys are dead, consumers well, and nothing else was touched.
    Outcome,
}

impl Law {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Intent,
        Self::NoKeyLost,
        Self::NoOrphan,
        Self::NoEarlyRevoke,
        Self::NoFeeding,
        Self::NoClobber,
        Self::NoSilence,
        Self::NoLeak,
        Self::OneHand,
        Self::ReversibleFirst,
        Self::Approval,
        Self::Liveness,
        Self::Outcome,
    ];

    /// Its name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::NoKeyLost => "no-key-lost",
            Self::NoOrphan => "no-orphan",
            Self::NoEarlyRevoke => "no-early-revoke",
            Self::NoFeeding => "no-feeding",
            Self::NoClobber => "no-clobber",
            Self::NoSilence => "no-silence",
            Self::NoLeak => "no-leak",
            Self::OneHand => "one-hand",
            Self::ReversibleFirst => "reversible-first",
            Self::Approval => "approval",
            Self::Liveness => "liveness",
            Self::Outcome => "outcome",
        }
    }

    /// The law of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|law| law.name() == name)
    }
}

/// A law that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub law: Law,
    /// When, in milliseconds of virtual time.
    pub ms: u64,
    /// What happened, in a sentence.
    pub what: String,
}

/// A try of a step that has begun.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    number: u32,
    is_open: bool,
    undoing: bool,
    /// Requests that it sent.
    sent: u32,
    since: Ms,
}

/// What the laws remember.
#[derive(Debug, Default)]
pub(crate) struct Laws {
    /// How often each was checked.
    pub(crate) checks: BTreeMap<Law, u64>,
    /// The first one that was broken.
    pub(crate) violation: Option<Violation>,
    /// What was seen, for the figures.
    pub(crate) seen: BTreeMap<&'static str, u64>,
    attempts: BTreeMap<StepId, Attempt>,
    /// Rolls that were undone while a place was still on its way back.
    early: BTreeSet<StepId>,
    /// The highest fence under which an effect of a step was begun.
    hands: BTreeMap<StepId, u64>,
    /// Whether new values may be written, as far as anybody can know.
    pub(crate) gate_is_open: bool,
    /// Whether two people decided that they may all the same.
    pub(crate) waived: bool,
    /// What the thief can read, in truth.
    pub(crate) thief_reads: BTreeSet<Container>,
    /// The old keys of credentials.
    pub(crate) old: BTreeMap<CredentialId, (KeyId, Text)>,
    /// Principals that held as many keys as they may when the plan was made.
    pub(crate) full: BTreeSet<CredentialId>,
    /// What a third party wrote, where it must stay.
    pub(crate) foreign: BTreeMap<(Container, Slot), Text>,
    /// What stands in slots that are nobody's business.
    pub(crate) bystanders: BTreeMap<(Container, Slot), Text>,
    /// When the plan in force was recorded.
    pub(crate) planned_at: Ms,
    /// Credentials that a third party had a hand in.
    pub(crate) disturbed: BTreeSet<CredentialId>,
}

impl Laws {
    /// Counts something for the figures.
    pub(crate) fn see(&mut self, what: &'static str) {
        *self.seen.entry(what).or_insert(0) += 1;
    }
}

impl Inner {
    /// What was begun and is not over, as it stands.
    pub(crate) fn open_steps(&self) -> Vec<String> {
        let steps = self.book.state.steps.iter();
        let open = steps.filter(|(id, _)| !self.book.state.is_over(id));
        open.map(|(id, known)| format!("{id}: {:?}", known.status))
            .collect()
    }

    /// Whether a key made here now could be taken for ours: the issuer gives keys no names,
    /// and a mint of ours was begun a short while ago or is open. A documented limit of the
    /// tool: colleagues keep out of that window.
    pub(crate) fn could_be_ours(&self, issuer: &IssuerId, principal: &Principal) -> bool {
        if self.sheets.get(issuer).is_none_or(|sheet| sheet.named) {
            return false;
        }
        let Some(plan) = self.book.state.plan.as_ref() else {
            return false;
        };
        let ours = plan
            .plan
            .rotations
            .iter()
            .filter(|r| &r.issuer == issuer && &r.principal == principal);
        ours.filter_map(|r| plan.plan.step_of(&r.credential, "mint"))
            .any(|mint| {
                let known = self.laws.attempts.get(&mint.id);
                known.is_some_and(|known| known.is_open || self.now < known.since + 130_000)
            })
    }

    /// Checks one law.
    pub(crate) fn must(&mut self, law: Law, holds: bool, what: impl FnOnce() -> String) {
        *self.laws.checks.entry(law).or_insert(0) += 1;
        if holds || self.laws.violation.is_some() {
            return;
        }
        let (ms, what): (Ms, String) = (self.now, what());
        self.tell("LAW", || format!("{}: {what}", law.name()));
        self.laws.violation = Some(Violation { law, ms, what });
    }
}
