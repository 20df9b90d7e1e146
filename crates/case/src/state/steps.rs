//! How a fact about a step changes what is known.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::types::{FailedWave, State, StepState, StepStatus};
use crate::fact::{Fact, Outcome, StepResult};
use crate::fault::{Fault, FaultKind};
use crate::plan::{Action, Step};
use crate::{ConsumerId, CredentialId, StepBaseline, StepId};

impl State {
    pub(super) fn apply_step(&mut self, at: Timestamp, fact: &Fact) {
        match fact {
            Fact::StepIntended {
                step,
                attempt,
                baseline,
            } => self.intended(at, step, *attempt, baseline),
            Fact::StepEnded {
                step,
                attempt,
                outcome,
            } => self.ended(at, step, *attempt, outcome),
            Fact::StepSkipped { step, because } => {
                let because = because.clone();
                self.sent(at, step, StepStatus::Skipped { because });
            }
            Fact::StepRetried { step } => self.sent(at, step, StepStatus::Retried),
            Fact::UndoIntended { step, because } => self.undo_intended(at, step, because),
            Fact::UndoEnded { step, outcome } => self.undo_ended(at, step, outcome),
            _ => {}
        }
    }

    fn intended(&mut self, at: Timestamp, step: &StepId, attempt: u32, baseline: &StepBaseline) {
        self.change(at, step, attempt, |state| {
            state.attempt = attempt;
            state.tries += 1;
            state.status = StepStatus::Intended;
            state.at = at;
            if state.baseline != *baseline {
                state.baseline.clone_from(baseline);
            }
            state.intended_at = Some(at);
        });
        if attempt > 1 {
            self.read_again(at, step);
        }
    }

    /// A container is written once more: what stood there meanwhile may have been read, so
    /// whoever reads it is rolled and seen well again.
    fn read_again(&mut self, at: Timestamp, write: &StepId) {
        let is_done = |status: &StepStatus| matches!(status, StepStatus::Done { .. });
        for id in self.steps_of_readers(write, is_done) {
            if let Some(state) = self.steps.get_mut(&id) {
                state.status = StepStatus::Retried;
                state.at = at;
            }
        }
    }

    /// A container was put back: whoever was rolled back before that read what stood there, and
    /// is rolled back once more.
    fn roll_back_again(&mut self, at: Timestamp, write: &StepId) {
        let is_undone = |status: &StepStatus| matches!(status, StepStatus::Undone { .. });
        for id in self.steps_of_readers(write, is_undone) {
            if let Some(state) = self.steps.get_mut(&id)
                && let StepStatus::Undone { because } = &state.status
            {
                let because = because.clone();
                state.status = StepStatus::Undoing { because };
                state.tries = 0;
                state.at = at;
            }
        }
    }

    /// The steps in some status that are about a consumer of what a step writes; none, if it
    /// writes nothing.
    fn steps_of_readers(&self, write: &StepId, is: impl Fn(&StepStatus) -> bool) -> Vec<StepId> {
        let Some(plan) = self.plan.as_ref().map(|plan| &plan.plan) else {
            return Vec::new();
        };
        let Some((step, container)) = plan.step(write).and_then(|step| match &step.action {
            Action::Write { container, .. } => Some((step, container)),
            _ => None,
        }) else {
            return Vec::new();
        };
        let of_consumers: Vec<(&ConsumerId, &Step)> = plan
            .steps_of(&step.credential)
            .filter_map(|step| Some((step.action.consumer()?, step)))
            .filter(|(_, step)| {
                let known = self.steps.get(&step.id);
                known.is_some_and(|known| is(&known.status))
            })
            .collect();
        // Hardly ever is there one, and finding the readers takes its time.
        if of_consumers.is_empty() {
            return Vec::new();
        }
        let container = container.to_string();
        let readers: BTreeSet<&ConsumerId> = plan
            .steps_of(&step.credential)
            .filter_map(|step| match &step.action {
                Action::Adopt { consumer, slots } if slots.contains_key(&container) => {
                    Some(consumer)
                }
                _ => None,
            })
            .collect();
        of_consumers
            .into_iter()
            .filter(|(consumer, _)| readers.contains(consumer))
            .map(|(_, step)| step.id.clone())
            .collect()
    }

    fn ended(&mut self, at: Timestamp, step: &StepId, attempt: u32, outcome: &Outcome) {
        let status = status_of(outcome);
        if let StepStatus::Done { result } = &status {
            self.learn(at, step, result);
        }
        if let StepStatus::Failed { fault } = &status {
            self.wave_failed(step, fault);
        }
        self.change(at, step, attempt, |state| {
            let was_intended = state.status == StepStatus::Intended;
            if let StepStatus::Failed { fault } = &status {
                // Being asked to slow down is no failed try; failing before the intent, while
                // looking at what is there, is one.
                match (fault.kind == FaultKind::Throttled, was_intended) {
                    (true, true) => state.tries = state.tries.saturating_sub(1),
                    (false, false) => state.tries += 1,
                    _ => {}
                }
            }
            state.doubted |= matches!(status, StepStatus::Unknown { .. } | StepStatus::NotDone);
            state.status = status;
            state.at = at;
        });
    }

