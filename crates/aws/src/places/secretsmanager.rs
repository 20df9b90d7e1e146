//! AWS Secrets Manager.
//!
//! A write is made beside the current version, under a stage of its own, and takes effect
//! by moving `AWSCURRENT` from exactly the expected version, which the service refuses when
//! somebody else moved it first.
//!
//! A secret with automatic rotation is written like any other: its rotation function may
//! replace what was written at its next turn, and nothing here turns it off.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_sdk_secretsmanager::primitives::Blob;
use rand::TryRngCore;
use rand::rngs::OsRng;
use relatch_case::model::{Container, Slot};
use relatch_case::{Fault, FaultKind};
use relatch_places::{Document, Store, Version};
use relatch_secret::Secret;

use super::content::{about, check_slots, moved_on, of_content, replaced, slots};
use crate::clients::Clients;
use crate::connection::Connection;
use crate::error::{fault, fault_of_read};

/// The stage of the version that consumers get.
const CURRENT: &str = "AWSCURRENT";
/// The stage of our version until it is current.
const PENDING: &str = "RELATCH_PENDING";

/// Secrets of AWS Secrets Manager: kind `secretsmanager`, named by name or ARN.
#[derive(Debug, Clone)]
pub struct SecretsManagerStore {
    clients: Clients<Client>,
}

/// What a version of a secret holds.
enum Content {
    Text(String),
    Bytes(Vec<u8>),
}

impl SecretsManagerStore {
    /// A store that talks through `connection`.
    pub fn new(connection: Connection) -> Self {
        Self {
            clients: Clients::new(connection, Client::new),
        }
    }

    async fn current(&self, container: &Container) -> Result<GetSecretValueOutput, Fault> {
        self.reader(container)
            .get_secret_value()
            .secret_id(&container.name)
            .version_stage(CURRENT)
            .send()
            .await
            .map_err(|error| about(container, fault_of_read(error)))
    }

    /// The id of the version at `stage`, without reading its value.
    async fn version_at(
        &self,
        container: &Container,
        stage: &str,
    ) -> Result<Option<String>, Fault> {
        let secret = self
            .reader(container)
            .describe_secret()
            .secret_id(&container.name)
            .send()
            .await
            .map_err(|error| about(container, fault_of_read(error)))?;
        let versions = secret.version_ids_to_stages.unwrap_or_default();
        let is_there = |stages: &[String]| stages.iter().any(|s| s == stage);
        Ok(versions
            .into_iter()
            .find(|(_, stages)| is_there(stages))
            .map(|(id, _)| id))
    }

    fn reader(&self, container: &Container) -> Client {
        self.clients.reader(&container.region)
    }

    fn writer(&self, container: &Container) -> Client {
        self.clients.writer(&container.region)
    }

    /// Puts `content` as version `token` under the pending stage. Whether a write whose
    /// answer was lost took place is seen by its version.
    async fn put(&self, container: &Container, token: &str, content: Content) -> Result<(), Fault> {
        match self.send(container, token, content).await {
            Err(lost) if lost.may_have_acted() => match self.version_at(container, PENDING).await {
                Ok(Some(version)) if version == token => Ok(()),
                _ => Err(lost),
            },
            outcome => outcome,
        }
    }

    async fn send(
        &self,
        container: &Container,
        token: &str,
        content: Content,
    ) -> Result<(), Fault> {
        let request = self
            .writer(container)
            .put_secret_value()
            .secret_id(&container.name)
            .client_request_token(token)
            .version_stages(PENDING);
        let request = match content {
            Content::Text(text) => request.secret_string(text),
            Content::Bytes(bytes) => request.secret_binary(Blob::new(bytes)),
        };
        request
            .send()
            .await
            .map(|_| ())
            .map_err(|error| of_content(container, error))
    }

    /// Makes `token` current if `expected` still is.
    async fn promote(
        &self,
        container: &Container,
        expected: &str,
        token: &str,
    ) -> Result<(), Fault> {
        let moved = self
            .writer(container)
            .update_secret_version_stage()
            .secret_id(&container.name)
            .version_stage(CURRENT)
            .move_to_version_id(token)
            .remove_from_version_id(expected)
            .send()
            .await;
        match moved {
            Ok(_) => Ok(()),
            Err(error) => {
                let refusal = about(container, fault(error));
                self.settle(container, expected, token, refusal).await
            }
        }
    }

