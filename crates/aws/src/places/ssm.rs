//! AWS Systems Manager Parameter Store.
//!
//! `PutParameter` has no condition, but it counts: each write answers with the new version
//! number. When the number shows that somebody wrote between our look and our write, what
//! they wrote is put back from the parameter's history and the write is a `Conflict`.
//!
//! Consumers that ask for a label or a version number (`name:3`) do not see a new value
//! until the label is moved; labels are left alone.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::error::SdkError;
use aws_sdk_ssm::operation::put_parameter::PutParameterError;
use aws_sdk_ssm::types::{
    Parameter, ParameterHistory, ParameterMetadata, ParameterStringFilter, ParameterTier,
    ParameterType,
};
use relatch_case::model::{Container, Slot};
use relatch_case::{Fault, FaultKind};
use relatch_places::{Document, Store, Version};
use relatch_secret::Secret;

use super::content::{about, as_text, check_slots, moved_on, of_content, replaced, slots, whole};
use crate::clients::Clients;
use crate::connection::Connection;
use crate::error::{fault, fault_of_read};

/// How often a restore is tried anew because yet another writer came in between.
const RESTORES: u32 = 5;

/// Parameters of Parameter Store: kind `ssm`, named by name.
#[derive(Debug, Clone)]
pub struct ParameterStore {
    clients: Clients<Client>,
}

/// What a write says beside the value, so that all of it stays as it is.
struct Settings {
    kind: Option<ParameterType>,
    key_id: Option<String>,
    tier: Option<ParameterTier>,
    data_type: Option<String>,
    description: Option<String>,
    allowed_pattern: Option<String>,
}

impl ParameterStore {
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

    async fn get(&self, container: &Container) -> Result<Parameter, Fault> {
        self.reader(container)
            .get_parameter()
            .name(&container.name)
            .with_decryption(true)
            .send()
            .await
            .map_err(|error| about(container, fault_of_read(error)))?
            .parameter
            .ok_or_else(|| nothing(container))
    }

    /// The settings as they are now. Without them a write could change the key or the tier,
    /// so a denied `DescribeParameters` denies the write.
    async fn settings(
        &self,
        container: &Container,
        kind: Option<ParameterType>,
    ) -> Result<Settings, Fault> {
        let filter = ParameterStringFilter::builder()
            .key("Name")
            .option("Equals")
            .values(&container.name)
            .build()
            .map_err(|error| Fault::new(FaultKind::Invalid, error.to_string()))?;
        let mut pages = self
            .reader(container)
            .describe_parameters()
            .parameter_filters(filter)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| about(container, fault_of_read(error)))?;
            let mut found = page.parameters.unwrap_or_default().into_iter();
            let ours = |p: &ParameterMetadata| p.name.as_deref() == Some(container.name.as_str());
            if let Some(found) = found.find(ours) {
                return Ok(Settings::new(kind, found));
            }
        }
        Err(nothing(container))
    }

    /// Writes and returns the version number that came of it.
    async fn put(
        &self,
        container: &Container,
        settings: Settings,
        value: &str,
    ) -> Result<i64, Fault> {
        let secure = settings.kind == Some(ParameterType::SecureString);
        let written = self
            .writer(container)
            .put_parameter()
            .name(&container.name)
            .value(value)
            .overwrite(true)
            .set_type(settings.kind)
            .set_key_id(settings.key_id.filter(|_| secure))
            .set_tier(settings.tier)
            .set_data_type(settings.data_type)
            .set_description(settings.description)
            .set_allowed_pattern(settings.allowed_pattern)
            .send()
            .await
            .map_err(|error| refusal(container, error))?;
        Ok(written.version)
    }

    /// After a write whose answer was lost: the number it must have got, if the value now
    /// there is ours.
    async fn settle(
        &self,
        container: &Container,
        expected: i64,
        value: &str,
        lost: Fault,
    ) -> Result<i64, Fault> {
        match self.get(container).await {
            Ok(now) if now.version == expected + 1 && now.value.as_deref() == Some(value) => {
                Ok(now.version)
            }
            _ => Err(lost),
        }
    }

    /// Puts back what stood there before our version `ours`, then says `Conflict`.
    async fn give_way(&self, container: &Container, ours: i64) -> Fault {
        match self.restore(container, ours).await {
            Ok(()) => moved_on(container),
            Err(fault) => Fault::new(
                FaultKind::Ambiguous,
                format!(
                    "{container}: somebody else wrote just before version {ours}, which is ours, \
                     and theirs could not be put back: {}",
                    fault.detail
                ),
            ),
        }
    }

    async fn restore(&self, container: &Container, mut ours: i64) -> Result<(), Fault> {
        if ours == 1 {
            return self.remove(container).await;
        }
        for _ in 0..RESTORES {
            let theirs = self.version(container, ours - 1).await?;
            let value = theirs.value.clone().ok_or_else(|| nothing(container))?;
            let now = self.put(container, Settings::from(theirs), &value).await?;
            if now == ours + 1 {
                return Ok(());
            }
            ours = now;
        }
        Err(Fault::new(FaultKind::Conflict, "somebody keeps writing it"))
    }

    /// Removes a parameter that our write created anew because it had been deleted.
    async fn remove(&self, container: &Container) -> Result<(), Fault> {
        self.writer(container)
            .delete_parameter()
            .name(&container.name)
            .send()
            .await
            .map(|_| ())
            .map_err(fault)
    }

    /// One version out of the history, with its value.
    async fn version(&self, container: &Container, number: i64) -> Result<ParameterHistory, Fault> {
        let mut pages = self
            .reader(container)
            .get_parameter_history()
            .name(&container.name)
            .with_decryption(true)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(fault_of_read)?;
            let mut versions = page.parameters.unwrap_or_default().into_iter();
            if let Some(version) = versions.find(|version| version.version == number) {
                return Ok(version);
            }
        }
        Err(Fault::new(
            FaultKind::NotFound,
            format!("the history has no version {number}"),
        ))
    }
}

