//! What is asked of a state.

use super::types::{State, StepStatus};
use crate::fact::StepResult;
use crate::model::{Consumer, Container, Credential, Exposure, ExposureLevel, IssuedKey, Place};
use crate::{CredentialId, IssuerId, KeyId, Principal, StepId};

impl State {
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
        let ids = self.map.places_of.get(credential);
        ids.into_iter()
            .flatten()
            .filter_map(|id| self.places.get(id))
    }

    /// The consumers that read a container.
    pub fn consumers_of(&self, container: &Container) -> impl Iterator<Item = &Consumer> {
        let ids = self.map.consumers_of.get(container);
        ids.into_iter()
            .flatten()
            .filter_map(|id| self.consumers.get(id))
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
                m.verified_seq > self.convicted_seq
                    && matches!(m.verified, Some((_, Some(true), _)))
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