    /// What a step's result says beyond the step.
    fn learn(&mut self, at: Timestamp, step: &StepId, result: &StepResult) {
        if result.probe.is_none() && result.key.is_none() {
            return;
        }
        let Some(planned) = self.planned(step) else {
            return;
        };
        match (&planned.action, &result.probe, &result.key) {
            (Action::Prove, Some(probe), _) => {
                let credential = planned.credential.clone();
                self.probes.insert(credential, (at, probe.clone()));
            }
            (Action::Mint { .. }, _, Some(key)) => {
                let credential = planned.credential.clone();
                self.minted.insert(key.clone(), credential);
            }
            _ => {}
        }
    }

    fn wave_failed(&mut self, step: &StepId, fault: &Fault) {
        if fault.kind != FaultKind::Unwell {
            return;
        }
        let Some(planned) = self.planned(step) else {
            return;
        };
        let (credential, wave) = (planned.credential.clone(), planned.wave);
        if let Some(wave) = wave {
            let failed = FailedWave {
                wave,
                step: step.clone(),
                because: fault.detail.clone(),
            };
            self.failed_waves.insert(credential, failed);
        }
    }

    /// A person skips a step or sends it back to work.
    fn sent(&mut self, at: Timestamp, step: &StepId, status: StepStatus) {
        if !self.may_be_sent(step, &status) {
            return;
        }
        let wave = self.wave_of(step);
        if let (Some((credential, wave)), StepStatus::Retried) = (&wave, &status) {
            self.reset_wave(at, credential, *wave);
        }
        let mut lifted = Vec::new();
        self.failed_waves.retain(|credential, failed| {
            let with_its_wave = status == StepStatus::Retried
                && wave.as_ref() == Some(&(credential.clone(), failed.wave));
            let stays = &failed.step != step && !with_its_wave;
            if !stays {
                lifted.push((credential.clone(), failed.wave));
            }
            stays
        });
        for (credential, wave) in lifted {
            self.roll_again(at, &credential, wave);
        }
        self.change(at, step, 0, |state| {
            if status == StepStatus::Retried {
                state.tries = 0;
            }
            state.status = status;
            state.at = at;
        });
    }

    /// What was rolled back with a wave, and what failed in it, is done again.
    fn reset_wave(&mut self, at: Timestamp, credential: &CredentialId, wave: u32) {
        for id in self.ids_of_wave(credential, wave) {
            let Some(state) = self.steps.get_mut(&id) else {
                continue;
            };
            let failed = |fault: &Fault| fault.kind == FaultKind::Unwell;
            let again = match &state.status {
                StepStatus::Undone { .. } => true,
                StepStatus::Failed { fault } => failed(fault),
                _ => false,
            };
            if again {
                state.status = StepStatus::Retried;
                state.tries = 0;
                state.at = at;
            }
        }
    }

    /// A wave that failed goes on: whatever of it was put back meanwhile, its consumers may have
    /// read that, so they read again.
    fn roll_again(&mut self, at: Timestamp, credential: &CredentialId, wave: u32) {
        for id in self.ids_of_wave(credential, wave) {
            let rolls = self
                .planned(&id)
                .is_some_and(|step| matches!(step.action, Action::Roll { .. }));
            if let Some(state) = self.steps.get_mut(&id).filter(|_| rolls)
                && matches!(state.status, StepStatus::Done { .. })
            {
                state.status = StepStatus::Retried;
                state.at = at;
            }
        }
    }

    /// Another plan is in force: waves that failed are known by the step that did, whose wave
    /// may have another number now. Where that step is gone, what was undone is open again.
    pub(super) fn renumber_waves(&mut self, at: Timestamp) {
        for (credential, mut failed) in std::mem::take(&mut self.failed_waves) {
            if let Some((_, wave)) = self.wave_of(&failed.step) {
                failed.wave = wave;
                self.failed_waves.insert(credential, failed);
                continue;
            }
            let undone: Vec<(StepId, bool)> = self.plan.as_ref().map_or_else(Vec::new, |plan| {
                let steps = plan.plan.steps_of(&credential);
                let rolls = |action: &Action| matches!(action, Action::Roll { .. });
                steps
                    .map(|step| (step.id.clone(), rolls(&step.action)))
                    .collect()
            });
            for (id, rolls) in undone {
                if let Some(state) = self.steps.get_mut(&id)
                    && (matches!(state.status, StepStatus::Undone { .. })
                        || rolls && matches!(state.status, StepStatus::Done { .. }))
                {
                    state.status = StepStatus::Retried;
                    state.at = at;
                }
            }
        }
    }

