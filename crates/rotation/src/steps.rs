//! The steps of each rotation and what they need.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use relatch_case::model::{Consumer, Container, ExposureLevel, Minting, Part, Slot};
use relatch_case::plan::{Action, Gate, Mode, Rotation, Step};
use relatch_case::{ConsumerId, IssuerId, KeyId, Policy, Principal, State, StepId};

use crate::plan::{Candidate, is_full, retires_first};
use crate::waves::waves;

/// Collects the steps of a plan.
pub(crate) struct Steps<'a> {
    state: &'a State,
    policy: &'a Policy,
    /// Keys that are retired without replacement.
    retiring: BTreeSet<(&'a IssuerId, &'a KeyId)>,
    room: BTreeMap<Owner<'a>, Room>,
    steps: Vec<Step>,
}

type Owner<'a> = (&'a IssuerId, &'a Principal);

/// Slots of a principal.
#[derive(Default)]
struct Room {
    /// Deletions that free a slot before anything is minted.
    freed: Vec<StepId>,
    /// New keys that still fit beside the old ones.
    left: usize,
    /// Deletions of old keys, in the order in which they free a slot.
    later: VecDeque<StepId>,
}

/// The steps that put a new key in place of the old one.
struct Replaced {
    /// The last ones.
    ends: Vec<StepId>,
    /// Every write and every look at a consumer.
    all: Vec<StepId>,
}

/// The slots of one credential by container.
type Slots = BTreeMap<Container, BTreeMap<Slot, Part>>;

impl<'a> Steps<'a> {
    /// For these rotations, in order.
    pub(crate) fn new(
        state: &'a State,
        policy: &'a Policy,
        all: &'a [(&'a Candidate<'a>, Rotation)],
    ) -> Self {
        let retiring = all
            .iter()
            .filter(|(c, _)| retires_first(c))
            .map(|(c, r)| (&r.issuer, c.key))
            .collect();
        let mut steps = Self {
            state,
            policy,
            retiring,
            room: BTreeMap::new(),
            steps: Vec::new(),
        };
        for (c, r) in all {
            steps.make_room(c, r);
        }
        steps
    }

    /// Counts the slots of a rotation's principal, where they are few.
    fn make_room(&mut self, c: &Candidate<'a>, r: &'a Rotation) {
        let Some(slots) = c.sheet.slots else {
            return;
        };
        let retiring = &self.retiring;
        let room = self
            .room
            .entry((&r.issuer, &r.principal))
            .or_insert_with(|| {
                let keys = self.state.keys_of(&r.issuer, &r.principal);
                let stays = keys
                    .iter()
                    .filter(|key| !(c.sheet.deletes && retiring.contains(&(&r.issuer, &key.id))));
                Room {
                    left: (slots as usize).saturating_sub(stays.count()),
                    ..Room::default()
                }
            });
        if r.mode == Mode::Retire && c.sheet.deletes {
            room.freed
                .push(StepId::new(format!("{}/delete", r.credential)));
        }
    }

    pub(crate) fn finish(self) -> Vec<Step> {
        self.steps
    }

    /// Adds the steps of one rotation.
    pub(crate) fn add(&mut self, c: &Candidate<'a>, rotation: &'a Rotation) {
        match rotation.mode {
            Mode::Warm => self.warm(c, rotation),
            Mode::Hot => self.hot(c, rotation),
            Mode::Retire => self.retire(c, rotation),
        }
    }

    /// New key first, old one after every consumer was seen on it.
    fn warm(&mut self, c: &Candidate<'a>, r: &'a Rotation) {
        let mut before: Vec<StepId> = self.keep(c, r).into_iter().collect();
        before.extend(self.slot(c, r));
        let Replaced { ends, mut all } = self.replace(c, r, before);
        let quiet = c.exposure != Some(ExposureLevel::Read);
        all.push(self.push(r, "observe", Action::Observe { quiet }, ends, vec![]));
        // By name, so that leaving a watch out leaves no consumer out (law 4).
        let (off, proof) = self.switch_off(c, r, all);
        let mut last = self.prove_again(r, &proof).unwrap_or_else(|| proof.clone());
        if has_delete(c) {
            last = self.delete(r, &off, vec![proof], self.policy.soak_s).1;
        }
        self.sweep(c, r, vec![last]);
    }

    /// What must be deleted before a new key fits beside the old one.
    fn slot(&mut self, c: &Candidate<'a>, r: &'a Rotation) -> Vec<StepId> {
        let Some(room) = self.room.get_mut(&(&r.issuer, &r.principal)) else {
            return Vec::new();
        };
        let mut before = room.freed.clone();
        if room.left > 0 {
            room.left -= 1;
        } else {
            before.extend(room.later.pop_front());
        }
        if c.sheet.deletes {
            room.later
                .push_back(StepId::new(format!("{}/delete", r.credential)));
        }
        before
    }

