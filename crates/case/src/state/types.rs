//! What is known, as data.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use relatch_secret::Protection;
use serde::Serialize;
use serde_json::Value;

use super::start::Start;
use crate::fact::{EvidenceFile, Judgement, StepResult};
use crate::fault::Fault;
use crate::journal::Head;
use crate::model::{
    Consumer, Container, Credential, Exposure, KeyLists, Opens, Place, Probe, Sheet,
};
use crate::plan::Plan;
use crate::{
    CaseId, ConsumerId, CredentialId, IssuerId, KeyId, PlaceId, PlanHash, StepBaseline, StepId,
    chain,
};

/// Everything that the facts add up to.
#[derive(Debug, Clone, Serialize)]
pub struct State {
    /// The last fact.
    pub head: Head,
    /// The case itself; `None` only before its first fact.
    pub case: Option<CaseInfo>,
    /// Log files taken in.
    pub evidence: Vec<EvidenceFile>,
    /// When evidence was last taken in, which is when scope was last known better.
    pub scoped_at: Option<Timestamp>,
    /// Identities found to be the thief's.
    pub actors: Vec<Actor>,
    /// Where the triages of the case began.
    pub start: Start,
    /// What people decided of actors, by the name they gave; the last word counts.
    pub judgements: BTreeMap<String, Judged>,
    /// When an identity was last convicted.
    pub convicted_at: Option<Timestamp>,
    /// The fact that last convicted one: measures verified before it do not speak of it.
    pub convicted_seq: u64,
    /// Exposure by container.
    #[serde(serialize_with = "pairs")]
    pub exposure: BTreeMap<Container, Exposure>,
    /// Keys that the thief made, with the event.
    pub planted: BTreeMap<KeyId, String>,
    /// What could not be looked at.
    pub blind_spots: Vec<BlindSpot>,
    /// What issuers can do.
    pub sheets: BTreeMap<IssuerId, Sheet>,
    /// Keys at the issuers, as last listed.
    pub keys: KeyLists,
    /// Credentials.
    pub credentials: BTreeMap<CredentialId, Credential>,
    /// Places.
    pub places: BTreeMap<PlaceId, Place>,
    /// Consumers.
    pub consumers: BTreeMap<ConsumerId, Consumer>,
    /// What credentials open besides what they are for.
    pub dependencies: BTreeMap<CredentialId, BTreeSet<Opens>>,
    /// The last probe of each credential's old key, with its time.
    pub probes: BTreeMap<CredentialId, (Timestamp, Probe)>,
    /// Measures of containment.
    pub measures: BTreeMap<String, Measure>,
    /// Who waived containment, and why.
    pub containment_waiver: Option<(String, Vec<String>)>,
    /// The plan in force: the last one recorded.
    pub plan: Option<PlanInForce>,
    /// Steps that were touched.
    pub steps: Steps,
    /// Keys that this case made, and for which credential.
    pub minted: BTreeMap<KeyId, CredentialId>,
    /// Waves that failed and were not sent back to work, by credential.
    pub failed_waves: BTreeMap<CredentialId, FailedWave>,
    /// Why a person stopped all rotations.
    pub paused: Option<String>,
    /// Rotations that a person stopped, and why.
    pub paused_rotations: BTreeMap<CredentialId, String>,
    /// Waivers.
    pub waivers: BTreeMap<CredentialId, Waiver>,
    /// Uses of retired keys.
    pub tripwires: Vec<TripwireHit>,
    /// Where and up to when retired keys were looked for.
    pub watched: BTreeMap<String, Timestamp>,
    /// When custody was shredded.
    pub shredded_at: Option<Timestamp>,
    /// SHA-256 of certificates issued.
    pub certificates: Vec<(Timestamp, String)>,
    /// When and with what remark the case was closed.
    pub closed: Option<(Timestamp, String)>,
    /// Who is where; derived from places and consumers.
    #[serde(skip)]
    pub map: Map,
}

/// Steps by name, in the order in which they were first heard of. A fact is about one of perhaps
/// hundreds of thousands.
pub type Steps = IndexMap<StepId, StepState, foldhash::fast::RandomState>;

/// The map of places and consumers, by what one asks it for.
#[derive(Debug, Clone, Default)]
pub struct Map {
    pub(super) places_of: HashMap<CredentialId, BTreeSet<PlaceId>>,
    pub(super) consumers_of: HashMap<Container, BTreeSet<ConsumerId>>,
}

/// A wave that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedWave {
    /// Its number.
    pub wave: u32,
    /// The step that failed.
    pub step: StepId,
    /// What was seen.
    pub because: String,
}

/// The case itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaseInfo {
    /// Its id.
    pub id: CaseId,
    /// What happened.
    pub title: String,
    /// The cloud account.
    pub account: Option<String>,
    /// Regions in scope.
    pub regions: Vec<String>,
    /// The case key's public half.
    pub public_key: String,
    /// The case identity's public half.
    pub recipient: String,
    /// Where the case identity is.
    pub protection: Protection,
    /// When it was opened.
    pub opened_at: Timestamp,
}

