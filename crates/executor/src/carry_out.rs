//! One command: intent, effect, outcome (law 1).

use std::sync::Arc;

use jiff::Timestamp;
use relatch_case::fact::{Fact, Outcome};
use relatch_case::{JournalError, Lease, State};
use relatch_rotation::Command;
use relatch_rotation::decide::is_due;

use crate::context::Job;
use crate::look::{self, Seen};
use crate::{effect, reconcile};

/// What a task brings home.
pub(crate) enum Brought {
    Recorded,
    Looked(Seen),
    /// The state moved on while it was on its way; nothing was done.
    Stale,
}

/// Carries one command out, recording before and after.
pub(crate) async fn carry_out(
    job: &Job,
    command: &Command,
    lease: &Lease,
    since: Timestamp,
) -> Result<Brought, JournalError> {
    let ledger = &job.ctx.ledger;
    let (attempt, outcome) = match command {
        Command::Execute { .. } if job.step.action.only_looks() => {
            return Ok(Brought::Looked(look::look(job, since).await));
        }
        Command::Reconcile { attempt, .. } => (*attempt, reconcile::reconcile(job, *attempt).await),
        Command::Execute { attempt, .. } => match effect::baseline(job, *attempt).await {
            Err(fault) => (*attempt, Outcome::Failed { fault }),
            Ok(baseline) => {
                let intent = Fact::StepIntended {
                    step: job.step.id.clone(),
                    attempt: *attempt,
                    baseline: baseline.clone(),
                };
                let now = job.ctx.clock.now();
                let still_due = |state: &State| {
                    state
                        .plan
                        .as_ref()
                        .is_some_and(|p| Arc::ptr_eq(&p.plan, &job.plan))
                        && is_due(state, command, now)
                };
                if !ledger.record_if(lease, now, vec![intent], still_due)? {
                    return Ok(Brought::Stale);
                }
                (*attempt, effect::execute(job, *attempt, &baseline).await)
            }
        },
    };
    let fact = Fact::StepEnded {
        step: job.step.id.clone(),
        attempt,
        outcome,
    };
    ledger.record_under(lease, job.ctx.clock.now(), vec![fact])?;
    Ok(Brought::Recorded)
}
