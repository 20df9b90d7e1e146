//! The least of a schedule that still breaks its law.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::dice::{FaultId, Kind};
use crate::laws::Law;
use crate::schedule::{Report, Setup, run};
use crate::shape::sizes;

/// Leaves out whatever is not needed for breaking `law`: kinds of faults, then single faults,
/// then credentials and consumers.
pub fn shrink(setup: &Setup, law: Law) -> Setup {
    let mut least = Setup {
        tells: false,
        ..setup.clone()
    };
    let Some(report) = breaks(&least, law) else {
        return setup.clone();
    };
    let mut struck: BTreeSet<FaultId> = report.struck.into_iter().collect();
    for kind in Kind::ALL {
        if !struck.iter().any(|fault| fault.kind == *kind) {
            continue;
        }
        let mut fewer = least.clone();
        fewer.muted.kinds.insert(*kind);
        if let Some(report) = breaks(&fewer, law) {
            least = fewer;
            struck = report.struck.into_iter().collect();
        }
    }
    fewer_faults(&mut least, struck, law);
    smaller_world(&mut least, law);
    least
}

fn breaks(setup: &Setup, law: Law) -> Option<Report> {
    let report = run(setup);
    let broken = report.violation.as_ref().is_some_and(|v| v.law == law);
    broken.then_some(report)
}

/// Delta debugging over the faults that struck.
fn fewer_faults(least: &mut Setup, struck: BTreeSet<FaultId>, law: Law) {
    let mut kept: Vec<FaultId> = struck.into_iter().collect();
    let mut parts = 2;
    while !kept.is_empty() {
        let size = kept.len().div_ceil(parts);
        let mut shorter = None;
        for part in kept.chunks(size) {
            let without: Vec<FaultId> = kept
                .iter()
                .copied()
                .filter(|fault| !part.contains(fault))
                .collect();
            let mut fewer = least.clone();
            fewer.muted.only = Some(without.iter().copied().collect());
            if breaks(&fewer, law).is_some() {
                *least = fewer;
                shorter = Some(without);
                break;
            }
        }
        match shorter {
            Some(without) => {
                kept = without;
                parts = 2.max(parts - 1);
            }
            None if size <= 1 => break,
            None => parts = (parts * 2).min(kept.len()),
        }
    }
}

fn smaller_world(least: &mut Setup, law: Law) {
    let (credentials, consumers) = sizes(least.seed);
    for number in 0..credentials {
        let mut smaller = least.clone();
        smaller.reduced.credentials.insert(number);
        if breaks(&smaller, law).is_some() {
            *least = smaller;
        }
    }
    for number in 0..consumers {
        let mut smaller = least.clone();
        smaller.reduced.consumers.insert(number);
        if breaks(&smaller, law).is_some() {
            *least = smaller;
        }
    }
}

/// The arguments with which a schedule is played again.
pub fn replay_line(setup: &Setup) -> String {
    let list = |items: Vec<String>| items.join(",");
    let mut line = format!("--replay {}", setup.seed);
    let without: Vec<String> = setup
        .muted
        .kinds
        .iter()
        .map(|kind| kind.name().to_string())
        .chain(setup.muted.faults.iter().map(ToString::to_string))
        .collect();
    match &setup.muted.only {
        Some(only) => {
            let kept = only.iter().map(ToString::to_string).collect();
            let _ = write!(line, " --keep {:?}", list(kept));
        }
        None if !without.is_empty() => {
            let _ = write!(line, " --without {:?}", list(without));
        }
        None => {}
    }
    let left_out = setup
        .reduced
        .credentials
        .iter()
        .map(|n| format!("cred-{n}"));
    let consumers = setup
        .reduced
        .consumers
        .iter()
        .map(|n| format!("consumer-{n}"));
    let left_out: Vec<String> = left_out.chain(consumers).collect();
    if !left_out.is_empty() {
        let _ = write!(line, " --leave-out {}", list(left_out));
    }
    line
}
