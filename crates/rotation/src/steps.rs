//! The steps of each rotation and what they need.

use std::collections::BTreeMap;

use relatch_case::model::{Container, ExposureLevel, Minting, Part, Slot};
use relatch_case::plan::{Action, Gate, Mode, Rotation, Step};
use relatch_case::{ConsumerId, Policy, State, StepId};

use crate::plan::{Candidate, is_full, retires_first};

/// Collects the steps of a plan.
pub(crate) struct Steps<'a> {
    state: &'a State,
    policy: &'a Policy,
    steps: Vec<Step>,
}

/// The slots of one credential by container.
type Slots = BTreeMap<Container, BTreeMap<Slot, Part>>;

impl<'a> Steps<'a> {
    pub(crate) fn new(state: &'a State, policy: &'a Policy) -> Self {
        Self {
            state,
            policy,
            steps: Vec::new(),
        }
    }

    pub(crate) fn finish(self) -> Vec<Step> {
        self.steps
    }

    /// Adds the steps of one rotation; `all` are the plan's, for what it has to wait for.
    pub(crate) fn add(
        &mut self,
        c: &Candidate<'_>,
        rotation: &Rotation,
        all: &[(&Candidate<'_>, Rotation)],
    ) {
        match rotation.mode {
            Mode::Warm => self.warm(c, rotation, all),
            Mode::Hot => self.hot(c, rotation),
            Mode::Retire => self.retire(c, rotation, all),
        }
    }

    /// New key first, old one after every consumer was seen on it.
    fn warm(&mut self, c: &Candidate<'_>, r: &Rotation, all: &[(&Candidate<'_>, Rotation)]) {
        let mut before: Vec<StepId> = self.keep(c, r).into_iter().collect();
        before.extend(slots_to_free(c, all));
        let adopted = self.replace(c, r, before);
        let quiet = c.exposure != Some(ExposureLevel::Read);
        let observe = self.push(r, "observe", Action::Observe { quiet }, adopted, vec![]);
        self.kill(c, r, vec![observe], self.policy.soak_s);
    }

    /// Old key first; the outage lasts until the consumers have the new one.
    fn hot(&mut self, c: &Candidate<'_>, r: &Rotation) {
        let keep = self.keep(c, r).into_iter().collect();
        let (off, proof) = self.switch_off(c, r, keep);
        let deleted = if is_full(self.state, c) && has_delete(c) {
            Some(self.delete(r, &off, vec![proof.clone()], 0))
        } else {
            None
        };
        let adopted = self.replace(c, r, vec![deleted.clone().unwrap_or(proof)]);
        self.prove_again(r, &off);
        if deleted.is_none() && has_delete(c) {
            self.delete(r, &off, adopted, self.policy.soak_s);
        }
    }

