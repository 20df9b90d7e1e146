//! What the facts tell over time and the state, which knows only the present, does not keep.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use relatch_case::fact::{Outcome, StepResult};
use relatch_case::model::{Container, Credential, Liveness, Probe, ProbeKind};
use relatch_case::plan::{Action, Plan, Rotation, Step};
use relatch_case::{CredentialId, Fact, IssuerId, KeyId, Record, State, StepId};
use relatch_secret::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::words;

/// One answer to the question whether an old key still works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// When it was recorded.
    pub at: Timestamp,
    /// The verdict.
    pub liveness: Liveness,
    /// What the issuer answered, cleaned.
    pub answer: String,
    /// Whether the negative control held; without it the verdict says nothing.
    pub control: bool,
    /// How it was asked.
    pub how: ProbeKind,
}

impl Proof {
    fn new(at: Timestamp, probe: &Probe) -> Self {
        Self {
            at,
            liveness: probe.liveness,
            answer: words::text(&probe.answer),
            control: probe.control,
            how: probe.how,
        }
    }

    /// Whether it proves the key dead: a definite answer and a control that held.
    pub fn is_death(&self) -> bool {
        self.liveness == Liveness::Dead && self.control
    }
}

/// Everything that has to be gathered over all facts.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Every proof of each old key, in order.
    pub(crate) proofs: BTreeMap<CredentialId, Vec<Proof>>,
    /// The latest rotation planned for each credential, in any plan ever recorded.
    pub(crate) rotations: BTreeMap<CredentialId, Rotation>,
    /// The steps of that plan, and the steps of earlier plans.
    pub(crate) steps: BTreeMap<CredentialId, Vec<Step>>,
    earlier_steps: BTreeMap<CredentialId, Vec<Step>>,
    /// Every credential ever found, as last found, and where.
    pub(crate) found: BTreeMap<CredentialId, Credential>,
    pub(crate) containers: BTreeMap<CredentialId, BTreeSet<Container>>,
    /// The keys that the thief made, with their issuer.
    pub(crate) planted: BTreeMap<KeyId, IssuerId>,
    /// The keys made for each credential, in order, and their values.
    pub(crate) minted: BTreeMap<CredentialId, Vec<KeyId>>,
    pub(crate) minted_values: BTreeSet<Fingerprint>,
    /// Whether an issuer listed a key as active, when it was last listed.
    pub(crate) listed: BTreeMap<(IssuerId, KeyId), (Timestamp, bool)>,
    /// Since when every standing measure has been seen to bind; `None` while one is not.
    pub(crate) contained_at: Option<Timestamp>,
    /// Events in the evidence.
    pub(crate) events: u64,
    plan: Option<Plan>,
}

impl History {
    /// Gathers it from all facts, in order.
    pub(crate) fn of(records: &[Record]) -> Self {
        let mut history = Self::default();
        let mut state = State::default();
        for record in records {
            history.take(record);
            if let Some(bound) = binds(&mut state, record) {
                let since = history.contained_at.unwrap_or(record.at);
                history.contained_at = bound.then_some(since);
            }
        }
        history
    }

    fn take(&mut self, record: &Record) {
        match &record.fact {
            Fact::Probed { credential, probe } => self.prove(record.at, credential, probe),
            Fact::PlanRecorded { plan, .. } => self.take_plan(plan),
            Fact::StepEnded {
                step,
                outcome: Outcome::Done { result },
                ..
            } => self.take_result(record.at, step, result),
            Fact::CredentialFound { credential } => {
                self.found.insert(credential.id.clone(), credential.clone());
            }
            Fact::PlaceFound { place } => {
                let containers = self.containers.entry(place.credential.clone()).or_default();
                containers.insert(place.container.clone());
            }
            Fact::KeyPlanted { issuer, key, .. } => {
                self.planted.insert(key.clone(), issuer.clone());
            }
            Fact::ActorJudged { clears_keys, .. } => {
                self.planted.retain(|key, _| !clears_keys.contains(key));
            }
            Fact::KeysListed { issuer, keys, .. } => {
                for key in keys {
                    let known = (issuer.clone(), key.id.clone());
                    self.listed.insert(known, (record.at, key.active));
                }
            }
            Fact::EvidenceTaken { events, .. } => self.events = self.events.saturating_add(*events),
            _ => {}
        }
    }

