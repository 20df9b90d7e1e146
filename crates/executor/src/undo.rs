//! Taking back what a step did, because its wave failed (requirement D1): the old value goes
//! where the new one stands, and consumers read their places again.

use relatch_case::fact::{Outcome, StepResult};
use relatch_case::model::{Container, Part, Slot};
use relatch_case::plan::Action;
use relatch_case::state::StepStatus;
use relatch_case::{ConsumerId, Fault, FaultKind, State};
use std::collections::BTreeMap;

use crate::context::Job;
use crate::effect::{self, consumer_of};

/// Undoes the step. May be done twice.
pub(crate) async fn undo(job: &Job) -> Outcome {
    effect::outcome(match &job.step.action {
        Action::Write { container, slots } => write(job, container, slots).await,
        Action::Roll { consumer } => roll(job, consumer).await,
        _ => Err(Fault::new(FaultKind::Invalid, "this step cannot be undone")),
    })
}

async fn write(
    job: &Job,
    container: &Container,
    slots: &BTreeMap<Slot, Part>,
) -> Result<StepResult, Fault> {
    let (new, old) = (job.after(slots)?, job.back(slots)?);
    let (from, to) = (job.prints(&new), job.prints(&old));
    effect::put(job, container, &from, &to, &old).await?;
    Ok(StepResult::default())
}

/// Back to where the consumer was before, unless something else was rolled into it since: then
/// it reads its places again, of which this rotation's hold the old value by now.
async fn roll(job: &Job, id: &ConsumerId) -> Result<StepResult, Fault> {
    let consumer = consumer_of(job, id)?;
    let roller = job.ctx.world.roller(&consumer)?;
    match job.ctx.ledger.with(|state| alone(job, state, id)) {
        Some(baseline) => roller.roll_back(&consumer, &baseline).await?,
        None => roller.roll(&consumer).await?,
    }
    Ok(StepResult::default())
}

/// The baseline of the roll, if no other rotation rolled this consumer after it.
fn alone(job: &Job, state: &State, id: &ConsumerId) -> Option<serde_json::Value> {
    let known = state.steps.get(&job.step.id)?;
    let since = known.intended_at?;
    let rolled_since = job.plan.steps_on(id).any(|other| {
        other.id != job.step.id
            && matches!(other.action, Action::Roll { .. })
            && state.steps.get(&other.id).is_some_and(|state| {
                state.intended_at.is_some_and(|at| at >= since)
                    && !matches!(state.status, StepStatus::Failed { .. })
            })
    });
    (!rolled_since).then(|| known.baseline.value())
}
