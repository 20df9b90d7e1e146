//! The fold of the facts: what is known now. Never stored, always derived.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use relatch_secret::Protection;
use serde::Serialize;
use serde_json::Value;

use crate::fact::{EvidenceFile, Fact, Outcome, Record, StepResult};
use crate::fault::Fault;
use crate::journal::Head;
use crate::model::{
    Consumer, Container, Credential, Exposure, ExposureLevel, IssuedKey, KeyLists, Place, Probe,
    Sheet,
};
use crate::plan::Plan;
use crate::{
    CaseId, ConsumerId, CredentialId, IssuerId, KeyId, PlaceId, PlanHash, Principal, StepId, chain,
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
    /// When an identity was last convicted: measures verified before do not speak of it.
    pub convicted_at: Option<Timestamp>,
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
    /// The last probe of each credential's old key, with its time.
    pub probes: BTreeMap<CredentialId, (Timestamp, Probe)>,
    /// Measures of containment.
    pub measures: BTreeMap<String, Measure>,
    /// Who waived containment, and why.
    pub containment_waiver: Option<(String, Vec<String>)>,
    /// The plan in force: the last one recorded.
    pub plan: Option<PlanInForce>,
    /// Steps that were touched.
    pub steps: BTreeMap<StepId, StepState>,
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
    /// Who approved it.
    pub approved_by: BTreeSet<String>,
}

/// How far a step is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepState {
    /// The last try's number.
    pub attempt: u32,
    /// Tries since a person last sent it back to work.
    pub tries: u32,
    /// Where it stands.
    pub status: StepStatus,
    /// When that was recorded.
    pub at: Timestamp,
    /// The intent's baseline of the last try.
    pub baseline: Value,
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
            convicted_at: None,
            exposure: BTreeMap::new(),
            planted: BTreeMap::new(),
            blind_spots: Vec::new(),
            sheets: BTreeMap::new(),
            keys: KeyLists::new(),
            credentials: BTreeMap::new(),
            places: BTreeMap::new(),
            consumers: BTreeMap::new(),
            probes: BTreeMap::new(),
            measures: BTreeMap::new(),
            containment_waiver: None,
            plan: None,
            steps: BTreeMap::new(),
            waivers: BTreeMap::new(),
            tripwires: Vec::new(),
            watched: BTreeMap::new(),
            shredded_at: None,
            certificates: Vec::new(),
            closed: None,
        }
    }
}

