//! Which old keys a case answers for.
//!
//! Strict on purpose: whatever was ever planned, waived, planted or exposed stays in scope
//! until it is proven dead or excepted, even when a later inventory does not find it any more.

use std::collections::{BTreeMap, BTreeSet};

use relatch_case::model::{Credential, Exposure, ExposureLevel};
use relatch_case::{CredentialId, IssuerId, KeyId, Principal, State};

use crate::history::History;

/// The issuer of the keys that cloud logs name.
const CLOUD: &str = "aws-iam";

/// Long-term AWS key ids begin like this; temporary ones (`ASIA`) end with their session.
/// Source: AWS IAM user guide, "IAM identifiers", unique ID prefixes.
const LONG_TERM: &str = "AKIA";

/// One credential the case answers for.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) id: CredentialId,
    pub(crate) name: String,
    pub(crate) issuer: IssuerId,
    pub(crate) principal: Option<Principal>,
    pub(crate) old_key: Option<KeyId>,
    pub(crate) why: String,
    pub(crate) blocked: Option<String>,
    pub(crate) exposure: Option<Exposure>,
    pub(crate) planted: bool,
    pub(crate) used_by_thief: bool,
    planting: Option<String>,
}

impl Subject {
    /// Events that show how the thief got or made it.
    pub(crate) fn event_ids(&self) -> Vec<String> {
        let shown = self.exposure.iter().flat_map(|e| &e.event_ids);
        let mut ids: Vec<String> = shown.chain(&self.planting).cloned().collect();
        ids.sort();
        ids.dedup();
        ids
    }
}

/// Every credential in scope, by id, and those known and not in scope.
pub(crate) fn of(history: &History, state: &State) -> (Vec<Subject>, Vec<Credential>) {
    let blocked = blocked(state);
    let mut ids: BTreeSet<CredentialId> = history.rotations.keys().cloned().collect();
    ids.extend(blocked.keys().cloned());
    ids.extend(state.waivers.keys().cloned());
    let mut outside = Vec::new();
    for credential in history.found.values() {
        if is_exposed(credential, history, state) && !is_superseded(credential, history, state) {
            ids.insert(credential.id.clone());
        } else if !ids.contains(&credential.id) && state.credentials.contains_key(&credential.id) {
            outside.push(credential.clone());
        }
    }
    let mut subjects: BTreeMap<CredentialId, Subject> = ids
        .into_iter()
        .map(|id| (id.clone(), subject(&id, &blocked, history, state)))
        .collect();
    for (issuer, key) in thiefs_keys(history, state) {
        // By key alone: these ids are unique, and an issuer may be configured by another name.
        let known = |s: &Subject| s.old_key.as_ref() == Some(&key);
        if !subjects.values().any(known) {
            let id = CredentialId::derive(&issuer, key.as_str());
            subjects.insert(id.clone(), stray(id, issuer, key, history, state));
        }
    }
    (subjects.into_values().collect(), outside)
}

fn blocked(state: &State) -> BTreeMap<CredentialId, (String, String)> {
    let plan = state.plan.iter().flat_map(|plan| &plan.plan.blocked);
    plan.map(|b| (b.credential.clone(), (b.name.clone(), b.because.clone())))
        .collect()
}

/// Whether the thief has or may have it. What this case made is exposed only by his use.
fn is_exposed(credential: &Credential, history: &History, state: &State) -> bool {
    let key = credential.key_id.as_ref();
    if key.is_some_and(|key| state.is_used_by_thief(key)) {
        return true;
    }
    !history.is_ours(credential)
        && (key.is_some_and(|key| state.planted.contains_key(key))
            || exposure(credential, history, state).is_some())
}

/// Whether the same key goes by another id now: it was found before its issuer was asked, and
/// found again with a key id.
fn is_superseded(credential: &Credential, history: &History, state: &State) -> bool {
    if state.credentials.contains_key(&credential.id) {
        return false;
    }
    history.found.values().any(|other| {
        other.id != credential.id
            && state.credentials.contains_key(&other.id)
            && credential.fingerprint.is_some()
            && other.fingerprint == credential.fingerprint
    })
}

