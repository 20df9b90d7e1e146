//! Steps that only look: is the new key accepted, are the consumers well, is the old key
//! quiet, is it dead. Looking is free, so "not yet" is not recorded; what was seen is.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use relatch_case::fact::{Outcome, StepResult};
use relatch_case::model::{Liveness, Part, Probe, ProbeKind, Slot};
use relatch_case::plan::Action;
use relatch_case::{ConsumerId, Fault, FaultKind};

use crate::context::Job;
use crate::effect::consumer_of;

/// Longest that a new key may take to be accepted before a person is asked, in seconds; the
/// slowest cache that was measured holds a key's state for 60 s.
const NEW_KEY_PATIENCE_S: i64 = 180;

/// What was seen.
pub(crate) enum Seen {
    /// The step is over.
    Over(Outcome),
    /// Not yet; what is missing.
    NotYet(String),
    /// Not yet, and the observation starts anew.
    Anew(String),
}

/// Looks. `since` is when this observation started.
pub(crate) async fn look(job: &Job, since: Timestamp) -> Seen {
    let seen = match &job.step.action {
        Action::Check => check(job, since).await,
        Action::Adopt { consumer, slots } => adopt(job, consumer, slots).await,
        Action::Observe { quiet } => observe(job, *quiet, since).await,
        Action::Prove => prove(job).await,
        _ => Err(Fault::new(FaultKind::Invalid, "this step does not look")),
    };
    seen.unwrap_or_else(|fault| {
        let observing = matches!(job.step.action, Action::Observe { .. });
        match fault.kind {
            FaultKind::Local | FaultKind::Invalid => Seen::Over(Outcome::Failed { fault }),
            // What could not be seen was not seen to be well.
            kind if observing && kind != FaultKind::Throttled => Seen::Anew(fault.detail),
            _ => Seen::NotYet(fault.detail),
        }
    })
}

fn done(result: StepResult) -> Seen {
    Seen::Over(Outcome::Done { result })
}

/// Presents the new key as a consumer would. It must be accepted, while a made-up key is not:
/// an endpoint that accepts anything proves nothing.
async fn check(job: &Job, since: Timestamp) -> Result<Seen, Fault> {
    let key = job.new_key()?;
    let probe = job.issuer()?.probe(&key).await;
    let works = matches!(
        probe.liveness,
        Liveness::Alive | Liveness::Restricted | Liveness::OutOfQuota
    );
    if works && probe.control {
        return Ok(done(StepResult {
            probe: Some(probe),
            ..StepResult::default()
        }));
    }
    let words = format!("the new key answers {:?}: {}", probe.liveness, probe.answer);
    let waited = job.ctx.clock.now().duration_since(since);
    if waited.as_secs() >= NEW_KEY_PATIENCE_S {
        return Ok(Seen::Over(Outcome::Stuck {
            because: words.to_lowercase(),
        }));
    }
    Ok(Seen::NotYet(words.to_lowercase()))
}

/// A consumer is seen on the new value: it says that it is well, its places still hold the
/// new value, and where it can be seen from outside what it runs with, that is the new value.
async fn adopt(
    job: &Job,
    id: &ConsumerId,
    slots: &BTreeMap<String, BTreeMap<Slot, Part>>,
) -> Result<Seen, Fault> {
    let consumer = consumer_of(job, id)?;
    let roller = job.ctx.world.roller(&consumer)?;
    for container in &consumer.reads {
        let Some(slots) = slots.get(&container.to_string()) else {
            continue;
        };
        let expected = job.prints(&job.after(slots)?);
        let place = job.ctx.world.store(container)?.read(container).await?;
        if !shows(job, &place, &expected) {
            return Ok(Seen::NotYet(format!(
                "{container} does not hold the new value"
            )));
        }
        if let Some(running) = roller.runs_with(&consumer, container).await?
            && !shows(job, &running, &expected)
        {
            return Ok(Seen::NotYet(format!("{id} still runs with another value")));
        }
    }
    let health = roller.health(&consumer).await?;
    if health.well {
        Ok(done(StepResult {
            note: Some(health.detail),
            ..StepResult::default()
        }))
    } else {
        Ok(Seen::NotYet(format!("{id} is not well: {}", health.detail)))
    }
}

