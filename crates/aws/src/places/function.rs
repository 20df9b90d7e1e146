//! What Lambda tells of a function, and waiting until it has settled.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::types::{EnvironmentResponse, LastUpdateStatus, State};
use relatch_case::model::{Container, Slot};
use relatch_case::{Fault, FaultKind};
use relatch_places::{Document, Version};
use relatch_secret::Secret;

use crate::error::fault_of_read;

/// The version that is edited; published versions never change.
pub(crate) const LATEST: &str = "$LATEST";

/// Longest time a function may take to settle: updates that attach a network or pull an
/// image take minutes.
const SETTLES_WITHIN: Duration = Duration::from_mins(5);
/// The first pause between two looks; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(3);

/// The container of a function's environment.
pub(crate) fn container(region: &str, function: &str) -> Container {
    Container {
        kind: "lambda".into(),
        region: region.into(),
        name: function.into(),
    }
}

/// Reads the configuration of one version, by number, alias or [`LATEST`].
pub(crate) async fn configuration(
    client: &Client,
    function: &str,
    qualifier: &str,
) -> Result<GetFunctionConfigurationOutput, Fault> {
    let request = client.get_function_configuration().function_name(function);
    // Unqualified means `$LATEST`, and asks for fewer permissions than naming it.
    let request = if qualifier == LATEST {
        request
    } else {
        request.qualifier(qualifier)
    };
    request
        .send()
        .await
        .map_err(|error| named(function, qualifier, fault_of_read(error)))
}

/// Reads the configuration again and again until no change is under way; a change that
/// failed or does not end is an error.
pub(crate) async fn settled(
    client: &Client,
    function: &str,
    qualifier: &str,
) -> Result<GetFunctionConfigurationOutput, Fault> {
    let wait = async {
        let mut pause = FIRST_PAUSE;
        loop {
            let now = configuration(client, function, qualifier).await?;
            if !is_changing(&now) {
                return Ok(now);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    };
    match tokio::time::timeout(SETTLES_WITHIN, wait).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Fault::new(
            FaultKind::Ambiguous,
            format!("{function} ({qualifier}) is still changing after {SETTLES_WITHIN:?}"),
        )),
    }
}

fn is_changing(now: &GetFunctionConfigurationOutput) -> bool {
    now.last_update_status == Some(LastUpdateStatus::InProgress)
        || now.state == Some(State::Pending)
}

/// Why the function is not well, or `None` if it is: state `Active` and the last update
/// successful. Old functions and some emulators leave either out, which counts as well.
pub(crate) fn complaint(now: &GetFunctionConfigurationOutput) -> Option<String> {
    let (state, update) = (now.state.as_ref(), now.last_update_status.as_ref());
    let state_well = state.is_none_or(|state| *state == State::Active);
    let update_well = update.is_none_or(|status| *status == LastUpdateStatus::Successful);
    if state_well && update_well {
        return None;
    }
    let said = |text: &Option<String>| {
        text.as_deref()
            .map(|t| format!(" ({t})"))
            .unwrap_or_default()
    };
    Some(format!(
        "state {}{}, last update {}{}",
        state.map_or("unknown", State::as_str),
        said(&now.state_reason),
        update.map_or("unknown", LastUpdateStatus::as_str),
        said(&now.last_update_status_reason),
    ))
}

/// The environment as Lambda gives it, or why it does not (a key we may not use).
pub(crate) fn variables(
    environment: Option<&EnvironmentResponse>,
) -> Result<BTreeMap<String, Secret>, Fault> {
    let Some(environment) = environment else {
        return Ok(BTreeMap::new());
    };
    if let Some(error) = &environment.error {
        let code = error.error_code.as_deref().unwrap_or("no code");
        let message = error.message.as_deref().unwrap_or("no message");
        return Err(Fault::new(
            FaultKind::Denied,
            format!("the environment cannot be read: {code}: {message}"),
        ));
    }
    let variables = environment.variables.iter().flatten();
    Ok(variables
        .map(|(name, value)| (name.clone(), Secret::from(value.as_str())))
        .collect())
}

/// The environment as a document whose version is the revision of the configuration, empty
/// where there is none (which AWS always gives): it can be read but not written.
pub(crate) fn document(
    container: &Container,
    environment: Option<&EnvironmentResponse>,
    revision: Option<&str>,
) -> Result<Document, Fault> {
    let variables = variables(environment)
        .map_err(|fault| Fault::new(fault.kind, format!("{container}: {}", fault.detail)))?;
    let slots = variables
        .into_iter()
        .map(|(name, value)| (Slot::key(&name), value))
        .collect();
    Ok(Document {
        version: Version(revision.unwrap_or_default().to_string()),
        slots,
    })
}

/// The same fault with the function named.
pub(crate) fn named(function: &str, qualifier: &str, fault: Fault) -> Fault {
    Fault::new(
        fault.kind,
        format!("function {function} ({qualifier}): {}", fault.detail),
    )
}

#[cfg(test)]
mod tests {
    use aws_sdk_lambda::types::EnvironmentError;

    use super::*;

    fn output() -> aws_sdk_lambda::operation::get_function_configuration::builders::GetFunctionConfigurationOutputBuilder{
        GetFunctionConfigurationOutput::builder()
    }

    #[test]
    fn well_is_active_and_successful() {
        let well = output()
            .state(State::Active)
            .last_update_status(LastUpdateStatus::Successful);
        assert_eq!(complaint(&well.build()), None);
        let failed = output()
            .state(State::Active)
            .last_update_status(LastUpdateStatus::Failed)
            .last_update_status_reason("no such layer");
        let said = complaint(&failed.build()).expect("a complaint");
        assert!(said.contains("Failed (no such layer)"), "{said}");
        assert!(complaint(&output().state(State::Pending).build()).is_some());
    }

    #[test]
    fn an_environment_that_cannot_be_decrypted_is_denied_and_not_empty() {
        let error = EnvironmentError::builder()
            .error_code("KMSAccessDeniedException")
            .build();
        let environment = EnvironmentResponse::builder().error(error).build();
        let fault = variables(Some(&environment)).expect_err("refused");
        assert_eq!(fault.kind, FaultKind::Denied);
        assert!(fault.detail.contains("KMSAccessDenied"), "{fault}");
    }
}
