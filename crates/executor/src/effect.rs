//! Doing a step: what has to be known before, the effect, the outcome.

use std::collections::BTreeSet;
use std::time::Duration;

use relatch_case::fact::{Outcome, StepResult};
use relatch_case::model::{Consumer, Container, Part, Sheet, Slot};
use relatch_case::plan::Action;
use relatch_case::{ConsumerId, Fault, FaultKind, KeyId};
use relatch_issuers::MintRequest;
use relatch_places::Document;
use relatch_secret::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

use crate::context::{Job, Prints};
use crate::failpoint::pass;
use crate::sweep;

/// How often a place is read back until it shows what was written; stores may answer from a
/// copy that is a moment old.
const READ_BACKS: u32 = 8;

/// How long a store may answer from a copy that is a moment old.
pub(crate) const STALE: Duration = Duration::from_secs(5);

/// Longest that a new key takes to show in its issuer's own list, in seconds.
const LIST_LAG_S: u32 = 10;

/// How often a write gives way to somebody who changes the same container.
const RACES: u32 = 6;

/// What a mint's intent records, so that a lost answer can be found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MintBaseline {
    /// Keys that the principal held before.
    pub(crate) keys: BTreeSet<KeyId>,
    /// The name the new key is given.
    pub(crate) name: String,
}

/// Looks at what the effect will change, for the intent.
pub(crate) async fn baseline(job: &Job, attempt: u32) -> Result<Value, Fault> {
    match &job.step.action {
        Action::Mint { name, .. } => {
            let issuer = job.issuer()?;
            let keys = if issuer.sheet().lists {
                issuer
                    .list(&job.rotation.principal)
                    .await?
                    .into_iter()
                    .map(|k| k.id)
                    .collect()
            } else {
                BTreeSet::new()
            };
            to_value(&MintBaseline {
                keys,
                name: format!("{name}-{attempt}"),
            })
        }
        Action::Write { container, slots } => {
            let (before, after) = (job.before(container, slots), job.after(slots)?);
            Ok(json!({ "from": before, "to": job.prints(&after) }))
        }
        Action::Roll { consumer } => {
            let consumer = consumer_of(job, consumer)?;
            job.ctx.world.roller(&consumer)?.baseline(&consumer).await
        }
        _ => Ok(Value::Null),
    }
}

/// Does it.
pub(crate) async fn execute(job: &Job, attempt: u32, baseline: &Value) -> Outcome {
    let done = match &job.step.action {
        Action::Keep { container, slot } => keep(job, container, slot).await,
        Action::Mint { .. } => return mint(job, attempt, baseline).await,
        Action::Write { container, slots } => write(job, container, slots).await,
        Action::Roll { consumer } => roll(job, consumer).await,
        Action::Cut => cut(job).await,
        Action::Disable => disable(job).await,
        Action::Delete => delete(job).await,
        Action::Sweep => sweep::sweep(job).await,
        Action::Check
        | Action::Adopt { .. }
        | Action::Settle { .. }
        | Action::Observe { .. }
        | Action::Announce { .. }
        | Action::Prove => Err(Fault::new(
            FaultKind::Invalid,
            "a step that looks has no effect",
        )),
    };
    outcome(done)
}

/// The outcome of an effect.
pub(crate) fn outcome(done: Result<StepResult, Fault>) -> Outcome {
    match done {
        Ok(result) => Outcome::Done { result },
        Err(fault) if fault.may_have_acted() => Outcome::Unknown { fault },
        Err(fault) => Outcome::Failed { fault },
    }
}

async fn keep(job: &Job, container: &Container, slot: &Slot) -> Result<StepResult, Fault> {
    let document = job.ctx.world.store(container)?.read(container).await?;
    let gone = || {
        Fault::new(
            FaultKind::Conflict,
            format!("{container} no longer holds the value"),
        )
    };
    let value = document.slots.get(slot).ok_or_else(gone)?;
    let fingerprint = job.ctx.fingerprints.fingerprint(value);
    let slots = BTreeMap::from([(slot.clone(), Part::Secret)]);
    if job.before(container, &slots).get(slot) != Some(&fingerprint) {
        return Err(gone());
    }
    job.ctx.vault.keep_old(&job.step.credential, value).await?;
    pass("keep/sealed");
    Ok(StepResult {
        fingerprint: Some(fingerprint),
        ..StepResult::default()
    })
}

