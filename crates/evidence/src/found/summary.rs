//! The answer in words, for a terminal and a tired reader.

use std::collections::{BTreeMap, BTreeSet};

use crate::answer::{Actor, Triage, Verdict};
use crate::found::detections::DetectionGroup;
use crate::found::exposure::SecretRead;
use crate::found::known::{ByPolicy, SecretReadable};
use crate::input::aws_findings::AwsFinding;
use crate::taint::judgements::Judgement;
use crate::taint::score::SUSPICIOUS;
use crate::text::sanitize;

/// Titles of rules shown for a tactic.
const TITLES: usize = 4;

/// Entries shown of a list before the rest is only counted.
const SHOWN: usize = 15;

/// The answer as plain text without terminal codes; one finding a line, what to do at the end.
pub fn summary(triage: &Triage) -> String {
    let mut lines = Lines::default();
    head(triage, &mut lines);
    who(triage, &mut lines);
    suspects(triage, &mut lines);
    reported(triage, &mut lines);
    read(triage, &mut lines);
    readable(triage, &mut lines);
    planted(triage, &mut lines);
    detected(triage, &mut lines);
    blind(triage, &mut lines);
    next(triage, &mut lines);
    lines.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn title(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(&sanitize(text));
        self.0.push('\n');
    }

    fn line(&mut self, text: &str) {
        self.0.push_str("  ");
        self.0.push_str(&sanitize(text));
        self.0.push('\n');
    }

    fn list(&mut self, entries: &[String]) {
        entries
            .iter()
            .take(SHOWN)
            .for_each(|entry| self.line(entry));
        if entries.len() > SHOWN {
            self.line(&format!(
                "... and {} more (see --json)",
                entries.len() - SHOWN
            ));
        }
    }
}

fn or_unknown(text: Option<&String>) -> &str {
    text.map_or("unknown", String::as_str)
}

fn head(triage: &Triage, lines: &mut Lines) {
    if triage.tainted_events.is_empty() {
        lines.title("NO ATTACKER FOUND. This is not proof that there was none.");
    } else {
        lines.title(&format!(
            "ATTACKER ACTIVE from {} to {}",
            or_unknown(triage.first.as_ref()),
            or_unknown(triage.last.as_ref())
        ));
        lines.line(&format!(
            "{} calls from {}",
            triage.tainted_events.len(),
            listed(&triage.addresses)
        ));
    }
    if !triage.uncertain_events.is_empty() {
        lines.line(&format!(
            "{} more calls are uncertain: they may be the attacker's or the owner's",
            triage.uncertain_events.len()
        ));
    }
    lines.line(&format!(
        "Read {} events in {} files, {} of them duplicates",
        triage.events_read,
        triage.files.len(),
        triage.duplicates
    ));
}

fn listed(texts: &[String]) -> String {
    match texts {
        [] => "no known address".into(),
        few if few.len() <= 4 => few.join(", "),
        many => format!(
            "{} and {} more addresses",
            many[..4].join(", "),
            many.len() - 4
        ),
    }
}

fn who(triage: &Triage, lines: &mut Lines) {
    for seed in &triage.seeds {
        lines.title(&format!(
            "{}: {} {}",
            if seed.proposed {
                "Began with (proposed by score, please confirm)"
            } else {
                "Began with (given)"
            },
            seed.kind.replace('_', " "),
            seed.value
        ));
        if seed.score > 0 {
            lines.line(&format!("score {}", seed.score));
        }
        lines.list(
            &seed
                .reasons
                .iter()
                .map(|reason| format!("- {reason}"))
                .collect::<Vec<_>>(),
        );
    }
    judged(triage, lines);
    let hands: Vec<&Actor> = triage
        .actors
        .iter()
        .filter(|actor| actor.verdict != Verdict::Legitimate)
        .collect();
    if !hands.is_empty() {
        lines.title("Who");
        lines.list(
            &hands
                .iter()
                .map(|actor| actor_line(actor))
                .collect::<Vec<_>>(),
        );
    }
}

/// What a person decided.
fn judged(triage: &Triage, lines: &mut Lines) {
    for judged in &triage.judgements {
        let word = match judged.judgement {
            Judgement::Convicted => "Convicted by a person",
            Judgement::Acquitted => "Acquitted by a person",
        };
        let nobody = if judged.events == 0 {
            ": NOBODY IN THIS LOG has that name"
        } else {
            ""
        };
        lines.title(&format!("{word}: {}{nobody}", judged.actor));
    }
}

fn is_acquitted(triage: &Triage, actor: &Actor) -> bool {
    triage.judgements.iter().any(|judged| {
        judged.judgement == Judgement::Acquitted
            && (judged.actor == actor.id || actor.arn.as_ref() == Some(&judged.actor))
    })
}

/// Actors that look suspicious and were not taken for the attacker.
fn suspects(triage: &Triage, lines: &mut Lines) {
    let mut suspects: Vec<&Actor> = triage
        .actors
        .iter()
        .filter(|actor| actor.score >= SUSPICIOUS && actor.verdict == Verdict::Legitimate)
        .filter(|actor| !is_acquitted(triage, actor))
        .collect();
    suspects.sort_by_key(|actor| std::cmp::Reverse(actor.score));
    if suspects.is_empty() {
        return;
    }
    lines.title("Worth a look, nothing ties them to the attacker");
    let show = |actor: &Actor| {
        format!(
            "{} score {}: {}",
            actor.id,
            actor.score,
            actor.reasons.join("; ")
        )
    };
    lines.list(&suspects.into_iter().map(show).collect::<Vec<_>>());
}