fn shows(
    job: &Job,
    document: &relatch_places::Document,
    expected: &crate::context::Prints,
) -> bool {
    expected.iter().all(|(slot, print)| {
        document
            .slots
            .get(slot)
            .is_some_and(|value| &job.ctx.fingerprints.fingerprint(value) == print)
    })
}

/// The observation window before the old key is switched off: consumers stay well, and where
/// that can be told, nobody uses the old key. What breaks it starts it anew.
async fn observe(job: &Job, quiet: bool, since: Timestamp) -> Result<Seen, Fault> {
    let window = SignedDuration::from_secs(i64::from(job.plan.policy.observe_s));
    if let Some(ill) = first_ill(job).await? {
        return Ok(Seen::Anew(ill));
    }
    let mut note = "consumers stayed well".to_string();
    if quiet {
        match old_key_quiet(job, since).await? {
            Ok(words) => note = format!("{note}; {words}"),
            Err(used) => return Ok(Seen::Anew(used)),
        }
    }
    let until = since.checked_add(window).unwrap_or(Timestamp::MAX);
    if job.ctx.clock.now() < until {
        return Ok(Seen::NotYet(format!("observing until {until:.0}")));
    }
    Ok(done(StepResult {
        note: Some(note),
        ..StepResult::default()
    }))
}

/// The first consumer of this credential that is not well, in words.
async fn first_ill(job: &Job) -> Result<Option<String>, Fault> {
    for step in job
        .plan
        .steps
        .iter()
        .filter(|step| step.credential == job.step.credential)
    {
        let Action::Adopt { consumer: id, .. } = &step.action else {
            continue;
        };
        if job
            .ctx
            .ledger
            .with(|state| state.result_of(&step.id).is_none())
        {
            // A person skipped it, by name.
            continue;
        }
        let consumer = consumer_of(job, id)?;
        let health = job.ctx.world.roller(&consumer)?.health(&consumer).await?;
        if !health.well {
            return Ok(Some(format!("{id} is not well: {}", health.detail)));
        }
    }
    Ok(None)
}

/// `Ok` with what the issuer says when the old key was not used since the window began; `Err`
/// with the use when it was.
async fn old_key_quiet(job: &Job, since: Timestamp) -> Result<Result<String, String>, Fault> {
    let issuer = job.issuer()?;
    if !issuer.sheet().last_used {
        return Ok(Ok(
            "the issuer does not tell when a key was last used".to_string()
        ));
    }
    let used = issuer
        .last_used(&job.rotation.principal, &job.rotation.old_key)
        .await?;
    // Issuers round the time of last use, to the second at best.
    let grace = since
        .checked_add(SignedDuration::from_secs(1))
        .unwrap_or(since);
    Ok(match used {
        Some(at) if at > grace => Err(format!(
            "the old key was used at {at:.0}: an unknown consumer? the window starts anew"
        )),
        Some(at) => Ok(format!("the old key was last used at {at:.0}")),
        None => Ok("the issuer knows no use of the old key".to_string()),
    })
}

/// Sees the old key dead. Only a definite answer with a working control counts; a value that
/// was never ours is looked up in the issuer's own list instead.
async fn prove(job: &Job) -> Result<Seen, Fault> {
    let probe = match job.old_key()? {
        Some(key) => job.issuer()?.probe(&key).await,
        None => listed(job).await?,
    };
    if probe.liveness == Liveness::Dead && probe.control {
        return Ok(done(StepResult {
            probe: Some(probe),
            ..StepResult::default()
        }));
    }
    let words = format!("the old key answers {:?}: {}", probe.liveness, probe.answer);
    Ok(Seen::NotYet(words.to_lowercase()))
}

async fn listed(job: &Job) -> Result<Probe, Fault> {
    let issuer = job.issuer()?;
    let old = &job.rotation.old_key;
    // A principal that is not found proves nothing: it may be another organization's list.
    let keys = issuer.list(&job.rotation.principal).await?;
    let found = keys.into_iter().find(|key| &key.id == old);
    let (liveness, answer) = match found {
        None => (Liveness::Dead, "the issuer no longer lists it"),
        Some(key) if !key.active => (Liveness::Dead, "the issuer lists it as disabled"),
        Some(_) => (Liveness::Alive, "the issuer lists it as active"),
    };
    Ok(Probe {
        liveness,
        answer: answer.to_string(),
        control: true,
        how: ProbeKind::Listed,
    })
}