/// An identity of the thief's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Actor {
    /// Access key ids it used.
    pub keys: Vec<KeyId>,
    /// Its names.
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

/// A person's word on an actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// What was decided.
    pub judgement: Judgement,
    /// Why.
    pub because: String,
    /// Who decided.
    pub by: String,
}

/// Something that could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct BlindSpot {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
    /// What it could hide.
    pub hides: String,
}

/// One measure of containment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Measure {
    /// As containment describes it.
    pub measure: Value,
    /// What stood there before.
    pub snapshot: Value,
    /// When it was intended.
    pub intended_at: Timestamp,
    /// When it was taken.
    pub applied_at: Option<Timestamp>,
    /// How it failed.
    pub fault: Option<Fault>,
    /// Whether it binds, when that was last seen and how.
    pub verified: Option<(Timestamp, Option<bool>, String)>,
    /// The fact that says so; clocks may be set back, numbers are not.
    pub verified_seq: u64,
    /// When it was taken back.
    pub restored_at: Option<Timestamp>,
}

/// The plan in force.
#[derive(Debug, Clone, Serialize)]
pub struct PlanInForce {
    /// Its hash.
    pub hash: PlanHash,
    /// The plan.
    pub plan: Arc<Plan>,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Who approved it, by name or by a signature that holds; where the plan names its
    /// approvers only those.
    pub approved_by: BTreeSet<String>,
    /// Who went on without the approvals that it asks for, and why.
    pub bypassed: Option<(String, String)>,
}

impl PlanInForce {
    /// Whether as many people approved it as it asks for, or somebody went on without.
    pub fn is_approved(&self) -> bool {
        let needed = self.plan.policy.approvals.max(1) as usize;
        self.bypassed.is_some() || self.approved_by.len() >= needed
    }
}

/// How far a step is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepState {
    /// The last try's number.
    pub attempt: u32,
    /// Tries since a person last sent it back to work.
    pub tries: u32,
    /// Whether the outcome of any try was ever unknown: what it asked for may still happen.
    pub doubted: bool,
    /// Where it stands.
    pub status: StepStatus,
    /// When that was recorded.
    pub at: Timestamp,
    /// The intent's baseline of the last try.
    pub baseline: StepBaseline,
    /// When the last try was intended.
    pub intended_at: Option<Timestamp>,
}

/// Where a step stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum StepStatus {
    /// Intent recorded and no outcome yet: if nobody is at it now, it is unknown.
    Intended,
    /// It may have happened.
    Unknown {
        /// What was seen.
        fault: Fault,
    },
    /// It happened.
    Done {
        /// What came of it.
        result: StepResult,
    },
    /// It did not happen; it may be tried again.
    Failed {
        /// Why.
        fault: Fault,
    },
    /// It was asked and had not happened; it may be tried again.
    NotDone,
    /// A person sent it back to work.
    Retried,
    /// It waits for a person.
    Stuck {
        /// Why.
        because: String,
    },
    /// A person decided not to do it.
    Skipped {
        /// Why.
        because: String,
    },
    /// It had happened, and is being undone.
    Undoing {
        /// What failed.
        because: String,
    },
    /// It had happened and was undone.
    Undone {
        /// What failed.
        because: String,
    },
}

/// Why a credential will not be rotated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiver {
    /// Why.
    pub because: String,
    /// Who answers for it.
    pub owner: String,
    /// Until when.
    pub expires: Timestamp,
}

/// A use of a retired key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TripwireHit {
    /// Which key.
    pub key: KeyId,
    /// The event.
    pub event_id: String,
    /// When.
    pub at: Timestamp,
    /// What was seen.
    pub seen: String,
}

impl Default for State {
    fn default() -> Self {
        Self {
            head: Head {
                seq: 0,
                hash: chain::GENESIS.to_string(),
            },
            case: None,
            evidence: Vec::new(),
            scoped_at: None,
            actors: Vec::new(),
            start: Start::default(),
            judgements: BTreeMap::new(),
            convicted_at: None,
            convicted_seq: 0,
            exposure: BTreeMap::new(),
            planted: BTreeMap::new(),
            blind_spots: Vec::new(),
            sheets: BTreeMap::new(),
            keys: KeyLists::new(),
            credentials: BTreeMap::new(),
            places: BTreeMap::new(),
            consumers: BTreeMap::new(),
            dependencies: BTreeMap::new(),
            probes: BTreeMap::new(),
            measures: BTreeMap::new(),
            containment_waiver: None,
            plan: None,
            steps: Steps::default(),
            minted: BTreeMap::new(),
            failed_waves: BTreeMap::new(),
            paused: None,
            paused_rotations: BTreeMap::new(),
            waivers: BTreeMap::new(),
            tripwires: Vec::new(),
            watched: BTreeMap::new(),
            shredded_at: None,
            certificates: Vec::new(),
            closed: None,
            map: Map::default(),
        }
    }
}

/// A map whose keys are no text, as a list of pairs.
fn pairs<S: serde::Serializer>(
    map: &BTreeMap<Container, Exposure>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(map.iter())
}