/// What AWS's own detectors said.
fn reported(triage: &Triage, lines: &mut Lines) {
    if triage.aws_findings.is_empty() {
        return;
    }
    lines.title(&format!(
        "Reported by GuardDuty and CloudTrail Insights: {}",
        triage.aws_findings.len()
    ));
    lines.list(
        &triage
            .aws_findings
            .iter()
            .map(finding_line)
            .collect::<Vec<_>>(),
    );
}

fn finding_line(finding: &AwsFinding) -> String {
    let joined = |texts: Vec<&str>| match texts.as_slice() {
        [] => None,
        few if few.len() <= 3 => Some(few.join(", ")),
        many => Some(format!(
            "{} and {} more",
            many[..3].join(", "),
            many.len() - 3
        )),
    };
    let actors = finding.actors.iter().filter_map(|actor| actor.best_name());
    let actors = joined(actors.collect()).map(|actors| format!(" of {actors}"));
    let from = joined(finding.addresses.iter().map(String::as_str).collect());
    let calls = joined(finding.calls.iter().map(String::as_str).collect());
    let marks = [
        (finding.archived, ", archived"),
        (finding.sample, ", a sample"),
    ];
    let marks = marks
        .into_iter()
        .filter(|(is, _)| *is)
        .map(|(_, mark)| mark);
    format!(
        "{} {} {}{}{}{}{}; leads to {} events",
        or_unknown(finding.first.as_ref()),
        finding.severity.as_deref().unwrap_or("-"),
        finding.kind,
        actors.unwrap_or_default(),
        from.map(|from| format!(" from {from}")).unwrap_or_default(),
        calls.map(|calls| format!(": {calls}")).unwrap_or_default(),
        marks.collect::<String>(),
        finding.events
    )
}

fn actor_line(actor: &Actor) -> String {
    let verdict = match actor.verdict {
        Verdict::Attacker => "attacker",
        Verdict::Mixed => "mixed",
        Verdict::Uncertain => "uncertain",
        Verdict::Legitimate => "legitimate",
    };
    let arn = actor
        .arn
        .as_ref()
        .filter(|arn| **arn != actor.id)
        .map(|arn| format!(" ({arn})"))
        .unwrap_or_default();
    let why = actor
        .path
        .last()
        .map(|step| format!("; {}", step.reason))
        .unwrap_or_default();
    format!(
        "{verdict:<9} {}{arn}, {} calls of the attacker's, {} uncertain, first {}{why}",
        actor.id,
        actor.tainted,
        actor.uncertain,
        or_unknown(actor.first.as_ref())
    )
}

fn read(triage: &Triage, lines: &mut Lines) {
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
fn readable(triage: &Triage, lines: &mut Lines) {
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

fn planted(triage: &Triage, lines: &mut Lines) {
    if triage.persistence.is_empty() {
        return;
    }
    lines.title(&format!("Planted or changed: {}", triage.persistence.len()));
    let show = |thing: &crate::answer::Persistence| {
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
fn detected(triage: &Triage, lines: &mut Lines) {
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

fn blind(triage: &Triage, lines: &mut Lines) {
    if !triage.blind_spots.is_empty() {
        lines.title("What this evidence cannot show");
        lines.list(
            &triage
                .blind_spots
                .iter()
                .map(|spot| format!("{}: hides {}", spot.what, spot.hides))
                .collect::<Vec<_>>(),
        );
    }
    if !triage.problems.is_empty() {
        lines.title(&format!("Could not be read: {}", triage.problems.len()));
        let place =
            |line: Option<u64>| line.map(|line| format!(" line {line}")).unwrap_or_default();
        lines.list(
            &triage
                .problems
                .iter()
                .map(|problem| format!("{}{} {}", problem.file, place(problem.line), problem.what))
                .collect::<Vec<_>>(),
        );
    }
}

fn next(triage: &Triage, lines: &mut Lines) {
    lines.title("Next");
    if triage.tainted_events.is_empty() {
        lines.line(
            "1. Name a start: an access key, an ARN, an address or a time, and run triage again",
        );
        lines.line("2. Take in more: other regions, accounts, and the time before");
        return;
    }
    let mut steps =
        vec!["Contain every actor above, sessions included: a session outlives its key".to_owned()];
    if !triage.created_keys.is_empty() {
        steps.push(format!(
            "Disable the keys the attacker created: {}",
            triage
                .created_keys
                .iter()
                .cloned()
                .collect::<Vec<_>>()
                .join(", ")
        ));
    }
    if !triage.persistence.is_empty() {
        steps.push("Undo what was planted, newest first".to_owned());
    }
    if !triage.secrets_read.is_empty() {
        steps.push("Rotate everything that was read".to_owned());
    }
    if triage
        .secrets_readable
        .as_ref()
        .is_some_and(|found| !found.is_empty())
    {
        steps.push("Rotate what he could read, after that".to_owned());
    }
    if !triage.uncertain_events.is_empty()
        || triage
            .actors
            .iter()
            .any(|actor| actor.verdict == Verdict::Mixed)
    {
        steps.push(
            "Ask the owners of mixed and uncertain actors which calls were theirs".to_owned(),
        );
    }
    steps.push("Close the blind spots, then run triage again".to_owned());
    for (number, step) in steps.iter().enumerate() {
        lines.line(&format!("{}. {step}", number + 1));
    }
}