async fn mint(job: &Job, attempt: u32, baseline: &Value) -> Outcome {
    let minted = async {
        let issuer = job.issuer()?;
        let baseline: MintBaseline = from_value(baseline)?;
        let request = MintRequest {
            principal: job.rotation.principal.clone(),
            name: baseline.name,
            replaces: Some(job.rotation.old_key.clone()),
        };
        issuer.mint(&request).await
    };
    let minted = match minted.await {
        Ok(minted) => minted,
        Err(fault) => return outcome(Err(fault)),
    };
    pass("mint/answered");
    let sealed = job
        .ctx
        .vault
        .keep_new(&job.step.credential, attempt, &minted.id, &minted.secret)
        .await;
    if let Err(fault) = sealed {
        // Outside there is a key that nobody can use: it goes before anything else happens.
        return match remove(job, &minted.id).await {
            Ok(()) => Outcome::Failed { fault },
            Err(second) => Outcome::Unknown {
                fault: Fault::new(
                    fault.kind,
                    format!("{fault}; and {} was not removed: {second}", minted.id),
                ),
            },
        };
    }
    pass("mint/sealed");
    Outcome::Done {
        result: result_of_mint(job, minted.id, &minted.secret),
    }
}

/// What is recorded of a new key that is in custody.
pub(crate) fn result_of_mint(job: &Job, id: KeyId, secret: &Secret) -> StepResult {
    StepResult {
        key: Some(id),
        fingerprint: Some(job.ctx.fingerprints.fingerprint(secret)),
        ..StepResult::default()
    }
}

/// Removes a key that the tool itself made: disabled first where that is possible, and only
/// disabled where nothing more is.
pub(crate) async fn remove(job: &Job, key: &KeyId) -> Result<(), Fault> {
    let issuer = job.issuer()?;
    let principal = &job.rotation.principal;
    if issuer.sheet().disables {
        job.assure()?;
        issuer.disable(principal, key).await?;
        pass("remove/disabled");
        if !issuer.sheet().deletes {
            return see_disabled(job, key).await;
        }
    }
    job.assure()?;
    issuer.delete(principal, key).await
}

/// Nobody proves such a key dead later: what the issuer says it did is looked up at once. A list
/// that does not have the key may be from before it was made, and is asked for once more.
async fn see_disabled(job: &Job, key: &KeyId) -> Result<(), Fault> {
    let issuer = job.issuer()?;
    if !issuer.sheet().lists {
        let words = format!("{key} was disabled, and nothing shows whether it is");
        return Err(Fault::new(FaultKind::Ambiguous, words));
    }
    let seen = async || -> Result<Option<bool>, Fault> {
        let listed = issuer.list(&job.rotation.principal).await?;
        let known = listed.into_iter().find(|known| &known.id == key);
        Ok(known.map(|known| known.active))
    };
    let mut active = seen().await?;
    if active.is_none() {
        tokio::time::sleep(list_lag(issuer.sheet())).await;
        active = seen().await?;
    }
    if active == Some(true) {
        let words = format!("{key} was disabled and is still listed as active");
        return Err(Fault::new(FaultKind::Ambiguous, words));
    }
    Ok(())
}

/// Longest that a change takes to show in the issuer's own list; accepting or refusing a key
/// everywhere can take longer.
pub(crate) fn list_lag(sheet: &Sheet) -> Duration {
    Duration::from_secs(u64::from(sheet.propagation_s.min(LIST_LAG_S)))
}

async fn write(
    job: &Job,
    container: &Container,
    slots: &BTreeMap<Slot, Part>,
) -> Result<StepResult, Fault> {
    let values = job.after(slots)?;
    let (from, to) = (job.before(container, slots), job.prints(&values));
    put(job, container, &from, &to, &values).await?;
    Ok(StepResult::default())
}

