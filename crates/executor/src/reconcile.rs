//! Finding out what became of a step whose outcome is not known (law 1). Nothing is ever
//! blindly replayed: the outside world is asked, and only what can be done twice with the
//! effect of once is done again.

use std::time::Duration;

use jiff::SignedDuration;
use relatch_case::fact::{Outcome, StepResult};
use relatch_case::model::{Container, IssuedKey, Part, Sheet, Slot};
use relatch_case::plan::Action;
use relatch_case::{Fault, FaultKind, KeyId};
use serde_json::Value;
use std::collections::BTreeMap;

use crate::context::{Job, Prints};
use crate::effect::{self, MintBaseline, STALE, Stands};
use crate::failpoint::pass;
use crate::tenure::REQUEST_S;

/// How far an issuer's clock may be behind ours when it says when a key was made, in seconds.
const CLOCK_SKEW_S: i64 = 300;

/// Longest after the intent that a key made by our request can say it was made, in seconds: a
/// request acts within `REQUEST_S` or not at all, and clocks differ a little.
const MADE_WITHIN_S: i64 = REQUEST_S as i64 + 60;

/// What became of the last try. `Unknown` when the world could not be asked.
pub(crate) async fn reconcile(job: &Job, attempt: u32) -> Outcome {
    let (baseline, intended_at) = job.ctx.ledger.with(|state| {
        state
            .steps
            .get(&job.step.id)
            .map_or((Value::Null, None), |known| {
                (known.baseline.value(), known.intended_at)
            })
    });
    let found = match &job.step.action {
        Action::Mint { .. } => {
            let since = intended_at.unwrap_or_else(|| job.ctx.clock.now());
            mint(job, attempt, &baseline, since).await
        }
        Action::Write { container, slots } => write(job, container, slots).await,
        _ => return effect::execute(job, attempt, &baseline).await,
    };
    // Asking changes nothing: whatever kept the answer from us, the outcome is as unknown as
    // it was.
    found.unwrap_or_else(|fault| Outcome::Unknown { fault })
}

async fn mint(
    job: &Job,
    attempt: u32,
    baseline: &Value,
    intended_at: jiff::Timestamp,
) -> Result<Outcome, Fault> {
    let issuer = job.issuer()?;
    let lag = effect::list_lag(issuer.sheet());
    if let Some(outcome) = held(job, attempt, intended_at, lag).await? {
        return Ok(outcome);
    }
    if !issuer.sheet().lists {
        return Ok(Outcome::Stuck {
            because: format!(
                "the answer to the mint was lost and this issuer lists no keys: look for an \
                 unused new key there, remove it{}, then retry the step",
                all_but(&sealed_beside(job)?)
            ),
        });
    }
    let baseline: MintBaseline = effect::from_value(baseline)?;
    settle(job, intended_at, lag).await;
    // A process that was stalled may have sealed its key meanwhile.
    if let Some(outcome) = held(job, attempt, intended_at, lag).await? {
        return Ok(outcome);
    }
    let listed = issuer.list(&job.rotation.principal).await?;
    match orphans(job, &baseline, listed, issuer.sheet(), intended_at) {
        Ok(orphans) if !orphans.is_empty() && !issuer.sheet().named && !untouched(job).await? => {
            Ok(Outcome::Stuck {
                because: format!(
                    "key {} appeared while the answer to our mint was lost, and somebody else \
                     writes to its places: is it rotated by hand? Retry the step when it is \
                     clear whose key that is",
                    orphans[0]
                ),
            })
        }
        Ok(orphans) => {
            for orphan in &orphans {
                effect::remove(job, orphan).await?;
                pass("orphan/removed");
            }
            Ok(Outcome::NotDone {
                how: words(&orphans),
            })
        }
        Err(because) => Ok(Outcome::Stuck { because }),
    }
}

