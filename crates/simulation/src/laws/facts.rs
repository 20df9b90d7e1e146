//! What must hold of every fact at the moment it is recorded.

use std::collections::BTreeSet;
use std::sync::Arc;

use relatch_case::fact::{Outcome, StepResult};
use relatch_case::model::{Container, Liveness, Minting, Part};
use relatch_case::plan::{Action, Plan, Step};
use relatch_case::state::PlanInForce;
use relatch_case::{ConsumerId, Fact, Lease, Record, StepBaseline, StepId};
use serde_json::Value;

use super::{Attempt, Law};
use crate::world::{CANARY, Inner, Key, Origin, Process, Text};

impl Inner {
    /// A fact was written.
    pub(crate) fn recorded(&mut self, by: &Process, lease: Option<&Lease>, record: &Record) {
        let fact = &record.fact;
        self.tell(&by.name, || format!("records {}", words(fact)));
        let leaks = serde_json::to_string(fact).is_ok_and(|text| text.contains(CANARY));
        self.must(Law::NoLeak, !leaks, || {
            format!("a value is in the fact: {}", words(fact))
        });
        if fact.needs_lease() {
            let (ours, current) = (lease.map(|lease| lease.fence), self.book.fence);
            self.must(Law::OneHand, ours == Some(current), || {
                format!("fence {ours:?} recorded a step while {current} is in force")
            });
        }
        match fact {
            Fact::StepIntended {
                step,
                attempt,
                baseline,
            } => {
                self.laws.see("intent");
                self.intended(step, *attempt, baseline);
            }
            Fact::StepEnded {
                step,
                attempt,
                outcome,
            } => self.ended(step, *attempt, outcome),
            Fact::UndoIntended { step, .. } => {
                self.laws.see("undo intended");
                self.undo_intended(step);
            }
            Fact::UndoEnded { step, outcome } => self.undo_ended(step, outcome),
            Fact::PlanRecorded { .. } => self.laws.planned_at = self.now,
            _ => {}
        }
        self.book.state.apply(record);
        self.book.records.push(record.clone());
    }

    pub(super) fn plan(&self) -> Option<Arc<Plan>> {
        self.book
            .state
            .plan
            .as_ref()
            .map(|plan| Arc::clone(&plan.plan))
    }

    fn step(&self, id: &StepId) -> Option<Step> {
        self.plan()?.step(id).cloned()
    }

    fn intended(&mut self, id: &StepId, attempt: u32, baseline: &StepBaseline) {
        self.laws.early.remove(id);
        let before = self.laws.attempts.get(id).copied();
        let free = before.is_none_or(|before| !before.is_open);
        self.must(Law::Intent, free, || {
            format!("attempt {attempt} of {id} was begun while {before:?} is open")
        });
        let later = before.is_none_or(|before| before.number < attempt);
        self.must(Law::Intent, later, || {
            format!("attempt {attempt} of {id} was used before")
        });
        let now = self.now;
        self.laws.attempts.insert(
            id.clone(),
            Attempt {
                number: attempt,
                is_open: true,
                undoing: false,
                sent: 0,
                since: now,
            },
        );
        let Some(step) = self.step(id) else {
            return;
        };
        let approved = self
            .book
            .state
            .plan
            .as_ref()
            .is_some_and(PlanInForce::is_approved);
        let asks = !matches!(step.action, Action::Keep { .. });
        self.must(Law::Approval, approved || !asks, || {
            format!("{id} was begun unapproved")
        });
        if matches!(step.action, Action::Mint { .. } | Action::Write { .. }) {
            let open = self.laws.gate_is_open;
            self.must(Law::NoFeeding, open, || {
                format!("{id} was begun while the thief was not contained")
            });
        }
        if matches!(step.action, Action::Mint { person: false, .. }) {
            self.mint_can_be_found(&step, baseline);
        }
    }

