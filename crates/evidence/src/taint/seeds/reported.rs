//! What AWS's detectors reported, as a reason to look at a credential: it adds to the score by
//! which starts are proposed, and shows which address is not the owner's.

use std::collections::{BTreeMap, BTreeSet};

use crate::input::aws_findings::{AwsFinding, FindingActor};
use crate::input::record::parse_time;
use crate::log::tables::Map;
use crate::log::{Log, Part, Sym};
use crate::taint::actors::{Credential, Index};
use crate::taint::score::Scorer;
use crate::taint::split::{Hints, Split, split};

/// One hour in milliseconds: GuardDuty dates what it aggregates no better.
const HOUR: i64 = 3_600_000;

/// Most points that findings add to one credential.
const MOST: u32 = 12;

/// What findings tell of one credential.
#[derive(Default)]
struct Told<'f> {
    findings: Vec<&'f AwsFinding>,
    addresses: BTreeSet<Sym>,
    /// The attack was first seen at these addresses; `None` when that is not told.
    since: Option<i64>,
}

/// Counts the events that each finding leads to, and lets findings raise the scores of the
/// credentials they name. One that shows another hand by its address also gives the calls from
/// there to the thief, as far as they are not older than what was reported.
pub(crate) fn reported(
    findings: &mut [AwsFinding],
    log: &Log,
    index: &Index,
    scorer: &Scorer,
    splits: &mut BTreeMap<Credential, Split>,
) {
    if findings.is_empty() {
        return;
    }
    let callers = Callers::new(log, findings);
    let led: Vec<Vec<u32>> = findings
        .iter()
        .map(|finding| callers.led(log, finding))
        .collect();
    for (finding, rows) in findings.iter_mut().zip(&led) {
        finding.events = rows.len() as u64;
    }
    let mut told: BTreeMap<Credential, Told<'_>> = BTreeMap::new();
    for (finding, rows) in findings.iter().zip(&led) {
        if finding.archived || finding.sample {
            continue;
        }
        let credentials: BTreeSet<Credential> = rows
            .iter()
            .map(|row| Credential::of(log, &log.row(*row)))
            .collect();
        for credential in credentials {
            told.entry(credential).or_default().add(log, finding);
        }
    }
    for (credential, told) in told {
        if matches!(credential, Credential::Service(_)) {
            continue;
        }
        if let Some(part) = index.by_credential.get(log, credential) {
            let known = splits.remove(&credential).unwrap_or_default();
            let new = told.judged(log, scorer, credential, part, known);
            splits.insert(credential, new);
        }
    }
}

impl<'f> Told<'f> {
    fn add(&mut self, log: &Log, finding: &'f AwsFinding) {
        if self.findings.iter().any(|known| known.kind == finding.kind) && !is_strong(finding) {
            return;
        }
        self.findings.push(finding);
        if is_strong(finding) {
            let addresses = finding.addresses.iter();
            self.addresses
                .extend(addresses.filter_map(|address| log.find(address)));
            let first = finding.first.as_deref().and_then(parse_time);
            self.since = match (self.since, first) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (since, first) => since.or(first),
            };
        }
    }

    /// The split of the credential with what was told of it; `known` is the one without.
    fn judged(
        &self,
        log: &Log,
        scorer: &Scorer,
        credential: Credential,
        part: Part<'_>,
        known: Split,
    ) -> Split {
        let mut new = if self.addresses.is_empty() {
            known
        } else {
            let none = BTreeSet::new();
            let hints = Hints {
                addresses: &self.addresses,
                agents: &none,
                since: None,
                named: false,
            };
            let mut new = split(scorer, credential, part, &hints);
            self.not_older(log, &known, &mut new);
            new
        };
        let mut points: BTreeMap<&str, u32> = BTreeMap::new();
        for finding in &self.findings {
            new.score.reasons.push(reason(finding));
            points.insert(&finding.kind, weight(finding));
            new.score.another_hand |= is_strong(finding) && !self.addresses.is_empty();
        }
        new.score.points += points.values().sum::<u32>().min(MOST);
        new.score.onset = match (new.score.onset, self.since) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (onset, since) => onset.or(since),
        };
        new
    }

    /// Calls older than what was reported are only perhaps the thief's, unless they look like an
    /// attack by themselves.
    fn not_older(&self, log: &Log, known: &Split, new: &mut Split) {
        let Some(since) = self.since else {
            return;
        };
        let early = |row: &u32| {
            log.at(*row) < since - HOUR
                && self.addresses.contains(&log.address(*row))
                && !known.thief.contains(row)
        };
        let (old, thief): (Vec<u32>, Vec<u32>) = new.thief.iter().partition(|row| early(row));
        new.thief = thief;
        new.uncertain.extend(old);
        new.uncertain.sort_unstable();
    }
}

