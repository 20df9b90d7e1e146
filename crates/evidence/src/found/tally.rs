//! What an actor's calls come to.

use std::collections::{BTreeMap, BTreeSet};

use relatch_shelf::List;

use crate::log::{Log, Part, Sym};

/// Counts over an actor's events, with texts in the place of numbers.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) addresses: BTreeSet<String>,
    pub(crate) clients: BTreeSet<String>,
    pub(crate) regions: BTreeSet<String>,
    pub(crate) keys: BTreeSet<String>,
    pub(crate) more_keys: u64,
    pub(crate) calls: BTreeMap<String, u64>,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) arn: Option<String>,
    pub(crate) first: Option<i64>,
    pub(crate) last: Option<i64>,
}

/// Tallies events, with so many keys at most.
pub(crate) fn tally(
    log: &Log,
    part: &Part<'_>,
    numbers: impl ExactSizeIterator<Item = u32> + Clone,
    most_keys: usize,
) -> Tally {
    let mut tally = Tally::default();
    for number in numbers.clone() {
        let time = part.time(number);
        tally.first = tally.first.or(time);
        tally.last = time.or(tally.last);
        if tally.arn.is_none() {
            let arn = part.who(number).arn;
            tally.arn = arn.some().then(|| log.text(arn).to_owned());
        }
    }
    let calls = numbers.clone().map(|number| part.call_number(number));
    let calls = counted(calls, log.calls().len());
    let whos = numbers.clone().map(|number| part.who_number(number));
    let whos = counted(whos, log.whos().len());
    let origins = numbers.map(|number| part.origin_number(number));
    let origins = counted(origins, log.origins().len());
    let add = |column: Sym, set: &mut BTreeSet<String>| {
        if column.some() && !set.contains(log.text(column)) {
            set.insert(log.text(column).to_owned());
        }
    };
    let keys = whos.iter().map(|(who, _)| log.whos()[*who as usize].key);
    let mut keys: List<Sym> = keys.filter(|key| key.some()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys.iter().take(most_keys) {
        add(*key, &mut tally.keys);
    }
    tally.more_keys = keys.len().saturating_sub(most_keys) as u64;
    for (origin, _) in &origins {
        let origin = &log.origins()[*origin as usize];
        add(origin.address, &mut tally.addresses);
        add(origin.agent, &mut tally.clients);
    }
    for (call, count) in &calls {
        let call = &log.calls()[*call as usize];
        add(call.region, &mut tally.regions);
        let name = format!("{}:{}", log.text(call.source), log.text(call.name));
        *tally.calls.entry(name).or_default() += count;
        if call.error.some() {
            let error = log.text(call.error).to_owned();
            *tally.errors.entry(error).or_default() += count;
        }
    }
    tally
}

/// Each number once, in order, with how often it is there. `bound` is above all of them.
fn counted(numbers: impl ExactSizeIterator<Item = u32>, bound: usize) -> List<(u32, u64)> {
    if numbers.len() < bound {
        let mut all: List<u32> = numbers.collect();
        all.sort_unstable();
        let same = all.chunk_by(|a, b| a == b);
        return same.map(|same| (same[0], same.len() as u64)).collect();
    }
    let mut counts = List::of(0u64, bound);
    for number in numbers {
        counts[number as usize] += 1;
    }
    let counts = (0u32..).zip(&counts);
    let some = counts.filter(|(_, count)| **count > 0);
    some.map(|(number, count)| (number, *count)).collect()
}
