//! The rotation as data: canonical, hashed, reviewable as a file.

use std::collections::{BTreeMap, BTreeSet};

use relatch_secret::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::chain;
use crate::model::{Container, Part, Slot};
pub use crate::plan_index::PlanIndex;
use crate::plan_read::{FlatAction, FlatGate};
use crate::policy::Policy;
use crate::{CaseId, ConsumerId, CredentialId, IssuerId, KeyId, PlanHash, Principal, StepId};

/// The format this program writes; it refuses to read a newer one.
pub const VERSION: u32 = 1;

/// A rotation plan: steps with gates, and the world it was made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Format version, [`VERSION`].
    pub version: u32,
    /// The case it belongs to.
    pub case: CaseId,
    /// The cloud account it acts on; `None` when the case has none.
    pub account: Option<String>,
    /// The pace.
    pub policy: Policy,
    /// The credentials it rotates or retires, in order of urgency.
    pub rotations: Vec<Rotation>,
    /// Every step; `needs` make a graph without cycles.
    pub steps: Vec<Step>,
    /// What the world must look like when it is first applied.
    pub baseline: Baseline,
    /// Credentials that are in scope and cannot be rotated, each with the reason.
    pub blocked: Vec<Blocked>,
    /// Where things stand in it; derived.
    #[serde(skip)]
    pub index: PlanIndex,
}

/// One credential's way from old to new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// Which.
    pub credential: CredentialId,
    /// Its name for people.
    pub name: String,
    /// Its issuer.
    pub issuer: IssuerId,
    /// Whom the issuer holds it for.
    pub principal: Principal,
    /// The key to be retired.
    pub old_key: KeyId,
    /// How.
    pub mode: Mode,
    /// Why it is in scope, and why in this mode.
    pub why: String,
    /// Credentials that must be proven dead before a new key of this one is made, each with
    /// the reason (requirement G1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<After>,
}

/// One credential that comes before another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct After {
    /// Which comes before.
    pub credential: CredentialId,
    /// Why, in words: `opens secretsmanager:…`.
    pub because: String,
}

/// How a credential is dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Overlap old and new without downtime.
    Warm,
    /// Kill the old key first and accept the outage.
    Hot,
    /// Kill without replacement: nobody of ours uses it.
    Retire,
}

/// One act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its id, the same in every plan made from the same state.
    pub id: StepId,
    /// Whose rotation it is part of.
    pub credential: CredentialId,
    /// What is done.
    pub action: Action,
    /// Steps that must have ended well before.
    #[serde(deserialize_with = "no_larger")]
    pub needs: Vec<StepId>,
    /// What else must hold before.
    #[serde(deserialize_with = "no_larger")]
    pub gates: Vec<Gate>,
    /// The wave of its rotation that it belongs to, from 1; what is rolled back together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<u32>,
}

/// A list without room for more: a large plan has hundreds of thousands of them.
fn no_larger<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    let mut list = Vec::deserialize(from)?;
    list.shrink_to_fit();
    Ok(list)
}

impl Step {
    /// Every step that must be over before this one may be done.
    pub fn waits_for(&self) -> impl Iterator<Item = &StepId> {
        let counted_from = self.gates.iter().filter_map(|gate| match gate {
            Gate::After { step, .. } => Some(step),
            Gate::Approved | Gate::Contained => None,
        });
        self.needs.iter().chain(counted_from)
    }
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case", try_from = "FlatAction")]
pub enum Action {
    /// Takes the old value into custody, from where it stands.
    Keep {
        /// The container.
        container: Container,
        /// The slot in it.
        slot: Slot,
    },
    /// Makes a new key.
    Mint {
        /// The name to give it, where keys have names; attempts add a suffix.
        name: String,
        /// Whether a person does it at the issuer's console (a task).
        person: bool,
    },
    /// Presents the new key as a consumer would.
    Check,
    /// Puts the new value where the old one stands.
    Write {
        /// The container, written as one.
        container: Container,
        /// Which half goes into which slot.
        slots: BTreeMap<Slot, Part>,
    },
    /// Makes a consumer read its places again.
    Roll {
        /// Which.
        consumer: ConsumerId,
    },
    /// Sees a consumer well on the new value.
    Adopt {
        /// Which.
        consumer: ConsumerId,
        /// What it reads of this credential.
        slots: BTreeMap<String, BTreeMap<Slot, Part>>,
    },
    /// Watches a wave's consumers before the next wave begins.
    Settle {
        /// Which; all of them stay well on the new value.
        consumers: Vec<ConsumerId>,
    },
    /// Watches for the whole observation window: every consumer stays well on the new
    /// value and, where `quiet`, nobody uses the old one.
    Observe {
        /// Whether use of the old key restarts the window. Not for a key that the thief has:
        /// his use cannot be told from a forgotten consumer's, and waiting would feed him.
        quiet: bool,
    },
    /// Says which consumers will stop working, before they do (hot).
    Announce {
        /// Which.
        consumers: Vec<ConsumerId>,
    },
    /// Denies the old key's owner everything, so that attempts stay visible.
    Cut,
    /// Switches the old key off, reversibly.
    Disable,
    /// Sees the old key dead.
    Prove,
    /// Removes the old key for good.
    Delete,
    /// Sees that the issuer lists no key that this rotation made and does not use (law 3).
    Sweep,
}

impl Action {
    /// The verb, as in step ids.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Keep { .. } => "keep",
            Self::Mint { .. } => "mint",
            Self::Check => "check",
            Self::Write { .. } => "write",
            Self::Roll { .. } => "roll",
            Self::Adopt { .. } => "adopt",
            Self::Settle { .. } => "settle",
            Self::Observe { .. } => "observe",
            Self::Announce { .. } => "announce",
            Self::Cut => "cut",
            Self::Disable => "disable",
            Self::Prove => "prove",
            Self::Delete => "delete",
            Self::Sweep => "sweep",
        }
    }

    /// Whether it only looks. Looking needs no intent, may be repeated at will and its
    /// "not yet" is no failure.
    pub fn only_looks(&self) -> bool {
        matches!(
            self,
            Self::Check
                | Self::Adopt { .. }
                | Self::Settle { .. }
                | Self::Observe { .. }
                | Self::Announce { .. }
                | Self::Prove
        )
    }

    /// The consumer that it acts on or watches, if it is one.
    pub fn consumer(&self) -> Option<&ConsumerId> {
        match self {
            Self::Roll { consumer } | Self::Adopt { consumer, .. } => Some(consumer),
            _ => None,
        }
    }

    /// Whether a wave that fails is rolled back by undoing this.
    pub fn can_be_undone(&self) -> bool {
        matches!(self, Self::Write { .. } | Self::Roll { .. })
    }

    /// Whether it can be done twice with the effect of once, so that an unknown outcome is
    /// reconciled by doing it again.
    pub fn is_repeatable(&self) -> bool {
        matches!(
            self,
            Self::Keep { .. }
                | Self::Roll { .. }
                | Self::Cut
                | Self::Disable
                | Self::Delete
                | Self::Sweep
        )
    }
}