/// The types whose meaning is that somebody else holds the credential, by "GuardDuty IAM finding
/// types" and "attack sequence finding types" in its user guide. All others tell of behaviour.
fn is_strong(finding: &AwsFinding) -> bool {
    let name = finding.kind.split('/').nth(1).unwrap_or_default();
    finding.source == "guardduty"
        && !finding.addresses.is_empty()
        && (finding.kind.starts_with("AttackSequence:IAM/")
            || finding.kind.starts_with("AttackSequence:S3/")
            || finding.kind.starts_with("PenTest:")
            || [
                "InstanceCredentialExfiltration",
                "ResourceCredentialExfiltration",
                "MaliciousIPCaller",
                "TorIPCaller",
                "ConsoleLoginSuccess.B",
            ]
            .iter()
            .any(|strong| name.starts_with(strong)))
}

/// Points: more than enough alone where another hand is told; else what a behaviour gets.
fn weight(finding: &AwsFinding) -> u32 {
    let grave = matches!(finding.severity.as_deref(), Some("critical" | "high"));
    let medium = finding.severity.as_deref() == Some("medium");
    match (is_strong(finding), grave, medium) {
        (true, true, _) => 10,
        (true, _, true) => 8,
        (true, ..) => 6,
        _ if finding.source == "insight" || finding.kind.starts_with("Policy:") => 1,
        (_, true, _) => 4,
        (_, _, true) => 3,
        _ => 2,
    }
}

fn reason(finding: &AwsFinding) -> String {
    let from = if finding.addresses.is_empty() {
        String::new()
    } else {
        let addresses: Vec<&str> = finding.addresses.iter().map(String::as_str).collect();
        format!(" from {}", addresses[..addresses.len().min(3)].join(", "))
    };
    let since = finding.first.as_deref().unwrap_or("an unknown time");
    match finding.source.as_str() {
        "insight" => {
            let calls: Vec<&str> = finding.calls.iter().map(String::as_str).collect();
            format!(
                "CloudTrail Insights counts it among the callers of an unusual rate of {} ({}), from {since}",
                calls.join(", "),
                finding.kind
            )
        }
        _ => format!(
            "GuardDuty reports {} ({}){from}, first seen {since}",
            finding.kind,
            finding.severity.as_deref().unwrap_or("no severity")
        ),
    }
}

/// The callers that findings name, with their events.
struct Callers<'f> {
    /// Numbers of callers by a name of theirs.
    by_name: Map<&'f str, Vec<u32>>,
    /// Events by the number of the caller, for those alone.
    rows: Map<u32, Vec<u32>>,
}

impl<'f> Callers<'f> {
    /// Looks over callers and events once.
    fn new(log: &Log, findings: &'f [AwsFinding]) -> Self {
        let actors = findings.iter().flat_map(|finding| &finding.actors);
        let names = actors.flat_map(names);
        let mut by_name: Map<&str, Vec<u32>> = names.map(|name| (name, Vec::new())).collect();
        let mut rows: Map<u32, Vec<u32>> = Map::default();
        for (number, who) in (0u32..).zip(log.whos()) {
            let arn = log.text(who.arn);
            // Insights name a session by its role alone.
            let role = arn.rsplit_once('/').map_or("", |(role, _)| role);
            let role = if arn.contains(":assumed-role/") {
                role
            } else {
                ""
            };
            let texts = [who.key, who.principal, who.issuer].map(|sym| log.text(sym));
            for name in texts.into_iter().chain([arn, role]) {
                if let Some(numbers) = by_name.get_mut(name).filter(|_| !name.is_empty()) {
                    numbers.push(number);
                    rows.entry(number).or_default();
                }
            }
        }
        for row in log.numbers() {
            if let Some(rows) = rows.get_mut(&log.who(row)) {
                rows.push(row);
            }
        }
        Callers { by_name, rows }
    }

    /// The events that a finding leads to.
    fn led(&self, log: &Log, finding: &AwsFinding) -> Vec<u32> {
        let mut led: Vec<u32> = finding
            .actors
            .iter()
            .filter_map(best)
            .filter_map(|name| self.by_name.get(name))
            .flatten()
            .filter_map(|number| self.rows.get(number))
            .flatten()
            .copied()
            .filter(|row| is_meant(log, finding, *row))
            .collect();
        led.sort_unstable();
        led.dedup();
        led
    }
}

/// Every name that an actor can be found by.
fn names(actor: &FindingActor) -> impl Iterator<Item = &str> {
    let names = [&actor.access_key, &actor.principal, &actor.arn];
    names.into_iter().flatten().map(String::as_str)
}

/// The narrowest name that an actor can be found by.
fn best(actor: &FindingActor) -> Option<&str> {
    names(actor).next()
}

/// Whether an event of an actor can be what a finding is about.
fn is_meant(log: &Log, finding: &AwsFinding, row: u32) -> bool {
    if finding.source != "insight" {
        return finding.addresses.is_empty()
            || finding.addresses.contains(log.text(log.address(row)));
    }
    let call = &log.calls()[log.call(row) as usize];
    let name = format!("{}:{}", log.text(call.source), log.text(call.name));
    let time = |text: &Option<String>| text.as_deref().and_then(parse_time);
    let at = log.at(row);
    finding.calls.contains(&name)
        && time(&finding.first).is_none_or(|first| at >= first)
        && time(&finding.last).is_none_or(|last| at <= last)
}