    /// The intent of a mint says what was there before.
    fn mint_can_be_found(&mut self, step: &Step, baseline: &StepBaseline) {
        let Some(plan) = self.plan() else { return };
        let Some(rotation) = plan.rotation(&step.credential) else {
            return;
        };
        let lists = self
            .sheets
            .get(&rotation.issuer)
            .is_some_and(|sheet| sheet.lists);
        let settled = self.now.saturating_sub(30_000);
        let listed = self.list(&rotation.issuer, Some(&rotation.principal), settled);
        let baseline = baseline.value();
        let keys = baseline.get("keys").and_then(Value::as_array);
        let knows = |id: &str| keys.is_some_and(|keys| keys.iter().any(|key| key == id));
        let missing = listed.iter().find(|(_, key)| {
            self.keys.get(&key.id).is_some_and(Key::is_active) && !knows(key.id.as_str())
        });
        let missing = missing.map(|(_, key)| key.id.clone());
        self.must(Law::Intent, !lists || missing.is_none(), || {
            format!("{} does not say that {missing:?} was there before", step.id)
        });
    }

    fn ended(&mut self, id: &StepId, attempt: u32, outcome: &Outcome) {
        self.laws.see(name_of(outcome));
        let Some(step) = self.step(id) else {
            return;
        };
        if !step.action.only_looks() {
            let known = self.laws.attempts.get(id).copied();
            let open = known.is_some_and(|known| known.is_open && known.number == attempt);
            let before_intent = matches!(outcome, Outcome::Failed { .. })
                && known.is_none_or(|known| !known.is_open);
            self.must(Law::Intent, open || before_intent, || {
                format!("an outcome of {id} without the intent of attempt {attempt}")
            });
            if open
                && !matches!(outcome, Outcome::Unknown { .. })
                && let Some(known) = self.laws.attempts.get_mut(id)
            {
                known.is_open = false;
            }
        }
        match outcome {
            Outcome::Done { result } => self.done(&step, attempt, result),
            Outcome::Failed { .. } if attempt == 1 => self.nothing_happened(&step),
            _ => {}
        }
    }

    /// A mint that failed made no key.
    fn nothing_happened(&mut self, step: &Step) {
        let since = self.laws.attempts.get(&step.id).map(|known| known.since);
        let Some(since) = since.filter(|_| matches!(step.action, Action::Mint { .. })) else {
            return;
        };
        let made = self.keys.iter().find(|(_, key)| {
            key.is_active() && key.created >= since && key.is_new_of(&step.credential)
        });
        let made = made.filter(|(_, key)| matches!(key.origin, Origin::Minted(_)));
        let made = made.map(|(id, _)| id.clone());
        self.must(Law::Intent, made.is_none(), || {
            format!("{} is said to have failed and made {made:?}", step.id)
        });
    }

    fn done(&mut self, step: &Step, attempt: u32, result: &StepResult) {
        match &step.action {
            Action::Mint { .. } => self.minted(step, attempt, result),
            Action::Prove => self.proven(step, result),
            Action::Adopt { consumer, .. } => {
                let ill = self.readers.get(consumer).is_some_and(|reader| {
                    let allergic = |value: &Text| {
                        self.key_of(value).is_some_and(|(_, key)| {
                            matches!(&reader.allergy, Some((of, 0)) if key.is_new_of(of))
                        })
                    };
                    reader.since + 1000 < self.now && reader.values().any(allergic)
                });
                self.must(Law::NoEarlyRevoke, !ill, || {
                    format!(
                        "{} is done and the consumer is ill on the new value",
                        step.id
                    )
                });
            }
            Action::Check => {
                let works = result
                    .key
                    .as_ref()
                    .is_none_or(|id| self.keys.get(id).is_some_and(|key| key.may_work(self.now)));
                self.must(Law::NoSilence, works, || {
                    format!("{} saw a dead key work", step.id)
                });
            }
            _ => {}
        }
    }

