//! What must hold of every request at the moment it is sent and when it lands.

use std::collections::BTreeMap;

use relatch_case::model::{Container, Slot};
use relatch_case::plan::{Action, Mode, Plan, Rotation, Step};
use relatch_case::state::StepStatus;
use relatch_case::{KeyId, StepId};

use super::Law;
use crate::world::{Act, Inner, Origin, Process, Status, Text};

impl Inner {
    /// A request that changes something is sent.
    pub(crate) fn begins(&mut self, by: &Process, act: &Act) {
        self.laws.see(act_name(act));
        let Some(plan) = self.plan() else { return };
        let open: Vec<StepId> = self
            .steps_of(&plan, act)
            .into_iter()
            .filter(|step| self.is_begun(&step.id))
            .map(|step| step.id.clone())
            .collect();
        self.must(Law::Intent, !open.is_empty(), || {
            format!("{act}: no step with an open intent does that")
        });
        self.one_hand(by, act, &open);
        if let (Act::Mint { .. }, Some(step)) = (act, open.first()) {
            self.sent_once(step);
        }
        match act {
            Act::Disable(key) | Act::Delete(key) => self.kills(&plan, act, key),
            Act::Cut(issuer, principal) => {
                let owners = |r: &&Rotation| &r.issuer == issuer && &r.principal == principal;
                for rotation in plan.rotations.iter().filter(owners) {
                    self.nobody_runs_on(&plan, rotation, act);
                }
            }
            Act::Write(container, changes) => self.in_custody(container, changes),
            _ => {}
        }
    }

    /// What must not be done twice is sent once in an attempt.
    fn sent_once(&mut self, step: &StepId) {
        let Some(known) = self.laws.attempts.get_mut(step) else {
            return;
        };
        known.sent += 1;
        let sent = known.sent;
        self.must(Law::Intent, sent == 1, || {
            format!("{step} sent its request {sent} times")
        });
    }

    /// A request had its effect.
    pub(crate) fn landed(&mut self, _: &Process, act: &Act) {
        if let (Act::Disable(key) | Act::Delete(key), Some(plan)) = (act, self.plan())
            && let Some(rotation) = plan.rotations.iter().find(|r| &r.old_key == key)
        {
            self.nobody_runs_on(&plan, rotation, act);
        }
    }

    fn is_begun(&self, step: &StepId) -> bool {
        let known = self.laws.attempts.get(step);
        known.is_some_and(|known| known.is_open || known.undoing)
    }

