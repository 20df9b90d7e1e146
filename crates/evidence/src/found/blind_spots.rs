//! What the evidence cannot show, and what could hide there.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::input::aws_findings::AwsFinding;
use crate::input::reader::Problem;
use crate::input::record::show_time;
use crate::log::{Log, What};
use crate::taint::judgements::Judged;
use crate::taint::seeds::{SeedUsed, missing};
use crate::text::sanitize;

/// CloudTrail delivers within about a quarter of an hour (AWS FAQ), in milliseconds.
const DELIVERY: i64 = 900_000;

/// Most findings named that led to no event; further ones are counted.
const REPORTED: usize = 10;

/// Something the evidence cannot show.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlindSpot {
    /// What is missing.
    pub what: String,
    /// What could hide there.
    pub hides: String,
}

/// What blind spots are drawn from, beside the log.
pub(crate) struct View<'a> {
    pub(crate) log: &'a Log,
    pub(crate) tainted: &'a [u32],
    pub(crate) unnamed: &'a [u32],
    pub(crate) seeds: &'a [SeedUsed],
    pub(crate) judgements: &'a [Judged],
    pub(crate) problems: &'a [Problem],
    pub(crate) findings: &'a [AwsFinding],
}

/// Everything the evidence cannot show.
pub(crate) fn blind_spots(view: &View<'_>) -> Vec<BlindSpot> {
    let mut spots = Vec::new();
    let mut add = |what: String, hides: &str| {
        spots.push(BlindSpot {
            what: sanitize(&what),
            hides: hides.to_owned(),
        });
    };
    if view.log.len() == 0 {
        add(
            "no event could be read".into(),
            "everything: this is no evidence of absence",
        );
        return spots;
    }
    data_events(view.log, &mut add);
    reads(view.log, &mut add);
    recording(view.log, &mut add);
    reported(view.findings, &mut add);
    coverage(view.log, view.tainted, &mut add);
    if !view.problems.is_empty() {
        let files: BTreeSet<&str> = view
            .problems
            .iter()
            .map(|problem| problem.file.as_str())
            .collect();
        add(
            format!(
                "{} problems in {} files: not all records could be read",
                view.problems.len(),
                files.len()
            ),
            "any call recorded in what could not be read",
        );
    }
    if !view.unnamed.is_empty() {
        let ids: Vec<String> = view
            .unnamed
            .iter()
            .take(5)
            .map(|row| view.log.event_id(*row))
            .collect();
        add(
            format!(
                "{} reads whose target the record does not name, such as {}",
                view.unnamed.len(),
                ids.join(", ")
            ),
            "which secrets these calls handed out: count everything the caller could read as read",
        );
    }
    for seed in missing(view.seeds) {
        add(
            format!("seed {} {} led to no event", seed.kind, seed.value),
            "its use elsewhere: a region, an account or a time that the log does not cover, or a key that was already inactive",
        );
    }
    for judged in view.judgements.iter().filter(|judged| judged.events == 0) {
        add(
            format!(
                "{}, judged by a person, is nobody in this log",
                judged.actor
            ),
            "what the actor did, if it was named otherwise than the log names it",
        );
    }
    if view.tainted.is_empty() {
        add(
            "no event could be given to an attacker".into(),
            "an attack that looks like daily use: name a key, an address or a time to start from",
        );
    } else {
        add(
            "a deactivated or deleted key leaves no record when it is tried".into(),
            "further attempts with retired keys: silence is not proof that nobody tries",
        );
    }
    spots.sort();
    spots.dedup();
    spots
}

fn data_events(log: &Log, add: &mut impl FnMut(String, &str)) {
    let has = |source: &str| {
        let source = log.find(source);
        log.calls_made()
            .any(|(call, _)| call.flags.data && Some(call.source) == source)
    };
    if !has("s3.amazonaws.com") {
        add(
            "no data events of S3 in the log".into(),
            "which objects were read, written or deleted",
        );
    }
    if !has("lambda.amazonaws.com") {
        add(
            "no data events of Lambda in the log".into(),
            "which functions were invoked",
        );
    }
    if log
        .calls_made()
        .any(|(call, _)| log.text(call.source).starts_with("bedrock"))
        && !has("bedrock.amazonaws.com")
    {
        add(
            "no data events of Bedrock in the log".into(),
            "calls of agents, knowledge bases and flows",
        );
    }
}

fn reads(log: &Log, add: &mut impl FnMut(String, &str)) {
    let reads = log.calls_made().any(|(call, _)| {
        call.flags.read_only || crate::text::base_name(log.text(call.name)).starts_with("Get")
    });
    if !reads && log.len() >= 20 {
        add(
            "no read in the whole log: the trail seems to record writes only".into(),
            "every survey and every read of a secret",
        );
    }
    let kms = log.find("kms.amazonaws.com");
    let secrets = log.find("secretsmanager.amazonaws.com");
    let uses = |service: Option<crate::log::Sym>| {
        service.is_some()
            && log
                .calls_made()
                .any(|(call, _)| Some(call.source) == service)
    };
    if uses(secrets) && !uses(kms) {
        add(
            "no events of KMS although secrets were used".into(),
            "the second witness for reads of secrets; direct decryption of stored data",
        );
    }
}