/// New keys of the same principal that are in custody for other rotations: a person who looks
/// for the lost one must not take one of them for it.
fn sealed_beside(job: &Job) -> Result<Vec<KeyId>, Fault> {
    let mut keys = Vec::new();
    for step in &job.plan.steps {
        let beside = matches!(step.action, Action::Mint { .. })
            && step.credential != job.step.credential
            && job.plan.rotation(&step.credential).is_some_and(|other| {
                (&other.issuer, &other.principal) == (&job.rotation.issuer, &job.rotation.principal)
            });
        let known = job
            .ctx
            .ledger
            .with(|state| state.steps.get(&step.id).map(|s| s.attempt));
        if let (true, Some(attempt)) = (beside, known) {
            let sealed = job.ctx.vault.new_key(&step.credential, attempt)?;
            keys.extend(sealed.map(|(id, _)| id));
        }
    }
    Ok(keys)
}

fn all_but(keys: &[KeyId]) -> String {
    if keys.is_empty() {
        return String::new();
    }
    let ids: Vec<&str> = keys.iter().map(KeyId::as_str).collect();
    format!(" (leave {}: it is in use or about to be)", ids.join(", "))
}

/// Whether every place of this rotation still holds what it held when the plan was made.
async fn untouched(job: &Job) -> Result<bool, Fault> {
    for step in job.plan.steps_of(&job.step.credential) {
        let Action::Write { container, slots } = &step.action else {
            continue;
        };
        let before = job.before(container, slots);
        let document = match job.ctx.world.store(container)?.read(container).await {
            Err(fault) if fault.kind == FaultKind::NotFound => return Ok(false),
            other => other?,
        };
        if !matches!(
            effect::compare(job, &document, &before, &before),
            Stands::New | Stands::Old
        ) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The key of this try that custody holds, if it holds one and the issuer has it: an earlier
/// reconciliation may have removed it while a stalled process still sealed it.
async fn held(
    job: &Job,
    attempt: u32,
    since: jiff::Timestamp,
    lag: Duration,
) -> Result<Option<Outcome>, Fault> {
    let credential = &job.step.credential;
    let Some((id, secret)) = job.ctx.vault.new_key(credential, attempt)? else {
        return Ok(None);
    };
    let issuer = job.issuer()?;
    let alive = async || -> Result<bool, Fault> {
        let keys = issuer.list(&job.rotation.principal).await?;
        Ok(keys.iter().any(|key| key.id == id && key.active))
    };
    let mut known = !issuer.sheet().lists || alive().await?;
    if !known {
        settle(job, since, lag).await;
        known = alive().await?;
    }
    if known {
        return Ok(Some(Outcome::Done {
            result: effect::result_of_mint(job, id, &secret),
        }));
    }
    match effect::remove(job, &id).await {
        // Neither listed nor found, long after it was made: somebody deleted it.
        Err(fault) if fault.kind == FaultKind::NotFound => {}
        other => other?,
    }
    job.ctx.vault.discard_new(credential, attempt)?;
    Ok(Some(Outcome::NotDone {
        how: format!("key {id} was sealed, and its issuer no longer has it"),
    }))
}

/// Waits until what was done at `since` shows in the issuer's list everywhere: an absent key
/// proves nothing before, nor while a stalled process may still have a request under way.
async fn settle(job: &Job, since: jiff::Timestamp, lag: Duration) {
    if let Some(until) = job.tenure.as_ref().and_then(|tenure| tenure.haunted_until) {
        tokio::time::sleep_until(until).await;
    }
    let lag = SignedDuration::try_from(lag).unwrap_or_default();
    let visible = since.checked_add(lag).unwrap_or(jiff::Timestamp::MAX);
    let wait = visible.duration_since(job.ctx.clock.now());
    if wait.is_positive() {
        tokio::time::sleep(Duration::try_from(wait).unwrap_or_default()).await;
    }
}

/// The keys whose mint answer was lost: by name where keys have names, else the one that is
/// new, made when ours was and never used. Anything else is left to a person.
fn orphans(
    job: &Job,
    baseline: &MintBaseline,
    listed: Vec<IssuedKey>,
    sheet: &Sheet,
    intended_at: jiff::Timestamp,
) -> Result<Vec<KeyId>, String> {
    let fresh = job.ctx.ledger.with(|state| {
        listed
            .into_iter()
            .filter(|key| !baseline.keys.contains(&key.id) && !state.minted.contains_key(&key.id))
            .collect::<Vec<IssuedKey>>()
    });
    if sheet.named {
        let ours = |key: &IssuedKey| key.name.as_deref() == Some(baseline.name.as_str());
        return Ok(fresh.into_iter().filter(ours).map(|key| key.id).collect());
    }
    let age = |key: &IssuedKey| {
        key.created
            .map(|at| at.duration_since(intended_at).as_secs())
    };
    // What was made long before or later is somebody else's.
    let fresh: Vec<IssuedKey> = fresh
        .into_iter()
        .filter(|key| age(key).is_none_or(|age| (-CLOCK_SKEW_S..=MADE_WITHIN_S).contains(&age)))
        .collect();
    let ours = |key: &IssuedKey| key.created.is_some_and(|at| is_made_after(at, intended_at));
    match fresh.as_slice() {
        [] => Ok(Vec::new()),
        [one] if sheet.last_used && one.last_used.is_none() && ours(one) => {
            Ok(vec![one.id.clone()])
        }
        [one] => Err(format!(
            "key {} appeared at {} while the answer to our mint was lost, and it may be in \
             use: if it is nobody's, disable and delete it; then retry the step",
            one.id, job.rotation.principal
        )),
        several => Err(format!(
            "{} keys appeared at {} while the answer to our mint was lost: remove the ones \
             that are nobody's, then retry the step",
            several.len(),
            job.rotation.principal
        )),
    }
}

/// Whether a key can have been made by a request that was sent then. Many issuers cut the time to
/// the second; what looks older by that may be ours, and what is older by more is not.
fn is_made_after(made: jiff::Timestamp, intended_at: jiff::Timestamp) -> bool {
    let cut = made.subsec_nanosecond() == 0;
    let slack = SignedDuration::from_millis(if cut { 1000 } else { 0 });
    made.duration_since(intended_at) + slack >= SignedDuration::ZERO
}

fn words(orphans: &[KeyId]) -> String {
    if orphans.is_empty() {
        return "the issuer lists no new key".to_string();
    }
    let ids: Vec<&str> = orphans.iter().map(KeyId::as_str).collect();
    format!(
        "its answer was lost; the orphan {} was removed",
        ids.join(", ")
    )
}

async fn write(
    job: &Job,
    container: &Container,
    slots: &BTreeMap<Slot, Part>,
) -> Result<Outcome, Fault> {
    let (from, to) = (job.before(container, slots), job.prints(&job.after(slots)?));
    let mut stands = stands_in(job, container, &from, &to).await;
    if matches!(stands, Ok(Stands::Old)) {
        // What was written a moment ago may not show everywhere yet.
        tokio::time::sleep(STALE).await;
        stands = stands_in(job, container, &from, &to).await;
    }
    Ok(match stands {
        Ok(Stands::New) => Outcome::Done {
            result: StepResult::default(),
        },
        Ok(Stands::Old) => Outcome::NotDone {
            how: "the place holds the old value".to_string(),
        },
        Ok(Stands::Other(what)) => Outcome::Failed {
            fault: Fault::new(FaultKind::Conflict, what),
        },
        // A definite answer: there is nothing to find out any more.
        Err(fault) if fault.kind == FaultKind::NotFound => Outcome::Failed { fault },
        Err(fault) => return Err(fault),
    })
}

async fn stands_in(
    job: &Job,
    container: &Container,
    from: &Prints,
    to: &Prints,
) -> Result<Stands, Fault> {
    let document = job.ctx.world.store(container)?.read(container).await?;
    Ok(effect::compare(job, &document, from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_cut_to_the_second_may_look_older_than_it_is() {
        let at = |text: &str| text.parse::<jiff::Timestamp>().expect("a time");
        let intended = at("2026-11-21T03:00:10.700Z");
        for ours in ["2026-11-21T03:00:10Z", "2026-11-21T03:00:10.701Z"] {
            assert!(is_made_after(at(ours), intended), "{ours}");
        }
        for others in ["2026-11-21T03:00:09Z", "2026-11-21T03:00:10.699Z"] {
            assert!(!is_made_after(at(others), intended), "{others}");
        }
    }
}
