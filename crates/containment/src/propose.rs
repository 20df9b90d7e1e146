//! Which measures answer what the evidence shows.

use std::collections::BTreeSet;

use jiff::Timestamp;
use relatch_case::State;
use serde::{Deserialize, Serialize};

use crate::{Form, Measure, Role};

/// Measures with the reason for each, and what could not be answered by one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// To be taken, in this order.
    pub measures: Vec<Measure>,
    /// Rungs that are missing, and why.
    pub missing: Vec<String>,
}

/// Proposes measures for the convicted identities of `state`: the service control policy
/// where an organization can write one, the stolen and planted keys disabled, sessions of
/// roles that the thief used revoked. A user whose own key was stolen is denied everything
/// only if `deny_users` says so: a deny hits the rightful owner's keys as well.
pub fn propose(
    state: &State,
    scp: Option<(String, Form, Vec<String>)>,
    deny_users: bool,
    now: Timestamp,
) -> Proposal {
    let mut proposal = Proposal::default();
    match scp {
        Some((target, form, allow)) => {
            proposal.measures.push(Measure::Scp {
                target,
                form,
                allow,
            });
        }
        None => proposal.missing.push(
            "no service control policy: without the organization's management account the \
             thief can re-create access in the seconds before the other measures bind"
                .to_string(),
        ),
    }
    let keys = thief_keys(state);
    for (user, key) in &keys {
        if deny_users && !has_other_keys_in_use(state, user, &keys) {
            proposal
                .measures
                .push(Measure::DenyUser { user: user.clone() });
        }
        proposal.measures.push(Measure::DisableKey {
            user: user.clone(),
            key: key.clone(),
        });
    }
    for role in thief_roles(state) {
        proposal.measures.push(Measure::RevokeSessions {
            role: Role(role),
            issued_before: now,
        });
    }
    let mut seen = BTreeSet::new();
    proposal
        .measures
        .retain(|measure| seen.insert(measure.id()));
    proposal
}

/// The IAM users' keys that the thief used or made, with their users.
fn thief_keys(state: &State) -> BTreeSet<(String, String)> {
    state
        .keys
        .values()
        .flatten()
        .filter_map(|(principal, keys)| Some((principal.as_str().strip_prefix("user/")?, keys)))
        .flat_map(|(user, keys)| keys.iter().map(move |key| (user, key)))
        .filter(|(_, key)| state.is_used_by_thief(&key.id) || state.planted.contains_key(&key.id))
        .map(|(user, key)| (user.to_string(), key.id.to_string()))
        .collect()
}

fn has_other_keys_in_use(state: &State, user: &str, keys: &BTreeSet<(String, String)>) -> bool {
    state
        .keys
        .values()
        .flatten()
        .filter(|(principal, _)| principal.as_str().strip_prefix("user/") == Some(user))
        .flat_map(|(_, listed)| listed)
        .any(|key| key.active && !keys.contains(&(user.to_string(), key.id.to_string())))
}

fn thief_roles(state: &State) -> BTreeSet<String> {
    state
        .actors
        .iter()
        .flat_map(|actor| &actor.arns)
        .filter_map(|arn| arn.rsplit_once(":assumed-role/")?.1.split('/').next())
        .map(str::to_string)
        .collect()
}
