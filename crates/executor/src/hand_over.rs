//! A person hands over a key made at an issuer's console (requirement G4).

use std::sync::Arc;

use relatch_case::fact::{Fact, Outcome};
use relatch_case::model::Liveness;
use relatch_case::plan::Action;
use relatch_case::{Fault, FaultKind, JournalError, KeyId, Lease, State, StepId};
use relatch_issuers::KeyMaterial;
use relatch_rotation::decide::awaits_person;
use relatch_secret::Secret;

use crate::Engine;
use crate::context::Job;
use crate::effect::{self, MintBaseline};

/// A key that is not taken.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// No such task.
    #[error("{0} is no open task of the plan in force")]
    NoTask(StepId),
    /// Something else comes first.
    #[error(
        "{0} takes no key now: its plan is not approved, the attacker is not contained, it is paused, or steps before it are open (relatch status says which); keep the key and hand it over again then"
    )]
    NotYet(StepId),
    /// The key is the one that is being replaced.
    #[error("this is the old key: make a new one at the console and paste that")]
    OldKey,
    /// The issuer does not accept it.
    #[error("the issuer does not accept this key ({liveness:?}): {answer}")]
    NotAlive {
        /// What the probe said.
        liveness: Liveness,
        /// What the issuer answered.
        answer: String,
    },
    /// The issuer does not list it for the right principal.
    #[error(
        "the issuer lists no new key of {principal} that matches: was it made in the right organization and workspace?"
    )]
    WrongOwner {
        /// Where it should be.
        principal: String,
    },
    /// The outside world or custody failed.
    #[error("the key was not taken")]
    Fault(#[from] Fault),
    /// The journal failed.
    #[error("the key was not taken: the journal cannot be written")]
    Journal(#[from] JournalError),
}

impl Engine {
    /// Takes the new key for a person's mint step: checks that it is alive, not the old one
    /// and of the right principal, seals it, and records it. Works beside a running loop.
    pub async fn hand_over(&self, step: &StepId, value: Secret) -> Result<(), HandOverError> {
        let _one = self.handing.lock().await;
        let ctx = self.context();
        ctx.ledger.catch_up()?;
        let no_task = || HandOverError::NoTask(step.clone());
        let plan = ctx
            .ledger
            .with(|state| state.plan.as_ref().map(|plan| plan.plan.clone()))
            .ok_or_else(no_task)?;
        let job = Job::new(ctx, &plan, step).ok_or_else(no_task)?;
        let open = ctx.ledger.with(|state| {
            matches!(job.step.action, Action::Mint { person: true, .. }) && !state.is_over(step)
        });
        if !open {
            return Err(no_task());
        }
        let now = ctx.clock.now();
        if !ctx.ledger.with(|state| awaits_person(state, step, now)) {
            return Err(HandOverError::NotYet(step.clone()));
        }
        let id = check(&job, &value).await?;
        let taken = if let Some(lease) = self.lease() {
            take(&job, &lease, &id, &value).await
        } else {
            let lease = ctx.ledger.acquire(ctx.clock.now(), 30)?;
            let taken = take(&job, &lease, &id, &value).await;
            ctx.ledger.release(&lease)?;
            taken
        };
        if !taken? {
            let over = ctx.ledger.with(|state| state.is_over(step));
            return Err(if over {
                no_task()
            } else {
                HandOverError::NotYet(step.clone())
            });
        }
        self.wake();
        Ok(())
    }
}

/// Seals a key and records it; says whether the task still waited for it, and for nothing else.
async fn take(job: &Job, lease: &Lease, id: &KeyId, value: &Secret) -> Result<bool, HandOverError> {
    let (ledger, step) = (&job.ctx.ledger, &job.step.id);
    let now = job.ctx.clock.now();
    let waits = |state: &State| {
        let plan = state.plan.as_ref().map(|plan| &plan.plan);
        plan.is_some_and(|plan| Arc::ptr_eq(plan, &job.plan)) && awaits_person(state, step, now)
    };
    // Sealing writes over what another process may have sealed: look first.
    ledger.catch_up()?;
    if !ledger.with(waits) {
        return Ok(false);
    }
    let last = |state: &State| state.steps.get(step).map_or(0, |known| known.attempt);
    let attempt = ledger.with(last) + 1;
    job.ctx
        .vault
        .keep_new(&job.step.credential, attempt, id, value)
        .await?;
    let baseline = serde_json::to_value(MintBaseline {
        keys: [id.clone()].into(),
        name: step.to_string(),
    })
    .map_err(|error| Fault::new(FaultKind::Local, error.to_string()))?;
    let result = effect::result_of_mint(job, id.clone(), value);
    let facts = vec![
        Fact::StepIntended {
            step: step.clone(),
            attempt,
            baseline: baseline.into(),
        },
        Fact::StepEnded {
            step: step.clone(),
            attempt,
            outcome: Outcome::Done { result },
        },
    ];
    let open = |state: &State| waits(state) && last(state) + 1 == attempt;
    Ok(ledger.record_if(lease, now, facts, open)?)
}

/// Checks a pasted key and finds its id at the issuer.
async fn check(job: &Job, value: &Secret) -> Result<KeyId, HandOverError> {
    let fingerprint = job.ctx.fingerprints.fingerprint(value);
    let known = job
        .plan
        .baseline
        .places
        .iter()
        .any(|p| p.slots.values().any(|f| *f == fingerprint));
    if known {
        return Err(HandOverError::OldKey);
    }
    let issuer = job.issuer()?;
    let probe = issuer
        .probe(&KeyMaterial {
            id: None,
            secret: value.clone(),
        })
        .await;
    if !matches!(
        probe.liveness,
        Liveness::Alive | Liveness::OutOfQuota | Liveness::Restricted
    ) {
        return Err(HandOverError::NotAlive {
            liveness: probe.liveness,
            answer: probe.answer,
        });
    }
    let before = job
        .plan
        .baseline
        .keys
        .get(&job.rotation.issuer)
        .and_then(|lists| lists.get(&job.rotation.principal));
    let mut matching = issuer
        .list(&job.rotation.principal)
        .await?
        .into_iter()
        .filter(|key| before.is_none_or(|before| !before.contains(&key.id)))
        .filter(|key| key.active && issuer.recognises(key, value));
    match (matching.next(), matching.next()) {
        (Some(key), None) => Ok(key.id),
        _ => Err(HandOverError::WrongOwner {
            principal: job.rotation.principal.to_string(),
        }),
    }
}
