//! The people: they approve, contain, mend what is broken, hand keys over, and send steps
//! back to work, as reasonable people would.

use std::collections::BTreeMap;
use std::sync::Arc;

use relatch_case::fact::Fact;
use relatch_case::model::{Container, Part, Slot};
use relatch_case::plan::{Action, Step};
use relatch_case::state::StepStatus;
use relatch_case::{CredentialId, StepId};
use relatch_executor::{Engine, Ledger};
use relatch_rotation::{Wait, Waiting};
use relatch_secret::Secret;

use crate::dice::Luck;
use crate::world::{Inner, Key, Model, Origin, Status, Text};

/// The people of a schedule.
pub(crate) struct People {
    pub(crate) model: Arc<Model>,
    pub(crate) ledger: Ledger,
    /// Keys that were made at a console and not taken yet.
    made: BTreeMap<StepId, Text>,
    /// How often each step was mended.
    mended: BTreeMap<StepId, u32>,
}

impl People {
    pub(crate) fn new(model: &Arc<Model>, ledger: Ledger) -> Self {
        Self {
            model: Arc::clone(model),
            ledger,
            made: BTreeMap::new(),
            mended: BTreeMap::new(),
        }
    }

    /// Records something.
    pub(crate) fn say(&self, facts: Vec<Fact>) {
        let now = self.model.lock().wall();
        // People's journal never fails; a race with a process is retried inside.
        let said = self.ledger.record(now, facts);
        debug_assert!(said.is_ok(), "{said:?}");
    }

    /// Deals with what is waited for.
    pub(crate) async fn attend(&mut self, waits: &[Wait], engine: &Engine, luck: &mut Luck) {
        for wait in waits {
            match &wait.on {
                Waiting::Approval => self.approve(),
                Waiting::Person => self.hand_over(&wait.step, engine).await,
                Waiting::Stuck { .. } => self.mend(&wait.step, luck),
                Waiting::Paused { .. } => self.resume(),
                Waiting::Containment | Waiting::Time { .. } => {}
            }
        }
    }

    pub(crate) fn approve(&self) {
        let hash = {
            let inner = self.model.lock();
            let plan = inner.book.state.plan.as_ref();
            plan.map(|plan| plan.hash.clone())
        };
        if let Some(hash) = hash {
            let by = "ada".to_string();
            self.say(vec![Fact::PlanApproved { hash, by }]);
        }
    }

    pub(crate) fn resume(&self) {
        let stopped: Vec<Option<CredentialId>> = {
            let inner = self.model.lock();
            let state = &inner.book.state;
            let all = state.paused.as_ref().map(|_| None);
            let some = state.paused_rotations.keys().map(|id| Some(id.clone()));
            all.into_iter().chain(some).collect()
        };
        let facts = stopped
            .into_iter()
            .map(|credential| Fact::Resumed { credential });
        self.say(facts.collect());
    }

    /// Makes a key at the console and hands it over; the same one again if it was not taken.
    async fn hand_over(&mut self, id: &StepId, engine: &Engine) {
        let value = match self.made.get(id) {
            Some(value) => value.clone(),
            None => match self.model.lock().make_at_console(id) {
                Some(value) => value,
                None => return,
            },
        };
        self.made.insert(id.clone(), value.clone());
        let taken = engine.hand_over(id, Secret::from(&*value)).await;
        let mut inner = self.model.lock();
        let words = match &taken {
            Ok(()) => "taken".to_string(),
            Err(error) => error
                .to_string()
                .split(" (process")
                .next()
                .unwrap_or("")
                .to_string(),
        };
        inner.tell("ada", || format!("hands a key over for {id}: {words}"));
    }

    /// Mends what keeps a step from going on, and sends it back to work, or skips it.
    pub(crate) fn mend(&mut self, id: &StepId, luck: &mut Luck) {
        let times = self.mended.entry(id.clone()).or_insert(0);
        *times += 1;
        let patient = *times < 4;
        let facts = {
            let mut inner = self.model.lock();
            let Some(step) = inner
                .book
                .state
                .plan
                .as_ref()
                .and_then(|p| p.plan.step(id))
                .cloned()
            else {
                return;
            };
            inner.mended(&step, patient, luck)
        };
        self.say(facts);
    }
}