    /// No new key. Where nobody of ours shares the owner, the owner is cut off first, so that
    /// attempts stay visible for the tripwire window.
    fn retire(&mut self, c: &Candidate<'_>, r: &Rotation, all: &[(&Candidate<'_>, Rotation)]) {
        let mut before = Vec::new();
        if c.sheet.cuts && self.owner_is_nobodys(c, r, all) && self.policy.tripwire_s > 0 {
            before.push(self.push(r, "cut", Action::Cut, vec![], vec![Gate::Approved]));
        }
        let (off, proof) = self.switch_off(c, r, before);
        if has_delete(c) {
            self.delete(r, &off, vec![proof], 0);
        }
        self.prove_again(r, &off);
    }

    /// Whether every key of the principal is being retired without replacement. A principal
    /// whose keys were not listed may hold others.
    fn owner_is_nobodys(
        &self,
        c: &Candidate<'_>,
        r: &Rotation,
        all: &[(&Candidate<'_>, Rotation)],
    ) -> bool {
        let listed = self.state.keys_of(&r.issuer, &r.principal);
        listed.iter().any(|key| &key.id == c.key)
            && listed.iter().all(|key| {
                &key.id == c.key
                    || !key.active
                    || all
                        .iter()
                        .any(|(other, _)| other.key == &key.id && retires_first(other))
            })
    }

    /// Takes the old value into custody, if a place holds it.
    fn keep(&mut self, c: &Candidate<'_>, r: &Rotation) -> Option<StepId> {
        let place = self
            .state
            .places_of(&c.credential.id)
            .find(|place| place.part == Part::Secret)?;
        let action = Action::Keep {
            container: place.container.clone(),
            slot: place.slot.clone(),
        };
        Some(self.push(r, "keep", action, vec![], vec![]))
    }

    /// Mints, checks, writes, rolls and adopts; returns the steps that end it.
    fn replace(&mut self, c: &Candidate<'_>, r: &Rotation, before: Vec<StepId>) -> Vec<StepId> {
        let mint = self.push(
            r,
            "mint",
            Action::Mint {
                name: format!("relatch-{}", r.credential),
                person: matches!(c.sheet.minting, Minting::Person { .. }),
            },
            before,
            vec![Gate::Approved, Gate::Contained],
        );
        let check = self.push(r, "check", Action::Check, vec![mint], vec![]);
        let slots = self.slots(c);
        let mut writes = BTreeMap::new();
        for (container, slots) in &slots {
            let action = Action::Write {
                container: container.clone(),
                slots: slots.clone(),
            };
            let write = self.push_on(
                r,
                "write",
                &container.to_string(),
                action,
                vec![check.clone()],
                vec![Gate::Approved, Gate::Contained],
            );
            writes.insert(container.clone(), write);
        }
        let adopted = self.consumers(r, &slots, &writes);
        writes.into_values().chain(adopted.into_values()).collect()
    }

    /// Rolls each consumer once all it reads is written, and sees it well.
    fn consumers(
        &mut self,
        r: &Rotation,
        slots: &Slots,
        writes: &BTreeMap<Container, StepId>,
    ) -> BTreeMap<ConsumerId, StepId> {
        let mut adopted = BTreeMap::new();
        for consumer in self.state.consumers.values() {
            let reads: Slots = slots
                .iter()
                .filter(|(container, _)| consumer.reads.contains(container))
                .map(|(container, slots)| (container.clone(), slots.clone()))
                .collect();
            if reads.is_empty() {
                continue;
            }
            let needs = reads
                .keys()
                .filter_map(|c| writes.get(c).cloned())
                .collect();
            let roll = Action::Roll {
                consumer: consumer.id.clone(),
            };
            let approved = vec![Gate::Approved];
            let roll = self.push_on(r, "roll", consumer.id.as_str(), roll, needs, approved);
            let adopt = Action::Adopt {
                consumer: consumer.id.clone(),
                slots: reads
                    .into_iter()
                    .map(|(c, slots)| (c.to_string(), slots))
                    .collect(),
            };
            let adopt = self.push_on(r, "adopt", consumer.id.as_str(), adopt, vec![roll], vec![]);
            adopted.insert(consumer.id.clone(), adopt);
        }
        adopted
    }

    /// Switches the old key off and, after the soak, deletes it, with a proof after each.
    fn kill(&mut self, c: &Candidate<'_>, r: &Rotation, needs: Vec<StepId>, soak_s: u32) {
        let (off, proof) = self.switch_off(c, r, needs);
        self.prove_again(r, &off);
        if has_delete(c) {
            self.delete(r, &off, vec![proof], soak_s);
        }
    }

    /// Disables the old key, or deletes it where the issuer has nothing milder; returns that
    /// step and its first proof.
    fn switch_off(
        &mut self,
        c: &Candidate<'_>,
        r: &Rotation,
        needs: Vec<StepId>,
    ) -> (StepId, StepId) {
        let mut gates = vec![Gate::Approved];
        if let Some(cut) = needs.iter().find(|id| id.as_str().ends_with("/cut")) {
            gates.push(Gate::After {
                step: cut.clone(),
                seconds: self.policy.tripwire_s,
            });
        }
        let action = if c.sheet.disables {
            Action::Disable
        } else {
            Action::Delete
        };
        let off = self.push(r, action.verb(), action, needs, gates);
        let proof = self.push_on(r, "prove", "0s", Action::Prove, vec![off.clone()], vec![]);
        (off, proof)
    }

    /// The later proofs of the schedule.
    fn prove_again(&mut self, r: &Rotation, off: &StepId) {
        for &seconds in self
            .policy
            .dead_probes_s
            .iter()
            .filter(|&&seconds| seconds > 0)
        {
            let gate = Gate::After {
                step: off.clone(),
                seconds,
            };
            let what = format!("{seconds}s");
            self.push_on(
                r,
                "prove",
                &what,
                Action::Prove,
                vec![off.clone()],
                vec![gate],
            );
        }
    }

    /// Deletes a disabled key `soak_s` after it was disabled, and proves that too.
    fn delete(&mut self, r: &Rotation, off: &StepId, needs: Vec<StepId>, soak_s: u32) -> StepId {
        let mut gates = vec![Gate::Approved];
        if soak_s > 0 {
            gates.push(Gate::After {
                step: off.clone(),
                seconds: soak_s,
            });
        }
        let delete = self.push(r, "delete", Action::Delete, needs, gates);
        self.push_on(
            r,
            "prove",
            "deleted",
            Action::Prove,
            vec![delete.clone()],
            vec![],
        );
        delete
    }

    fn slots(&self, c: &Candidate<'_>) -> Slots {
        let mut slots = Slots::new();
        for place in self.state.places_of(&c.credential.id) {
            slots
                .entry(place.container.clone())
                .or_default()
                .insert(place.slot.clone(), place.part);
        }
        slots
    }

    fn push(
        &mut self,
        r: &Rotation,
        verb: &str,
        action: Action,
        needs: Vec<StepId>,
        gates: Vec<Gate>,
    ) -> StepId {
        self.add_step(r, format!("{}/{verb}", r.credential), action, needs, gates)
    }

    fn push_on(
        &mut self,
        r: &Rotation,
        verb: &str,
        on: &str,
        action: Action,
        needs: Vec<StepId>,
        gates: Vec<Gate>,
    ) -> StepId {
        self.add_step(
            r,
            format!("{}/{verb}/{on}", r.credential),
            action,
            needs,
            gates,
        )
    }

    fn add_step(
        &mut self,
        r: &Rotation,
        id: String,
        action: Action,
        needs: Vec<StepId>,
        gates: Vec<Gate>,
    ) -> StepId {
        let id = StepId::new(id);
        let credential = r.credential.clone();
        self.steps.push(Step {
            id: id.clone(),
            credential,
            action,
            needs,
            gates,
        });
        id
    }
}

/// Whether a key is deleted some time after it was disabled: where there is nothing milder
/// than deleting, that is how it is switched off.
fn has_delete(c: &Candidate<'_>) -> bool {
    c.sheet.disables && c.sheet.deletes
}

/// The deletions that must free a slot of this principal before a new key fits.
fn slots_to_free(c: &Candidate<'_>, all: &[(&Candidate<'_>, Rotation)]) -> Vec<StepId> {
    if c.sheet.slots.is_none() || !c.sheet.deletes {
        return Vec::new();
    }
    all.iter()
        .filter(|(other, r)| {
            r.mode == Mode::Retire
                && other.principal == c.principal
                && other.credential.issuer == c.credential.issuer
        })
        .map(|(_, r)| StepId::new(format!("{}/delete", r.credential)))
        .collect()
}
