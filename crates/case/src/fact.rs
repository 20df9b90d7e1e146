//! Everything that can be written into a journal.

use std::sync::Arc;

use jiff::Timestamp;
use relatch_secret::{Fingerprint, Protection};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fault::Fault;
use crate::model::{
    Consumer, Container, Credential, ExposureLevel, IssuedKey, Opens, Place, Probe, Sheet,
};
use crate::plan::Plan;
use crate::{CaseId, CredentialId, IssuerId, KeyId, PlanHash, Principal, StepBaseline, StepId};

/// A fact as it stands in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number, from 1 without gaps.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// Who recorded it: a person's or service's name as the machine knows it.
    pub by: String,
    /// The hash of the fact before.
    pub prev: String,
    /// The hash of this one.
    pub hash: String,
    /// What happened.
    pub fact: Fact,
}

/// What a person decided of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// All of its calls are the thief's.
    Convicted,
    /// None of its calls is the thief's.
    Acquitted,
}

/// Something decided, observed, intended or done. Never holds a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fact {
    /// The case was opened.
    CaseOpened {
        /// Its id.
        id: CaseId,
        /// What happened, in a line.
        title: String,
        /// The cloud account; every later run is refused on another one.
        account: Option<String>,
        /// Regions in scope.
        regions: Vec<String>,
        /// The case key's public half, Ed25519, hex.
        public_key: String,
        /// The case identity's public half, `age1…`.
        recipient: String,
        /// Where the case identity is.
        protection: Protection,
    },
    /// Log files were read.
    EvidenceTaken {
        /// The files.
        files: Vec<EvidenceFile>,
        /// Events in them.
        events: u64,
    },
    /// An identity was found to be the thief's.
    ActorConvicted {
        /// Access key ids it used.
        keys: Vec<KeyId>,
        /// Its names: users, role sessions.
        arns: Vec<String>,
        /// Addresses it came from.
        addresses: Vec<String>,
        /// First event.
        first: Option<Timestamp>,
        /// Last event.
        last: Option<Timestamp>,
        /// What convicts it.
        why: Vec<String>,
    },
    /// Where a triage began: what a person said is the thief's, and what was proposed. Later
    /// triages of the case begin there as well.
    TriageBegan {
        /// Access keys that were given.
        keys: Vec<KeyId>,
        /// Names that were given, as ARN.
        arns: Vec<String>,
        /// Addresses that were given.
        addresses: Vec<String>,
        /// The attack did not begin before, as was said.
        since: Option<Timestamp>,
        /// The attack was over by then, as was said.
        until: Option<Timestamp>,
        /// Actors that were proposed, by id.
        proposed: Vec<String>,
    },
    /// A person's word on an actor, which stands above what the log suggests. Every later triage
    /// of the case keeps to it.
    ActorJudged {
        /// The actor as the person named it: its id, a key id or an ARN.
        actor: String,
        /// What was decided.
        judgement: Judgement,
        /// Why.
        because: String,
        /// Who decided.
        by: String,
        /// Keys that are no longer held for used or made by the thief.
        clears_keys: Vec<KeyId>,
        /// Names that are no longer held for the thief's.
        clears_arns: Vec<String>,
    },
    /// A container was exposed to the thief.
    Exposed {
        /// Which; a name of `*` means all of that kind and region.
        container: Container,
        /// How sure.
        level: ExposureLevel,
        /// Events that show it.
        event_ids: Vec<String>,
    },
    /// A key was made by the thief.
    KeyPlanted {
        /// At which issuer.
        issuer: IssuerId,
        /// Which.
        key: KeyId,
        /// The event that made it.
        event_id: String,
    },
    /// Something could not be looked at.
    BlindSpotFound {
        /// What.
        what: String,
        /// Why.
        why: String,
        /// What it could hide.
        hides: String,
    },
    /// What an issuer can do.
    IssuerKnown {
        /// Which.
        issuer: IssuerId,
        /// What.
        sheet: Sheet,
    },
    /// An issuer's keys of one principal, all of them.
    KeysListed {
        /// The issuer.
        issuer: IssuerId,
        /// The principal.
        principal: Principal,
        /// The keys.
        keys: Vec<IssuedKey>,
    },
    /// A new inventory begins: what earlier ones found and this one does not is gone.
    InventoryStarted,
    /// A credential was found.
    CredentialFound {
        /// What is known of it.
        credential: Credential,
    },
    /// A place was found.
    PlaceFound {
        /// Where, and whose value.
        place: Place,
    },
    /// A consumer was found.
    ConsumerFound {
        /// Which.
        consumer: Consumer,
    },
    /// A credential opens something that others depend on (requirement G1).
    DependencyFound {
        /// Which credential.
        credential: CredentialId,
        /// What it opens.
        opens: Opens,
    },
    /// A key was probed outside a plan.
    Probed {
        /// Whose.
        credential: CredentialId,
        /// What was answered.
        probe: Probe,
    },
    /// A measure of containment is about to be taken; what was there before is in it.
    MeasureIntended {
        /// Its id within the case.
        id: String,
        /// The measure, as containment describes it.
        measure: Value,
        /// What stood there before.
        snapshot: Value,
    },
    /// A measure was taken.
    MeasureApplied {
        /// Its id.
        id: String,
    },
    /// A measure failed or its outcome is not known.
    MeasureFailed {
        /// Its id.
        id: String,
        /// How.
        fault: Fault,
    },
    /// A measure was probed.
    MeasureVerified {
        /// Its id.
        id: String,
        /// Whether it binds; `None` is not known.
        binds: Option<bool>,
        /// How that was seen.
        how: String,
    },
    /// A measure was taken back and what was there before is there again.
    MeasureRestored {
        /// Its id.
        id: String,
    },
    /// Two people let new values into places before containment is verified.
    ContainmentWaived {
        /// Why.
        because: String,
        /// Who; at least two.
        people: Vec<String>,
    },
    /// A plan was made.
    PlanRecorded {
        /// Its hash.
        hash: PlanHash,
        /// The plan.
        plan: Arc<Plan>,
    },
    /// A plan was approved.
    PlanApproved {
        /// The hash approved.
        hash: PlanHash,
        /// By whom.
        by: String,
    },
    /// A plan was approved with a signature.
    PlanSigned {
        /// The hash approved.
        hash: PlanHash,
        /// By whom, as the plan's approvers are named.
        by: String,
        /// An armored SSH signature over [`crate::approval::message`].
        signature: String,
    },
    /// Somebody went on without the approvals that the plan asks for.
    ApprovalBypassed {
        /// The plan.
        hash: PlanHash,
        /// Who.
        by: String,
        /// Why.
        because: String,
    },
    /// A person stopped a rotation, or all: nothing new is begun.
    Paused {
        /// Which; `None`: all.
        credential: Option<CredentialId>,
        /// Why.
        because: String,
    },
    /// A person lets a rotation, or all, go on.
    Resumed {
        /// Which; `None`: all.
        credential: Option<CredentialId>,
    },
    /// What a step did is about to be undone, because its wave failed.
    UndoIntended {
        /// Which.
        step: StepId,
        /// What failed.
        because: String,
    },
    /// Undoing a step ended, or its outcome is not known.
    UndoEnded {
        /// Which.
        step: StepId,
        /// How.
        outcome: Outcome,
    },
    /// A step is about to touch the outside world.
    StepIntended {
        /// Which.
        step: StepId,
        /// Which try, from 1.
        attempt: u32,
        /// What is needed to find out later whether it happened.
        baseline: StepBaseline,
    },
    /// A step ended, or its outcome is not known.
    StepEnded {
        /// Which.
        step: StepId,
        /// Which try.
        attempt: u32,
        /// How.
        outcome: Outcome,
    },
    /// A person decided not to do a step.
    StepSkipped {
        /// Which.
        step: StepId,
        /// Why.
        because: String,
    },
    /// A person sent a stuck step back to work.
    StepRetried {
        /// Which.
        step: StepId,
    },
    /// The case was told that a credential will not be rotated.
    Waived {
        /// Which.
        credential: CredentialId,
        /// Why.
        because: String,
        /// Who answers for it.
        owner: String,
        /// Until when.
        expires: Timestamp,
    },
    /// A retired key was tried.
    TripwireHit {
        /// Which key.
        key: KeyId,
        /// The event, or the issuer's word.
        event_id: String,
        /// When it was tried.
        at: Timestamp,
        /// What was seen: call, address, client. Cleaned.
        seen: String,
    },
    /// Retired keys were looked for.
    TripwireChecked {
        /// Where: `lookup:us-east-1`, `s3://…`, `issuer:openai`.
        source: String,
        /// Looked through up to here.
        through: Timestamp,
    },
    /// Sealed values were destroyed.
    CustodyShredded,
    /// A certificate was issued.
    CertificateIssued {
        /// SHA-256 of the certificate file.
        sha256: String,
    },
    /// The case was closed.
    CaseClosed {
        /// With what remark.
        remark: String,
    },
}

/// One evidence file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceFile {
    /// Its path or address.
    pub path: String,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It happened.
    Done {
        /// What came of it.
        result: StepResult,
    },
    /// It did not happen.
    Failed {
        /// Why.
        fault: Fault,
    },
    /// Nobody knows yet whether it happened.
    Unknown {
        /// What was seen.
        fault: Fault,
    },
    /// It was asked and did not happen.
    NotDone {
        /// How that was seen.
        how: String,
    },
    /// It cannot go on without a person.
    Stuck {
        /// Why, and what the person can do.
        because: String,
    },
}

/// What came of a step. Never a value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepResult {
    /// The new key's id (mint).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// The fingerprint of what was kept or minted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// What proves it (check, prove).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
    /// What else is worth keeping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Fact {
    /// Whether only the holder of the lease may record it (law 9).
    pub fn needs_lease(&self) -> bool {
        matches!(
            self,
            Self::StepIntended { .. }
                | Self::StepEnded { .. }
                | Self::UndoIntended { .. }
                | Self::UndoEnded { .. }
        )
    }
}
