//! Rolling a wave back: what it wrote is put back, then its consumers read their places again
//! (requirements D1 and D6). Only while the old key lives and is not the thief's; else the
//! way out is forward, and a person finds it.

use jiff::Timestamp;
use relatch_case::plan::{Action, Mode, Plan, Step};
use relatch_case::state::{FailedWave, StepStatus};
use relatch_case::{CredentialId, State};

use crate::decide::{Command, Next, Waiting, again_at};

/// What comes next for a step because a wave of its rotation failed. `None`: nothing special.
pub(crate) fn next(state: &State, plan: &Plan, step: &Step, now: Timestamp) -> Option<Next> {
    let known = state.steps.get(&step.id);
    if let Some(StepStatus::Undoing { because }) = known.map(|known| &known.status) {
        let until = known.map_or(now, |known| again_at(plan, known, now));
        return Some(if reads_what_is_undone(state, plan, step) {
            Next::NotYet
        } else if now < until && known.is_some_and(|k| k.tries > 1) {
            Next::Later(Waiting::Time { until })
        } else {
            undo(step, because)
        });
    }
    let failed = state.failed_waves.get(&step.credential)?;
    let may = may_roll_back(state, plan, &step.credential);
    if step.id == failed.step {
        return Some(Next::Later(Waiting::Stuck {
            because: in_words(failed, may),
        }));
    }
    if !may || step.wave.is_some_and(|wave| wave < failed.wave) {
        return None;
    }
    match known.map(|known| &known.status) {
        // What may have happened is found out first, and undone then.
        Some(StepStatus::Intended | StepStatus::Unknown { .. } | StepStatus::Stuck { .. }) => None,
        _ => Some(Next::NotYet),
    }
}

/// The undo of a step that is done and whose wave failed, if it is its turn.
pub(crate) fn of_done(state: &State, plan: &Plan, step: &Step) -> Option<Command> {
    let failed = state.failed_waves.get(&step.credential)?;
    if step.wave != Some(failed.wave)
        || !step.action.can_be_undone()
        || !matches!(state.steps.get(&step.id)?.status, StepStatus::Done { .. })
        || !may_roll_back(state, plan, &step.credential)
    {
        return None;
    }
    (!places_come_first(state, plan, step)).then(|| Command::Undo {
        step: step.id.clone(),
        because: failed.because.clone(),
    })
}

/// Whether the places that a consumer reads again are still to be put back.
fn places_come_first(state: &State, plan: &Plan, step: &Step) -> bool {
    let of_its_wave = |write: &Step| write.wave == step.wave && is_done_or_open(state, write);
    reads_what_is_undone(state, plan, step)
        || matches!(step.action, Action::Roll { .. }) && writes_of(plan, step).any(of_its_wave)
}

/// Whether a place is being put back that a consumer reads again; it may belong to another wave,
/// which failed before or was cut otherwise by an earlier plan.
fn reads_what_is_undone(state: &State, plan: &Plan, step: &Step) -> bool {
    let undoing = |write: &Step| {
        let known = state.steps.get(&write.id);
        known.is_some_and(|known| matches!(known.status, StepStatus::Undoing { .. }))
    };
    matches!(step.action, Action::Roll { .. }) && writes_of(plan, step).any(undoing)
}

fn writes_of<'a>(plan: &'a Plan, step: &Step) -> impl Iterator<Item = &'a Step> {
    plan.steps_of(&step.credential)
        .filter(|other| matches!(other.action, Action::Write { .. }))
}

fn undo(step: &Step, because: &str) -> Next {
    Next::Now(Command::Undo {
        step: step.id.clone(),
        because: because.to_string(),
    })
}

fn is_done_or_open(state: &State, step: &Step) -> bool {
    state.steps.get(&step.id).is_some_and(|known| {
        matches!(
            known.status,
            StepStatus::Done { .. } | StepStatus::Intended | StepStatus::Unknown { .. }
        )
    })
}

/// Whether the old value may come back: it is kept, nobody began to kill its key, and the
/// thief does not use it.
fn may_roll_back(state: &State, plan: &Plan, credential: &CredentialId) -> bool {
    let Some(rotation) = plan.rotation(credential) else {
        return false;
    };
    let kept = plan
        .step_of(credential, "keep")
        .is_some_and(|keep| state.result_of(&keep.id).is_some());
    let killing = plan.steps_of(credential).any(|step| {
        matches!(step.action, Action::Cut | Action::Disable | Action::Delete)
            && state.steps.contains_key(&step.id)
    });
    rotation.mode == Mode::Warm && kept && !killing && !state.is_used_by_thief(&rotation.old_key)
}

fn in_words(failed: &FailedWave, may: bool) -> String {
    if may {
        format!(
            "wave {} is rolled back: {}; the old key stays. Mend it, then relatch retry {}",
            failed.wave, failed.because, failed.step
        )
    } else {
        format!(
            "{}; the old key must not come back, so the way is forward: mend the consumer, then \
             relatch retry {}",
            failed.because, failed.step
        )
    }
}