    /// The steps that a request may be part of.
    fn steps_of<'a>(&self, plan: &'a Plan, act: &Act) -> Vec<&'a Step> {
        let owner = |step: &Step| plan.rotation(&step.credential);
        let fits = |step: &&Step| match (act, &step.action) {
            (
                Act::Mint {
                    credential,
                    principal,
                    ..
                },
                Action::Mint { .. },
            ) => credential.as_ref().map_or_else(
                || owner(step).is_some_and(|r| &r.principal == principal),
                |credential| credential == &step.credential,
            ),
            (Act::Disable(key), Action::Disable) | (Act::Delete(key), Action::Delete) => {
                owner(step).is_some_and(|r| &r.old_key == key)
            }
            (Act::Disable(key) | Act::Delete(key), Action::Mint { .. } | Action::Sweep) => {
                let at = self.keys.get(key).map(|key| &key.principal);
                !Self::is_old(plan, key) && at == owner(step).map(|r| &r.principal)
            }
            (Act::Cut(_, principal), Action::Cut) => {
                owner(step).is_some_and(|r| &r.principal == principal)
            }
            (Act::Write(at, _), Action::Write { container, .. }) => at == container,
            (Act::Roll(who), Action::Roll { consumer }) => who == consumer,
            _ => false,
        };
        plan.steps.iter().filter(fits).collect()
    }

    fn is_old(plan: &Plan, key: &KeyId) -> bool {
        plan.rotations.iter().any(|r| &r.old_key == key)
    }

    /// Who lost the lease begins nothing after another began on the same step.
    fn one_hand(&mut self, by: &Process, act: &Act, open: &[StepId]) {
        let ours = by.fence();
        for step in open {
            let hand = self.laws.hands.entry(step.clone()).or_insert(0);
            let others = *hand;
            *hand = others.max(ours);
            self.must(Law::OneHand, others <= ours, || {
                format!("{}: {act} after fence {others} began {step}", by.name)
            });
        }
    }

    fn kills(&mut self, plan: &Plan, act: &Act, key: &KeyId) {
        let Some(known) = self.keys.get(key).cloned() else {
            return;
        };
        let rotation = plan.rotations.iter().find(|r| &r.old_key == key);
        let may = rotation.is_some() || known.is_ours() || known.origin == Origin::Thief;
        self.must(Law::NoClobber, may, || {
            format!("{act}: nobody asked for that")
        });
        let Some(rotation) = rotation else {
            if known.is_ours() {
                let used = self
                    .readers
                    .values()
                    .any(|reader| reader.runs_with(&known.value))
                    || self.stands_somewhere(&known.value);
                self.must(Law::NoKeyLost, !used, || {
                    format!("{act}: a new key that is in use")
                });
            }
            return;
        };
        self.nobody_runs_on(plan, rotation, act);
        if matches!(act, Act::Delete(_)) {
            self.disabled_first(plan, rotation, known.status());
        }
    }

    pub(crate) fn stands_somewhere(&self, value: &str) -> bool {
        let slots = self.places.values().filter_map(|place| place.slots());
        slots
            .flat_map(BTreeMap::values)
            .any(|stands| &**stands == value)
    }

    /// Warm: no old key dies under a consumer that is known.
    fn nobody_runs_on(&mut self, plan: &Plan, rotation: &Rotation, act: &Act) {
        if rotation.mode != Mode::Warm {
            return;
        }
        let Some((_, old)) = self.laws.old.get(&rotation.credential).cloned() else {
            return;
        };
        let on_old: Vec<_> = self
            .readers
            .iter()
            .filter(|(_, reader)| reader.runs_with(&old))
            .map(|(id, _)| id.clone())
            .collect();
        for consumer in on_old {
            let mut steps = plan.steps_of(&rotation.credential);
            let waived = steps.any(|step| {
                let about = step.action.consumer() == Some(&consumer)
                    || matches!(&step.action, Action::Write { container, .. }
                        if self.readers.get(&consumer).is_some_and(|r| r.reads.contains(container)));
                about && self.is_skipped(&step.id)
            });
            self.must(Law::NoEarlyRevoke, waived, || {
                format!("{act} while {consumer} runs on {}", rotation.old_key)
            });
        }
    }

    pub(crate) fn is_skipped(&self, step: &StepId) -> bool {
        let known = self.book.state.steps.get(step);
        known.is_some_and(|known| matches!(known.status, StepStatus::Skipped { .. }))
    }

    /// Disabled first, then left alone for a while.
    fn disabled_first(&mut self, plan: &Plan, rotation: &Rotation, status: Status) {
        let disables = self
            .sheets
            .get(&rotation.issuer)
            .is_some_and(|sheet| sheet.disables);
        let Some(off) = plan
            .step_of(&rotation.credential, "disable")
            .filter(|_| disables)
        else {
            self.must(Law::ReversibleFirst, !disables, || {
                format!("{} is deleted and was never disabled", rotation.old_key)
            });
            return;
        };
        if self.is_skipped(&off.id) {
            return;
        }
        self.must(Law::ReversibleFirst, status != Status::Active, || {
            format!(
                "{} is deleted and was not disabled before",
                rotation.old_key
            )
        });
        let soak = match rotation.mode {
            Mode::Warm => plan.policy.soak_s,
            Mode::Hot if !self.laws.full.contains(&rotation.credential) => plan.policy.soak_s,
            Mode::Hot | Mode::Retire => 0,
        };
        // What was begun under an earlier plan kept that plan's pace.
        let delete = plan.step_of(&rotation.credential, "delete");
        let begun = delete.and_then(|step| self.laws.attempts.get(&step.id));
        if begun.is_some_and(|begun| begun.since < self.laws.planned_at) {
            return;
        }
        // As it was when it was decided on: what is sent once more to find out what became of it
        // deletes nothing that is not gone.
        let steps = &self.book.state.steps;
        let since = steps.get(&off.id).map(|known| known.at);
        let decided = delete.and_then(|step| steps.get(&step.id)?.intended_at);
        let by_clock = match (since, decided) {
            (Some(since), Some(decided)) => decided.duration_since(since).as_secs(),
            _ => 0,
        };
        // A clock that was set back makes it look too early; one set forward is not seen.
        let begun = self.laws.attempts.get(&off.id).map(|begun| begun.since);
        let in_truth = begun.map_or(0, |at| (self.now.saturating_sub(at) / 1000).cast_signed());
        let passed = by_clock.max(in_truth);
        self.must(
            Law::ReversibleFirst,
            passed >= i64::from(soak) || soak == 0,
            || {
                format!(
                    "{} is deleted {passed} s after it was disabled, not {soak}",
                    rotation.old_key
                )
            },
        );
    }

    /// What is written can be had again.
    fn in_custody(&mut self, container: &Container, changes: &BTreeMap<Slot, Text>) {
        for (slot, value) in changes {
            let Some((_, key)) = self.key_of(value) else {
                continue;
            };
            let old = key.origin == Origin::Old;
            let held = self
                .custody
                .values()
                .any(|sealed| sealed.ends_with(value.as_bytes()));
            self.must(Law::NoKeyLost, old || held, || {
                format!(
                    "what is written to {container}#{} is not in custody",
                    slot.0
                )
            });
        }
    }

    /// A write is about to take effect.
    pub(crate) fn check_write(&mut self, container: &Container, changes: &BTreeMap<Slot, Text>) {
        for slot in changes.keys() {
            let stands = self.value_at(container, slot).cloned();
            let foreign = stands.is_some_and(|value| self.foreign.contains(&value));
            self.must(Law::NoClobber, !foreign, || {
                format!(
                    "{container}#{} is written over what somebody else put there",
                    slot.0
                )
            });
        }
        let feeds = changes
            .values()
            .any(|value| self.key_of(value).is_some_and(|(_, key)| key.is_ours()));
        let reads = self.laws.thief_reads.contains(container) && !self.laws.waived;
        self.must(Law::NoFeeding, !(feeds && reads), || {
            format!("a new value is written to {container}, which the thief can read")
        });
    }
}

fn act_name(act: &Act) -> &'static str {
    match act {
        Act::Mint { .. } => "mint sent",
        Act::Disable(_) => "disable sent",
        Act::Enable(_) => "enable sent",
        Act::Delete(_) => "delete sent",
        Act::Cut(..) => "cut sent",
        Act::Write(..) => "write sent",
        Act::Roll(_) => "roll sent",
    }
}
