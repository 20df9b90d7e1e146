//! One fact after the other, into what is known.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::start::Start;
use super::types::{
    Actor, BlindSpot, CaseInfo, Judged, Map, Measure, PlanInForce, State, TripwireHit, Waiver,
};
use crate::KeyId;
use crate::approval;
use crate::fact::{Fact, Judgement, Record};
use crate::model::{Consumer, Exposure, Place};

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
        self.head.seq = record.seq;
        self.head.hash.clone_from(&record.hash);
        let at = record.at;
        match &record.fact {
            fact @ (Fact::StepIntended { .. }
            | Fact::StepEnded { .. }
            | Fact::StepSkipped { .. }
            | Fact::StepRetried { .. }
            | Fact::UndoIntended { .. }
            | Fact::UndoEnded { .. }) => self.apply_step(at, fact),
            fact @ (Fact::PlanRecorded { .. }
            | Fact::PlanApproved { .. }
            | Fact::PlanSigned { .. }
            | Fact::ApprovalBypassed { .. }) => self.apply_plan(at, fact),
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
            | Fact::ConsumerFound { .. }
            | Fact::DependencyFound { .. }) => self.apply_inventory(fact),
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
                self.convicted_seq = self.head.seq;
                let actor = Actor {
                    keys: keys.clone(),
                    arns: arns.clone(),
                    addresses: addresses.clone(),
                    first: *first,
                    last: *last,
                    why: why.clone(),
                };
                if !self.actors.contains(&actor) {
                    self.actors.push(actor);
                }
            }
            Fact::TriageBegan {
                keys,
                arns,
                addresses,
                since,
                until,
                proposed,
            } => self.start.add(Start {
                keys: keys.iter().map(ToString::to_string).collect(),
                arns: arns.iter().cloned().collect(),
                addresses: addresses.iter().cloned().collect(),
                since: *since,
                until: *until,
                proposed: proposed.iter().cloned().collect(),
            }),
            Fact::ActorJudged {
                actor,
                judgement,
                because,
                by,
                clears_keys,
                clears_arns,
            } => {
                let judged = Judged {
                    judgement: *judgement,
                    because: because.clone(),
                    by: by.clone(),
                };
                self.judgements.insert(actor.clone(), judged);
                if *judgement == Judgement::Acquitted {
                    self.start.forget(actor, clears_keys, clears_arns);
                }
                self.clear(clears_keys, clears_arns);
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
            Fact::Paused {
                credential,
                because,
            } => match credential {
                Some(one) => {
                    self.paused_rotations.insert(one.clone(), because.clone());
                }
                None => self.paused = Some(because.clone()),
            },
            Fact::Resumed { credential } => match credential {
                Some(one) => {
                    self.paused_rotations.remove(one);
                }
                None => self.paused = None,
            },
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

    /// What a person's word took off the thief: an identity with nothing left is none of his.
    /// What it read stays exposed: a value that is renewed in vain harms nobody.
    fn clear(&mut self, keys: &[KeyId], arns: &[String]) {
        for key in keys {
            self.planted.remove(key);
        }
        self.actors.retain_mut(|actor| {
            let known = actor.keys.len() + actor.arns.len();
            actor.keys.retain(|key| !keys.contains(key));
            actor.arns.retain(|arn| !arns.contains(arn));
            let left = actor.keys.len() + actor.arns.len();
            left > 0 || left == known
        });
    }

    fn apply_inventory(&mut self, fact: &Fact) {
        match fact {
            Fact::InventoryStarted => {
                self.keys.clear();
                self.credentials.clear();
                self.places.clear();
                self.consumers.clear();
                self.dependencies.clear();
                self.map = Map::default();
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
            Fact::PlaceFound { place } => self.place_found(place),
            Fact::ConsumerFound { consumer } => self.consumer_found(consumer),
            Fact::DependencyFound { credential, opens } => {
                self.dependencies
                    .entry(credential.clone())
                    .or_default()
                    .insert(opens.clone());
            }
            _ => {}
        }
    }

    fn place_found(&mut self, place: &Place) {
        let known = self.places.insert(place.id.clone(), place.clone());
        if let Some(before) = known
            && let Some(places) = self.map.places_of.get_mut(&before.credential)
        {
            places.remove(&place.id);
        }
        self.map
            .places_of
            .entry(place.credential.clone())
            .or_default()
            .insert(place.id.clone());
    }

    fn consumer_found(&mut self, consumer: &Consumer) {
        let known = self.consumers.insert(consumer.id.clone(), consumer.clone());
        for container in known.iter().flat_map(|before| &before.reads) {
            if let Some(readers) = self.map.consumers_of.get_mut(container) {
                readers.remove(&consumer.id);
            }
        }
        for container in &consumer.reads {
            self.map
                .consumers_of
                .entry(container.clone())
                .or_default()
                .insert(consumer.id.clone());
        }
    }

    fn apply_plan(&mut self, at: Timestamp, fact: &Fact) {
        let hash = match fact {
            Fact::PlanRecorded { hash, plan } => {
                self.plan = Some(PlanInForce {
                    hash: hash.clone(),
                    plan: Arc::clone(plan),
                    recorded_at: at,
                    approved_by: BTreeSet::new(),
                    bypassed: None,
                });
                self.steps.reserve(plan.steps.len());
                self.renumber_waves(at);
                return;
            }
            Fact::PlanApproved { hash, .. }
            | Fact::PlanSigned { hash, .. }
            | Fact::ApprovalBypassed { hash, .. } => hash,
            _ => return,
        };
        let Some(plan) = self.plan.as_mut().filter(|plan| &plan.hash == hash) else {
            return;
        };
        let approvers = &plan.plan.policy.approvers;
        match fact {
            // A name alone counts only where the plan does not ask for signatures.
            Fact::PlanApproved { by, .. } if approvers.is_empty() => {
                plan.approved_by.insert(by.clone());
            }
            Fact::PlanSigned { by, signature, .. } => {
                let holds = approvers.iter().any(|approver| {
                    &approver.name == by
                        && approval::verify(&plan.plan.case, hash, signature, &approver.key).is_ok()
                });
                if holds {
                    plan.approved_by.insert(by.clone());
                }
            }
            Fact::ApprovalBypassed { by, because, .. } => {
                plan.bypassed = Some((by.clone(), because.clone()));
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
                verified_seq: 0,
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
        let seq = self.head.seq;
        let Some(measure) = self.measures.get_mut(id) else {
            return;
        };
        match fact {
            Fact::MeasureApplied { .. } => measure.applied_at = Some(at),
            Fact::MeasureFailed { fault, .. } => measure.fault = Some(fault.clone()),
            Fact::MeasureVerified { binds, how, .. } => {
                measure.verified = Some((at, *binds, how.clone()));
                measure.verified_seq = seq;
            }
            Fact::MeasureRestored { .. } => measure.restored_at = Some(at),
            _ => {}
        }
    }
}