fn recording(log: &Log, add: &mut impl FnMut(String, &str)) {
    for at in log.numbers().filter(|row| log.is_telling(*row)) {
        let row = log.row(at);
        let changed = row.facts().iter().find(|fact| fact.what == What::Recording);
        if let Some(fact) = changed.filter(|_| !row.error.some()) {
            let time = row
                .time
                .and_then(show_time)
                .unwrap_or_else(|| "an unknown time".into());
            add(
                format!(
                    "{} of {} at {time} (event {})",
                    log.text(row.name),
                    log.text(fact.name),
                    log.event_id(at)
                ),
                "from then on, any call in the regions and kinds of event that this trail recorded",
            );
        }
    }
}

/// Findings of AWS that name somebody who is not in the log as they tell it.
fn reported(findings: &[AwsFinding], add: &mut impl FnMut(String, &str)) {
    let lost = findings.iter().filter(|finding| {
        finding.source == "guardduty" && finding.events == 0 && !finding.archived && !finding.sample
    });
    let lost: BTreeSet<String> = lost
        .flat_map(|finding| {
            let actors = finding.actors.iter().filter_map(|actor| actor.best_name());
            actors.map(|name| format!("GuardDuty reports {} of {name}", finding.kind))
        })
        .collect();
    let more = lost.len().saturating_sub(REPORTED);
    for what in lost.into_iter().take(REPORTED) {
        add(
            format!("{what}, which led to no event"),
            "the calls that were reported: a region, an account or a time that the log does not cover",
        );
    }
    if more > 0 {
        add(
            format!("{more} more findings of GuardDuty led to no event"),
            "the calls that were reported",
        );
    }
}

fn coverage(log: &Log, tainted: &[u32], add: &mut impl FnMut(String, &str)) {
    let times = log.times();
    let (Some(first), Some(last)) = (times.first().copied(), times.last().copied()) else {
        return;
    };
    let show = |time: i64| show_time(time).unwrap_or_default();
    gaps(times, &mut |from, to| {
        add(
            format!("no event at all between {} and {}", show(from), show(to)),
            "any call in that time, if the log is incomplete there",
        );
    });
    if times.len() < log.len() {
        add(
            format!("{} events without a readable time", log.len() - times.len()),
            "their place in the story",
        );
    }
    let Some(start) = tainted.iter().find_map(|row| log.row(*row).time) else {
        return;
    };
    let end = tainted
        .iter()
        .rev()
        .find_map(|row| log.row(*row).time)
        .unwrap_or(start);
    if start - first < 3_600_000 {
        add(
            format!(
                "the log begins at {}, less than an hour before the attack",
                show(first)
            ),
            "an earlier beginning, and the rightful owner's habits to compare with",
        );
    }
    if last - end <= DELIVERY {
        add(
            format!(
                "the log ends at {}, within a quarter of an hour of the attacker's last call",
                show(last)
            ),
            "calls that were not delivered yet, and everything since",
        );
    }
    regions(log, tainted, add);
}

/// Silences far longer than usual: over six hours, and twenty times the ninth decile of gaps.
fn gaps(times: &[i64], found: &mut impl FnMut(i64, i64)) {
    let mut steps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let decile = steps.len() * 9 / 10;
    let usual = if decile < steps.len() {
        *steps.select_nth_unstable(decile).1
    } else {
        0
    };
    let limit = (usual * 20).max(6 * 3_600_000);
    let mut all: Vec<(i64, i64)> = times
        .windows(2)
        .map(|pair| (pair[0], pair[1]))
        .filter(|(from, to)| to - from > limit)
        .collect();
    all.sort_by_key(|(from, to)| std::cmp::Reverse(to - from));
    for (from, to) in all.into_iter().take(5) {
        found(from, to);
    }
}

fn regions(log: &Log, tainted: &[u32], add: &mut impl FnMut(String, &str)) {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (call, count) in log.calls_made() {
        *counts.entry(log.text(call.region)).or_default() += u64::from(count);
    }
    counts.remove("");
    let seen: Vec<&str> = counts.keys().copied().collect();
    add(
        format!("events of {} regions only: {}", seen.len(), seen.join(", ")),
        "calls in regions whose logs were not taken in",
    );
    if !counts.contains_key("us-east-1")
        && tainted
            .iter()
            .any(|row| !log.text(log.row(*row).region).is_empty())
    {
        add(
            "no events of us-east-1, where the global services log".into(),
            "IAM changes: keys, users and roles that the attacker created",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_silences_are_gaps() {
        let hour = 3_600_000;
        let mut times: Vec<i64> = (0..50).map(|n| n * 60_000).collect();
        times.extend((0..50).map(|n| 20 * hour + n * 60_000));
        let mut found = Vec::new();
        gaps(&times, &mut |from, to| found.push((from, to)));
        assert_eq!(found, [(49 * 60_000, 20 * hour)]);
    }
}
