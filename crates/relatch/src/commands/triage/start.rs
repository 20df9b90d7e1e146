//! Where a triage begins: what it was told now, and in earlier runs of the case.

use relatch_case::state::Start;
use relatch_case::{Fact, KeyId};
use relatch_evidence::{SeedUsed, Seeds};

use crate::app::App;
use crate::workspace::OpenCase;

/// Adds what earlier runs of the case were given to what this one is, and says so.
pub(super) fn remember(app: &App, case: &OpenCase, seeds: &mut Seeds) {
    let start = case.ledger.with(|state| state.start.clone());
    let added = join(seeds, start);
    if !added.is_empty() {
        app.printer.note(&format!(
            "begins with {} as an earlier run was told; --acquit takes it back",
            added.join(", ")
        ));
    }
}

/// Adds what earlier runs were given, but not what this one acquits; says what was added.
fn join(seeds: &mut Seeds, mut start: Start) -> Vec<String> {
    let mut added = Vec::new();
    for (known, given) in [
        (&mut start.keys, &seeds.access_keys),
        (&mut start.arns, &seeds.arns),
        (&mut start.addresses, &seeds.addresses),
    ] {
        known.retain(|name| !seeds.acquitted.contains(name));
        added.extend(known.difference(given).cloned());
    }
    if seeds.is_empty() && !start.is_empty() {
        // A time that is given alone is a narrower look.
        start.since = seeds.since.or(start.since);
        start.until = seeds.until.or(start.until);
        (seeds.since, seeds.until) = (start.since, start.until);
    }
    add(seeds, &start);
    added
}

/// Adds what was given, in the time that holds it all.
fn add(seeds: &mut Seeds, start: &Start) {
    if !start.is_empty() {
        seeds.since = seeds.since.min(start.since);
        seeds.until = seeds.until.zip(start.until).map(|(a, b)| a.max(b));
    }
    seeds.access_keys.extend(start.keys.iter().cloned());
    seeds.arns.extend(start.arns.iter().cloned());
    seeds.addresses.extend(start.addresses.iter().cloned());
}

/// All that any recorded run of the case ever began with, and this one: whoever is reached from
/// none of it is nobody's thief.
pub(super) fn everything(start: &Start, seeds: &Seeds, used: &[SeedUsed]) -> Seeds {
    let mut all = seeds.clone();
    add(&mut all, start);
    let proposed = start.proposed.iter().cloned();
    all.convicted.extend(proposed.chain(proposed_by(used)));
    all
}

/// The fact of where this run began; none where it has found no start.
pub(super) fn fact(told: &Seeds, used: &[SeedUsed]) -> Option<Fact> {
    let proposed: Vec<String> = proposed_by(used).collect();
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

fn proposed_by(used: &[SeedUsed]) -> impl Iterator<Item = String> {
    let proposed = used.iter().filter(|seed| seed.proposed);
    proposed.map(SeedUsed::actor)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn at(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(second).ok()
    }

    fn earlier() -> Start {
        Start {
            keys: ["AKIA1".to_string()].into(),
            addresses: ["198.51.100.7".to_string()].into(),
            since: at(10),
            until: at(20),
            proposed: ["AKIA9".to_string()].into(),
            ..Start::default()
        }
    }

    fn told(key: &str, since: Option<Timestamp>) -> Seeds {
        Seeds {
            access_keys: (!key.is_empty())
                .then(|| key.to_string())
                .into_iter()
                .collect(),
            since,
            ..Seeds::default()
        }
    }

    #[test]
    fn what_was_given_before_is_given_again() {
        let mut seeds = told("", None);
        assert_eq!(join(&mut seeds, earlier()), ["AKIA1", "198.51.100.7"]);
        assert!(seeds.access_keys.contains("AKIA1"));
        assert!(seeds.addresses.contains("198.51.100.7"));
        assert!(seeds.convicted.is_empty(), "what was proposed is not given");
        assert_eq!((seeds.since, seeds.until), (at(10), at(20)));
        assert!(join(&mut seeds, earlier()).is_empty(), "known by now");
    }

    #[test]
    fn the_time_holds_all_that_was_given_and_is_narrowed_by_a_time_alone() {
        let times = |mut seeds: Seeds| {
            join(&mut seeds, earlier());
            (seeds.since, seeds.until)
        };
        assert_eq!(times(told("AKIA2", None)), (None, None));
        assert_eq!(times(told("AKIA2", at(15))), (at(10), None));
        assert_eq!(times(told("", at(15))), (at(15), at(20)));
        let mut seeds = told("AKIA2", at(15));
        join(&mut seeds, Start::default());
        assert_eq!(seeds, told("AKIA2", at(15)), "nobody gave anything before");
    }

    #[test]
    fn who_is_acquitted_now_is_no_start() {
        let mut seeds = told("", None);
        seeds.acquitted = ["AKIA1".to_string(), "198.51.100.7".to_string()].into();
        assert!(join(&mut seeds, earlier()).is_empty());
        assert!(seeds.is_empty(), "a start is proposed again");
    }

    #[test]
    fn an_acquittal_is_weighed_against_all_beginnings_in_the_widest_time() {
        let mut seeds = told("", at(15));
        seeds.acquitted = ["AKIA1".to_string()].into();
        let start = earlier();
        join(&mut seeds, start.clone());
        let all = everything(&start, &seeds, &[]);
        assert!(
            all.access_keys.contains("AKIA1"),
            "without the acquittal it is one"
        );
        assert!(all.convicted.contains("AKIA9"));
        assert_eq!((all.since, all.until), (at(10), at(20)));
    }
}
