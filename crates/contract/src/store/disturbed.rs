//! Writes over a wire that fails.

use relatch_case::FaultKind;
use relatch_secret::Secret;

use super::{Harness, NEW, change, during, quiet, slots};
use crate::Findings;
use crate::proxy::WireFault;
use crate::wire::{On, Wire};

pub(super) async fn check(
    harness: &dyn Harness,
    wire: &dyn Wire,
    (part, parts): (usize, usize),
    findings: &mut Findings,
) {
    let faults: Vec<_> = wire.before().into_iter().chain(wire.after()).collect();
    for fault in faults.iter().skip(part).step_by(parts) {
        for nth in 0..harness.changes() {
            write(harness, wire, nth, fault, findings).await;
        }
        read(harness, wire, fault, findings).await;
    }
    wire.calm();
}

/// A write one of whose changes fails.
async fn write(
    harness: &dyn Harness,
    wire: &dyn Wire,
    nth: usize,
    fault: &WireFault,
    findings: &mut Findings,
) {
    wire.calm();
    let (store, (container, slot)) = (harness.under_test(), harness.fresh().await);
    let about = format!("{container}: a write whose change {nth} meets {fault:?}");
    let whole = harness.whole(&container).await;
    let seen = store.read(&container).await.expect("just made").version;
    wire.fail(On::Change(nth), fault);
    let changes = change(&slot, &Secret::from(NEW));
    let outcome = during(harness, fault)
        .write(&container, &seen, &changes)
        .await;
    let failed = wire.has_failed() || (fault.waits() && outcome.is_err());
    let repeated = wire.repeated();
    wire.calm();
    findings.check(failed, || format!("{about}: it never met the fault"));
    findings.check(repeated.is_empty(), || {
        format!("{about}: sent again: {repeated:?}")
    });
    quiet(&outcome, &about, findings);
    let now = harness.whole(&container).await;
    let value = slots(harness, &container).await.remove(&slot);
    let is_new = value.as_deref() == Some(NEW.as_bytes());
    let told = match &outcome {
        Ok(_) => is_new,
        Err(fault) => fault.may_have_acted() || now == whole,
    };
    findings.check(told, || {
        format!("{about}: {outcome:?}, but {whole}\nbecame\n{now}")
    });
    findings.check(now == whole || is_new, || {
        format!("{about}: neither old nor new:\n{whole}\nbecame\n{now}")
    });
    if nth == 0 && matches!(fault, WireFault::Status(429, _)) {
        super::refused(&outcome, FaultKind::Throttled, &about, findings);
    }
    if let Ok(version) = outcome {
        let read = store
            .read(&container)
            .await
            .map(|document| document.version);
        findings.check(read.as_ref() == Ok(&version), || {
            format!("{about}: done as {version:?}, read as {read:?}")
        });
    }
    let again = super::swap(store, &container, &slot, &Secret::from("third")).await;
    findings.check(again.is_ok(), || {
        format!("{about}, then another: {again:?}")
    });
}

/// A read is whole, or a fault that says that nothing was changed.
async fn read(harness: &dyn Harness, wire: &dyn Wire, fault: &WireFault, findings: &mut Findings) {
    wire.calm();
    let (container, _) = harness.fresh().await;
    let truth = slots(harness, &container).await;
    wire.fail(On::Any(0), fault);
    let outcome = during(harness, fault).read(&container).await;
    let about = format!("{container}: a read that meets {fault:?}");
    let failed = wire.has_failed() || (fault.waits() && outcome.is_err());
    findings.check(failed, || format!("{about}: it never met the fault"));
    let right = match &outcome {
        Ok(document) => document
            .slots
            .iter()
            .map(|(slot, value)| (slot, value.expose()))
            .eq(truth.iter().map(|(slot, value)| (slot, value.as_slice()))),
        Err(fault) => !fault.may_have_acted() && fault.kind != FaultKind::NotFound,
    };
    let outcome = outcome.map(|document| document.version);
    findings.check(right, || format!("{about}: {outcome:?}"));
}
