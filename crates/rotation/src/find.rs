//! Finding what a person means: whole names, beginnings of names, keys.

use relatch_case::plan::Plan;
use relatch_case::{CredentialId, StepId};

/// What a person can ask about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One step.
    Step(StepId),
    /// A credential that is rotated or blocked.
    Credential(CredentialId),
}

/// Words that name nothing, or too much.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// Nothing is called that.
    #[error("the plan has no step, credential or key {text}")]
    Nothing {
        /// What was asked for.
        text: String,
    },
    /// Several are.
    #[error("{text} is not enough: it begins {count} names, {first} and {second} among them")]
    Several {
        /// What was asked for.
        text: String,
        /// How many begin so.
        count: usize,
        /// One of them.
        first: String,
        /// Another.
        second: String,
    },
}

/// Finds what is meant: a step or a credential by its id or the beginning of it, or a key.
/// A whole name goes before the beginning of another.
pub fn find(plan: &Plan, text: &str) -> Result<Target, FindError> {
    if plan.step(&StepId::from(text)).is_some() {
        return Ok(Target::Step(StepId::from(text)));
    }
    let credentials = || {
        let rotated = plan.rotations.iter().map(|r| &r.credential);
        rotated.chain(plan.blocked.iter().map(|b| &b.credential))
    };
    if let Some(credential) = credentials().find(|id| id.as_str() == text) {
        return Ok(Target::Credential(credential.clone()));
    }
    let by_key = plan.rotations.iter().find(|r| r.old_key.as_str() == text);
    if let Some(rotation) = by_key {
        return Ok(Target::Credential(rotation.credential.clone()));
    }
    let begun: Vec<&CredentialId> = credentials()
        .filter(|id| !text.is_empty() && id.as_str().starts_with(text))
        .collect();
    match begun.as_slice() {
        [one] => return Ok(Target::Credential((*one).clone())),
        [first, second, ..] => {
            return Err(several(text, begun.len(), first.as_str(), second.as_str()));
        }
        [] => {}
    }
    find_step(plan, text).map(Target::Step)
}

/// Finds a step by its id or the beginning of it.
pub fn find_step(plan: &Plan, text: &str) -> Result<StepId, FindError> {
    if plan.step(&StepId::from(text)).is_some() {
        return Ok(StepId::from(text));
    }
    let begun: Vec<&StepId> = plan
        .steps
        .iter()
        .map(|step| &step.id)
        .filter(|id| !text.is_empty() && id.as_str().starts_with(text))
        .collect();
    match begun.as_slice() {
        [one] => Ok((*one).clone()),
        [first, second, ..] => Err(several(text, begun.len(), first.as_str(), second.as_str())),
        [] => Err(FindError::Nothing {
            text: text.to_string(),
        }),
    }
}

fn several(text: &str, count: usize, first: &str, second: &str) -> FindError {
    FindError::Several {
        text: text.to_string(),
        count,
        first: first.to_string(),
        second: second.to_string(),
    }
}
