//! Probes: a live key is never called dead, and nothing is concluded from a broken wire.

use relatch_case::model::{Liveness, Probe};

use super::{Harness, Subject, during};
use crate::Findings;
use crate::proxy::WireFault;
use crate::wire::On;

/// How many of a probe's requests are spoilt one at a time; none has more.
const REQUESTS: usize = 4;

pub(super) async fn check(harness: &dyn Harness, findings: &mut Findings) {
    harness.wire().calm();
    let alive = harness.fresh().await;
    let dead = dead(harness).await;
    undisturbed(harness, &alive, dead.as_ref(), findings).await;
    if let Some(dead) = &dead
        && let Some(probe) = harness.probe_without_control(&dead.key).await
    {
        let holds = probe.liveness != Liveness::Dead && !probe.control;
        findings.check(holds, || format!("probe without a control: {probe:?}"));
    }
    if harness.probes_on_wire() {
        for fault in WireFault::before().into_iter().chain(WireFault::after()) {
            disturbed(harness, &alive, dead.as_ref(), &fault, findings).await;
        }
    }
}

/// A key that its issuer refuses. `None`: the issuer can neither remove nor switch off.
async fn dead(harness: &dyn Harness) -> Option<Subject> {
    let (subject, truth) = (harness.fresh().await, harness.truth());
    let (principal, id) = (&subject.principal, &subject.id);
    let killed = if truth.sheet().disables {
        truth.disable(principal, id).await
    } else if truth.sheet().deletes {
        truth.delete(principal, id).await
    } else {
        return None;
    };
    killed.expect("killed over a wire that never fails");
    Some(subject)
}

async fn undisturbed(
    harness: &dyn Harness,
    alive: &Subject,
    dead: Option<&Subject>,
    findings: &mut Findings,
) {
    let subjects = [(Some(alive), Liveness::Alive), (dead, Liveness::Dead)];
    for (subject, expected) in subjects {
        let Some(subject) = subject else { continue };
        let probe = harness.under_test().probe(&subject.key).await;
        findings.check(probe.liveness == expected && probe.control, || {
            format!("probe of a key that is {expected:?}: {probe:?}")
        });
        quiet(&probe, subject, findings);
    }
}

/// All requests fail: nothing is known. One fails: nothing false is said.
async fn disturbed(
    harness: &dyn Harness,
    alive: &Subject,
    dead: Option<&Subject>,
    fault: &WireFault,
    findings: &mut Findings,
) {
    let wire = harness.wire();
    let subjects = [(Some(alive), Liveness::Dead), (dead, Liveness::Alive)];
    for (subject, wrong) in subjects {
        let Some(subject) = subject else { continue };
        wire.calm();
        wire.fail(On::Every, fault);
        let probe = during(harness, fault).probe(&subject.key).await;
        findings.check(probe.liveness == Liveness::Unknown, || {
            format!("probe while all meets {fault:?}: {probe:?}")
        });
        quiet(&probe, subject, findings);
        // One by one, ways to wait look alike to the client.
        let alike = matches!(fault, WireFault::HangBefore | WireFault::Drip);
        for nth in 0..if alike { 0 } else { REQUESTS } {
            wire.calm();
            wire.fail(On::Any(nth), fault);
            let probe = during(harness, fault).probe(&subject.key).await;
            let holds =
                probe.liveness != wrong && (probe.liveness != Liveness::Dead || probe.control);
            findings.check(holds, || {
                format!("probe whose request {nth} meets {fault:?}: {probe:?}")
            });
            if !wire.has_failed() {
                break;
            }
        }
    }
    wire.calm();
}

/// A probe does not repeat the value.
fn quiet(probe: &Probe, subject: &Subject, findings: &mut Findings) {
    let value = subject.key.secret.expose_str().unwrap_or("\0");
    findings.check(!format!("{probe:?}").contains(value), || {
        "a probe shows the value of its key".into()
    });
}
