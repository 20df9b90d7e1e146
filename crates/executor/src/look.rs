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
use crate::old_key::{self, Used};

/// Longest that a new key may take to be accepted before a person is asked, in seconds; the
/// slowest cache that was measured holds a key's state for 60 s.
const NEW_KEY_PATIENCE_S: i64 = 180;

/// Longest that an old key may go on being accepted before a person is asked, in seconds: far
/// longer than any issuer says that switching off takes.
const OLD_KEY_PATIENCE_S: i64 = 900;

/// What was seen.
pub(crate) enum Seen {
    /// The step is over.
    Over(Outcome),
    /// Not yet; what is missing.
    NotYet(String),
    /// Not yet, and the observation starts anew.
    Anew(String),
}

/// Since when something is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched {
    /// The first look of this run.
    pub(crate) first: Timestamp,
    /// When what was seen last broke the observation, else the first look.
    pub(crate) since: Timestamp,
}

/// Looks.
pub(crate) async fn look(job: &Job, watched: Watched) -> Seen {
    let since = watched.since;
    let seen = match &job.step.action {
        Action::Check => check(job, since).await,
        Action::Adopt { consumer, slots } => adopt(job, consumer, slots).await,
        Action::Settle { consumers } => settle(job, consumers, since).await,
        Action::Observe { quiet } => observe(job, *quiet, since).await,
        Action::Announce { consumers } => Ok(announced(consumers)),
        Action::Prove => prove(job, since).await,
        _ => Err(Fault::new(FaultKind::Invalid, "this step does not look")),
    };
    let seen = seen.unwrap_or_else(|fault| {
        let watching = matches!(
            job.step.action,
            Action::Observe { .. } | Action::Settle { .. }
        );
        match fault.kind {
            FaultKind::Local | FaultKind::Invalid => Seen::Over(Outcome::Failed { fault }),
            // What could not be seen was not seen to be well.
            kind if watching && kind != FaultKind::Throttled => Seen::Anew(fault.detail),
            _ => Seen::NotYet(fault.detail),
        }
    });
    out_of_patience(job, watched, seen)
}

/// A consumer that does not get well in time fails its wave.
fn out_of_patience(job: &Job, watched: Watched, seen: Seen) -> Seen {
    let policy = &job.plan.policy;
    let patience = match &job.step.action {
        Action::Adopt { .. } => policy.adopt_s,
        Action::Settle { .. } => policy.adopt_s.saturating_add(policy.settle_s),
        _ => return seen,
    };
    let detail = match &seen {
        Seen::NotYet(detail) | Seen::Anew(detail) => detail,
        Seen::Over(_) => return seen,
    };
    let waited = job.ctx.clock.now().duration_since(watched.first);
    if waited.as_secs() < i64::from(patience) {
        return seen;
    }
    Seen::Over(Outcome::Failed {
        fault: Fault::new(FaultKind::Unwell, detail),
    })
}

