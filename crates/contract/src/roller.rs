//! The contract of [`relatch_places::Roller`].

use async_trait::async_trait;
use relatch_case::FaultKind;
use relatch_case::model::Consumer;
use relatch_places::Roller;

use crate::Findings;
use crate::proxy::WireFault;
use crate::wire::{On, Wire};

/// What a roller's tests give to the suite.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The roller, behind the wire that fails.
    fn under_test(&self) -> &dyn Roller;

    /// The same with a short time-out, for faults that wait until the client gives up.
    fn impatient(&self) -> &dyn Roller;

    /// The wire.
    fn wire(&self) -> &dyn Wire;

    /// Makes a consumer that serves an old value while its place holds a new one.
    async fn fresh(&self) -> Consumer;

    /// What the consumer serves with, as its callers see it.
    async fn serving(&self, consumer: &Consumer) -> String;

    /// Puts the consumer's place back to the old value, where going back needs that: a
    /// consumer that reads its place anew has nothing else to go back to.
    async fn put_back(&self, _: &Consumer) {}

    /// Most requests of one roll that change something.
    fn changes(&self) -> usize;

    /// Whether an answer of this kind can be told from a good one when health is asked. Where
    /// a bare "yes" is the whole answer, a yes from something in between cannot.
    fn sees_through(&self, fault: &WireFault) -> bool;
}

/// Everything that a roller must hold to but [`never_well`], which takes its time where reads
/// are tried again.
pub async fn suite(harness: &dyn Harness) -> Findings {
    let mut findings = Findings::default();
    there_and_back(harness, &mut findings).await;
    for fault in harness
        .wire()
        .before()
        .iter()
        .chain(&harness.wire().after())
    {
        findings.extend(rolls_under(harness, fault).await);
    }
    findings
}

/// Each change of a roll meets `fault`, one roll after the other.
pub async fn rolls_under(harness: &dyn Harness, fault: &WireFault) -> Findings {
    let mut findings = Findings::default();
    for nth in 0..harness.changes() {
        disturbed(harness, nth, fault, &mut findings).await;
    }
    findings
}

/// Over a wire that works: baseline, roll twice, back twice.
pub async fn undisturbed(harness: &dyn Harness) -> Findings {
    let mut findings = Findings::default();
    there_and_back(harness, &mut findings).await;
    findings
}

/// The roller to be used while the wire fails so.
fn during<'h>(harness: &'h dyn Harness, fault: &WireFault) -> &'h dyn Roller {
    if fault.waits() {
        harness.impatient()
    } else {
        harness.under_test()
    }
}

/// Baseline, roll twice, back twice, and roll once more.
async fn there_and_back(harness: &dyn Harness, findings: &mut Findings) {
    harness.wire().calm();
    let (roller, consumer) = (harness.under_test(), harness.fresh().await);
    findings.check(roller.handles(&consumer.kind), || {
        format!("{:?} is not handled", consumer.kind)
    });
    let old = harness.serving(&consumer).await;
    let baseline = match roller.baseline(&consumer).await {
        Ok(baseline) => baseline,
        Err(fault) => return findings.check(false, || format!("baseline: {fault}")),
    };
    let health = roller.health(&consumer).await;
    findings.check(health.as_ref().is_ok_and(|health| health.well), || {
        format!("health of a consumer that is well: {health:?}")
    });
    let mut new = Vec::new();
    for time in ["once", "again"] {
        let outcome = roller.roll(&consumer).await;
        findings.check(outcome.is_ok(), || format!("roll {time}: {outcome:?}"));
        new.push(harness.serving(&consumer).await);
    }
    findings.check(new[0] != old && new[0] == new[1], || {
        format!("roll twice: {old} became {new:?}")
    });
    harness.put_back(&consumer).await;
    for time in ["once", "again"] {
        let outcome = roller.roll_back(&consumer, &baseline).await;
        findings.check(outcome.is_ok(), || format!("roll back {time}: {outcome:?}"));
        let now = harness.serving(&consumer).await;
        findings.check(now == old, || format!("roll back {time}: {now}, not {old}"));
    }
    let again = roller.baseline(&consumer).await;
    findings.check(again.as_ref() == Ok(&baseline), || {
        format!("the baseline after rolling back: {again:?}, not {baseline}")
    });
}

/// A roll one of whose changes fails.
async fn disturbed(harness: &dyn Harness, nth: usize, fault: &WireFault, findings: &mut Findings) {
    let about = format!("roll whose change {nth} meets {fault:?}");
    harness.wire().calm();
    let (roller, consumer) = (harness.under_test(), harness.fresh().await);
    let old = harness.serving(&consumer).await;
    let baseline = roller.baseline(&consumer).await;
    harness.wire().fail(On::Change(nth), fault);
    let outcome = during(harness, fault).roll(&consumer).await;
    let failed = harness.wire().has_failed() || (fault.waits() && outcome.is_err());
    let repeated = harness.wire().repeated();
    findings.check(failed, || format!("{about}: it never met the fault"));
    findings.check(repeated.is_empty(), || {
        format!("{about}: sent again: {repeated:?}")
    });
    harness.wire().calm();
    let now = harness.serving(&consumer).await;
    let told = match &outcome {
        Ok(()) => now != old,
        Err(fault) => fault.may_have_acted() || now == old,
    };
    findings.check(told, || {
        format!("{about}: {outcome:?}, but {old} became {now}")
    });
    if matches!(fault, WireFault::Status(429, _)) {
        let kind = outcome.as_ref().err().map(|fault| fault.kind);
        findings.check(kind == Some(FaultKind::Throttled), || {
            format!("{about}: {outcome:?}")
        });
    }
    let again = roller.roll(&consumer).await;
    let rolled = harness.serving(&consumer).await;
    findings.check(again.is_ok() && rolled != old, || {
        format!("{about}, then once more: {again:?}, {rolled}")
    });
    harness.put_back(&consumer).await;
    if let Ok(baseline) = baseline {
        let back = roller.roll_back(&consumer, &baseline).await;
        let now = harness.serving(&consumer).await;
        findings.check(back.is_ok() && now == old, || {
            format!("{about}, then back: {back:?}, {now}, not {old}")
        });
    }
}

/// While every request meets `fault`, nobody is called well.
pub async fn never_well(harness: &dyn Harness, fault: &WireFault) -> Findings {
    let mut findings = Findings::default();
    let consumer = harness.fresh().await;
    harness.wire().calm();
    harness.wire().fail(On::Every, fault);
    let health = during(harness, fault).health(&consumer).await;
    let well = health.as_ref().is_ok_and(|health| health.well);
    findings.check(!well || !harness.sees_through(fault), || {
        format!("health while all meets {fault:?}: {health:?}")
    });
    harness.wire().calm();
    findings
}
