//! What they got at and did: things read, readable and planted, and what the detections say.

use std::collections::{BTreeMap, BTreeSet};

use super::{Lines, or_unknown};
use crate::answer::{Persistence, Triage, Verdict};
use crate::found::detections::DetectionGroup;
use crate::found::exposure::SecretRead;
use crate::found::known::{ByPolicy, SecretReadable};

/// Titles of rules shown for a tactic.
const TITLES: usize = 4;

pub(super) fn read(triage: &Triage, lines: &mut Lines) {
    if triage.tainted_events.is_empty() {
        return;
    }
    let things = distinct(&triage.secrets_read);
    lines.title(&format!(
        "Read: {} things. Count every one as in the attacker's hands",
        things.len()
    ));
    lines.list(&things);
    if !triage.attempted_reads.is_empty() {
        lines.line(&format!(
            "Tried without success: {}",
            distinct(&triage.attempted_reads).len()
        ));
    }
    if !triage.issued_credentials.is_empty() {
        lines.line(&format!(
            "Session credentials handed out to the attacker: {}",
            triage.issued_credentials.len()
        ));
    }
}

/// One line for each thing, whoever read it.
fn distinct(reads: &[SecretRead]) -> Vec<String> {
    let mut things: BTreeMap<(&str, &str, Option<&str>), BTreeSet<&str>> = BTreeMap::new();
    for read in reads {
        let notes = things
            .entry((&read.kind, &read.id, read.region.as_deref()))
            .or_default();
        notes.extend(read.notes.iter().map(String::as_str));
    }
    let show = |((kind, id, region), notes): ((&str, &str, Option<&str>), BTreeSet<&str>)| {
        let notes: Vec<&str> = notes.into_iter().collect();
        let notes = if notes.is_empty() {
            String::new()
        } else {
            format!(" ({})", notes.join("; "))
        };
        format!(
            "{kind} {id} in {}{notes}",
            region.unwrap_or("an unknown region")
        )
    };
    things.into_iter().map(show).collect()
}

/// What policy would have let the attacker read, beside what he was seen to read.
pub(super) fn readable(triage: &Triage, lines: &mut Lines) {
    let Some(found) = &triage.secrets_readable else {
        return;
    };
    let mut things: BTreeMap<(&str, &str, Option<&str>), &SecretReadable> = BTreeMap::new();
    for one in found {
        let best = things
            .entry((&one.kind, &one.id, one.region.as_deref()))
            .or_insert(one);
        if one.verdict < best.verdict {
            *best = one;
        }
    }
    let sure = |one: &&&SecretReadable| one.verdict == ByPolicy::Allowed;
    lines.title(&format!(
        "Readable by policy, not seen read: {} things, {} of them for sure",
        things.len(),
        things.values().filter(sure).count()
    ));
    let mut things: Vec<&SecretReadable> = things.into_values().collect();
    things.sort_by_key(|one| one.verdict);
    let show = |one: &SecretReadable| {
        let (word, why) = match one.verdict {
            ByPolicy::Allowed => ("allowed", one.statements.first()),
            ByPolicy::Undecidable => ("perhaps", one.because.first()),
        };
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        format!(
            "{word:<7} {} {} by {}{why}",
            one.kind, one.id, one.principal
        )
    };
    lines.list(&things.into_iter().map(show).collect::<Vec<_>>());
}

pub(super) fn planted(triage: &Triage, lines: &mut Lines) {
    if triage.persistence.is_empty() {
        return;
    }
    lines.title(&format!("Planted or changed: {}", triage.persistence.len()));
    let show = |thing: &Persistence| {
        let detail = if thing.detail.is_empty() {
            String::new()
        } else {
            format!(" ({})", thing.detail)
        };
        format!(
            "{} {} {}{detail}, event {}",
            or_unknown(thing.time.as_ref()),
            thing.kind.replace('_', " "),
            thing.id,
            thing.event_id
        )
    };
    lines.list(&triage.persistence.iter().map(show).collect::<Vec<_>>());
}

/// What the detections found in the attacker's calls, a line for each tactic; the rest in numbers.
pub(super) fn detected(triage: &Triage, lines: &mut Lines) {
    let counts = &triage.detection_counts;
    if counts.rules == 0 {
        return;
    }
    let mut tactics: BTreeMap<&str, Vec<&DetectionGroup>> = BTreeMap::new();
    for group in &triage.detections {
        if group.verdict == Verdict::Attacker {
            tactics.entry(&group.tactic).or_default().push(group);
        }
    }
    lines.title(&format!(
        "Detections on the attacker's calls: {} hits of {} rules",
        counts.attacker, counts.rules
    ));
    let mut shown: Vec<(Option<&String>, String)> = tactics
        .iter()
        .map(|(tactic, groups)| tactic_line(tactic, groups))
        .collect();
    shown.sort();
    lines.list(&shown.into_iter().map(|(_, line)| line).collect::<Vec<_>>());
    if counts.uncertain > 0 {
        lines.line(&format!(
            "{} more hits are on calls that may be the attacker's",
            counts.uncertain
        ));
    }
    if counts.others > 0 {
        lines.line(&format!(
            "Left out: {} hits on everybody else's calls, {} of them usual or before the incident",
            counts.others,
            counts.usual + counts.before
        ));
    }
}

/// When a tactic was first seen, and what is shown of it. The groups are the gravest first.
fn tactic_line<'t>(tactic: &str, groups: &[&'t DetectionGroup]) -> (Option<&'t String>, String) {
    let first = groups.iter().filter_map(|group| group.first.as_ref()).min();
    let titles: BTreeSet<&str> = groups
        .iter()
        .flat_map(|group| {
            let rules = group.rules.iter().map(|rule| rule.title.as_str());
            rules.chain(group.alerts.iter().map(|alert| alert.title.as_str()))
        })
        .collect();
    let more = titles.len().saturating_sub(TITLES);
    let mut listed: Vec<String> = titles.into_iter().take(TITLES).map(String::from).collect();
    if more > 0 {
        listed.push(format!("{more} more"));
    }
    let line = format!(
        "{} {:<13} {}, {} hits: {}",
        or_unknown(first),
        groups.first().map_or("", |group| group.level.as_str()),
        if tactic.is_empty() {
            "no tactic"
        } else {
            tactic
        },
        groups.iter().map(|group| group.count).sum::<u64>(),
        listed.join("; ")
    );
    (first, line)
}