/// Exposure over every container it was ever found in.
fn exposure(credential: &Credential, history: &History, state: &State) -> Option<Exposure> {
    let mut worst = state.exposure_of(credential);
    let containers = history.containers.get(&credential.id).into_iter().flatten();
    for found in containers.filter_map(|container| state.exposure_at(container)) {
        match &mut worst {
            Some(known) => {
                known.level = known.level.max(found.level);
                known.event_ids.extend(found.event_ids);
            }
            None => worst = Some(found),
        }
    }
    worst
}

fn subject(
    id: &CredentialId,
    blocked: &BTreeMap<CredentialId, (String, String)>,
    history: &History,
    state: &State,
) -> Subject {
    let found = history.found.get(id);
    let rotation = history.rotations.get(id);
    let block = blocked.get(id);
    let old_key = rotation
        .map(|r| r.old_key.clone())
        .or_else(|| found.and_then(|c| c.key_id.clone()));
    let exposure = found.and_then(|credential| exposure(credential, history, state));
    let planting = old_key.as_ref().and_then(|key| state.planted.get(key));
    let name = rotation
        .map(|r| r.name.clone())
        .or_else(|| found.map(|c| c.name.clone()))
        .or_else(|| block.map(|(name, _)| name.clone()));
    Subject {
        id: id.clone(),
        name: name.unwrap_or_else(|| id.to_string()),
        issuer: rotation
            .map(|r| r.issuer.clone())
            .or_else(|| found.map(|c| c.issuer.clone()))
            .unwrap_or_else(|| IssuerId::from("unknown")),
        principal: rotation
            .map(|r| r.principal.clone())
            .or_else(|| found.and_then(|c| c.principal.clone())),
        why: rotation.map_or_else(|| why(exposure.as_ref()), |r| r.why.clone()),
        blocked: block.map(|(_, because)| because.clone()),
        planted: planting.is_some(),
        planting: planting.cloned(),
        used_by_thief: old_key.as_ref().is_some_and(|k| state.is_used_by_thief(k)),
        old_key,
        exposure,
    }
}

fn why(exposure: Option<&Exposure>) -> String {
    match exposure.map(|exposure| exposure.level) {
        Some(ExposureLevel::Read) => "the thief read it",
        Some(ExposureLevel::Readable) => "the thief could read it",
        Some(ExposureLevel::Reachable) => "it is in the account that was entered",
        None => "named in this case",
    }
    .to_string()
}

/// Long-term keys that the thief made or used.
fn thiefs_keys(history: &History, state: &State) -> BTreeSet<(IssuerId, KeyId)> {
    let planted = history.planted.iter();
    let mut keys: BTreeSet<(IssuerId, KeyId)> =
        planted.map(|(k, i)| (i.clone(), k.clone())).collect();
    let used = state.actors.iter().flat_map(|actor| &actor.keys);
    for key in used.filter(|key| key.as_str().starts_with(LONG_TERM)) {
        keys.insert((IssuerId::from(CLOUD), key.clone()));
    }
    keys
}

/// A key of the thief's that no inventory found.
fn stray(
    id: CredentialId,
    issuer: IssuerId,
    key: KeyId,
    history: &History,
    state: &State,
) -> Subject {
    let planted = history.planted.contains_key(&key);
    let why = if planted {
        "the thief made it, and no inventory found it"
    } else {
        "the thief used it, and no inventory found it"
    };
    Subject {
        id,
        name: key.to_string(),
        issuer,
        principal: None,
        why: why.to_string(),
        blocked: None,
        exposure: None,
        planted,
        planting: state.planted.get(&key).cloned(),
        used_by_thief: state.is_used_by_thief(&key),
        old_key: Some(key),
    }
}
