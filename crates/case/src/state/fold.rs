//! One fact after the other, into what is known.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::types::{
    Actor, BlindSpot, CaseInfo, Measure, PlanInForce, State, StepState, StepStatus, TripwireHit,
    Waiver,
};
use crate::StepId;
use crate::fact::{Fact, Outcome, Record, StepResult};
use crate::journal::Head;
use crate::model::Exposure;

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