#[async_trait]
impl Store for ParameterStore {
    fn kind(&self) -> &'static str {
        "ssm"
    }

    async fn read(&self, container: &Container) -> Result<Document, Fault> {
        parameter_document(container, self.get(container).await?)
    }

    async fn write(
        &self,
        container: &Container,
        version: &Version,
        changes: &BTreeMap<Slot, Secret>,
    ) -> Result<Version, Fault> {
        let parameter = self.get(container).await?;
        if parameter.version.to_string() != version.0 {
            return Err(moved_on(container));
        }
        let expected = parameter.version;
        let text = parameter.value.ok_or_else(|| nothing(container))?;
        let value = changed(container, parameter.r#type.as_ref(), &text, changes)?;
        let settings = self.settings(container, parameter.r#type).await?;
        let number = match self.put(container, settings, &value).await {
            Err(lost) if lost.may_have_acted() => {
                self.settle(container, expected, &value, lost).await?
            }
            outcome => outcome?,
        };
        if number == expected + 1 {
            Ok(Version(number.to_string()))
        } else {
            Err(self.give_way(container, number).await)
        }
    }
}

impl Settings {
    fn new(kind: Option<ParameterType>, now: ParameterMetadata) -> Self {
        Self {
            kind,
            key_id: now.key_id,
            tier: now.tier,
            data_type: now.data_type,
            description: now.description,
            allowed_pattern: now.allowed_pattern,
        }
    }
}

impl From<ParameterHistory> for Settings {
    fn from(version: ParameterHistory) -> Self {
        Self {
            kind: version.r#type,
            key_id: version.key_id,
            tier: version.tier,
            data_type: version.data_type,
            description: version.description,
            allowed_pattern: version.allowed_pattern,
        }
    }
}

/// A parameter as a document: the string leaves of a JSON object, else the whole; lists are
/// always whole.
pub(crate) fn parameter_document(
    container: &Container,
    parameter: Parameter,
) -> Result<Document, Fault> {
    let text = parameter.value.ok_or_else(|| nothing(container))?;
    let slots = if is_list(parameter.r#type.as_ref()) {
        whole(&text)
    } else {
        slots(&text)
    };
    Ok(Document {
        version: Version(parameter.version.to_string()),
        slots,
    })
}

fn changed(
    container: &Container,
    kind: Option<&ParameterType>,
    text: &str,
    changes: &BTreeMap<Slot, Secret>,
) -> Result<String, Fault> {
    if is_list(kind) {
        check_slots(container, &whole(text), changes)?;
        return Ok(as_text(container, &changes[&Slot::whole()])?.to_string());
    }
    replaced(container, text, changes)
}

/// Parameter Store has refusals of its own; after each of them nothing has happened.
fn refusal(container: &Container, error: SdkError<PutParameterError>) -> Fault {
    use PutParameterError as E;
    let kind = match error.as_service_error() {
        Some(E::TooManyUpdates(_)) => FaultKind::Throttled,
        Some(
            E::ParameterLimitExceeded(_)
            | E::ParameterMaxVersionLimitExceeded(_)
            | E::ParameterPatternMismatchException(_)
            | E::HierarchyTypeMismatchException(_)
            | E::InvalidAllowedPatternException(_)
            | E::UnsupportedParameterType(_)
            | E::IncompatiblePolicyException(_),
        ) => FaultKind::Invalid,
        _ => return of_content(container, error),
    };
    Fault {
        kind,
        ..of_content(container, error)
    }
}

fn is_list(kind: Option<&ParameterType>) -> bool {
    kind == Some(&ParameterType::StringList)
}

fn nothing(container: &Container) -> Fault {
    Fault::new(
        FaultKind::NotFound,
        format!("{container}: there is no such parameter"),
    )
}