impl Inner {
    fn make_at_console(&mut self, id: &StepId) -> Option<Text> {
        let plan = self.book.state.plan.as_ref()?.plan.clone();
        let step = plan.step(id)?;
        let rotation = plan.rotation(&step.credential)?;
        self.make_room(&step.credential);
        let origin = Origin::Handed(step.credential.clone());
        let key = self.make_key(&rotation.issuer, &rotation.principal, None, origin);
        self.tell("ada", || format!("makes {key} at the console"));
        self.keys.get(&key).map(|key| key.value.clone())
    }

    /// Mends what a step depends on; says what is to be recorded. Who has lost patience lets a
    /// consumer go by name.
    fn mended(&mut self, step: &Step, patient: bool, luck: &mut Luck) -> Vec<Fact> {
        let again = match &step.action {
            Action::Keep { container, slot } => {
                let slots = BTreeMap::from([(slot.clone(), Part::Secret)]);
                luck.percent(60) && self.put_old_back(&step.credential, container, &slots)
            }
            Action::Mint { .. } => {
                self.remove_orphans(&step.credential);
                self.make_room(&step.credential);
                if !self.has_room(&step.credential) {
                    return self.give_up(&step.credential);
                }
                true
            }
            Action::Sweep => {
                self.remove_orphans(&step.credential);
                !self.has_foreign_key(&step.credential)
            }
            Action::Disable => !self.is_gone(&step.credential),
            Action::Write { container, slots } => {
                luck.percent(60) && self.put_back(step, container, slots)
            }
            Action::Roll { consumer } | Action::Adopt { consumer, .. } => {
                let consumer = consumer.clone();
                self.heal(&consumer) && patient
            }
            Action::Settle { consumers } => {
                consumers.iter().filter(|id| self.heal(id)).count() == consumers.len() && patient
            }
            Action::Prove => {
                self.switch_off_by_hand();
                true
            }
            _ => true,
        };
        let step = step.id.clone();
        vec![if again {
            Fact::StepRetried { step }
        } else {
            let because = "somebody else takes care of it".to_string();
            Fact::StepSkipped { step, because }
        }]
    }

    /// Somebody else rotates this one: nothing more is done to it.
    fn give_up(&mut self, credential: &CredentialId) -> Vec<Fact> {
        self.tell("ada", || format!("leaves {credential} to somebody else"));
        let Some(plan) = self.book.state.plan.as_ref().map(|plan| plan.plan.clone()) else {
            return Vec::new();
        };
        let open = plan
            .steps_of(credential)
            .filter(|step| !self.book.state.is_over(&step.id));
        open.map(|step| Fact::StepSkipped {
            step: step.id.clone(),
            because: "somebody else rotates it".to_string(),
        })
        .collect()
    }

    fn has_room(&self, credential: &CredentialId) -> bool {
        let old = self
            .laws
            .old
            .get(credential)
            .and_then(|(id, _)| self.keys.get(id));
        old.is_none_or(|old| !self.is_full(old))
    }

    /// Makes a consumer well, if that is in anybody's power.
    fn heal(&mut self, id: &relatch_case::ConsumerId) -> bool {
        let now = self.now;
        let Some(reader) = self.readers.get_mut(id) else {
            return false;
        };
        reader.allergy = None;
        reader.ill_until = reader.ill_until.min(now);
        let reads = reader.reads.clone();
        self.tell("ada", || format!("mends {id}"));
        // What somebody else wrote, deleted or killed is not healed by trying again.
        reads.iter().all(|container| {
            let slots = self.places.get(container).and_then(|place| place.slots());
            slots.is_some_and(|slots| slots.values().all(|value| !self.foreign.contains(value)))
        })
    }