/// Puts values where others stand, if nothing else does (law 6). Somebody who changes another
/// part of the container at the same time is let through first.
pub(crate) async fn put(
    job: &Job,
    container: &Container,
    from: &Prints,
    to: &Prints,
    values: &BTreeMap<Slot, Secret>,
) -> Result<(), Fault> {
    let store = job.ctx.world.store(container)?;
    let mut last = String::new();
    let mut settled = false;
    for race in 0..RACES {
        let document = store.read(container).await?;
        match compare(job, &document, from, to) {
            // Not by our hand just now: a copy may be a moment old, and show what stood there
            // before the step that is being undone.
            Stands::New if settled => return Ok(()),
            Stands::New => {
                settled = true;
                tokio::time::sleep(STALE).await;
            }
            Stands::Other(what) => return Err(Fault::new(FaultKind::Conflict, what)),
            Stands::Old => {
                job.assure()?;
                match store.write(container, &document.version, values).await {
                    Ok(_) => {
                        pass("write/written");
                        return read_back(job, container, to).await;
                    }
                    Err(fault) if fault.kind == FaultKind::Conflict => last = fault.detail,
                    Err(fault) => return Err(fault),
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(50 << race)).await;
    }
    Err(Fault::new(FaultKind::Conflict, last))
}

/// Reads a container until it shows what was written. It was written: what cannot be seen is
/// not known, and not a failure.
async fn read_back(job: &Job, container: &Container, to: &Prints) -> Result<(), Fault> {
    let mut last = String::new();
    for round in 0..READ_BACKS {
        match job.ctx.world.store(container)?.read(container).await {
            Ok(document) => match compare(job, &document, to, to) {
                Stands::New | Stands::Old => return Ok(()),
                Stands::Other(what) => last = what,
            },
            Err(fault) => last = fault.detail,
        }
        tokio::time::sleep(Duration::from_millis(50 << round)).await;
    }
    Err(Fault::new(
        FaultKind::Ambiguous,
        format!("written, but not seen: {last}"),
    ))
}

/// What stands in the slots of a container.
pub(crate) enum Stands {
    /// The values from before.
    Old,
    /// The new values.
    New,
    /// Something else; what, in words.
    Other(String),
}

pub(crate) fn compare(job: &Job, document: &Document, from: &Prints, to: &Prints) -> Stands {
    let now: Prints = document
        .slots
        .iter()
        .filter(|(slot, _)| to.contains_key(*slot))
        .map(|(slot, value)| (slot.clone(), job.ctx.fingerprints.fingerprint(value)))
        .collect();
    if &now == to {
        return Stands::New;
    }
    if &now == from {
        return Stands::Old;
    }
    let odd = to.keys().find(|slot| {
        let found = now.get(*slot);
        found != from.get(*slot) && found != to.get(*slot)
    });
    Stands::Other(match odd {
        Some(slot) => format!("slot {:?} holds neither the old nor the new value", slot.0),
        None => "some slots hold the old value and some the new".to_string(),
    })
}

async fn roll(job: &Job, consumer: &ConsumerId) -> Result<StepResult, Fault> {
    let consumer = consumer_of(job, consumer)?;
    job.ctx.world.roller(&consumer)?.roll(&consumer).await?;
    pass("roll/rolled");
    Ok(StepResult::default())
}

pub(crate) fn consumer_of(job: &Job, id: &ConsumerId) -> Result<Consumer, Fault> {
    job.ctx
        .ledger
        .with(|state| state.consumers.get(id).cloned())
        .ok_or_else(|| Fault::new(FaultKind::Invalid, format!("consumer {id} is not known")))
}

async fn cut(job: &Job) -> Result<StepResult, Fault> {
    job.issuer()?.cut(&job.rotation.principal).await?;
    Ok(StepResult::default())
}

async fn disable(job: &Job) -> Result<StepResult, Fault> {
    let key = doomed(job)?;
    job.issuer()?.disable(&job.rotation.principal, &key).await?;
    Ok(StepResult {
        key: Some(key),
        ..StepResult::default()
    })
}

async fn delete(job: &Job) -> Result<StepResult, Fault> {
    let key = doomed(job)?;
    job.issuer()?.delete(&job.rotation.principal, &key).await?;
    Ok(StepResult {
        key: Some(key),
        ..StepResult::default()
    })
}

/// The key that may be killed: the old one, and never one that this case minted.
fn doomed(job: &Job) -> Result<KeyId, Fault> {
    let key = job.rotation.old_key.clone();
    let ours = job.ctx.ledger.with(|state| state.minted.contains_key(&key));
    if ours {
        return Err(Fault::new(
            FaultKind::Invalid,
            format!("{key} is a new key of this case"),
        ));
    }
    Ok(key)
}

fn to_value<T: Serialize>(data: &T) -> Result<Value, Fault> {
    serde_json::to_value(data).map_err(|error| Fault::new(FaultKind::Local, error.to_string()))
}

pub(crate) fn from_value<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, Fault> {
    serde_json::from_value(value.clone()).map_err(|error| {
        Fault::new(
            FaultKind::Local,
            format!("the intent is unreadable: {error}"),
        )
    })
}
