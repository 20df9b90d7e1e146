//! The keys to watch.

use std::collections::BTreeMap;

use jiff::Timestamp;
use relatch_case::model::Liveness;
use relatch_case::plan::Action;
use relatch_case::{CredentialId, Fact, IssuerId, KeyId, Record, State};
use serde::{Deserialize, Serialize};

/// A key that nobody has any business using.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// The key.
    pub key: KeyId,
    /// Its issuer.
    pub issuer: IssuerId,
    /// The credential it was the old key of.
    pub credential: CredentialId,
    /// Since when: the first time it was cut off, disabled or deleted, or else proven dead.
    pub since: Timestamp,
    /// Whether the thief made it.
    pub planted: bool,
}

/// The retired keys that the present state knows, by key id.
///
/// A later plan or inventory can make the state forget one; a watch should use
/// [`retired_keys_ever`].
pub fn retired_keys(state: &State) -> Vec<Retired> {
    let mut keys = BTreeMap::new();
    collect(state, &mut keys);
    keys.into_values().collect()
}

/// The keys that were ever retired in a case, by key id, with the earliest moment of each.
/// `records` are all its facts, in order. A retired key is never forgotten (requirement R4).
pub fn retired_keys_ever(records: &[Record]) -> Vec<Retired> {
    let mut keys = BTreeMap::new();
    let mut state = State::default();
    for record in records {
        // What these facts replace is looked at before it is gone.
        if matches!(
            record.fact,
            Fact::PlanRecorded { .. } | Fact::InventoryStarted
        ) {
            collect(&state, &mut keys);
        }
        state.apply(record);
    }
    collect(&state, &mut keys);
    keys.into_values().collect()
}

fn collect(state: &State, keys: &mut BTreeMap<KeyId, Retired>) {
    for (key, issuer, credential) in old_keys(state) {
        let Some(since) = since(state, credential) else {
            continue;
        };
        let planted = state.planted.contains_key(key);
        let retired = keys.entry(key.clone()).or_insert_with(|| Retired {
            key: key.clone(),
            issuer: issuer.clone(),
            credential: credential.clone(),
            since,
            planted,
        });
        retired.since = retired.since.min(since);
        retired.planted |= planted;
    }
}

/// Old keys of the plan in force, and keys of credentials that no plan deals with.
fn old_keys(state: &State) -> impl Iterator<Item = (&KeyId, &IssuerId, &CredentialId)> {
    let planned = state.plan.iter().flat_map(|plan| &plan.plan.rotations);
    let planned = planned.map(|r| (&r.old_key, &r.issuer, &r.credential));
    let found = state.credentials.values();
    let found = found.filter_map(|c| Some((c.key_id.as_ref()?, &c.issuer, &c.id)));
    planned.chain(found)
}

/// When the old key of a credential was retired, if it was.
fn since(state: &State, credential: &CredentialId) -> Option<Timestamp> {
    let steps = state.plan.iter().flat_map(|plan| &plan.plan.steps);
    let killed = steps
        .filter(|step| &step.credential == credential)
        .filter(|step| matches!(step.action, Action::Cut | Action::Disable | Action::Delete))
        .filter(|step| state.result_of(&step.id).is_some())
        .filter_map(|step| state.steps.get(&step.id).map(|known| known.at))
        .min();
    let dead = state.probes.get(credential);
    let dead = dead
        .filter(|(_, probe)| probe.liveness == Liveness::Dead && probe.control)
        .map(|(at, _)| *at);
    killed.or(dead)
}