    /// Puts the value that a step expects into its slots again, if there is reason to.
    fn put_back(
        &mut self,
        step: &Step,
        container: &Container,
        slots: &BTreeMap<Slot, Part>,
    ) -> bool {
        let undoing = self.book.state.steps.get(&step.id).is_some_and(|known| {
            matches!(&known.status, StepStatus::Stuck { because } if because.contains("rolled back"))
        });
        self.put_old_back(&step.credential, container, slots) || undoing
    }

    fn put_old_back(
        &mut self,
        credential: &CredentialId,
        container: &Container,
        slots: &BTreeMap<Slot, Part>,
    ) -> bool {
        let Some((id, value)) = self.laws.old.get(credential).cloned() else {
            return false;
        };
        let now = self.now;
        let Some(place) = self.places.get_mut(container) else {
            return false;
        };
        if place.slots().is_none() {
            place.set(now, Some(BTreeMap::new()));
        }
        for (slot, part) in slots {
            let old: Text = match part {
                Part::Secret => value.clone(),
                Part::KeyId => id.as_str().into(),
            };
            self.laws.foreign.remove(&(container.clone(), slot.clone()));
            self.put(container, [(slot.clone(), old)]);
        }
        self.tell("ada", || {
            format!("puts the old value of {credential} back into {container}")
        });
        true
    }

    /// Keys at a credential's principal that nobody needs.
    fn remove_orphans(&mut self, credential: &CredentialId) {
        self.delete_where(credential, |inner, key| {
            key.origin == Origin::Thief
                || matches!(key.origin, Origin::Minted(_)) && !inner.is_needed(key)
        });
    }

    fn has_foreign_key(&self, credential: &CredentialId) -> bool {
        let old = self
            .laws
            .old
            .get(credential)
            .and_then(|(id, _)| self.keys.get(id));
        old.is_some_and(|old| {
            self.keys.values().any(|key| {
                key.origin == Origin::Foreign
                    && key.status() != Status::Deleted
                    && (&key.issuer, &key.principal) == (&old.issuer, &old.principal)
            })
        })
    }

    fn is_gone(&self, credential: &CredentialId) -> bool {
        let old = self
            .laws
            .old
            .get(credential)
            .and_then(|(id, _)| self.keys.get(id));
        old.is_some_and(|old| old.status() == Status::Deleted)
    }

    fn is_needed(&self, key: &Key) -> bool {
        let recorded = self.book.state.minted.keys().any(|id| {
            self.keys
                .get(id)
                .is_some_and(|known| known.value == key.value)
        });
        // What the tool holds for another rotation it names where it asks a person.
        let sealed = || {
            let mut sealed = self.custody.iter();
            sealed.any(|(name, sealed)| {
                sealed.ends_with(key.value.as_bytes()) && !self.is_superseded(name)
            })
        };
        recorded || self.stands_somewhere(&key.value) || sealed()
    }

    /// Whether a later mint than the one that sealed its key under this name is done: a process that
    /// stood still until its case was another's seals what nobody will write anywhere.
    fn is_superseded(&self, name: &str) -> bool {
        let Some((credential, attempt)) = name.rsplit_once(".new.") else {
            return false;
        };
        let state = &self.book.state;
        let plan = state.plan.as_ref().map(|plan| &plan.plan);
        let mint = plan.and_then(|plan| plan.step_of(&credential.into(), "mint"));
        let known = mint.and_then(|mint| state.steps.get(&mint.id));
        known.is_some_and(|known| {
            matches!(known.status, StepStatus::Done { .. })
                && attempt
                    .parse()
                    .is_ok_and(|attempt: u32| attempt < known.attempt)
        })
    }

    /// Where the principal is full, whatever is in nobody's use goes.
    fn make_room(&mut self, credential: &CredentialId) {
        self.delete_where(credential, |inner, key| {
            matches!(key.origin, Origin::Thief | Origin::Foreign)
                && !inner.stands_somewhere(&key.value)
                && inner.is_full(key)
        });
    }

    fn is_full(&self, key: &Key) -> bool {
        let slots = self.sheets.get(&key.issuer).and_then(|sheet| sheet.slots);
        let held = self.keys.values().filter(|other| {
            other.issuer == key.issuer
                && other.principal == key.principal
                && other.status() != Status::Deleted
        });
        slots.is_some_and(|slots| held.count() >= slots as usize)
    }

