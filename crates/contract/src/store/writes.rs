//! Reading and writing where nothing fails.

use std::collections::BTreeMap;

use relatch_case::FaultKind;
use relatch_case::model::Slot;
use relatch_places::Version;
use relatch_secret::Secret;

use super::{Harness, NEW, OLD, change, quiet, refused, slots, swap};
use crate::Findings;

pub(super) async fn check(harness: &dyn Harness, findings: &mut Findings) {
    there_and_back(harness, findings).await;
    stale(harness, findings).await;
    refusals(harness, findings).await;
    absent(harness, findings).await;
    in_between(harness, findings).await;
}

/// Only the named slot changes; and once the old value is written again, all is as it was.
async fn there_and_back(harness: &dyn Harness, findings: &mut Findings) {
    let (store, (container, slot)) = (harness.under_test(), harness.fresh().await);
    let (before, whole) = (
        slots(harness, &container).await,
        harness.whole(&container).await,
    );
    findings.check(
        before.get(&slot).is_some_and(|v| v == OLD.as_bytes()),
        || format!("{container}: a fresh container does not hold the old value"),
    );
    let written = swap(store, &container, &slot, &Secret::from(NEW)).await;
    findings.check(written.is_ok(), || {
        format!("{container}: write: {written:?}")
    });
    let read = store
        .read(&container)
        .await
        .map(|document| document.version);
    findings.check(written.is_ok() && read == written, || {
        format!("{container}: read back at {read:?}, written as {written:?}")
    });
    let mut expected = before.clone();
    expected.insert(slot.clone(), NEW.into());
    let after = slots(harness, &container).await;
    findings.check(after == expected, || {
        format!("{container}: other slots than {slot:?} changed")
    });
    let changed = harness.whole(&container).await;
    findings.check(changed != whole, || {
        format!("{container}: its owner does not see the new value")
    });
    let back = swap(store, &container, &slot, &Secret::from(OLD)).await;
    let now = harness.whole(&container).await;
    findings.check(back.is_ok() && now == whole, || {
        format!("{container}: not as before: {back:?}\n{whole}\nbecame\n{now}")
    });
}

/// A version that is not the current one is a conflict, and changes nothing.
async fn stale(harness: &dyn Harness, findings: &mut Findings) {
    let (store, (container, slot)) = (harness.under_test(), harness.fresh().await);
    let seen = match store.read(&container).await {
        Ok(document) => document.version,
        Err(fault) => return findings.check(false, || format!("{container}: read: {fault}")),
    };
    let first = store
        .write(&container, &seen, &change(&slot, &Secret::from("first")))
        .await;
    findings.check(first.is_ok(), || format!("{container}: {first:?}"));
    let whole = harness.whole(&container).await;
    for version in [seen, Version("made-up".into()), Version(String::new())] {
        let changes = change(&slot, &Secret::from(NEW));
        let second = store.write(&container, &version, &changes).await;
        refused(
            &second,
            FaultKind::Conflict,
            &format!("{container} at {version:?}"),
            findings,
        );
        quiet(&second, "a stale write", findings);
    }
    let now = harness.whole(&container).await;
    findings.check(now == whole, || {
        format!("{container}: a conflict wrote: {now}")
    });
}

/// Nothing, and slots that are not there, are refused, and change nothing.
async fn refusals(harness: &dyn Harness, findings: &mut Findings) {
    let (store, (container, slot)) = (harness.under_test(), harness.fresh().await);
    let whole = harness.whole(&container).await;
    let seen = store.read(&container).await.expect("just made").version;
    let new = Secret::from(NEW);
    let nowhere = [
        Slot("no-such-slot".into()),
        Slot("a/b/c/d".into()),
        Slot("99".into()),
        Slot("~".into()),
        Slot("\n\u{0}\u{202e}".into()),
    ];
    let mut wrong: Vec<_> = nowhere.iter().map(|slot| change(slot, &new)).collect();
    // Half of it can be done; none of it may.
    wrong.push(BTreeMap::from([
        (slot, new.clone()),
        (nowhere[0].clone(), new),
    ]));
    wrong.push(BTreeMap::new());
    for changes in wrong {
        let outcome = store.write(&container, &seen, &changes).await;
        let about = format!("{container}, {:?}", changes.keys().collect::<Vec<_>>());
        let kind = outcome.as_ref().err().map(|fault| fault.kind);
        let absent = kind == Some(FaultKind::NotFound) && !changes.is_empty();
        findings.check(absent || kind == Some(FaultKind::Invalid), || {
            format!("{about}: {outcome:?}, not refused")
        });
        quiet(&outcome, &about, findings);
    }
    let now = harness.whole(&container).await;
    findings.check(now == whole, || {
        format!("{container}: a refusal wrote: {now}")
    });
}

async fn absent(harness: &dyn Harness, findings: &mut Findings) {
    let (store, absent) = (harness.under_test(), harness.absent());
    let read = store.read(&absent).await.map(|document| document.version);
    refused(&read, FaultKind::NotFound, &absent.to_string(), findings);
    let changes = change(&Slot::whole(), &Secret::from(NEW));
    let written = store.write(&absent, &Version("1".into()), &changes).await;
    refused(&written, FaultKind::NotFound, &absent.to_string(), findings);
    let read = store.read(&absent).await;
    findings.check(read.is_err(), || format!("{absent}: a write made it"));
}

/// Whoever writes between our look and our write is not overwritten.
async fn in_between(harness: &dyn Harness, findings: &mut Findings) {
    let Some(wire) = harness.wire() else { return };
    let (store, (container, slot)) = (harness.under_test(), harness.fresh().await);
    let seen = store.read(&container).await.expect("just made").version;
    let meddles = wire.before_change(harness.rival(&container, &slot, "theirs"));
    if !meddles {
        return;
    }
    let changes = change(&slot, &Secret::from(NEW));
    let outcome = store.write(&container, &seen, &changes).await;
    refused(
        &outcome,
        FaultKind::Conflict,
        &format!("{container}: a rival"),
        findings,
    );
    let now = slots(harness, &container).await.remove(&slot);
    findings.check(now.as_deref() == Some(b"theirs"), || {
        format!("{container}: the rival's value is gone")
    });
    wire.calm();
}