/// The outage was announced when this step was begun.
fn announced(consumers: &[ConsumerId]) -> Seen {
    let names: Vec<&str> = consumers.iter().map(ConsumerId::as_str).collect();
    done(StepResult {
        note: Some(format!("outage announced: {}", names.join(", "))),
        ..StepResult::default()
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
/// that can be told, nobody of ours uses the old key. What breaks it starts it anew; the thief
/// ends it.
async fn observe(job: &Job, quiet: bool, since: Timestamp) -> Result<Seen, Fault> {
    if let Some(ill) = first_ill(job).await? {
        return Ok(Seen::Anew(ill));
    }
    let used = old_key::used_since(job, quiet, since).await?;
    match &used {
        Used::ByThief(words) => return Ok(observed(words.clone())),
        Used::ByOthers(words) if quiet => return Ok(Seen::Anew(words.clone())),
        Used::ByOthers(_) | Used::NotSeen(_) => {}
    }
    let window = SignedDuration::from_secs(i64::from(job.plan.policy.observe_s));
    let until = since.checked_add(window).unwrap_or(Timestamp::MAX);
    if job.ctx.clock.now() < until {
        return Ok(Seen::NotYet(format!("observing until {until:.0}")));
    }
    // Late, and only once: logs allow few questions.
    match old_key::logged_since(job, since).await? {
        Some(Used::ByThief(words)) => Ok(observed(words)),
        Some(Used::ByOthers(words)) if quiet => Ok(Seen::Anew(words)),
        Some(Used::ByOthers(words) | Used::NotSeen(words)) => Ok(observed(words)),
        None => Ok(observed(used.words())),
    }
}

fn observed(words: String) -> Seen {
    done(StepResult {
        note: Some(format!("consumers stayed well; {words}")),
        ..StepResult::default()
    })
}

/// The first consumer of this credential that is not well, in words.
async fn first_ill(job: &Job) -> Result<Option<String>, Fault> {
    let adopted: Vec<ConsumerId> = job.ctx.ledger.with(|state| {
        job.plan
            .steps_of(&job.step.credential)
            .filter(|step| matches!(step.action, Action::Adopt { .. }))
            // What has no result a person skipped, by name.
            .filter(|step| state.result_of(&step.id).is_some())
            .filter_map(|step| step.action.consumer().cloned())
            .collect()
    });
    ill_of(job, &adopted).await
}

async fn ill_of(job: &Job, consumers: &[ConsumerId]) -> Result<Option<String>, Fault> {
    for id in consumers {
        let consumer = consumer_of(job, id)?;
        let health = job.ctx.world.roller(&consumer)?.health(&consumer).await?;
        if !health.well {
            return Ok(Some(format!("{id} is not well: {}", health.detail)));
        }
    }
    Ok(None)
}

/// A wave before the next: its consumers stay well for the whole window. What the issuer says
/// of the use of both keys is kept as evidence; issuers tell it late, some by hours.
async fn settle(job: &Job, consumers: &[ConsumerId], since: Timestamp) -> Result<Seen, Fault> {
    let seen_well: Vec<ConsumerId> = job.ctx.ledger.with(|state| {
        let adopted = |id: &&ConsumerId| {
            job.plan
                .steps_of(&job.step.credential)
                .filter(|step| matches!(step.action, Action::Adopt { .. }))
                .any(|step| {
                    step.action.consumer() == Some(*id) && state.result_of(&step.id).is_some()
                })
        };
        consumers.iter().filter(adopted).cloned().collect()
    });
    if let Some(ill) = ill_of(job, &seen_well).await? {
        return Ok(Seen::Anew(ill));
    }
    let window = SignedDuration::from_secs(i64::from(job.plan.policy.settle_s));
    let until = since.checked_add(window).unwrap_or(Timestamp::MAX);
    if job.ctx.clock.now() < until {
        return Ok(Seen::NotYet(format!("watching the wave until {until:.0}")));
    }
    let mut note = format!("{} stayed well", words_for(seen_well.len()));
    if let Some(words) = uses(job).await {
        note = format!("{note}; {words}");
    }
    Ok(done(StepResult {
        note: Some(note),
        ..StepResult::default()
    }))
}

fn words_for(consumers: usize) -> String {
    match consumers {
        1 => "1 consumer".to_string(),
        n => format!("{n} consumers"),
    }
}

/// When the issuer saw the new and the old key used, where it tells.
async fn uses(job: &Job) -> Option<String> {
    let issuer = job.issuer().ok()?;
    if !issuer.sheet().last_used {
        return None;
    }
    let principal = &job.rotation.principal;
    let new = job.new_key().ok()?.id?;
    let new = issuer.last_used(principal, &new).await.ok()?;
    let old = issuer
        .last_used(principal, &job.rotation.old_key)
        .await
        .ok()?;
    let at = |used: Option<Timestamp>| {
        used.map_or_else(|| "not yet seen".to_string(), |at| format!("{at:.0}"))
    };
    Some(format!(
        "by the issuer, last use of the new key: {}, of the old one: {}",
        at(new),
        at(old)
    ))
}

/// Sees the old key dead. Only a definite answer with a working control counts, and only from
/// an endpoint that does not refuse everybody; a value that was never ours is looked up in the
/// issuer's own list instead.
async fn prove(job: &Job, since: Timestamp) -> Result<Seen, Fault> {
    let probe = match job.old_key()? {
        Some(key) => job.issuer()?.probe(&key).await,
        None => listed(job).await?,
    };
    let words = format!("the old key answers {:?}: {}", probe.liveness, probe.answer);
    if probe.liveness == Liveness::Dead && probe.control {
        if probe.how == ProbeKind::Presented && !tells_keys_apart(job).await? {
            let words = "the old key is refused, and so is every other: that proves nothing";
            return Ok(Seen::NotYet(words.to_string()));
        }
        return Ok(done(StepResult {
            probe: Some(probe),
            ..StepResult::default()
        }));
    }
    let waited = job.ctx.clock.now().duration_since(since).as_secs();
    if probe.liveness != Liveness::Unknown && waited >= OLD_KEY_PATIENCE_S {
        return Ok(Seen::Over(Outcome::Stuck {
            because: format!(
                "{}, although it was switched off: do it at the issuer by hand, then retry",
                words.to_lowercase()
            ),
        }));
    }
    Ok(Seen::NotYet(words.to_lowercase()))
}

/// Whether the endpoint accepts the new key while it refuses the old one, or else the issuer's
/// own list says as well that the old one is off. Where there is neither, the issuer has to have
/// acknowledged that it switched the old key off: what a person skipped was never switched off.
async fn tells_keys_apart(job: &Job) -> Result<bool, Fault> {
    let issuer = job.issuer()?;
    let new = job.new_key().ok();
    if let Some(new) = &new {
        let liveness = issuer.probe(new).await.liveness;
        if liveness != Liveness::Unknown && liveness.may_work() {
            return Ok(true);
        }
    }
    if issuer.sheet().lists {
        return Ok(listed(job).await?.liveness == Liveness::Dead);
    }
    let switched_off = job.ctx.ledger.with(|state| {
        job.plan
            .steps_of(&job.step.credential)
            .filter(|step| matches!(step.action, Action::Disable | Action::Delete))
            .any(|step| state.result_of(&step.id).is_some())
    });
    Ok(new.is_none() && switched_off)
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
