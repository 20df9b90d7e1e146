//! Changes and lists over a wire that fails.

use relatch_case::FaultKind;
use relatch_case::model::IssuedKey;

use super::{Harness, NAME, Operation, Subject, World, during};
use crate::Findings;
use crate::proxy::WireFault;
use crate::wire::On;

pub(super) async fn check(harness: &dyn Harness, findings: &mut Findings) {
    for operation in Operation::of(harness.under_test()) {
        for fault in faults(harness) {
            disturbed(harness, operation, &fault, findings).await;
        }
    }
    for fault in faults(harness) {
        list(harness, &fault, findings).await;
    }
}

fn faults(harness: &dyn Harness) -> Vec<WireFault> {
    let wire = harness.wire();
    wire.before().into_iter().chain(wire.after()).collect()
}

/// One change whose request meets one fault.
async fn disturbed(
    harness: &dyn Harness,
    operation: Operation,
    fault: &WireFault,
    findings: &mut Findings,
) {
    let about = format!("{operation:?} under {}", describe(fault));
    let subject = operation.subject(harness).await;
    let before = World::of(harness, &subject.principal).await;
    harness.wire().calm();
    harness.wire().fail(On::Change(0), fault);
    let outcome = operation.run(during(harness, fault), &subject).await;
    let repeated = harness.wire().repeated();
    let failed = harness.wire().has_failed() || (fault.waits() && outcome.is_err());
    findings.check(failed, || {
        format!("{about}: the request never met the fault")
    });
    findings.check(repeated.is_empty(), || {
        format!("{about}: sent again: {repeated:?}")
    });
    harness.wire().calm();
    let after = World::of(harness, &subject.principal).await;
    let outcome = outcome.map(|minted| minted.map(|minted| minted.id));
    let told = match &outcome {
        Ok(_) => operation.is_done(&subject, &before, &after),
        Err(fault) => fault.may_have_acted() || before == after,
    };
    findings.check(told, || {
        format!("{about}: said {outcome:?}, but {before:?} became {after:?}")
    });
    if matches!(fault, WireFault::Status(429, _)) {
        let kind = outcome.as_ref().err().map(|fault| fault.kind);
        findings.check(kind == Some(FaultKind::Throttled), || {
            format!("{about}: {outcome:?}")
        });
    }
    if operation == Operation::Mint && outcome.is_err() {
        found(harness, &about, &subject, (&before, &after), findings).await;
    } else if outcome.is_err() {
        resumed(harness, operation, &about, &subject, &before, findings).await;
    }
}

/// A key whose answer was lost can be told from the ones before: by name, or as new.
async fn found(
    harness: &dyn Harness,
    about: &str,
    subject: &Subject,
    (before, after): (&World, &World),
    findings: &mut Findings,
) {
    let listed = harness.under_test().list(&subject.principal).await;
    let listed = listed.unwrap_or_default();
    let is_new = |key: &&IssuedKey| before.active(&key.id).is_none();
    let new: Vec<&IssuedKey> = listed.iter().filter(is_new).collect();
    findings.check(new.len() == after.keys.len() - before.keys.len(), || {
        format!("{about}: the lost key is not found in {listed:?}")
    });
    if harness.truth().sheet().named {
        let named = new.iter().all(|key| key.name.as_deref() == Some(NAME));
        findings.check(named, || format!("{about}: lost without its name: {new:?}"));
    }
}

/// Whatever became of it, doing it again over a wire that works brings it about.
async fn resumed(
    harness: &dyn Harness,
    operation: Operation,
    about: &str,
    subject: &Subject,
    before: &World,
    findings: &mut Findings,
) {
    let outcome = operation.run(harness.under_test(), subject).await;
    let world = World::of(harness, &subject.principal).await;
    let done = outcome.is_ok() && operation.is_done(subject, before, &world);
    findings.check(done, || {
        format!("{about}, then once more: {:?}, {world:?}", outcome.err())
    });
}

/// A list is whole or a fault that says that nothing was changed.
async fn list(harness: &dyn Harness, fault: &WireFault, findings: &mut Findings) {
    let about = format!("the list under {}", describe(fault));
    let subject = harness.fresh().await;
    let truth = World::of(harness, &subject.principal).await;
    harness.wire().calm();
    harness.wire().fail(On::Any(0), fault);
    let listed = during(harness, fault).list(&subject.principal).await;
    let failed = harness.wire().has_failed() || (fault.waits() && listed.is_err());
    findings.check(failed, || {
        format!("{about}: the request never met the fault")
    });
    harness.wire().calm();
    let right = match &listed {
        Ok(listed) => listed
            .iter()
            .map(|key| &key.id)
            .eq(truth.keys.iter().map(|(id, _)| id)),
        Err(fault) => !fault.may_have_acted() && fault.kind != FaultKind::NotFound,
    };
    findings.check(right, || {
        format!("{about}: {listed:?} where there is {truth:?}")
    });
}

/// A fault with what tells it from others of its name.
fn describe(fault: &WireFault) -> String {
    match fault {
        WireFault::Status(status, _) | WireFault::StatusAfter(status) => {
            format!("{} {status}", fault.name())
        }
        _ => fault.name().to_string(),
    }
}
