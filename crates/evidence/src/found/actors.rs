//! Who made the calls, and what of it is the attacker's.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use relatch_shelf::List;

use crate::answer::{Actor, Share, Step, Verdict};
use crate::found::exposure::actor_id;
use crate::found::tally::tally;
use crate::input::record::show_time;
use crate::input::rows::is_caller_address;
use crate::log::{Log, Part};
use crate::taint::actors::{Credential, Index};
use crate::taint::attribution::Taint;
use crate::taint::links::{Link, Mark};
use crate::taint::score::Score;
use crate::taint::split::Split;
use crate::text::sanitize;

/// Most steps shown of a path; a longer chain is cut in the middle of nothing, at its root.
const PATH: usize = 64;

/// Most keys listed of an actor who is nobody's suspect: a busy role has one an hour and instance.
const KEYS: usize = 1000;

/// Everybody who made a call, the attacker first.
pub(crate) fn actors(
    log: &Log,
    index: &Index,
    splits: &BTreeMap<Credential, Split>,
    taint: &Taint<'_>,
) -> Vec<Actor> {
    let mut actors: Vec<Actor> = index
        .by_credential
        .par_iter(log)
        .map(|(credential, part)| {
            let score = splits.get(&credential).map(|split| split.score.clone());
            actor(log, taint, credential, &part, &score.unwrap_or_default())
        })
        .collect();
    actors.sort_by(|a, b| (a.verdict, &a.first, &a.id).cmp(&(b.verdict, &b.first, &b.id)));
    actors
}

fn actor(
    log: &Log,
    taint: &Taint<'_>,
    credential: Credential,
    part: &Part<'_>,
    score: &Score,
) -> Actor {
    let rows = part.rows();
    let count = |mark| rows.iter().filter(|row| taint.mark(**row) == mark).count();
    let (tainted, uncertain) = (count(Mark::Tainted), count(Mark::Uncertain));
    let is_judged = || rows.first().is_some_and(|row| taint.is_spared(*row));
    let keys = if tainted + uncertain == 0 && !is_judged() {
        KEYS
    } else {
        usize::MAX
    };
    let tally = tally(log, part, part.numbers(), keys);
    let counts = |map: BTreeMap<String, u64>| {
        map.into_iter()
            .map(|(text, count)| (sanitize(&text), count))
            .collect()
    };
    Actor {
        id: actor_id(log, credential),
        kind: credential.kind().to_owned(),
        arn: tally.arn.as_deref().map(sanitize),
        access_keys: clean(tally.keys),
        more_access_keys: tally.more_keys,
        verdict: match (tainted, uncertain) {
            (0, 0) => Verdict::Legitimate,
            (0, _) => Verdict::Uncertain,
            (all, _) if all == rows.len() => Verdict::Attacker,
            _ => Verdict::Mixed,
        },
        score: score.points,
        reasons: score
            .reasons
            .iter()
            .map(|reason| sanitize(reason))
            .collect(),
        path: rows
            .iter()
            .find(|row| taint.mark(**row) == Mark::Tainted)
            .map(|row| path(log, taint, *row))
            .unwrap_or_default(),
        first: tally.first.and_then(show_time),
        last: tally.last.and_then(show_time),
        addresses: clean(tally.addresses),
        clients: clean(tally.clients),
        regions: clean(tally.regions),
        calls: counts(tally.calls),
        errors: counts(tally.errors),
        attackers: (tainted > 0).then(|| share(log, taint, part)),
        tainted: tainted as u64,
        uncertain: uncertain as u64,
    }
}

/// What of an actor's calls that are the attacker's were made with and from.
fn share(log: &Log, taint: &Taint<'_>, part: &Part<'_>) -> Share {
    let rows = (0u32..).zip(part.rows());
    let his = rows.filter(|(_, row)| taint.mark(**row) == Mark::Tainted);
    let his: List<u32> = his.map(|(number, _)| number).collect();
    let tally = tally(log, part, his.iter().copied(), usize::MAX);
    let mut addresses = tally.addresses;
    addresses.retain(|address| is_caller_address(address));
    Share {
        access_keys: clean(tally.keys),
        addresses: clean(addresses),
        first: tally.first.and_then(show_time),
        last: tally.last.and_then(show_time),
    }
}

fn clean(texts: BTreeSet<String>) -> BTreeSet<String> {
    texts.iter().map(|text| sanitize(text)).collect()
}

/// The way from the seed to an event, the seed first.
fn path(log: &Log, taint: &Taint<'_>, row: u32) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut at = Some(row);
    while let Some(row) = at.filter(|_| steps.len() < PATH) {
        let (link, from) = taint.why(row).unwrap_or((Link::Seed, None));
        let event = &log.row(row);
        steps.push(Step {
            reason: link.words().to_owned(),
            event_id: sanitize(&log.event_id(row)),
            time: event.time.and_then(show_time),
            call: sanitize(&format!(
                "{}:{}",
                log.text(event.source),
                log.text(event.name)
            )),
            actor: actor_id(log, Credential::of(log, event)),
        });
        at = from;
    }
    steps.reverse();
    steps
}
