//! What changed between two plans.

use std::collections::BTreeMap;

use relatch_case::plan::{Blocked, Plan, Rotation, Step};
use relatch_case::{CredentialId, StepId};
use serde::Serialize;

/// One difference, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `+` only in the new plan, `-` only in the old one, `~` in both and different.
    pub sign: char,
    /// What it is about.
    pub what: String,
}

/// The differences from `old` to `new`, in a fixed order.
pub fn diff(old: &Plan, new: &Plan) -> Vec<Change> {
    let mut changes = Vec::new();
    if old.policy != new.policy {
        changes.push(Change {
            sign: '~',
            what: "the pace (policy)".to_string(),
        });
    }
    compare(&rotations(old), &rotations(new), &mut changes, |r| {
        format!("{:?} rotation of {} ({})", r.mode, r.name, r.old_key).to_lowercase()
    });
    compare(&blocked(old), &blocked(new), &mut changes, |b| {
        format!("blocked: {}: {}", b.name, b.because)
    });
    compare(&steps(old), &steps(new), &mut changes, |s| {
        format!("step {}", s.id)
    });
    if old.baseline != new.baseline {
        changes.push(Change {
            sign: '~',
            what: "the world it expects (baseline)".to_string(),
        });
    }
    changes
}

fn rotations(plan: &Plan) -> BTreeMap<&CredentialId, &Rotation> {
    plan.rotations.iter().map(|r| (&r.credential, r)).collect()
}

fn blocked(plan: &Plan) -> BTreeMap<&CredentialId, &Blocked> {
    plan.blocked.iter().map(|b| (&b.credential, b)).collect()
}

fn steps(plan: &Plan) -> BTreeMap<&StepId, &Step> {
    plan.steps.iter().map(|s| (&s.id, s)).collect()
}

fn compare<K: Ord, V: PartialEq>(
    old: &BTreeMap<K, &V>,
    new: &BTreeMap<K, &V>,
    changes: &mut Vec<Change>,
    words: impl Fn(&V) -> String,
) {
    for (key, value) in old {
        match new.get(key) {
            None => changes.push(Change {
                sign: '-',
                what: words(value),
            }),
            Some(other) if other != value => {
                changes.push(Change {
                    sign: '~',
                    what: words(other),
                });
            }
            Some(_) => {}
        }
    }
    for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
        let _ = key;
        changes.push(Change {
            sign: '+',
            what: words(value),
        });
    }
}