    /// After a move that failed or whose answer was lost: asks what is current now.
    async fn settle(
        &self,
        container: &Container,
        expected: &str,
        token: &str,
        refusal: Fault,
    ) -> Result<(), Fault> {
        match self.version_at(container, CURRENT).await {
            Ok(Some(current)) if current == token => Ok(()),
            Ok(current) if !refusal.may_have_acted() && current.as_deref() != Some(expected) => {
                Err(moved_on(container))
            }
            _ => Err(refusal),
        }
    }

    /// Takes the pending stage off our version: it is current now, or will never be. A stage
    /// that stays behind does no harm, the next write moves it, so this only warns.
    async fn unstage(&self, container: &Container, token: &str) {
        let removed = self
            .writer(container)
            .update_secret_version_stage()
            .secret_id(&container.name)
            .version_stage(PENDING)
            .remove_from_version_id(token)
            .send()
            .await;
        if let Err(error) = removed {
            let why = fault(error).detail;
            tracing::warn!(%container, stage = PENDING, why, "the stage could not be taken off");
        }
    }
}

#[async_trait]
impl Store for SecretsManagerStore {
    fn kind(&self) -> &'static str {
        "secretsmanager"
    }

    async fn read(&self, container: &Container) -> Result<Document, Fault> {
        let secret = self.current(container).await?;
        let bytes = secret.secret_binary.map(Blob::into_inner);
        secret_document(container, secret.version_id, secret.secret_string, bytes)
    }

    async fn write(
        &self,
        container: &Container,
        version: &Version,
        changes: &BTreeMap<Slot, Secret>,
    ) -> Result<Version, Fault> {
        let secret = self.current(container).await?;
        if secret.version_id.as_deref() != Some(version.0.as_str()) {
            return Err(moved_on(container));
        }
        let bytes = secret.secret_binary.map(Blob::into_inner);
        let content = changed(container, secret.secret_string, bytes, changes)?;
        let token = request_token()?;
        self.put(container, &token, content).await?;
        let promoted = self.promote(container, &version.0, &token).await;
        if !matches!(&promoted, Err(fault) if fault.may_have_acted()) {
            self.unstage(container, &token).await;
        }
        promoted.map(|()| Version(token))
    }
}

/// A secret's version as a document: the string leaves of a JSON object, else the whole;
/// binary secrets are always whole.
pub(crate) fn secret_document(
    container: &Container,
    version: Option<String>,
    text: Option<String>,
    bytes: Option<Vec<u8>>,
) -> Result<Document, Fault> {
    let version = version.ok_or_else(|| empty(container))?;
    let slots = match (text, bytes) {
        (Some(text), _) => slots(&text),
        (None, Some(bytes)) => BTreeMap::from([(Slot::whole(), Secret::new(bytes))]),
        (None, None) => return Err(empty(container)),
    };
    Ok(Document {
        version: Version(version),
        slots,
    })
}

/// The content after `changes`, in the form that it had.
fn changed(
    container: &Container,
    text: Option<String>,
    bytes: Option<Vec<u8>>,
    changes: &BTreeMap<Slot, Secret>,
) -> Result<Content, Fault> {
    match (text, bytes) {
        (Some(text), _) => replaced(container, &text, changes).map(Content::Text),
        (None, Some(bytes)) => {
            let slots = BTreeMap::from([(Slot::whole(), Secret::new(bytes))]);
            check_slots(container, &slots, changes)?;
            Ok(Content::Bytes(changes[&Slot::whole()].expose().to_vec()))
        }
        (None, None) => Err(empty(container)),
    }
}

fn empty(container: &Container) -> Fault {
    Fault::new(
        FaultKind::NotFound,
        format!("{container}: the secret has no current value"),
    )
}

/// A random UUID (version 4), which becomes the id of the version that is written.
fn request_token() -> Result<String, Fault> {
    let mut bytes = [0u8; 16];
    OsRng.try_fill_bytes(&mut bytes).map_err(|error| {
        Fault::new(
            FaultKind::Local,
            format!("the system gives no random bytes: {error}"),
        )
    })?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let uuid = u128::from_be_bytes(bytes);
    Ok(format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        uuid >> 96,
        (uuid >> 80) & 0xffff,
        (uuid >> 64) & 0xffff,
        (uuid >> 48) & 0xffff,
        uuid & 0xffff_ffff_ffff,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_the_shape_of_a_uuid_and_do_not_repeat() {
        let (a, b) = (
            request_token().expect("token"),
            request_token().expect("token"),
        );
        assert_ne!(a, b);
        assert_eq!(a.len(), 36, "ClientRequestToken is 32 to 64 characters");
        assert_eq!(a.as_bytes()[14], b'4');
    }
}
