//! The last look at a principal: no key that this rotation made is left over (law 3). A
//! request that was lost for longer than anybody waits may still have made one.

use std::time::Duration;

use relatch_case::fact::StepResult;
use relatch_case::model::IssuedKey;
use relatch_case::{Fault, FaultKind};

use crate::context::Job;
use crate::effect;
use crate::tenure::REQUEST_S;

/// Removes keys of ours that are left over; says when a key is there that nobody explains.
pub(crate) async fn sweep(job: &Job) -> Result<StepResult, Fault> {
    let issuer = job.issuer()?;
    outwait_lost_requests(job).await;
    let fresh: Vec<IssuedKey> = issuer
        .list(&job.rotation.principal)
        .await?
        .into_iter()
        .filter(|key| !is_explained(job, key))
        .collect();
    let ours = format!("relatch-{}-", job.rotation.credential);
    let mut removed = Vec::new();
    for key in fresh {
        let named_so = key
            .name
            .as_ref()
            .is_some_and(|name| name.starts_with(&ours));
        if !(issuer.sheet().named && named_so) {
            if issuer.sheet().named {
                continue;
            }
            return Err(Fault::new(
                FaultKind::Conflict,
                format!(
                    "key {} appeared at {} while its keys were rotated, and is in no place: the \
                     thief's? If it is nobody's, disable and delete it, then retry this step; if \
                     somebody of yours made it, skip this step",
                    key.id, job.rotation.principal
                ),
            ));
        }
        effect::remove(job, &key.id).await?;
        removed.push(key.id.to_string());
    }
    let note = if removed.is_empty() {
        "no key is left over".to_string()
    } else {
        format!("left over and removed: {}", removed.join(", "))
    };
    Ok(StepResult {
        note: Some(note),
        ..StepResult::default()
    })
}

/// Where the answer to a mint was lost once, that request may still be under way: the last look
/// comes after it can have acted.
async fn outwait_lost_requests(job: &Job) {
    let doubted = job.ctx.ledger.with(|state| {
        let mint = job.plan.step_of(&job.step.credential, "mint")?;
        Some(state.steps.get(&mint.id)?.doubted)
    });
    if doubted == Some(true) {
        // All of it, whatever the clock says has passed: clocks are set.
        tokio::time::sleep(Duration::from_secs(u64::from(REQUEST_S))).await;
    }
}

/// Whether a key was there before the plan, or was made by a step of this case.
fn is_explained(job: &Job, key: &IssuedKey) -> bool {
    let before = job.plan.baseline.keys.get(&job.rotation.issuer);
    before
        .and_then(|lists| lists.get(&job.rotation.principal))
        .is_some_and(|keys| keys.contains(&key.id))
        || job
            .ctx
            .ledger
            .with(|state| state.minted.contains_key(&key.id))
}
