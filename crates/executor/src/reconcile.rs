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
use std::collections::{BTreeMap, BTreeSet};

use crate::context::Job;
use crate::effect::{self, MintBaseline, Stands};

/// How far an issuer's clock may be behind ours when it says when a key was made.
const CLOCK_SKEW_S: i64 = 300;

/// Longest that a new key takes to show in its issuer's own list, in seconds; accepting or
/// refusing it everywhere can take longer.
const LIST_LAG_S: u32 = 10;

/// What became of the last try. `Unknown` when the world could not be asked.
pub(crate) async fn reconcile(job: &Job, attempt: u32) -> Outcome {
    let (baseline, intended_at) = job.ctx.ledger.with(|state| {
        state
            .steps
            .get(&job.step.id)
            .map_or((Value::Null, None), |known| {
                (known.baseline.clone(), known.intended_at)
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
    if let Some((id, secret)) = job.ctx.vault.new_key(&job.step.credential, attempt)? {
        return Ok(Outcome::Done {
            result: effect::result_of_mint(job, id, &secret),
        });
    }
    let issuer = job.issuer()?;
    if !issuer.sheet().lists {
        return Ok(Outcome::Stuck {
            because: "the answer to the mint was lost and this issuer lists no keys: look for \
                      an unused new key there, remove it, then retry the step"
                .to_string(),
        });
    }
    let baseline: MintBaseline = effect::from_value(baseline)?;
    settle(
        job,
        intended_at,
        issuer.sheet().propagation_s.min(LIST_LAG_S),
    )
    .await;
    let listed = issuer.list(&job.rotation.principal).await?;
    match orphans(job, &baseline, listed, issuer.sheet(), intended_at) {
        Ok(orphans) => {
            for orphan in &orphans {
                effect::remove(job, orphan).await?;
            }
            Ok(Outcome::NotDone {
                how: words(&orphans),
            })
        }
        Err(because) => Ok(Outcome::Stuck { because }),
    }
}

/// Waits until what was done at `since` shows in the issuer's list everywhere: an absent key
/// proves nothing before.
async fn settle(job: &Job, since: jiff::Timestamp, propagation_s: u32) {
    let visible = since
        .checked_add(SignedDuration::from_secs(i64::from(propagation_s)))
        .unwrap_or(jiff::Timestamp::MAX);
    let wait = visible.duration_since(job.ctx.clock.now());
    if wait.is_positive() {
        tokio::time::sleep(Duration::try_from(wait).unwrap_or_default()).await;
    }
}

/// The keys whose mint answer was lost: by name where keys have names, else what is new,
/// made since the intent and never used. Anything else is left to a person.
fn orphans(
    job: &Job,
    baseline: &MintBaseline,
    listed: Vec<IssuedKey>,
    sheet: &Sheet,
    intended_at: jiff::Timestamp,
) -> Result<Vec<KeyId>, String> {
    let known = minted_by_us(job);
    let fresh: Vec<IssuedKey> = listed
        .into_iter()
        .filter(|key| !baseline.keys.contains(&key.id) && !known.contains(&key.id))
        .collect();
    if sheet.named {
        let ours = |key: &IssuedKey| key.name.as_deref() == Some(baseline.name.as_str());
        return Ok(fresh.into_iter().filter(ours).map(|key| key.id).collect());
    }
    let earliest = intended_at
        .checked_sub(SignedDuration::from_secs(CLOCK_SKEW_S))
        .unwrap_or(jiff::Timestamp::MIN);
    let fresh: Vec<IssuedKey> = fresh
        .into_iter()
        .filter(|key| key.created.is_none_or(|at| at >= earliest))
        .collect();
    match fresh.as_slice() {
        [] => Ok(Vec::new()),
        [one] if sheet.last_used && one.last_used.is_none() => Ok(vec![one.id.clone()]),
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

/// Keys that other steps of this case are known to have made.
fn minted_by_us(job: &Job) -> BTreeSet<KeyId> {
    job.ctx.ledger.with(|state| {
        job.plan
            .steps
            .iter()
            .filter(|step| matches!(step.action, Action::Mint { .. }))
            .filter_map(|step| state.result_of(&step.id)?.key.clone())
            .collect()
    })
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
    let document = job.ctx.world.store(container)?.read(container).await?;
    Ok(match effect::compare(job, &document, &from, &to) {
        Stands::New => Outcome::Done {
            result: StepResult::default(),
        },
        Stands::Old => Outcome::NotDone {
            how: "the place holds the old value".to_string(),
        },
        Stands::Other(what) => Outcome::Failed {
            fault: Fault::new(FaultKind::Conflict, what),
        },
    })
}
