//! How well the response went, against the range's truth.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use relatch_case::fact::{Fact, Outcome};
use relatch_case::model::{ExposureLevel, Liveness};
use relatch_case::{KeyId, Record, State};
use relatch_drill::{IssuerKind, LiveKey, Range, Stats, Truth, TruthCredential};
use serde::Serialize;

use super::Clock;
use crate::app::App;
use crate::error::CommandError;
use crate::output::table;
use crate::workspace::OpenCase;

/// The scoreboard. Shares are in percent, times in tenths of a second.
#[derive(Debug, Serialize)]
pub(crate) struct Score {
    credentials: usize,
    old_keys_proven_dead: usize,
    consumers: usize,
    consumer_requests: u64,
    consumer_failures: u64,
    keys_lost: usize,
    keys_orphaned: usize,
    attacker_calls_after_revocation: usize,
    attacker_fed: usize,
    scope_precision: f64,
    scope_recall: f64,
    seconds_to_contain: f64,
    seconds_to_scope: f64,
    seconds_to_all_dead: f64,
    tripwire_hits: usize,
    certificate_verifies: bool,
}

#[derive(Debug, Serialize)]
struct Last<'a> {
    score: &'a Score,
}

/// Scores a response.
pub(crate) async fn score(
    range: &Range,
    case: &OpenCase,
    clock: &Clock,
    certificate_verifies: bool,
) -> Result<Score, CommandError> {
    let (truth, stats) = (range.truth(), range.stats());
    let records = case.ledger.records()?;
    let deaths = deaths(&records);
    let live = range.keys_at_issuers().await;
    let state = case.ledger.with(Clone::clone);
    let (precision, recall) = scope(&state, &truth);
    let dead: Vec<&TruthCredential> = truth
        .credentials
        .iter()
        .filter(|c| death_of(&deaths, &c.issuer_id).is_some())
        .collect();
    let all_dead = dead
        .iter()
        .filter_map(|c| death_of(&deaths, &c.issuer_id))
        .max();
    let (lost, held) = lost(range, &truth, &live).await;
    Ok(Score {
        credentials: truth.credentials.len(),
        old_keys_proven_dead: dead.len(),
        consumers: stats.consumers.len(),
        consumer_requests: stats.consumer_requests,
        consumer_failures: stats.consumer_failures,
        keys_lost: lost,
        keys_orphaned: orphans(&live, &held, range),
        attacker_calls_after_revocation: calls_after(&stats, &truth, &deaths),
        attacker_fed: fed(&stats, &truth),
        scope_precision: precision,
        scope_recall: recall,
        seconds_to_contain: seconds(clock.opened, Some(clock.contained)),
        seconds_to_scope: seconds(clock.opened, Some(clock.scoped)),
        seconds_to_all_dead: seconds(
            clock.opened,
            all_dead.filter(|_| dead.len() == truth.credentials.len()),
        ),
        tripwire_hits: state.tripwires.len(),
        certificate_verifies,
    })
}

/// When each old key was first proven dead.
fn deaths(records: &[Record]) -> Vec<(KeyId, Timestamp)> {
    let mut deaths: Vec<(KeyId, Timestamp)> = Vec::new();
    let mut plan = None;
    for record in records {
        match &record.fact {
            Fact::PlanRecorded { plan: made, .. } => plan = Some(made),
            Fact::StepEnded {
                step,
                outcome: Outcome::Done { result },
                ..
            } => {
                let Some(probe) = &result.probe else { continue };
                let rotation = plan.and_then(|p| p.rotation(&p.step(step)?.credential));
                let Some(rotation) = rotation else { continue };
                let known = deaths.iter().any(|(key, _)| key == &rotation.old_key);
                if probe.liveness == Liveness::Dead && probe.control && !known {
                    deaths.push((rotation.old_key.clone(), record.at));
                }
            }
            _ => {}
        }
    }
    deaths
}

fn death_of(deaths: &[(KeyId, Timestamp)], key: &str) -> Option<Timestamp> {
    deaths
        .iter()
        .find(|(known, _)| known.as_str() == key)
        .map(|(_, at)| *at)
}

/// Precision and recall of "the thief read it", by credential.
fn scope(state: &State, truth: &Truth) -> (f64, f64) {
    let found: BTreeSet<String> = state
        .credentials
        .values()
        .filter(|c| {
            state.places_of(&c.id).any(|place| {
                state
                    .exposure_at(&place.container)
                    .is_some_and(|e| e.level == ExposureLevel::Read)
            })
        })
        .filter_map(|c| Some(format!("{}/{}", c.issuer, c.key_id.as_ref()?)))
        .collect();
    let real: BTreeSet<String> = truth
        .credentials
        .iter()
        .filter(|c| c.read_by_attacker)
        .map(|c| format!("{}/{}", issuer(c.issuer), c.issuer_id))
        .collect();
    let both = found.intersection(&real).count();
    (share(both, found.len()), share(both, real.len()))
}

fn issuer(kind: IssuerKind) -> &'static str {
    match kind {
        IssuerKind::OpenAi => "openai",
        IssuerKind::Anthropic => "anthropic",
        IssuerKind::Custom => "vllm",
        IssuerKind::AwsIam => "aws-iam",
    }
}

