//! Switching a key off and on, and removing it.

use relatch_case::{Fault, FaultKind};

use super::call::{Caller, Effect};
use crate::catalog::{Change, Condition, Settled};
use crate::http::Answer;
use crate::template::Variables;

/// Carries a change out, once. A refusal that shows the change to be made before is success.
pub(crate) async fn change(
    caller: &Caller,
    change: &Change,
    variables: &Variables,
) -> Result<(), Fault> {
    let answer = caller
        .call(&change.request, variables, &[], Effect::Changes)
        .await?;
    if answer.is_success() {
        return accepted(caller, change, &answer);
    }
    let Some(fault) = caller.fault(&answer, &change.rules, Effect::Changes) else {
        return Ok(());
    };
    match &change.settled {
        Some(settled) if refused(fault.kind) && is_settled(caller, settled, variables).await => {
            Ok(())
        }
        _ => Err(fault),
    }
}

fn accepted(caller: &Caller, change: &Change, answer: &Answer) -> Result<(), Fault> {
    if hold(&change.expect, answer) {
        return Ok(());
    }
    let what = "does not say that it did what was asked";
    Err(caller.misunderstood(answer, Effect::Changes, what))
}

fn hold(conditions: &[Condition], answer: &Answer) -> bool {
    conditions
        .iter()
        .all(|condition| condition.holds(answer.json()))
}

/// Refusals behind which the change may stand already.
fn refused(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::Invalid | FaultKind::Conflict)
}

async fn is_settled(caller: &Caller, settled: &Settled, variables: &Variables) -> bool {
    let answer = caller
        .call(&settled.request, variables, &[], Effect::Reads)
        .await;
    answer.is_ok_and(|answer| answer.is_success() && hold(&settled.when, &answer))
}