    fn prove(&mut self, at: Timestamp, credential: &CredentialId, probe: &Probe) {
        let proofs = self.proofs.entry(credential.clone()).or_default();
        proofs.push(Proof::new(at, probe));
    }

    fn take_plan(&mut self, plan: &Plan) {
        for rotation in &plan.rotations {
            let id = &rotation.credential;
            let earlier = self.steps.remove(id).unwrap_or_default();
            self.earlier_steps
                .entry(id.clone())
                .or_default()
                .extend(earlier);
            self.rotations.insert(id.clone(), rotation.clone());
        }
        for step in &plan.steps {
            let steps = self.steps.entry(step.credential.clone()).or_default();
            steps.push(step.clone());
        }
        self.plan = Some(plan.clone());
    }

    fn take_result(&mut self, at: Timestamp, step: &StepId, result: &StepResult) {
        let Some(planned) = self.plan.as_ref().and_then(|plan| plan.step(step)).cloned() else {
            return;
        };
        match planned.action {
            Action::Mint { .. } => {
                if let Some(key) = &result.key {
                    let minted = self.minted.entry(planned.credential).or_default();
                    minted.retain(|known| known != key);
                    minted.push(key.clone());
                }
                self.minted_values.extend(result.fingerprint.clone());
            }
            Action::Prove => {
                if let Some(probe) = &result.probe {
                    self.prove(at, &planned.credential, probe);
                }
            }
            _ => {}
        }
    }

    /// Steps of a credential: the latest plan's, and those of earlier plans that were done.
    pub(crate) fn steps_of(&self, credential: &CredentialId, state: &State) -> Vec<&Step> {
        let mut steps: Vec<&Step> = self.steps.get(credential).into_iter().flatten().collect();
        for step in self.earlier_steps.get(credential).into_iter().flatten() {
            let known = steps.iter().any(|planned| planned.id == step.id);
            if !known && state.result_of(&step.id).is_some() {
                steps.push(step);
            }
        }
        steps
    }

    /// Whether a credential is one that this case made itself.
    pub(crate) fn is_ours(&self, credential: &Credential) -> bool {
        let by_key = credential
            .key_id
            .as_ref()
            .is_some_and(|key| self.minted.values().any(|keys| keys.contains(key)));
        let by_value = credential
            .fingerprint
            .as_ref()
            .is_some_and(|value| self.minted_values.contains(value));
        by_key || by_value
    }

    /// When the last unbroken run of proofs of death began.
    pub(crate) fn dead_since(&self, credential: &CredentialId) -> Option<Timestamp> {
        let proofs = self.proofs.get(credential)?;
        let run = proofs.iter().rev().take_while(|proof| proof.is_death());
        run.last().map(|proof| proof.at)
    }
}

/// Follows the measures; `Some` when the fact says something of whether they bind. Taking a
/// measure back after the fact does not undo that it once bound.
fn binds(state: &mut State, record: &Record) -> Option<bool> {
    let telling = match &record.fact {
        Fact::MeasureIntended { .. }
        | Fact::MeasureApplied { .. }
        | Fact::MeasureFailed { .. }
        | Fact::MeasureVerified { .. } => true,
        Fact::MeasureRestored { .. } => false,
        _ => return None,
    };
    state.apply(record);
    let mut standing = state
        .measures
        .values()
        .filter(|measure| measure.restored_at.is_none())
        .peekable();
    let bound = standing.peek().is_some()
        && standing.all(|measure| matches!(measure.verified, Some((_, Some(true), _))));
    telling.then_some(bound)
}