impl State {
    /// The state after these facts.
    pub fn fold<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut state = Self::default();
        for record in records {
            state.apply(record);
        }
        state
    }

    /// Takes one more fact in. The chain was checked by whoever read it.
    pub fn apply(&mut self, record: &Record) {
        self.head = Head {
            seq: record.seq,
            hash: record.hash.clone(),
        };
        let at = record.at;
        match &record.fact {
            fact @ (Fact::StepIntended { .. }
            | Fact::StepEnded { .. }
            | Fact::StepSkipped { .. }
            | Fact::StepRetried { .. }) => self.apply_step(at, fact),
            fact @ (Fact::MeasureIntended { .. }
            | Fact::MeasureApplied { .. }
            | Fact::MeasureFailed { .. }
            | Fact::MeasureVerified { .. }
            | Fact::MeasureRestored { .. }) => self.apply_measure(at, fact),
            fact @ (Fact::InventoryStarted
            | Fact::IssuerKnown { .. }
            | Fact::KeysListed { .. }
            | Fact::CredentialFound { .. }
            | Fact::PlaceFound { .. }
            | Fact::ConsumerFound { .. }) => self.apply_inventory(fact),
            fact => self.apply_other(at, fact),
        }
    }

    fn apply_other(&mut self, at: Timestamp, fact: &Fact) {
        match fact {
            Fact::CaseOpened {
                id,
                title,
                account,
                regions,
                public_key,
                recipient,
                protection,
            } => {
                self.case = Some(CaseInfo {
                    id: id.clone(),
                    title: title.clone(),
                    account: account.clone(),
                    regions: regions.clone(),
                    public_key: public_key.clone(),
                    recipient: recipient.clone(),
                    protection: protection.clone(),
                    opened_at: at,
                });
            }
            Fact::EvidenceTaken { files, .. } => {
                self.evidence.extend(files.iter().cloned());
                self.scoped_at = Some(at);
            }
            Fact::ActorConvicted {
                keys,
                arns,
                addresses,
                first,
                last,
                why,
            } => {
                self.convicted_at = Some(at);
                self.actors.push(Actor {
                    keys: keys.clone(),
                    arns: arns.clone(),
                    addresses: addresses.clone(),
                    first: *first,
                    last: *last,
                    why: why.clone(),
                });
            }
            Fact::Exposed {
                container,
                level,
                event_ids,
            } => {
                let exposure = self.exposure.entry(container.clone()).or_insert(Exposure {
                    level: *level,
                    event_ids: Vec::new(),
                });
                exposure.level = exposure.level.max(*level);
                for id in event_ids {
                    if !exposure.event_ids.contains(id) {
                        exposure.event_ids.push(id.clone());
                    }
                }
            }
            Fact::KeyPlanted { key, event_id, .. } => {
                self.planted.insert(key.clone(), event_id.clone());
            }
            Fact::BlindSpotFound { what, why, hides } => {
                let spot = BlindSpot {
                    what: what.clone(),
                    why: why.clone(),
                    hides: hides.clone(),
                };
                if !self.blind_spots.contains(&spot) {
                    self.blind_spots.push(spot);
                }
            }
            Fact::Probed { credential, probe } => {
                self.probes.insert(credential.clone(), (at, probe.clone()));
            }
            Fact::ContainmentWaived { because, people } => {
                self.containment_waiver = Some((because.clone(), people.clone()));
            }
            Fact::PlanRecorded { hash, plan } => {
                self.plan = Some(PlanInForce {
                    hash: hash.clone(),
                    plan: Arc::new((**plan).clone()),
                    recorded_at: at,
                    approved_by: BTreeSet::new(),
                });
            }
            Fact::PlanApproved { hash, by } => {
                if let Some(plan) = self.plan.as_mut().filter(|plan| &plan.hash == hash) {
                    plan.approved_by.insert(by.clone());
                }
            }
            Fact::Waived {
                credential,
                because,
                owner,
                expires,
            } => {
                self.waivers.insert(
                    credential.clone(),
                    Waiver {
                        because: because.clone(),
                        owner: owner.clone(),
                        expires: *expires,
                    },
                );
            }
            Fact::TripwireHit {
                key,
                event_id,
                at,
                seen,
            } => {
                let known = self.tripwires.iter().any(|hit| &hit.event_id == event_id);
                if !known {
                    self.tripwires.push(TripwireHit {
                        key: key.clone(),
                        event_id: event_id.clone(),
                        at: *at,
                        seen: seen.clone(),
                    });
                }
            }
            Fact::TripwireChecked { source, through } => {
                self.watched.insert(source.clone(), *through);
            }
            Fact::CustodyShredded => self.shredded_at = Some(at),
            Fact::CertificateIssued { sha256 } => self.certificates.push((at, sha256.clone())),
            Fact::CaseClosed { remark } => self.closed = Some((at, remark.clone())),
            _ => {}
        }
    }

    fn apply_inventory(&mut self, fact: &Fact) {
        match fact {
            Fact::InventoryStarted => {
                self.keys.clear();
                self.credentials.clear();
                self.places.clear();
                self.consumers.clear();
            }
            Fact::IssuerKnown { issuer, sheet } => {
                self.sheets.insert(issuer.clone(), sheet.clone());
            }
            Fact::KeysListed {
                issuer,
                principal,
                keys,
            } => {
                self.keys
                    .entry(issuer.clone())
                    .or_default()
                    .insert(principal.clone(), keys.clone());
            }
            Fact::CredentialFound { credential } => {
                self.credentials
                    .insert(credential.id.clone(), credential.clone());
            }
            Fact::PlaceFound { place } => {
                self.places.insert(place.id.clone(), place.clone());
            }
            Fact::ConsumerFound { consumer } => {
                self.consumers.insert(consumer.id.clone(), consumer.clone());
            }
            _ => {}
        }
    }

    fn apply_measure(&mut self, at: Timestamp, fact: &Fact) {
        if let Fact::MeasureIntended {
            id,
            measure,
            snapshot,
        } = fact
        {
            // The first snapshot is what was there before us; a second try must not lose it.
            let kept = self
                .measures
                .get(id)
                .filter(|known| known.restored_at.is_none())
                .map_or_else(|| snapshot.clone(), |known| known.snapshot.clone());
            let measure = Measure {
                measure: measure.clone(),
                snapshot: kept,
                intended_at: at,
                applied_at: None,
                fault: None,
                verified: None,
                restored_at: None,
            };
            self.measures.insert(id.clone(), measure);
            return;
        }
        let (Fact::MeasureApplied { id }
        | Fact::MeasureFailed { id, .. }
        | Fact::MeasureVerified { id, .. }
        | Fact::MeasureRestored { id }) = fact
        else {
            return;
        };
        let Some(measure) = self.measures.get_mut(id) else {
            return;
        };
        match fact {
            Fact::MeasureApplied { .. } => measure.applied_at = Some(at),
            Fact::MeasureFailed { fault, .. } => measure.fault = Some(fault.clone()),
            Fact::MeasureVerified { binds, how, .. } => {
                measure.verified = Some((at, *binds, how.clone()));
            }
            Fact::MeasureRestored { .. } => measure.restored_at = Some(at),
            _ => {}
        }
    }

    fn apply_step(&mut self, at: Timestamp, fact: &Fact) {
        let (step, status) = match fact {
            Fact::StepIntended {
                step,
                attempt,
                baseline,
            } => {
                let tries = self.steps.get(step).map_or(0, |known| known.tries) + 1;
                let state = StepState {
                    attempt: *attempt,
                    tries,
                    status: StepStatus::Intended,
                    at,
                    baseline: baseline.clone(),
                    intended_at: Some(at),
                };
                self.steps.insert(step.clone(), state);
                return;
            }
            Fact::StepEnded { step, outcome, .. } => (step, status_of(outcome)),
            Fact::StepSkipped { step, because } => (
                step,
                StepStatus::Skipped {
                    because: because.clone(),
                },
            ),
            Fact::StepRetried { step } => (step, StepStatus::Retried),
            _ => return,
        };
        if !matches!(fact, Fact::StepEnded { .. }) && !self.may_be_sent(step, &status) {
            return;
        }
        if let (
            StepStatus::Done {
                result: StepResult {
                    probe: Some(probe), ..
                },
            },
            Some(plan),
        ) = (&status, &self.plan)
            && let Some(planned) = plan.plan.step(step)
            && planned.action == crate::plan::Action::Prove
        {
            self.probes
                .insert(planned.credential.clone(), (at, probe.clone()));
        }
        let attempt = if let Fact::StepEnded { attempt, .. } = fact {
            *attempt
        } else {
            0
        };
        let state = self.steps.entry(step.clone()).or_insert(StepState {
            attempt,
            tries: 0,
            status: StepStatus::Retried,
            at,
            baseline: Value::Null,
            intended_at: None,
        });
        if status == StepStatus::Retried {
            state.tries = 0;
        } else if state.status != StepStatus::Intended
            && matches!(status, StepStatus::Failed { .. })
        {
            // It failed before the intent, while looking at what is there.
            state.tries += 1;
        }
        state.status = status;
        state.at = at;
    }

    /// Whether a person may skip a step or send it back to work. What is done stays done, or
    /// a second key would be minted and the first one forgotten; what may have happened is
    /// reconciled before it is tried again (law 1), and a mint also before it is skipped, or
    /// its key would be an orphan (law 3).
    fn may_be_sent(&self, step: &StepId, to: &StepStatus) -> bool {
        match self.steps.get(step).map(|known| &known.status) {
            Some(StepStatus::Done { .. }) => false,
            Some(StepStatus::Intended | StepStatus::Unknown { .. }) => {
                *to != StepStatus::Retried && !self.is_mint(step)
            }
            _ => true,
        }
    }

    fn is_mint(&self, step: &StepId) -> bool {
        self.plan
            .as_ref()
            .and_then(|plan| plan.plan.step(step))
            .is_some_and(|step| matches!(step.action, crate::plan::Action::Mint { .. }))
    }

    /// The exposure of a credential: the worst of its containers, or `Read` when the thief
    /// used the key itself.
    pub fn exposure_of(&self, credential: &Credential) -> Option<Exposure> {
        let used = credential
            .key_id
            .as_ref()
            .is_some_and(|key| self.is_used_by_thief(key));
        let mut worst: Option<Exposure> = used.then(|| Exposure {
            level: ExposureLevel::Read,
            event_ids: Vec::new(),
        });
        for place in self.places_of(&credential.id) {
            let Some(exposure) = self.exposure_at(&place.container) else {
                continue;
            };
            match &mut worst {
                Some(known) => {
                    known.level = known.level.max(exposure.level);
                    known.event_ids.extend(exposure.event_ids);
                    known.event_ids.sort();
                    known.event_ids.dedup();
                }
                None => worst = Some(exposure),
            }
        }
        worst
    }

    /// What is known of a container's exposure, wildcards included.
    pub fn exposure_at(&self, container: &Container) -> Option<Exposure> {
        let all = Container {
            name: "*".to_string(),
            ..container.clone()
        };
        match (self.exposure.get(container), self.exposure.get(&all)) {
            (Some(one), Some(any)) if any.level > one.level => Some(any.clone()),
            (Some(one), _) => Some(one.clone()),
            (None, any) => any.cloned(),
        }
    }

    /// Whether a convicted actor used this key.
    pub fn is_used_by_thief(&self, key: &KeyId) -> bool {
        self.actors.iter().any(|actor| actor.keys.contains(key))
    }

    /// The places that hold a credential.
    pub fn places_of(&self, credential: &CredentialId) -> impl Iterator<Item = &Place> {
        let credential = credential.clone();
        self.places
            .values()
            .filter(move |place| place.credential == credential)
    }

    /// The consumers that read a container.
    pub fn consumers_of(&self, container: &Container) -> impl Iterator<Item = &Consumer> {
        let container = container.clone();
        self.consumers
            .values()
            .filter(move |consumer| consumer.reads.contains(&container))
    }

    /// The keys of a principal, as last listed.
    pub fn keys_of(&self, issuer: &IssuerId, principal: &Principal) -> &[IssuedKey] {
        self.keys
            .get(issuer)
            .and_then(|lists| lists.get(principal))
            .map_or(&[], Vec::as_slice)
    }

    /// Whether new values may go into places: nobody was convicted, or every measure taken
    /// was seen to bind since the last conviction, or two people waived it.
    pub fn is_contained(&self) -> bool {
        if self.actors.is_empty() || self.containment_waiver.is_some() {
            return true;
        }
        let mut standing = self
            .measures
            .values()
            .filter(|m| m.restored_at.is_none())
            .peekable();
        standing.peek().is_some()
            && standing.all(|m| {
                matches!(m.verified, Some((at, Some(true), _)) if Some(at) >= self.convicted_at)
            })
    }

    /// What came of a step that is done.
    pub fn result_of(&self, step: &StepId) -> Option<&StepResult> {
        match &self.steps.get(step)?.status {
            StepStatus::Done { result } => Some(result),
            _ => None,
        }
    }

    /// Whether a step needs nothing more: done, or skipped by a person.
    pub fn is_over(&self, step: &StepId) -> bool {
        self.steps.get(step).is_some_and(|state| {
            matches!(
                state.status,
                StepStatus::Done { .. } | StepStatus::Skipped { .. }
            )
        })
    }
}

fn status_of(outcome: &Outcome) -> StepStatus {
    match outcome {
        Outcome::Done { result } => StepStatus::Done {
            result: result.clone(),
        },
        Outcome::Failed { fault } => StepStatus::Failed {
            fault: fault.clone(),
        },
        Outcome::Unknown { fault } => StepStatus::Unknown {
            fault: fault.clone(),
        },
        Outcome::NotDone { .. } => StepStatus::NotDone,
        Outcome::Stuck { because } => StepStatus::Stuck {
            because: because.clone(),
        },
    }
}

/// A map whose keys are no text, as a list of pairs.
fn pairs<S: serde::Serializer>(
    map: &BTreeMap<Container, Exposure>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(map.iter())
}
