//! What people call things: a credential by its id, the beginning of it, its key or its name; a
//! step by its id or the beginning of it.

use relatch_case::model::Credential;
use relatch_case::{CredentialId, State, StepId};
use relatch_inventory::declared_dependency::near;
use relatch_rotation::find::find_step;

use crate::error::{CommandError, Kind, OfKind};

/// The credential that is meant.
pub(crate) fn credential(state: &State, text: &str) -> Result<CredentialId, CommandError> {
    if let Some(known) = state.credentials.get(&CredentialId::from(text)) {
        return Ok(known.id.clone());
    }
    let all = || state.credentials.values();
    let is_key = |c: &&Credential| c.key_id.as_ref().is_some_and(|key| key.as_str() == text);
    let found: Vec<&Credential> = all().filter(is_key).collect();
    let found = or_else(found, || all().filter(|c| c.name == text).collect());
    let found = or_else(found, || {
        let begins = |c: &&Credential| !text.is_empty() && c.id.as_str().starts_with(text);
        all().filter(begins).collect()
    });
    match found.as_slice() {
        [one] => Ok(one.id.clone()),
        [] => Err(unknown(state, text)),
        [first, second, ..] => Err(CommandError::new(
            Kind::Usage,
            format!(
                "{text} is not enough: {} credentials are called so, {} and {} among them",
                found.len(),
                first.id,
                second.id
            ),
        )),
    }
}

fn or_else<'a>(
    found: Vec<&'a Credential>,
    more: impl FnOnce() -> Vec<&'a Credential>,
) -> Vec<&'a Credential> {
    if found.is_empty() { more() } else { found }
}

fn unknown(state: &State, text: &str) -> CommandError {
    let names = state.credentials.values().flat_map(|c| {
        let key = c.key_id.as_ref().map(relatch_case::KeyId::as_str);
        [Some(c.id.as_str()), key, Some(c.name.as_str())]
    });
    let near = near(text, names.flatten());
    let error = CommandError::new(Kind::Usage, format!("no credential {text} is known"));
    if near.is_empty() {
        error.hint("relatch inventory lists them")
    } else {
        error.hint(format!("near it: {}", near.join(", ")))
    }
}

/// The step of the plan in force that is meant.
pub(crate) fn step(state: &State, text: &str) -> Result<StepId, CommandError> {
    let plan = state.plan.as_ref().ok_or("there is no plan");
    let plan = plan
        .kind(Kind::Usage)
        .map_err(|error| error.hint("make one: relatch plan"))?;
    find_step(&plan.plan, text)
        .kind(Kind::Usage)
        .map_err(|error| error.hint("relatch plan show --steps --credential CREDENTIAL"))
}
