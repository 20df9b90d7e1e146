//! Environments of AWS Lambda functions.
//!
//! The slots are the variables of `$LATEST`. Lambda replaces an environment as a whole, so
//! all other variables are sent back as they were read, under the revision they were read
//! at; a later revision makes Lambda refuse. Published versions never change: what runs
//! behind an alias changes when [`crate::LambdaConsumers`] rolls it.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::operation::update_function_configuration::UpdateFunctionConfigurationError;
use aws_sdk_lambda::types::Environment;
use relatch_case::model::{Container, Slot};
use relatch_case::{Fault, FaultKind};
use relatch_places::{Document, Store, Version};
use relatch_secret::Secret;

use super::content::{as_text, check_slots, moved_on, of_content};
use super::function::{self, LATEST};
use crate::clients::Clients;
use crate::connection::Connection;

/// Environments of functions: kind `lambda`, named by the function's name.
#[derive(Debug, Clone)]
pub struct LambdaStore {
    clients: Clients<Client>,
}

impl LambdaStore {
    /// A store that talks through `connection`.
    pub fn new(connection: Connection) -> Self {
        Self {
            clients: Clients::new(connection, Client::new),
        }
    }

    fn reader(&self, container: &Container) -> Client {
        self.clients.reader(&container.region)
    }

    fn writer(&self, container: &Container) -> Client {
        self.clients.writer(&container.region)
    }

    async fn update(
        &self,
        container: &Container,
        version: &Version,
        variables: HashMap<String, String>,
    ) -> Result<(), Fault> {
        self.writer(container)
            .update_function_configuration()
            .function_name(&container.name)
            .revision_id(&version.0)
            .environment(
                Environment::builder()
                    .set_variables(Some(variables))
                    .build(),
            )
            .send()
            .await
            .map(|_| ())
            .map_err(|error| refusal(container, error))
    }

    /// Whether the environment is exactly what was sent, after an answer was lost.
    async fn holds(&self, container: &Container, sent: &HashMap<String, String>) -> bool {
        let Ok(now) = self.read(container).await else {
            return false;
        };
        let is_sent = |(slot, value): (&Slot, &Secret)| {
            let sent = sent.get(&slot.parts().concat());
            sent.is_some_and(|sent| sent.as_bytes() == value.expose())
        };
        now.slots.len() == sent.len() && now.slots.iter().all(is_sent)
    }

    /// Waits until the new environment is in force.
    async fn in_force(&self, container: &Container) -> Result<Version, Fault> {
        let may_have_acted = |detail: String| Fault::new(FaultKind::Ambiguous, detail);
        let now = function::settled(&self.reader(container), &container.name, LATEST)
            .await
            .map_err(|fault| may_have_acted(format!("{container}: {}", fault.detail)))?;
        if let Some(complaint) = function::complaint(&now) {
            return Err(may_have_acted(format!(
                "{container}: after the update: {complaint}"
            )));
        }
        let revision = now.revision_id.unwrap_or_default();
        Ok(Version(revision))
    }
}

#[async_trait]
impl Store for LambdaStore {
    fn kind(&self) -> &'static str {
        "lambda"
    }

    async fn read(&self, container: &Container) -> Result<Document, Fault> {
        let now = function::configuration(&self.reader(container), &container.name, LATEST).await?;
        function::document(
            container,
            now.environment.as_ref(),
            now.revision_id.as_deref(),
        )
    }

    async fn write(
        &self,
        container: &Container,
        version: &Version,
        changes: &BTreeMap<Slot, Secret>,
    ) -> Result<Version, Fault> {
        let document = self.read(container).await?;
        if document.version.0.is_empty() {
            let why = "no revision is told, and without one a write could clobber another";
            return Err(Fault::new(
                FaultKind::Invalid,
                format!("{container}: {why}"),
            ));
        }
        if document.version != *version {
            return Err(moved_on(container));
        }
        let variables = changed(container, document, changes)?;
        if let Err(fault) = self.update(container, version, variables.clone()).await
            && !(fault.may_have_acted() && self.holds(container, &variables).await)
        {
            return Err(fault);
        }
        self.in_force(container).await
    }
}

/// All variables, with `changes` made.
fn changed(
    container: &Container,
    document: Document,
    changes: &BTreeMap<Slot, Secret>,
) -> Result<HashMap<String, String>, Fault> {
    check_slots(container, &document.slots, changes)?;
    let mut variables = HashMap::new();
    for (slot, old) in &document.slots {
        let value = as_text(container, changes.get(slot).unwrap_or(old))?;
        variables.insert(slot.parts().concat(), value.to_string());
    }
    Ok(variables)
}

/// A revision that is not the expected one is a `Conflict`; another update under way means
/// that nothing happened and that it may be tried again.
fn refusal(container: &Container, error: SdkError<UpdateFunctionConfigurationError>) -> Fault {
    match error.as_service_error() {
        Some(UpdateFunctionConfigurationError::PreconditionFailedException(_)) => {
            moved_on(container)
        }
        Some(UpdateFunctionConfigurationError::ResourceConflictException(_)) => Fault::new(
            FaultKind::Throttled,
            format!("{container}: another update of the function is under way"),
        ),
        _ => of_content(container, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_other_variables_are_sent_back_as_they_were() {
        let container = function::container("us-east-1", "f");
        let slots = [
            ("KEY", "old"),
            ("OTHER", " tabs\tand \u{1f512} "),
            ("EMPTY", ""),
        ];
        let document = Document {
            version: Version("r".into()),
            slots: slots
                .iter()
                .map(|(n, v)| (Slot::key(n), Secret::from(*v)))
                .collect(),
        };
        let changes = BTreeMap::from([(Slot::key("KEY"), Secret::from("new"))]);
        let variables = changed(&container, document, &changes).expect("changed");
        assert_eq!(variables.len(), 3);
        assert_eq!(variables["KEY"], "new");
        assert_eq!(variables["OTHER"], " tabs\tand \u{1f512} ");
        assert_eq!(variables["EMPTY"], "");
    }
}
