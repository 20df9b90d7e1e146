//! Everything that is told about a case.

use std::collections::BTreeMap;

use jiff::Timestamp;
use relatch_case::journal::Head;
use relatch_case::state::{CaseInfo, Measure};
use relatch_case::{CaseId, CredentialId, KeyId, Record, State};
use serde::{Deserialize, Serialize};

use crate::credential::{CredentialReport, Status};
use crate::describe::{describe, value_words};
use crate::exceptions::{self, Exception};
use crate::figures::Figures;
use crate::history::History;
use crate::{scope, words};

/// A case as told to people, derived from its facts and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// As of when.
    pub as_of: Timestamp,
    /// The case; `None` when the facts open none.
    pub case: Option<CaseReport>,
    /// The last fact it is derived from.
    pub head: Head,
    /// What still stands open, in words; empty when every old key is dead or excepted.
    pub open: Vec<String>,
    /// The figures.
    pub figures: Figures,
    /// The thief's identities.
    pub actors: Vec<ActorReport>,
    /// Every credential in scope.
    pub credentials: Vec<CredentialReport>,
    /// Credentials known and not in scope.
    pub out_of_scope: Vec<OutOfScope>,
    /// Measures of containment.
    pub measures: Vec<MeasureReport>,
    /// What could not be looked at.
    pub blind_spots: Vec<BlindSpotReport>,
    /// Everything that did not go by the rule.
    pub exceptions: Vec<Exception>,
    /// Uses of retired keys.
    pub tripwires: Vec<TripwireReport>,
    /// Where and up to when retired keys were looked for.
    pub watched: BTreeMap<String, Timestamp>,
    /// What that shows and what it does not.
    pub watched_words: String,
    /// Every fact, one line each.
    pub timeline: Vec<Entry>,
}

/// The case itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseReport {
    /// Its id.
    pub id: CaseId,
    /// What happened.
    pub title: String,
    /// The cloud account.
    pub account: Option<String>,
    /// Regions in scope.
    pub regions: Vec<String>,
    /// The case key's public half, Ed25519, hex.
    pub public_key: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// With what remark.
    pub remark: Option<String>,
}

/// One identity of the thief's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActorReport {
    /// Access key ids.
    pub keys: Vec<String>,
    /// Names.
    pub arns: Vec<String>,
    /// Addresses.
    pub addresses: Vec<String>,
    /// First event.
    pub first: Option<Timestamp>,
    /// Last event.
    pub last: Option<Timestamp>,
    /// What convicts it.
    pub why: Vec<String>,
}

/// A credential that is known and not in scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutOfScope {
    /// Its id.
    pub id: CredentialId,
    /// Its name.
    pub name: String,
    /// Why it is not.
    pub why: String,
}

/// One measure of containment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureReport {
    /// Its id.
    pub id: String,
    /// What it is.
    pub what: String,
    /// When it was intended.
    pub intended_at: Timestamp,
    /// When it was taken.
    pub applied_at: Option<Timestamp>,
    /// Whether it was last seen to bind; `None` is not known.
    pub binds: Option<bool>,
    /// When that was looked at.
    pub looked_at: Option<Timestamp>,
    /// How.
    pub how: Option<String>,
    /// How it failed.
    pub fault: Option<String>,
    /// When it was taken back.
    pub restored_at: Option<Timestamp>,
}

/// Something that could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlindSpotReport {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
    /// What it could hide.
    pub hides: String,
}

/// A use of a retired key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TripwireReport {
    /// Which key.
    pub key: KeyId,
    /// The event.
    pub event_id: String,
    /// When.
    pub at: Timestamp,
    /// What was seen.
    pub seen: String,
}

/// One fact in plain words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its number.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who recorded it.
    pub by: String,
    /// What.
    pub text: String,
}

impl Report {
    /// Derives the report of a case from its facts, all of them and in order, and the state
    /// they add up to, as of `now` (which decides whether a waiver has run out).
    pub fn from(records: &[Record], state: &State, now: Timestamp) -> Self {
        let history = History::of(records);
        let (subjects, outside) = scope::of(&history, state);
        let credentials: Vec<CredentialReport> = subjects
            .iter()
            .map(|subject| CredentialReport::of(subject, &history, state, now))
            .collect();
        let exceptions = exceptions::all(&credentials, &history, state, now);
        let out_of_scope = outside.iter().map(|credential| OutOfScope {
            id: credential.id.clone(),
            name: words::name(&credential.name),
            why: out_of_scope_words(history.is_ours(credential)).to_string(),
        });
        Self {
            as_of: now,
            case: state.case.as_ref().map(|case| case_report(case, state)),
            head: state.head.clone(),
            open: open(&credentials),
            figures: Figures::of(&credentials, exceptions.len(), &history, state),
            actors: actors(state),
            out_of_scope: out_of_scope.collect(),
            credentials,
            measures: measures(state),
            blind_spots: blind_spots(state),
            exceptions,
            tripwires: tripwires(state),
            watched: watched(state),
            watched_words: watched_words(state),
            timeline: records.iter().map(entry).collect(),
        }
    }