    fn minted(&mut self, step: &Step, attempt: u32, result: &StepResult) {
        let value = result
            .key
            .as_ref()
            .and_then(|id| self.keys.get(id))
            .map(|k| k.value.clone());
        let name = format!("{}.new.{attempt}", step.credential);
        let sealed = self.custody.get(&name);
        let held = match (&value, sealed) {
            (Some(value), Some(sealed)) => sealed.ends_with(value.as_bytes()),
            _ => false,
        };
        self.must(Law::NoKeyLost, held, || {
            format!("{} is done and {:?} is not in custody", step.id, result.key)
        });
        let by_person = self.plan().and_then(|plan| {
            let rotation = plan.rotation(&step.credential)?;
            let sheet = self.sheets.get(&rotation.issuer)?;
            Some(matches!(sheet.minting, Minting::Person { .. }))
        });
        if by_person == Some(true) {
            self.laws.see("handed over");
        }
    }

    /// What is recorded as dead is dead.
    fn proven(&mut self, step: &Step, result: &StepResult) {
        let sound = result
            .probe
            .as_ref()
            .is_some_and(|probe| probe.liveness == Liveness::Dead && probe.control);
        self.must(Law::NoSilence, sound, || {
            format!("{} is done on {:?}", step.id, result.probe)
        });
        let Some(plan) = self.plan() else { return };
        let Some(rotation) = plan.rotation(&step.credential) else {
            return;
        };
        let Some(key) = self.keys.get(&rotation.old_key).cloned() else {
            return;
        };
        let off = !key.is_active() || self.is_cut(&key);
        self.must(Law::NoSilence, off, || {
            format!(
                "{} calls {} dead, and it is alive",
                step.id, rotation.old_key
            )
        });
        let last = plan.policy.dead_probes_s.iter().max().copied().unwrap_or(0);
        let reach = self
            .sheets
            .get(&rotation.issuer)
            .map_or(0, |sheet| sheet.propagation_s);
        let is_last = step.id.as_str().ends_with(&format!("/prove/{last}s"));
        if is_last && last > reach && !self.clock_was_set {
            let works = key.may_work(self.now) && !self.is_cut(&key);
            self.must(Law::NoSilence, !works, || {
                format!(
                    "the last proof of {} came while it still works",
                    rotation.old_key
                )
            });
        }
    }

    fn undo_intended(&mut self, id: &StepId) {
        let attempt = self.laws.attempts.get(id).map_or(0, |known| known.number);
        let now = self.now;
        self.laws.attempts.insert(
            id.clone(),
            Attempt {
                number: attempt,
                is_open: false,
                undoing: true,
                sent: 0,
                since: now,
            },
        );
    }

    fn undo_ended(&mut self, id: &StepId, outcome: &Outcome) {
        self.laws.see("undo ended");
        let known = self.laws.attempts.get_mut(id);
        let undoing = known.is_some_and(|known| std::mem::replace(&mut known.undoing, false));
        self.must(Law::Intent, undoing, || {
            format!("an undo of {id} ended that was not begun")
        });
        let Some(step) = self.step(id) else { return };
        if let (Outcome::Done { .. }, Action::Roll { consumer }) = (outcome, &step.action) {
            self.rolled_back(&step, consumer);
        }
        let (Outcome::Done { .. }, Action::Write { container, slots }) = (outcome, &step.action)
        else {
            return;
        };
        let Some((old_id, old)) = self.laws.old.get(&step.credential).cloned() else {
            return;
        };
        for (slot, part) in slots {
            let wanted = match part {
                Part::Secret => &*old,
                Part::KeyId => old_id.as_str(),
            };
            let Some(stands) = self.value_at(container, slot).cloned() else {
                continue;
            };
            let back = &*stands == wanted || self.foreign.contains(&stands);
            self.must(Law::ReversibleFirst, back, || {
                format!(
                    "{id} is undone and {container}#{} holds something else",
                    slot.0
                )
            });
        }
    }
}

