//! Changes over a wire that works: each does what it says, once and again.

use relatch_case::{FaultKind, KeyId, Principal};

use super::{Harness, NAME, Operation, World, request};
use crate::Findings;

pub(super) async fn check(harness: &dyn Harness, findings: &mut Findings) {
    harness.wire().calm();
    for operation in Operation::of(harness.under_test()) {
        match operation {
            Operation::Mint => mint(harness, findings).await,
            _ => twice(harness, operation, findings).await,
        }
    }
    absent(harness, findings).await;
    unknown_principal(harness, findings).await;
    slots(harness, findings).await;
}

/// Once does it, and again finds it done.
async fn twice(harness: &dyn Harness, operation: Operation, findings: &mut Findings) {
    let subject = operation.subject(harness).await;
    let before = World::of(harness, &subject.principal).await;
    let mut worlds = Vec::new();
    for time in ["once", "again"] {
        let outcome = operation.run(harness.under_test(), &subject).await;
        let world = World::of(harness, &subject.principal).await;
        findings.check(outcome.is_ok(), || {
            format!("{operation:?} {time}: {:?}", outcome.err())
        });
        findings.check(operation.is_done(&subject, &before, &world), || {
            format!("{operation:?} {time}: not done: {before:?} became {world:?}")
        });
        worlds.push(world);
    }
    findings.check(worlds[0] == worlds[1], || {
        format!("{operation:?} again is not as once: {worlds:?}")
    });
}

/// A new key is listed, with its name where keys have one, and beside the old one.
async fn mint(harness: &dyn Harness, findings: &mut Findings) {
    let subject = harness.fresh().await;
    let minted = match harness.under_test().mint(&request(&subject)).await {
        Ok(minted) => minted,
        Err(fault) => return findings.check(false, || format!("Mint: {fault}")),
    };
    let listed = harness.under_test().list(&subject.principal).await;
    let listed = listed.unwrap_or_default();
    let new = listed.iter().find(|key| key.id == minted.id);
    findings.check(new.is_some_and(|key| key.active), || {
        format!("Mint: the new key is not listed as usable: {listed:?}")
    });
    let named = !harness.truth().sheet().named;
    let name = new.and_then(|key| key.name.as_deref());
    findings.check(named || name == Some(NAME), || {
        format!("Mint: the new key is named {name:?}")
    });
    findings.check(listed.iter().any(|key| key.id == subject.id), || {
        "Mint: the old key is gone".into()
    });
    findings.check(!minted.secret.is_empty(), || "Mint: no value".into());
    let all = harness.under_test().list_all().await.unwrap_or_default();
    let mut all = all.iter().filter(|(owner, _)| *owner == subject.principal);
    findings.check(
        all.any(|(_, keys)| keys.iter().any(|key| key.id == minted.id)),
        || "Mint: the list of all does not have the new key".into(),
    );
}

/// Removing what is not there succeeds and touches nothing else.
async fn absent(harness: &dyn Harness, findings: &mut Findings) {
    if !harness.truth().sheet().deletes {
        return;
    }
    let subject = harness.fresh().await;
    let before = World::of(harness, &subject.principal).await;
    let absent = absent_like(&subject.id);
    let outcome = harness
        .under_test()
        .delete(&subject.principal, &absent)
        .await;
    findings.check(outcome.is_ok(), || {
        format!("Delete of an absent key: {outcome:?}")
    });
    let after = World::of(harness, &subject.principal).await;
    findings.check(before == after, || {
        format!("Delete of an absent key: {before:?} became {after:?}")
    });
}

/// An id of the same shape that nobody has: the last characters are turned round.
fn absent_like(id: &KeyId) -> KeyId {
    let turned = id.as_str().chars().map(|c| match c {
        'A'..='Y' | 'a'..='y' | '0'..='8' => char::from_u32(u32::from(c) + 1).unwrap_or(c),
        'Z' => 'A',
        'z' => 'a',
        '9' => '0',
        other => other,
    });
    let keep = id.as_str().chars().count().saturating_sub(6);
    let head = id.as_str().chars().take(keep);
    KeyId::new(head.chain(turned.skip(keep)).collect::<String>())
}

async fn unknown_principal(harness: &dyn Harness, findings: &mut Findings) {
    if !harness.knows_principals() {
        return;
    }
    let subject = harness.fresh().await;
    let nobody = Principal::new(format!("{}-nobody", subject.principal));
    let listed = harness.under_test().list(&nobody).await;
    let kind = listed.as_ref().err().map(|fault| fault.kind);
    findings.check(kind == Some(FaultKind::NotFound), || {
        format!("the list of an unknown principal: {listed:?}")
    });
}

/// A key too many is refused as that, and changes nothing.
async fn slots(harness: &dyn Harness, findings: &mut Findings) {
    let issuer = harness.under_test();
    let mints = Operation::of(issuer).contains(&Operation::Mint);
    let Some(slots) = issuer.sheet().slots.filter(|_| mints) else {
        return;
    };
    if !harness.keeps_slots() {
        return;
    }
    let subject = harness.fresh().await;
    for _ in 1..slots {
        let minted = issuer.mint(&request(&subject)).await;
        findings.check(minted.is_ok(), || format!("slots: {:?}", minted.err()));
    }
    let before = World::of(harness, &subject.principal).await;
    let refused = issuer.mint(&request(&subject)).await.map(|key| key.id);
    let kind = refused.as_ref().err().map(|fault| fault.kind);
    findings.check(kind == Some(FaultKind::SlotsFull), || {
        format!("a key too many: {refused:?}")
    });
    let after = World::of(harness, &subject.principal).await;
    findings.check(before == after, || {
        format!("a key too many: {before:?} became {after:?}")
    });
}
