//! The answer of a triage, as data.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::found::blind_spots::BlindSpot;
use crate::found::detections::{DetectionCounts, DetectionGroup};
use crate::found::events::TaintedEvent;
use crate::found::exposure::SecretRead;
use crate::found::known::{SecretKnown, SecretReadable};
use crate::input::aws_findings::AwsFinding;
use crate::input::reader::{FileSkipped, FileTaken, Problem};
use crate::taint::judgements::Judged;
use crate::taint::seeds::SeedUsed;

/// Whose an actor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All of its calls are the attacker's.
    Attacker,
    /// The attacker and somebody else used it.
    Mixed,
    /// It cannot be told.
    Uncertain,
    /// Nothing ties it to the attacker.
    Legitimate,
}

/// One step of the way from the seed to an actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Why this event is the attacker's.
    pub reason: String,
    /// The event.
    pub event_id: String,
    /// When, RFC 3339.
    pub time: Option<String>,
    /// The call, `source:name`.
    pub call: String,
    /// The actor that made it.
    pub actor: String,
}

/// An identity seen in the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The access key id, session ARN or user ARN; else the kind and a name.
    pub id: String,
    /// `access_key`, `session`, `user`, `root`, `service`, `other`.
    pub kind: String,
    /// Its ARN, if the log tells.
    pub arn: Option<String>,
    /// Access key ids it used; of a legitimate actor a thousand at most.
    pub access_keys: BTreeSet<String>,
    /// How many more it used.
    #[serde(default)]
    pub more_access_keys: u64,
    /// Whose it is.
    pub verdict: Verdict,
    /// How much its use looks like an attack by itself; 5 and more is suspicious.
    pub score: u32,
    /// What raised the score.
    pub reasons: Vec<String>,
    /// From the seed to its first call that is the attacker's.
    pub path: Vec<Step>,
    /// Its first call, RFC 3339.
    pub first: Option<String>,
    /// Its last call, RFC 3339.
    pub last: Option<String>,
    /// Source addresses.
    pub addresses: BTreeSet<String>,
    /// User agents.
    pub clients: BTreeSet<String>,
    /// Regions.
    pub regions: BTreeSet<String>,
    /// Calls by `source:name`.
    pub calls: BTreeMap<String, u64>,
    /// Errors by code.
    pub errors: BTreeMap<String, u64>,
    /// What of it the attacker's calls used; the rest is its owner's.
    pub attackers: Option<Share>,
    /// How many of its calls are the attacker's.
    pub tainted: u64,
    /// How many of its calls are perhaps the attacker's.
    pub uncertain: u64,
}

/// What the attacker's calls of an actor used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Access key ids.
    pub access_keys: BTreeSet<String>,
    /// Source addresses; none where only services called on his behalf.
    pub addresses: BTreeSet<String>,
    /// His first call, RFC 3339.
    pub first: Option<String>,
    /// His last call, RFC 3339.
    pub last: Option<String>,
}

/// Something the attacker created or changed and that outlives his session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Persistence {
    /// `access_key`, `user`, `login_profile`, `service_credential`, `role`, `trust_policy`,
    /// `function`, `function_change`, `instance`, `recording` or `other`.
    pub kind: String,
    /// The thing: a key id, a name, an ARN.
    pub id: String,
    /// More: the user of a key, what was done.
    pub detail: String,
    /// The call that did it.
    pub event_id: String,
    /// When, RFC 3339.
    pub time: Option<String>,
    /// Account it is in.
    pub account: Option<String>,
    /// Who did it: the actor's id.
    pub actor: String,
}

/// The answer. All lists are in a stable order; equal evidence gives equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Triage {
    /// Ids of the attacker's events, by time.
    pub tainted_events: Vec<String>,
    /// Ids of events that are perhaps the attacker's, by time.
    pub uncertain_events: Vec<String>,
    /// The attacker's and the uncertain events one by one, by time, each with its reason.
    pub events: Vec<TaintedEvent>,
    /// What he read.
    pub secrets_read: Vec<SecretRead>,
    /// What he tried to read and was refused.
    pub attempted_reads: Vec<SecretRead>,
    /// Session credentials he was handed.
    pub issued_credentials: Vec<SecretRead>,
    /// Secrets that the log names, whoever used them.
    pub secrets_known: Vec<SecretKnown>,
    /// What convicted actors could read by policy and were not seen to read; null as long as no
    /// policies were looked at, which is not done here.
    pub secrets_readable: Option<Vec<SecretReadable>>,
    /// Every identity in the evidence; the attacker's first.
    pub actors: Vec<Actor>,
    /// Addresses the attacker called from.
    pub addresses: Vec<String>,
    /// His first call, RFC 3339; null if there is none.
    pub first: Option<String>,
    /// His last call, RFC 3339; null if there is none.
    pub last: Option<String>,
    /// What the detections found, by actor and tactic: the attacker's groups first, then those of
    /// calls that cannot be told, the gravest first. What is usual for an actor is left out.
    pub detections: Vec<DetectionGroup>,
    /// How much they found in all, and what of it is not among the groups.
    pub detection_counts: DetectionCounts,
    /// The titles of the rules that hit the attacker's and the uncertain events, by event id.
    pub detections_by_event: BTreeMap<String, Vec<String>>,
    /// What he created or changed.
    pub persistence: Vec<Persistence>,
    /// Long-lived access key ids he created.
    pub created_keys: BTreeSet<String>,
    /// What GuardDuty and CloudTrail Insights reported, as far as it was among the evidence: the
    /// earliest first. It counts among the reasons for a proposed start.
    #[serde(default)]
    pub aws_findings: Vec<AwsFinding>,
    /// What the evidence cannot show.
    pub blind_spots: Vec<BlindSpot>,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// Where it began.
    pub seeds: Vec<SeedUsed>,
    /// What a person decided.
    pub judgements: Vec<Judged>,
    /// Files taken in.
    pub files: Vec<FileTaken>,
    /// Files left out on purpose.
    pub skipped: Vec<FileSkipped>,
    /// Events read, duplicates included.
    pub events_read: u64,
    /// Events dropped because their id was seen before.
    pub duplicates: u64,
}