impl Inner {
    /// Who was rolled back does not run with a value that no place holds any more. A place that
    /// somebody took away meanwhile gives no other value to run with; for one that is still on
    /// its way back he has to be rolled back once more.
    fn rolled_back(&mut self, step: &Step, consumer: &ConsumerId) {
        let going = self.going_back(step);
        let stands = |at: &Container| self.places.get(at).is_some_and(|at| at.slots().is_some());
        let on_new = self.readers.get(consumer).and_then(|reader| {
            let running = reader.running.iter().filter(|(at, _)| stands(at));
            let values = running.flat_map(|(at, slots)| slots.values().map(move |v| (at, v)));
            values
                .filter(|(_, value)| {
                    self.key_of(value)
                        .is_some_and(|(_, key)| key.is_new_of(&step.credential))
                        && !self.stands_somewhere(value)
                })
                .map(|(at, value)| (at.clone(), self.by_value.get(value).cloned()))
                .next()
        });
        self.laws.early.remove(&step.id);
        match on_new {
            Some((at, _)) if going.contains(&at) => drop(self.laws.early.insert(step.id.clone())),
            on_new => self.must(Law::ReversibleFirst, on_new.is_none(), || {
                let key = on_new.as_ref().map(|(_, key)| key);
                format!("{} is undone and {consumer} still runs on {key:?}", step.id)
            }),
        }
    }
}

impl Inner {
    /// The places of a step's credential whose undo is begun and not over.
    fn going_back(&self, step: &Step) -> BTreeSet<Container> {
        let Some(plan) = self.plan() else {
            return BTreeSet::new();
        };
        let undoing = |id: &StepId| {
            self.laws
                .attempts
                .get(id)
                .is_some_and(|known| known.undoing)
        };
        let writes = plan
            .steps_of(&step.credential)
            .filter(|step| undoing(&step.id));
        let containers = writes.filter_map(|step| match &step.action {
            Action::Write { container, .. } => Some(container.clone()),
            _ => None,
        });
        containers.collect()
    }
}

fn name_of(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done { .. } => "done",
        Outcome::Failed { .. } => "failed",
        Outcome::Unknown { .. } => "unknown",
        Outcome::NotDone { .. } => "not done",
        Outcome::Stuck { .. } => "stuck",
    }
}

/// A fact in a few words.
fn words(fact: &Fact) -> String {
    match fact {
        Fact::StepIntended { step, attempt, .. } => format!("intent {step} ({attempt})"),
        Fact::StepEnded {
            step,
            attempt,
            outcome,
        } => {
            let detail = match outcome {
                Outcome::Done { result } => result.key.as_ref().map(ToString::to_string),
                Outcome::Failed { fault } | Outcome::Unknown { fault } => {
                    Some(format!("{:?}: {}", fault.kind, fault.detail))
                }
                Outcome::NotDone { how } => Some(how.clone()),
                Outcome::Stuck { because } => Some(because.clone()),
            };
            let detail = detail.unwrap_or_default();
            format!("{} {step} ({attempt}) {detail}", name_of(outcome))
        }
        Fact::UndoIntended { step, because } => format!("undo intended {step}: {because}"),
        Fact::UndoEnded { step, outcome } => format!("undo {} {step}", name_of(outcome)),
        Fact::StepSkipped { step, because } => format!("skip {step}: {because}"),
        Fact::StepRetried { step } => format!("retry {step}"),
        Fact::PlanRecorded { hash, plan } => {
            format!("plan {} of {} steps", hash.short(), plan.steps.len())
        }
        Fact::PlanApproved { by, .. } => format!("approval by {by}"),
        Fact::MeasureVerified { binds, .. } => format!("measure verified: {binds:?}"),
        Fact::Paused { credential, .. } => format!("pause {credential:?}"),
        Fact::Resumed { credential } => format!("resume {credential:?}"),
        other => {
            let text = format!("{other:?}");
            text.split([' ', '{'])
                .next()
                .unwrap_or_default()
                .to_string()
        }
    }
}
