//! What must hold at the end.

use relatch_case::model::Part;
use relatch_case::plan::{Action, Mode, Plan, Rotation};
use relatch_case::{CredentialId, KeyId};

use super::Law;
use crate::world::{Inner, Key, Origin};

impl Inner {
    /// Everything is over and whatever was under way has landed.
    pub(crate) fn at_the_end(&mut self) {
        let Some(plan) = self.plan() else { return };
        for rotation in &plan.rotations {
            let skipped = plan
                .steps_of(&rotation.credential)
                .any(|step| self.is_skipped(&step.id));
            if !skipped {
                self.is_dead(rotation);
                self.new_values_stand(&plan, rotation);
            }
        }
        self.nobody_was_forgotten();
        self.no_orphans(&plan);
        self.consumers_are_well(&plan);
        self.nothing_else_was_touched(&plan);
    }

    fn is_dead(&mut self, rotation: &Rotation) {
        let Some(key) = self.keys.get(&rotation.old_key).cloned() else {
            return;
        };
        let dead = !key.is_active() || self.is_cut(&key);
        self.must(Law::Outcome, dead, || {
            format!("it is over and {} is alive", rotation.old_key)
        });
    }

    fn new_values_stand(&mut self, plan: &Plan, rotation: &Rotation) {
        if rotation.mode == Mode::Retire {
            return;
        }
        for step in plan.steps_of(&rotation.credential) {
            let Action::Write { container, slots } = &step.action else {
                continue;
            };
            for (slot, part) in slots {
                let stands = self
                    .value_at(container, slot)
                    .cloned()
                    .unwrap_or_else(|| "".into());
                let key = match part {
                    Part::Secret => self.key_of(&stands).map(|(_, key)| key),
                    Part::KeyId => self.keys.get(&KeyId::from(&*stands)),
                };
                let new =
                    key.is_some_and(|key| key.is_new_of(&rotation.credential) && key.is_active());
                let foreign = self
                    .laws
                    .foreign
                    .contains_key(&(container.clone(), slot.clone()));
                let disturbed = self.laws.disturbed.contains(&rotation.credential);
                self.must(Law::NoKeyLost, new || foreign || disturbed, || {
                    format!(
                        "it is over and {container}#{} holds no live new key",
                        slot.0
                    )
                });
            }
        }
    }

    /// Whoever was rolled back too early was rolled back again, or went forward.
    fn nobody_was_forgotten(&mut self) {
        let early = self.laws.early.iter().find(|id| !self.is_skipped(id));
        let early = early.cloned();
        self.must(Law::ReversibleFirst, early.is_none(), || {
            format!("{early:?} was undone before a place it reads, and never again")
        });
    }

    fn no_orphans(&mut self, plan: &Plan) {
        let ours: Vec<(KeyId, Key)> = self
            .keys
            .iter()
            .filter(|(_, key)| key.is_ours() && key.is_active())
            .map(|(id, key)| (id.clone(), key.clone()))
            .collect();
        for (id, key) in ours {
            let lists = self
                .sheets
                .get(&key.issuer)
                .is_some_and(|sheet| sheet.lists);
            let by_tool = matches!(key.origin, Origin::Minted(_));
            let excused = !lists || !by_tool || self.is_excused(plan, &key);
            let used = self.stands_somewhere(&key.value);
            self.must(Law::NoOrphan, used || excused, || {
                format!("{id} was made at {} and is nowhere in use", key.principal)
            });
        }
    }

    /// Whether a person skipped a step that would have used or removed a key, or somebody
    /// else took it away.
    fn is_excused(&self, plan: &Plan, key: &Key) -> bool {
        let Origin::Minted(Some(credential)) = &key.origin else {
            return false;
        };
        self.laws.disturbed.contains(credential) || self.has_skipped(plan, credential)
    }

    fn has_skipped(&self, plan: &Plan, credential: &CredentialId) -> bool {
        plan.steps_of(credential).any(|step| {
            self.is_skipped(&step.id)
                && matches!(
                    step.action,
                    Action::Write { .. } | Action::Sweep | Action::Mint { .. }
                )
        })
    }

    fn consumers_are_well(&mut self, plan: &Plan) {
        let ids: Vec<_> = self.readers.keys().cloned().collect();
        for id in ids {
            let skipped = plan.steps_on(&id).any(|step| self.is_skipped(&step.id));
            let skipped = skipped
                || plan.steps.iter().any(|step| {
                    let reads = matches!(&step.action, Action::Write { container, .. }
                        if self.readers.get(&id).is_some_and(|r| r.reads.contains(container)));
                    reads && self.is_skipped(&step.id)
                });
            // What it cannot live with it would have shown while it was watched, or shows now.
            if let Some(reader) = self.readers.get_mut(&id) {
                reader.allergy = None;
            }
            let ails = self.ails(&id);
            let foreign = self
                .readers
                .get(&id)
                .is_some_and(|reader| reader.values().any(|value| self.foreign.contains(value)));
            self.must(Law::Outcome, ails.is_none() || skipped || foreign, || {
                format!("it is over and {id} is not well: {ails:?}")
            });
        }
    }

    fn nothing_else_was_touched(&mut self, plan: &Plan) {
        let kept = self.laws.foreign.iter().chain(&self.laws.bystanders);
        let lost = kept
            .filter(|((container, slot), value)| {
                self.places
                    .get(container)
                    .is_some_and(|place| place.slots().is_some())
                    && self.value_at(container, slot) != Some(*value)
            })
            .map(|((container, slot), _)| format!("{container}#{}", slot.0))
            .next();
        self.must(Law::NoClobber, lost.is_none(), || {
            format!("{lost:?} does not hold what others put there")
        });
        let rotated = |id: &KeyId| plan.rotations.iter().any(|r| &r.old_key == id);
        let gone = self
            .keys
            .iter()
            .find(|(id, key)| {
                matches!(key.origin, Origin::Old | Origin::Foreign)
                    && !key.is_active()
                    && !rotated(id)
            })
            .map(|(id, _)| id.clone());
        self.must(Law::Outcome, gone.is_none(), || {
            format!("{gone:?} is no key of this plan and is not alive any more")
        });
    }
}
