//! One command: intent, effect, outcome (law 1).

use std::sync::Arc;
use std::time::Duration;

use relatch_case::fact::{Fact, Outcome};
use relatch_case::{Fault, FaultKind, JournalError, State};
use relatch_rotation::Command;
use relatch_rotation::decide::is_due;
use serde_json::Value;
use tokio::time::Instant;

use crate::context::Job;
use crate::failpoint::pass;
use crate::limits::Place;
use crate::look::{self, Seen, Watched};
use crate::tenure::Tenure;
use crate::{effect, reconcile, undo};

/// How long a look at the outside world says what is there, together with the time that a new
/// key may take to be listed: less than half of what a request may take.
const FRESH: Duration = Duration::from_secs(20);

/// What a task brings home.
pub(crate) enum Brought {
    Recorded,
    /// Looked, and what was looked for is not there yet.
    Looking(NotYet),
    /// The state moved on while it was on its way; nothing was done.
    Stale,
}

/// What is missing, in words.
pub(crate) struct NotYet {
    pub(crate) detail: String,
    /// Whether the observation starts anew.
    pub(crate) anew: bool,
}

/// Carries one command out, recording before and after.
pub(crate) async fn carry_out(
    job: &Job,
    command: &Command,
    tenure: &Tenure,
    watched: Watched,
    place: Place,
) -> Result<Brought, JournalError> {
    let step = job.step.id.clone();
    let fact = match command {
        Command::Execute { .. } if job.step.action.only_looks() => {
            return looked(job, tenure, look::look(job, watched).await, place).await;
        }
        Command::Undo { because, .. } => {
            let intent = Fact::UndoIntended {
                step: step.clone(),
                because: because.clone(),
            };
            if !intend(job, command, tenure, intent, Instant::now()).await? {
                return Ok(Brought::Stale);
            }
            let outcome = undo::undo(job).await;
            pass("undo/done");
            Fact::UndoEnded { step, outcome }
        }
        Command::Reconcile { attempt, .. } => {
            // No intent goes before this one, so the journal has not said that the case is
            // still ours; what is to be found out may be another's, and under way.
            tenure.renew(&job.ctx.ledger, job.ctx.clock.now())?;
            let (attempt, outcome) = (*attempt, reconcile::reconcile(job, *attempt).await);
            pass("reconcile/asked");
            ended(job, attempt, outcome)
        }
        Command::Execute { attempt, .. } => {
            let looked = Instant::now();
            match effect::baseline(job, *attempt)
                .await
                .and_then(still_fresh(looked))
            {
                Err(fault) => ended(job, *attempt, Outcome::Failed { fault }),
                Ok(baseline) => {
                    let intent = intent(job, *attempt, &baseline);
                    if !intend(job, command, tenure, intent, looked).await? {
                        return Ok(Brought::Stale);
                    }
                    let outcome = effect::execute(job, *attempt, &baseline).await;
                    pass("effect/done");
                    ended(job, *attempt, outcome)
                }
            }
        }
    };
    place.leave(&fact);
    let (lease, now) = (&tenure.lease, job.ctx.clock.now());
    job.ctx
        .ledger
        .commit(lease, now, vec![fact], |_| true)
        .await?;
    pass("outcome/recorded");
    Ok(Brought::Recorded)
}

/// Records what was seen, unless a person skipped the step while we looked.
async fn looked(
    job: &Job,
    tenure: &Tenure,
    seen: Seen,
    place: Place,
) -> Result<Brought, JournalError> {
    let outcome = match seen {
        Seen::Over(outcome) => outcome,
        Seen::NotYet(detail) => {
            return Ok(Brought::Looking(NotYet {
                detail,
                anew: false,
            }));
        }
        Seen::Anew(detail) => return Ok(Brought::Looking(NotYet { detail, anew: true })),
    };
    let (ledger, step) = (&job.ctx.ledger, job.step.id.clone());
    let last = |state: &State| state.steps.get(&step).map_or(0, |known| known.attempt);
    let fact = ended(job, ledger.with(last) + 1, outcome);
    place.leave(&fact);
    let open = move |state: &State| !state.is_over(&step);
    let now = job.ctx.clock.now();
    pass("look/before");
    if !ledger.commit(&tenure.lease, now, vec![fact], open).await? {
        return Ok(Brought::Stale);
    }
    pass("look/recorded");
    Ok(Brought::Recorded)
}

fn intent(job: &Job, attempt: u32, baseline: &Value) -> Fact {
    Fact::StepIntended {
        step: job.step.id.clone(),
        attempt,
        baseline: baseline.into(),
    }
}

fn ended(job: &Job, attempt: u32, outcome: Outcome) -> Fact {
    Fact::StepEnded {
        step: job.step.id.clone(),
        attempt,
        outcome,
    }
}

/// What was seen too long ago does not say what is there now: others make keys meanwhile, and a
/// lost mint would be taken for one of theirs.
fn still_fresh(looked: Instant) -> impl FnOnce(Value) -> Result<Value, Fault> {
    move |baseline| {
        let took = looked.elapsed();
        if took < FRESH {
            return Ok(baseline);
        }
        let words = format!("looking at what is there took {} s", took.as_secs());
        Err(Fault::new(FaultKind::Unreachable, words))
    }
}

/// Records an intent if the command still is due and what was `looked` at is fresh, and makes
/// sure that the case is still ours; says whether the effect may follow.
async fn intend(
    job: &Job,
    command: &Command,
    tenure: &Tenure,
    intent: Fact,
    looked: Instant,
) -> Result<bool, JournalError> {
    let (ledger, now) = (&job.ctx.ledger, job.ctx.clock.now());
    let (plan, due) = (Arc::clone(&job.plan), command.clone());
    pass("intent/before");
    let still_due = move |state: &State| {
        let in_force = state.plan.as_ref();
        in_force.is_some_and(|p| Arc::ptr_eq(&p.plan, &plan))
            && is_due(state, &due, now)
            && looked.elapsed() < FRESH
    };
    if !ledger
        .commit(&tenure.lease, now, vec![intent], still_due)
        .await?
    {
        return Ok(false);
    }
    pass("intent/recorded");
    tenure.assure(ledger, job.ctx.clock.now())?;
    Ok(true)
}