    fn delete_where(&mut self, credential: &CredentialId, goes: impl Fn(&Self, &Key) -> bool) {
        let now = self.now;
        let Some(plan) = self.book.state.plan.as_ref().map(|plan| plan.plan.clone()) else {
            return;
        };
        let Some(rotation) = plan.rotation(credential) else {
            return;
        };
        let planned = |id: &relatch_case::KeyId| plan.rotations.iter().any(|r| &r.old_key == id);
        let going: Vec<_> = self
            .keys
            .iter()
            .filter(|(id, key)| {
                key.issuer == rotation.issuer
                    && key.principal == rotation.principal
                    && key.status() != Status::Deleted
                    && !planned(id)
                    && goes(self, key)
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in going {
            self.tell("ada", || format!("deletes {id} at the console"));
            if let Some(key) = self.keys.get_mut(&id) {
                if key.origin == Origin::Foreign {
                    key.origin = Origin::Thief;
                }
                key.become_(now, Status::Deleted);
            }
        }
    }

    /// Finds old keys that should be off by what was recorded and are not, and switches them
    /// off by hand.
    pub(crate) fn switch_off_by_hand(&mut self) {
        let now = self.now;
        let Some(plan) = self.book.state.plan.as_ref().map(|plan| plan.plan.clone()) else {
            return;
        };
        for rotation in &plan.rotations {
            let off = plan.steps_of(&rotation.credential).any(|step| {
                matches!(step.action, Action::Disable | Action::Delete)
                    && self.book.state.is_over(&step.id)
            });
            let alive = self.keys.get(&rotation.old_key).is_some_and(Key::is_active);
            if off
                && alive
                && let Some(key) = self.keys.get_mut(&rotation.old_key)
            {
                key.become_(now, Status::Disabled);
                self.tell("ada", || {
                    format!("switches {} off by hand", rotation.old_key)
                });
            }
        }
        let ids: Vec<_> = self.readers.keys().cloned().collect();
        for id in ids {
            if self.ails(&id).is_some() {
                self.heal(&id);
            }
        }
    }

    /// Looks that have not ended for long: people look who still uses the old key, let him go by
    /// name, and go on; and where they switched the old key off by hand and nothing shows it,
    /// they answer for that by name.
    pub(crate) fn observed_for_long(&self) -> Vec<Fact> {
        let Some(plan) = self.book.state.plan.as_ref().map(|plan| plan.plan.clone()) else {
            return Vec::new();
        };
        let is_over = |id: &StepId| self.book.state.is_over(id);
        let due = |step: &&Step| {
            let by_hand = || {
                plan.steps_of(&step.credential)
                    .filter(|s| matches!(s.action, Action::Disable | Action::Delete))
                    .any(|s| self.is_skipped(&s.id))
            };
            let looks = matches!(step.action, Action::Observe { .. } | Action::Check)
                || matches!(step.action, Action::Prove) && by_hand();
            looks && !is_over(&step.id) && step.needs.iter().all(is_over)
        };
        plan.steps
            .iter()
            .filter(due)
            .map(|step| Fact::StepSkipped {
                step: step.id.clone(),
                because: "whoever still uses the old key was told".to_string(),
            })
            .collect()
    }

    /// Whoever still runs with a value that no place holds any more is restarted by hand.
    pub(crate) fn restart_stragglers(&mut self) {
        let ids: Vec<_> = self.readers.keys().cloned().collect();
        for id in ids {
            let stale = self.readers.get(&id).is_some_and(|reader| {
                reader.running.iter().any(|(at, slots)| {
                    self.places.get(at).and_then(|place| place.slots()) != Some(slots)
                })
            });
            let skipped = self.book.state.plan.as_ref().is_some_and(|plan| {
                plan.plan
                    .steps_on(&id)
                    .any(|step| self.is_skipped(&step.id))
            });
            if stale && skipped {
                self.tell("ada", || format!("restarts {id} by hand"));
                self.restart(&id);
            }
        }
    }
}