    /// Old key first; the outage lasts until the consumers have the new one.
    fn hot(&mut self, c: &Candidate<'a>, r: &'a Rotation) {
        let mut before: Vec<StepId> = self.keep(c, r).into_iter().collect();
        let slots = self.slots(c);
        let hit: Vec<ConsumerId> = self.readers(&slots).into_keys().cloned().collect();
        if !hit.is_empty() {
            let announce = Action::Announce { consumers: hit };
            before.push(self.push(r, "announce", announce, vec![], vec![Gate::Approved]));
        }
        let (off, proof) = self.switch_off(c, r, before);
        let early = (is_full(self.state, c) && has_delete(c))
            .then(|| self.delete(r, &off, vec![proof.clone()], 0));
        let ready = early.as_ref().map_or(&proof, |(delete, _)| delete).clone();
        let mut over = self.replace(c, r, vec![ready]).all;
        let mut last = self.prove_again(r, &proof).unwrap_or_else(|| proof.clone());
        if early.is_none() && has_delete(c) {
            last = self.delete(r, &off, over.clone(), self.policy.soak_s).1;
        }
        over.push(last);
        self.sweep(c, r, over);
    }

    /// No new key. Where nobody of ours shares the owner, the owner is cut off first, so that
    /// attempts stay visible for the tripwire window.
    fn retire(&mut self, c: &Candidate<'a>, r: &'a Rotation) {
        let mut before = Vec::new();
        if c.sheet.cuts && self.owner_is_nobodys(c, r) && self.policy.tripwire_s > 0 {
            before.push(self.push(r, "cut", Action::Cut, vec![], vec![Gate::Approved]));
        }
        let (off, proof) = self.switch_off(c, r, before);
        if has_delete(c) {
            self.delete(r, &off, vec![proof.clone()], 0);
        }
        self.prove_again(r, &proof);
    }

    /// Whether every key of the principal is being retired without replacement. A principal
    /// whose keys were not listed may hold others.
    fn owner_is_nobodys(&self, c: &Candidate<'_>, r: &'a Rotation) -> bool {
        let listed = self.state.keys_of(&r.issuer, &r.principal);
        listed.iter().any(|key| &key.id == c.key)
            && listed.iter().all(|key| {
                &key.id == c.key || !key.active || self.retiring.contains(&(&r.issuer, &key.id))
            })
    }

