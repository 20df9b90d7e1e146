//! Whether the world still is what the plan was made for.

use std::collections::{BTreeMap, BTreeSet};

use relatch_case::model::{Container, Slot};
use relatch_case::plan::{Action, Plan};
use relatch_case::{IssuerId, KeyId, Principal, State};
use relatch_secret::Fingerprint;
use serde::Serialize;

/// What was seen outside, as far as the plan relies on it.
#[derive(Debug, Default)]
pub struct Observed {
    /// Fingerprints by container and slot; a container that could not be read is absent.
    pub places: BTreeMap<Container, BTreeMap<Slot, Fingerprint>>,
    /// Key ids by issuer and principal; a list that could not be had is absent.
    pub keys: BTreeMap<(IssuerId, Principal), BTreeSet<KeyId>>,
}

/// One way in which the world moved on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "drift", rename_all = "snake_case")]
pub enum Drift {
    /// A container could not be read.
    ContainerUnread {
        /// Which.
        container: String,
    },
    /// A slot holds something else than when the plan was made.
    ValueChanged {
        /// The place.
        place: String,
        /// What the plan expects.
        expected: String,
        /// What stands there; `None`: nothing.
        found: Option<String>,
    },
    /// A principal's keys could not be listed.
    KeysUnlisted {
        /// The principal.
        principal: String,
    },
    /// A key that the plan does not know.
    KeyAppeared {
        /// The principal.
        principal: String,
        /// The key.
        key: KeyId,
    },
    /// A key that the plan relies on is gone.
    KeyGone {
        /// The principal.
        principal: String,
        /// The key.
        key: KeyId,
    },
}

impl std::fmt::Display for Drift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ContainerUnread { container } => write!(f, "{container} cannot be read"),
            Self::ValueChanged {
                place,
                expected,
                found,
            } => match found {
                Some(found) => write!(f, "{place} holds {found}, the plan expects {expected}"),
                None => write!(f, "{place} is gone, the plan expects {expected}"),
            },
            Self::KeysUnlisted { principal } => {
                write!(f, "the keys of {principal} cannot be listed")
            }
            Self::KeyAppeared { principal, key } => {
                write!(
                    f,
                    "{principal} has a key that the plan does not know: {key}"
                )
            }
            Self::KeyGone { principal, key } => {
                write!(f, "{principal} no longer has key {key}")
            }
        }
    }
}

/// Compares the world with what the plan expects of it, given what was already done. What a
/// started step has changed, or may have, is that step's own to check.
pub fn drift(plan: &Plan, state: &State, seen: &Observed) -> Vec<Drift> {
    let mut found = drift_of_places(plan, state, seen);
    found.extend(drift_of_keys(plan, state, seen));
    found
}

fn drift_of_places(plan: &Plan, state: &State, seen: &Observed) -> Vec<Drift> {
    let touched: BTreeSet<(&Container, &Slot)> = plan
        .steps
        .iter()
        .filter(|step| state.steps.contains_key(&step.id))
        .filter_map(|step| match &step.action {
            Action::Write { container, slots } => Some((container, slots)),
            _ => None,
        })
        .flat_map(|(container, slots)| slots.keys().map(move |slot| (container, slot)))
        .collect();
    let mut found = Vec::new();
    for place in &plan.baseline.places {
        let Some(slots) = seen.places.get(&place.container) else {
            found.push(Drift::ContainerUnread {
                container: place.container.to_string(),
            });
            continue;
        };
        for (slot, expected) in &place.slots {
            let now = slots.get(slot);
            if now == Some(expected) || touched.contains(&(&place.container, slot)) {
                continue;
            }
            found.push(Drift::ValueChanged {
                place: relatch_case::model::Place::id_of(&place.container, slot).to_string(),
                expected: expected.short().to_string(),
                found: now.map(|fingerprint| fingerprint.short().to_string()),
            });
        }
    }
    found
}

fn drift_of_keys(plan: &Plan, state: &State, seen: &Observed) -> Vec<Drift> {
    let mut found = Vec::new();
    let all_ours = ours(plan, state);
    let none = Ours::default();
    for (issuer, principals) in &plan.baseline.keys {
        for (principal, expected) in principals {
            let name = format!("{issuer} {principal}");
            let Some(now) = seen.keys.get(&(issuer.clone(), principal.clone())) else {
                found.push(Drift::KeysUnlisted { principal: name });
                continue;
            };
            let ours = all_ours.get(&(issuer, principal)).unwrap_or(&none);
            if ours.minting {
                continue;
            }
            for key in now
                .difference(expected)
                .filter(|key| !ours.minted.contains(*key))
            {
                found.push(Drift::KeyAppeared {
                    principal: name.clone(),
                    key: key.clone(),
                });
            }
            for key in expected
                .difference(now)
                .filter(|key| !ours.deleted.contains(*key))
            {
                found.push(Drift::KeyGone {
                    principal: name.clone(),
                    key: key.clone(),
                });
            }
        }
    }
    found
}

/// What the plan's own steps did to a principal's keys.
#[derive(Default)]
struct Ours {
    minted: BTreeSet<KeyId>,
    deleted: BTreeSet<KeyId>,
    /// A mint is under way or unknown: its own reconciliation looks at the list.
    minting: bool,
}

fn ours<'a>(plan: &'a Plan, state: &State) -> BTreeMap<(&'a IssuerId, &'a Principal), Ours> {
    let mut all: BTreeMap<_, Ours> = BTreeMap::new();
    for step in plan
        .steps
        .iter()
        .filter(|step| state.steps.contains_key(&step.id))
    {
        let Some(rotation) = plan.rotation(&step.credential) else {
            continue;
        };
        let ours = all
            .entry((&rotation.issuer, &rotation.principal))
            .or_default();
        match (&step.action, state.result_of(&step.id)) {
            (Action::Mint { .. }, Some(result)) => ours.minted.extend(result.key.clone()),
            (Action::Mint { .. }, None) => ours.minting = true,
            (Action::Delete, _) => {
                ours.deleted.insert(rotation.old_key.clone());
            }
            _ => {}
        }
    }
    all
}