    /// What keeps the case from being closed (law 7), one line for each old key that is neither
    /// proven dead nor excepted. A case that answers for no key can be closed, though nothing
    /// can be certified of it.
    pub fn open_items(&self) -> Vec<String> {
        open_credentials(&self.credentials)
    }

    /// Whether every old key in scope is proven dead or excepted, and there is one.
    pub fn is_complete(&self) -> bool {
        self.open.is_empty()
    }
}

/// What stands open. A case that answers for no key at all proves nothing.
pub(crate) fn open(credentials: &[CredentialReport]) -> Vec<String> {
    if credentials.is_empty() {
        return vec!["no old key is in scope: nothing was proven".to_string()];
    }
    open_credentials(credentials)
}

fn open_credentials(credentials: &[CredentialReport]) -> Vec<String> {
    let open = credentials.iter().filter(|c| c.status == Status::Open);
    open.map(|credential| {
        let missing: Vec<String> = credential.missing.iter().map(ToString::to_string).collect();
        format!(
            "{} ({}): {}",
            credential.name,
            credential.id,
            missing.join("; ")
        )
    })
    .collect()
}

fn out_of_scope_words(ours: bool) -> &'static str {
    if ours {
        "made by this case"
    } else {
        "nothing shows that it was exposed"
    }
}

fn case_report(case: &CaseInfo, state: &State) -> CaseReport {
    CaseReport {
        id: case.id.clone(),
        title: words::text(&case.title),
        account: case.account.clone(),
        regions: case.regions.clone(),
        public_key: case.public_key.clone(),
        opened_at: case.opened_at,
        closed_at: state.closed.as_ref().map(|(at, _)| *at),
        remark: state.closed.as_ref().map(|(_, remark)| words::text(remark)),
    }
}

fn actors(state: &State) -> Vec<ActorReport> {
    let actors = state.actors.iter();
    actors
        .map(|actor| ActorReport {
            keys: actor.keys.iter().map(|k| words::name(k.as_str())).collect(),
            arns: actor.arns.iter().map(|arn| words::name(arn)).collect(),
            addresses: actor.addresses.iter().map(|a| words::name(a)).collect(),
            first: actor.first,
            last: actor.last,
            why: actor.why.iter().map(|why| words::text(why)).collect(),
        })
        .collect()
}

fn measures(state: &State) -> Vec<MeasureReport> {
    let mut measures: Vec<MeasureReport> = state
        .measures
        .iter()
        .map(|(id, measure)| measure_report(id, measure))
        .collect();
    measures.sort_by(|a, b| (a.intended_at, &a.id).cmp(&(b.intended_at, &b.id)));
    measures
}

fn measure_report(id: &str, measure: &Measure) -> MeasureReport {
    let verified = measure.verified.as_ref();
    MeasureReport {
        id: words::name(id),
        what: value_words(&measure.measure),
        intended_at: measure.intended_at,
        applied_at: measure.applied_at,
        binds: verified.and_then(|(_, binds, _)| *binds),
        looked_at: verified.map(|(at, _, _)| *at),
        how: verified.map(|(_, _, how)| words::text(how)),
        fault: measure.fault.as_ref().map(|f| words::text(&f.detail)),
        restored_at: measure.restored_at,
    }
}

fn blind_spots(state: &State) -> Vec<BlindSpotReport> {
    let spots = state.blind_spots.iter();
    spots
        .map(|spot| BlindSpotReport {
            what: words::text(&spot.what),
            why: words::text(&spot.why),
            hides: words::text(&spot.hides),
        })
        .collect()
}

fn tripwires(state: &State) -> Vec<TripwireReport> {
    let mut hits: Vec<TripwireReport> = state
        .tripwires
        .iter()
        .map(|hit| TripwireReport {
            key: hit.key.clone(),
            event_id: words::name(&hit.event_id),
            at: hit.at,
            seen: words::text(&hit.seen),
        })
        .collect();
    hits.sort_by(|a, b| (a.at, &a.event_id).cmp(&(b.at, &b.event_id)));
    hits
}

fn watched(state: &State) -> BTreeMap<String, Timestamp> {
    let watched = state.watched.iter();
    watched
        .map(|(source, through)| (words::name(source), *through))
        .collect()
}

/// Only as far as the source that is furthest behind was anything looked through.
fn watched_words(state: &State) -> String {
    let sources: Vec<String> = state.watched.keys().cloned().collect();
    let through = state.watched.values().min().copied();
    words::watched(state.tripwires.len(), through, &sources)
}

fn entry(record: &Record) -> Entry {
    Entry {
        seq: record.seq,
        at: record.at,
        by: words::name(&record.by),
        text: describe(&record.fact),
    }
}