/// Places whose key does not live, and the values that places hold.
async fn lost(range: &Range, truth: &Truth, live: &[LiveKey]) -> (usize, BTreeSet<String>) {
    let (mut lost, mut held) = (0, BTreeSet::new());
    for credential in &truth.credentials {
        for place in &credential.places {
            match range.value_at(*place, credential.issuer).await {
                Some(value) => {
                    let lives = live.iter().any(|key| key.active && is_at(key, &value));
                    lost += usize::from(!lives && !credential.out_of_quota);
                    held.insert(value);
                }
                None => lost += 1,
            }
        }
    }
    (lost, held)
}

/// Whether a place that holds `value` (of access keys the id) holds this key.
fn is_at(key: &LiveKey, value: &str) -> bool {
    key.value == value || key.id == value
}

/// Live keys that stand in no place and belong to nobody of the range's own staff.
fn orphans(live: &[LiveKey], held: &BTreeSet<String>, range: &Range) -> usize {
    let staff = [
        &range.responder_credentials().id,
        &range.management_credentials().id,
    ];
    live.iter()
        .filter(|key| key.active && !staff.contains(&&key.id))
        .filter(|key| !held.iter().any(|value| is_at(key, value)))
        .count()
}

fn calls_after(stats: &Stats, truth: &Truth, deaths: &[(KeyId, Timestamp)]) -> usize {
    let seeded = truth.credentials.iter().filter_map(|c| {
        let identity = if c.issuer == IssuerKind::AwsIam {
            &c.issuer_id
        } else {
            &c.value
        };
        Some((identity, death_of(deaths, &c.issuer_id)?))
    });
    let planted = truth
        .planted_key
        .iter()
        .filter_map(|key| Some((key, death_of(deaths, key)?)));
    seeded
        .chain(planted)
        .map(|(identity, at)| stats.attacker_successes_after(identity, at))
        .sum()
}

#[expect(clippy::cast_precision_loss, reason = "counts of a drill are small")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        1.0
    } else {
        part as f64 / whole as f64
    }
}

/// New values that the attacker got to use: whatever he used that was neither seeded nor
/// planted nor handed to him by the cloud in his first phase.
fn fed(stats: &Stats, truth: &Truth) -> usize {
    let known = |identity: &String| {
        truth
            .credentials
            .iter()
            .any(|c| &c.value == identity || &c.issuer_id == identity)
            || truth.planted_key.as_ref() == Some(identity)
            || truth.session_key.as_ref() == Some(identity)
    };
    stats
        .attacker
        .iter()
        .filter(|(identity, misuse)| {
            misuse.late && !known(identity) && !misuse.successes.is_empty()
        })
        .count()
}

/// Seconds between two moments, to a tenth; -1 when the second never came.
fn seconds(from: Timestamp, to: Option<Timestamp>) -> f64 {
    to.map_or(-1.0, |to| {
        (to.duration_since(from).as_secs_f64() * 10.0).round() / 10.0
    })
}

impl Score {
    /// Whether nothing went wrong.
    pub(crate) fn is_clean(&self) -> bool {
        self.old_keys_proven_dead == self.credentials
            && self.consumer_failures == 0
            && self.keys_lost == 0
            && self.keys_orphaned == 0
            && self.attacker_calls_after_revocation == 0
            && self.attacker_fed == 0
            && self.certificate_verifies
    }

    /// Shows the scoreboard; as JSON, one object on the last line.
    pub(crate) fn show(&self, app: &App, out: &Path) {
        if app.printer.is_json() {
            app.printer.json_line(&Last { score: self });
            return;
        }
        let rows = [
            (
                "old keys proven dead",
                format!("{} of {}", self.old_keys_proven_dead, self.credentials),
            ),
            (
                "consumer requests failed",
                format!(
                    "{} of {} ({} consumers)",
                    self.consumer_failures, self.consumer_requests, self.consumers
                ),
            ),
            ("keys lost", self.keys_lost.to_string()),
            ("keys orphaned", self.keys_orphaned.to_string()),
            (
                "attacker calls after revocation",
                self.attacker_calls_after_revocation.to_string(),
            ),
            (
                "new values that reached the attacker",
                self.attacker_fed.to_string(),
            ),
            (
                "scope, precision and recall",
                format!("{:.2}, {:.2}", self.scope_precision, self.scope_recall),
            ),
            ("seconds to scope", format!("{:.1}", self.seconds_to_scope)),
            (
                "seconds to contain",
                format!("{:.1}", self.seconds_to_contain),
            ),
            (
                "seconds to all dead",
                format!("{:.1}", self.seconds_to_all_dead),
            ),
            ("tripwire hits", self.tripwire_hits.to_string()),
            (
                "certificate verifies",
                if self.certificate_verifies {
                    "yes"
                } else {
                    "NO"
                }
                .to_string(),
            ),
        ];
        let rows = rows.map(|(what, value)| [what.to_string(), value]);
        app.printer
            .data(&format!("\n{}", table(["SCORE", ""], rows)));
        app.printer
            .note(&format!("report and certificate are in {}", out.display()));
    }
}
