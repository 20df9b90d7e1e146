//! Where a triage begins: what it was told now, and in earlier runs of the case.

use relatch_case::state::Start;
use relatch_case::{Fact, KeyId};
use relatch_evidence::{SeedUsed, Seeds, Triage};

use crate::app::App;
use crate::workspace::OpenCase;

/// Adds what earlier runs of the case were given to what this one is; not what this one acquits.
pub(super) fn remember(app: &App, case: &OpenCase, seeds: &mut Seeds) {
    let mut start = case.ledger.with(|state| state.start.clone());
    let mut added = Vec::new();
    for (known, given) in [
        (&mut start.keys, &seeds.access_keys),
        (&mut start.arns, &seeds.arns),
        (&mut start.addresses, &seeds.addresses),
    ] {
        known.retain(|name| !seeds.acquitted.contains(name));
        added.extend(known.difference(given).cloned());
    }
    if start.is_empty() {
        return;
    }
    if !added.is_empty() {
        app.printer.note(&format!(
            "begins with {} as an earlier run was told; --acquit takes it back",
            added.join(", ")
        ));
    }
    if seeds.is_empty() {
        seeds.since = seeds.since.or(start.since);
        seeds.until = seeds.until.or(start.until);
    } else {
        // The time has to hold them all.
        seeds.since = seeds.since.min(start.since);
        seeds.until = seeds.until.zip(start.until).map(|(a, b)| a.max(b));
    }
    add(seeds, &start);
}

/// Adds what was given.
fn add(seeds: &mut Seeds, start: &Start) {
    seeds.access_keys.extend(start.keys.iter().cloned());
    seeds.arns.extend(start.arns.iter().cloned());
    seeds.addresses.extend(start.addresses.iter().cloned());
}

/// All that any recorded run of the case ever began with, and this one: whoever is reached from
/// none of it is nobody's thief.
pub(super) fn everything(start: &Start, seeds: &Seeds, triage: &Triage) -> Seeds {
    let mut all = seeds.clone();
    add(&mut all, start);
    let proposed = start.proposed.iter().cloned();
    all.convicted.extend(proposed.chain(proposed_by(triage)));
    all
}

/// The fact of where this run began; none where it has found no start.
pub(super) fn fact(told: &Seeds, triage: &Triage) -> Option<Fact> {
    let proposed: Vec<String> = proposed_by(triage).collect();
    let given = !told.is_empty();
    (given || !proposed.is_empty()).then(|| Fact::TriageBegan {
        keys: told.access_keys.iter().map(KeyId::new).collect(),
        arns: told.arns.iter().cloned().collect(),
        addresses: told.addresses.iter().cloned().collect(),
        since: told.since.filter(|_| given),
        until: told.until.filter(|_| given),
        proposed,
    })
}

fn proposed_by(triage: &Triage) -> impl Iterator<Item = String> + '_ {
    let seeds = triage.seeds.iter().filter(|seed| seed.proposed);
    seeds.map(SeedUsed::actor)
}