    fn undo_intended(&mut self, at: Timestamp, step: &StepId, because: &str) {
        if let Some((credential, wave)) = self.wave_of(step) {
            self.forget_looks(at, &credential, wave);
        }
        self.change(at, step, 0, |state| {
            let again = matches!(state.status, StepStatus::Undoing { .. });
            state.tries = if again { state.tries + 1 } else { 1 };
            state.status = StepStatus::Undoing {
                because: because.to_string(),
            };
            state.at = at;
        });
    }

    /// Whoever was seen on the new value of a wave that is rolled back no longer is.
    fn forget_looks(&mut self, at: Timestamp, credential: &CredentialId, wave: u32) {
        for id in self.ids_of_wave(credential, wave) {
            let looks = self
                .planned(&id)
                .is_some_and(|step| step.action.only_looks());
            if let Some(state) = self.steps.get_mut(&id).filter(|_| looks)
                && matches!(state.status, StepStatus::Done { .. })
            {
                state.status = StepStatus::Retried;
                state.at = at;
            }
        }
    }

    fn undo_ended(&mut self, at: Timestamp, step: &StepId, outcome: &Outcome) {
        self.change(at, step, 0, |state| {
            let StepStatus::Undoing { because } = &state.status else {
                return;
            };
            let because = because.clone();
            state.at = at;
            state.status = match outcome {
                Outcome::Done { .. } => StepStatus::Undone { because },
                Outcome::Failed { fault }
                    if !fault.is_passing() && fault.kind != FaultKind::Local =>
                {
                    StepStatus::Stuck {
                        because: format!("it could not be rolled back: {}", fault.detail),
                    }
                }
                Outcome::Stuck { because } => StepStatus::Stuck {
                    because: because.clone(),
                },
                // It can be done twice, so it is simply tried again.
                Outcome::Failed { .. } | Outcome::Unknown { .. } | Outcome::NotDone { .. } => {
                    StepStatus::Undoing { because }
                }
            };
        });
        if matches!(outcome, Outcome::Done { .. }) {
            self.roll_back_again(at, step);
        }
    }

    /// Changes what is known of a step, from nothing if it is the first time.
    fn change(
        &mut self,
        at: Timestamp,
        step: &StepId,
        attempt: u32,
        change: impl FnOnce(&mut StepState),
    ) {
        if let Some(known) = self.steps.get_mut(step) {
            return change(known);
        }
        let mut new = StepState {
            attempt,
            tries: 0,
            doubted: false,
            status: StepStatus::Retried,
            at,
            baseline: StepBaseline::default(),
            intended_at: None,
        };
        change(&mut new);
        // Under the plan's own name of it: one text for both.
        let planned = self.planned(step);
        let name = planned.map_or(step, |planned| &planned.id).clone();
        self.steps.insert(name, new);
    }

    /// Whether a person may skip a step or send it back to work. What is done stays done, or
    /// a second key would be minted and the first one forgotten; what may have happened is
    /// reconciled before it is tried again (law 1), and a mint also before it is skipped, or
    /// its key would be an orphan (law 3).
    fn may_be_sent(&self, step: &StepId, to: &StepStatus) -> bool {
        match self.steps.get(step).map(|known| &known.status) {
            Some(StepStatus::Done { .. } | StepStatus::Undoing { .. }) => false,
            Some(StepStatus::Intended | StepStatus::Unknown { .. }) => {
                *to != StepStatus::Retried && !self.is_mint(step)
            }
            _ => true,
        }
    }

    fn is_mint(&self, step: &StepId) -> bool {
        self.planned(step)
            .is_some_and(|step| matches!(step.action, Action::Mint { .. }))
    }

    fn planned(&self, step: &StepId) -> Option<&Step> {
        self.plan.as_ref()?.plan.step(step)
    }

    fn wave_of(&self, step: &StepId) -> Option<(CredentialId, u32)> {
        let planned = self.planned(step)?;
        Some((planned.credential.clone(), planned.wave?))
    }

    fn ids_of_wave(&self, credential: &CredentialId, wave: u32) -> Vec<StepId> {
        self.plan.as_ref().map_or_else(Vec::new, |plan| {
            plan.plan
                .steps_of(credential)
                .filter(|step| step.wave == Some(wave))
                .map(|step| step.id.clone())
                .collect()
        })
    }
}

fn status_of(outcome: &Outcome) -> StepStatus {
    match outcome {
        Outcome::Done { result } => StepStatus::Done {
            result: result.clone(),
        },
        Outcome::Failed { fault } => StepStatus::Failed {
            fault: fault.clone(),
        },
        Outcome::Unknown { fault } => StepStatus::Unknown {
            fault: fault.clone(),
        },
        Outcome::NotDone { .. } => StepStatus::NotDone,
        Outcome::Stuck { because } => StepStatus::Stuck {
            because: because.clone(),
        },
    }
}