/// What must hold before a step besides the steps it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "gate", rename_all = "snake_case", try_from = "FlatGate")]
pub enum Gate {
    /// The plan's hash is approved.
    Approved,
    /// The thief is contained: no new value into a place that he can read (law 5).
    Contained,
    /// So many seconds have passed since a step ended.
    After {
        /// The step.
        step: StepId,
        /// The time.
        seconds: u32,
    },
}

/// What the world looked like when the plan was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Fingerprints by container and slot.
    pub places: Vec<ContainerBaseline>,
    /// Key ids by issuer and principal.
    pub keys: BTreeMap<IssuerId, BTreeMap<Principal, BTreeSet<KeyId>>>,
}

/// One container of the baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerBaseline {
    /// Which.
    pub container: Container,
    /// What stands in its slots that the plan touches.
    pub slots: BTreeMap<Slot, Fingerprint>,
}

/// A credential that the plan cannot rotate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocked {
    /// Which.
    pub credential: CredentialId,
    /// Its name for people.
    pub name: String,
    /// Why, and what a person can do about it.
    pub because: String,
}

impl Plan {
    /// SHA-256 of the canonical JSON (RFC 8785).
    pub fn hash(&self) -> Result<PlanHash, chain::CanonicalError> {
        Ok(PlanHash::new(chain::sha256_hex(&chain::canonical(self)?)))
    }

    /// The step with this id.
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.get(*self.index.of(self).steps.get(id)?)
    }

    /// The position of a step.
    pub fn position(&self, id: &StepId) -> Option<usize> {
        self.index.of(self).steps.get(id).copied()
    }

    /// The rotation of a credential.
    pub fn rotation(&self, credential: &CredentialId) -> Option<&Rotation> {
        let at = self.index.of(self).rotations.get(credential)?;
        self.rotations.get(*at)
    }

    /// The steps of a credential, in order.
    pub fn steps_of(&self, credential: &CredentialId) -> impl Iterator<Item = &Step> {
        self.at(self
            .index
            .of(self)
            .steps_of
            .get(credential)
            .map(Vec::as_slice))
    }

    /// The steps that roll a consumer or see it well, of every rotation.
    pub fn steps_on(&self, consumer: &ConsumerId) -> impl Iterator<Item = &Step> {
        self.at(self
            .index
            .of(self)
            .steps_on
            .get(consumer)
            .map(Vec::as_slice))
    }

    /// The steps that wait for a step.
    pub fn dependents(&self, id: &StepId) -> impl Iterator<Item = &Step> {
        let index = self.index.of(self);
        let at = index.steps.get(id).map(|at| index.dependents(*at));
        self.at(at)
    }

    /// The first step of `credential` with this verb.
    pub fn step_of<'a>(&'a self, credential: &CredentialId, verb: &str) -> Option<&'a Step> {
        self.steps_of(credential)
            .find(|step| step.action.verb() == verb)
    }

    /// What stood in a container when the plan was made.
    pub fn baseline_of(&self, container: &Container) -> Option<&ContainerBaseline> {
        let at = self.index.of(self).baseline.get(container)?;
        self.baseline.places.get(*at)
    }

    fn at<'a>(&'a self, positions: Option<&'a [usize]>) -> impl Iterator<Item = &'a Step> {
        positions
            .unwrap_or_default()
            .iter()
            .filter_map(|at| self.steps.get(*at))
    }
}