    /// Looks for keys of ours that nobody uses, once everything else is over.
    fn sweep(&mut self, c: &Candidate<'_>, r: &Rotation, needs: Vec<StepId>) {
        let by_program = matches!(c.sheet.minting, Minting::Program);
        if c.sheet.lists && by_program && (c.sheet.disables || c.sheet.deletes) {
            self.push(r, "sweep", Action::Sweep, needs, vec![Gate::Approved]);
        }
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

    /// Mints, checks, writes, rolls and adopts, one wave after the other.
    fn replace(&mut self, c: &Candidate<'_>, r: &Rotation, before: Vec<StepId>) -> Replaced {
        let mut before = before;
        let dead = r.after.iter().map(|after| &after.credential);
        before.extend(dead.map(|id| StepId::new(format!("{id}/prove/0s"))));
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
        let readers = self.readers(&slots);
        // Once the old key is dead, waiting would only make the outage longer.
        let all_at_once = Policy {
            wave_growth: 0,
            ..self.policy.clone()
        };
        let pace = match r.mode {
            Mode::Warm => self.policy,
            Mode::Hot | Mode::Retire => &all_at_once,
        };
        let containers = slots.keys().cloned().collect();
        let mut writes = BTreeMap::new();
        let mut ends = vec![check];
        let mut all = Vec::new();
        for (number, wave) in (1..).zip(waves(&readers, &containers, pace)) {
            let in_wave = (r.mode == Mode::Warm).then_some(number);
            let mut adopted = Vec::new();
            for container in &wave.containers {
                let write = self.write(r, container, &slots, ends.clone(), in_wave);
                adopted.push(write.clone());
                writes.insert(container.clone(), write);
            }
            for consumer in wave.consumers.iter().filter_map(|id| readers.get(id)) {
                adopted.push(self.consumer(r, consumer, &slots, &writes, &ends, in_wave));
            }
            all.extend(adopted.iter().cloned());
            ends = if in_wave.is_some() {
                // After the waves before it, also where a person let all of its consumers go.
                let before = ends.into_iter().filter(|_| number > 1);
                let needs = before.chain(adopted).collect();
                vec![self.settle(r, number, wave.consumers, needs)]
            } else {
                adopted
            };
        }
        let unread: Vec<Container> = slots
            .keys()
            .filter(|container| !writes.contains_key(*container))
            .cloned()
            .collect();
        let mut last = Vec::new();
        for container in &unread {
            last.push(self.write(r, container, &slots, ends.clone(), None));
        }
        all.extend(last.iter().cloned());
        last.extend(ends);
        Replaced { ends: last, all }
    }

    /// Everybody who reads one of these containers.
    fn readers(&self, slots: &Slots) -> BTreeMap<&'a ConsumerId, &'a Consumer> {
        let state = self.state;
        slots
            .keys()
            .flat_map(|container| state.consumers_of(container))
            .map(|consumer| (&consumer.id, consumer))
            .collect()
    }

    fn write(
        &mut self,
        r: &Rotation,
        container: &Container,
        slots: &Slots,
        needs: Vec<StepId>,
        wave: Option<u32>,
    ) -> StepId {
        let action = Action::Write {
            container: container.clone(),
            slots: slots.get(container).cloned().unwrap_or_default(),
        };
        let gates = vec![Gate::Approved, Gate::Contained];
        let id = format!("{}/write/{container}", r.credential);
        self.add_step(r, id, action, needs, gates, wave)
    }

    /// Rolls a consumer once all it reads is written, and sees it well; returns that look.
    fn consumer(
        &mut self,
        r: &Rotation,
        consumer: &Consumer,
        slots: &Slots,
        writes: &BTreeMap<Container, StepId>,
        before: &[StepId],
        wave: Option<u32>,
    ) -> StepId {
        let reads: Slots = slots
            .iter()
            .filter(|(container, _)| consumer.reads.contains(container))
            .map(|(container, slots)| (container.clone(), slots.clone()))
            .collect();
        let mut needs: BTreeSet<StepId> = reads
            .keys()
            .filter_map(|c| writes.get(c).cloned())
            .collect();
        if wave.is_some() {
            needs.extend(before.iter().cloned());
        }
        let id = &consumer.id;
        let roll = Action::Roll {
            consumer: id.clone(),
        };
        let roll = self.add_step(
            r,
            format!("{}/roll/{id}", r.credential),
            roll,
            needs.into_iter().collect(),
            vec![Gate::Approved],
            wave,
        );
        let adopt = Action::Adopt {
            consumer: id.clone(),
            slots: reads
                .into_iter()
                .map(|(c, slots)| (c.to_string(), slots))
                .collect(),
        };
        let name = format!("{}/adopt/{id}", r.credential);
        self.add_step(r, name, adopt, vec![roll], vec![], wave)
    }

    /// Watches a wave before the next.
    fn settle(
        &mut self,
        r: &Rotation,
        wave: u32,
        consumers: Vec<ConsumerId>,
        needs: Vec<StepId>,
    ) -> StepId {
        let id = format!("{}/settle/{wave}", r.credential);
        let action = Action::Settle { consumers };
        self.add_step(r, id, action, needs, vec![], Some(wave))
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

    /// The later proofs of the schedule; returns the last. They are counted from the first, not
    /// from when the issuer said it was done: only who has seen the key refused once knows that
    /// the change is on its way to wherever it is still accepted.
    fn prove_again(&mut self, r: &Rotation, first: &StepId) -> Option<StepId> {
        let later: BTreeSet<u32> = self.policy.dead_probes_s.iter().copied().collect();
        let mut last = None;
        for seconds in later.into_iter().filter(|&seconds| seconds > 0) {
            let gate = Gate::After {
                step: first.clone(),
                seconds,
            };
            let what = format!("{seconds}s");
            let needs = vec![first.clone()];
            last = Some(self.push_on(r, "prove", &what, Action::Prove, needs, vec![gate]));
        }
        last
    }

    /// Deletes a disabled key `soak_s` after it was disabled, and proves that too; returns
    /// both steps.
    fn delete(
        &mut self,
        r: &Rotation,
        off: &StepId,
        needs: Vec<StepId>,
        soak_s: u32,
    ) -> (StepId, StepId) {
        let mut gates = vec![Gate::Approved];
        if soak_s > 0 {
            gates.push(Gate::After {
                step: off.clone(),
                seconds: soak_s,
            });
        }
        let delete = self.push(r, "delete", Action::Delete, needs, gates);
        let needs = vec![delete.clone()];
        let proof = self.push_on(r, "prove", "deleted", Action::Prove, needs, vec![]);
        (delete, proof)
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
        let id = format!("{}/{verb}", r.credential);
        self.add_step(r, id, action, needs, gates, None)
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
        let id = format!("{}/{verb}/{on}", r.credential);
        self.add_step(r, id, action, needs, gates, None)
    }

    fn add_step(
        &mut self,
        r: &Rotation,
        id: String,
        action: Action,
        needs: Vec<StepId>,
        gates: Vec<Gate>,
        wave: Option<u32>,
    ) -> StepId {
        let id = StepId::new(id);
        let credential = r.credential.clone();
        self.steps.push(Step {
            id: id.clone(),
            credential,
            action,
            needs,
            gates,
            wave,
        });
        id
    }
}

/// Whether a key is deleted some time after it was disabled: where there is nothing milder
/// than deleting, that is how it is switched off.
fn has_delete(c: &Candidate<'_>) -> bool {
    c.sheet.disables && c.sheet.deletes
}
