//! What a plan's keys are called in custody.

use std::sync::Arc;

use relatch_case::model::Part;
use relatch_case::{CredentialId, Fault, FaultKind, KeyId};
use relatch_issuers::KeyMaterial;
use relatch_secret::{CustodyError, OpenCustody, Secret};
use zeroize::Zeroizing;

use crate::disk;

/// Sealed storage by name. What was sealed is durable when `seal` returns.
pub trait Sealed: Send + Sync {
    /// Seals a value under a name, in place of what was there.
    fn seal(&self, name: &str, value: &Secret) -> Result<(), CustodyError>;

    /// Gives a value back, if there is one of that name.
    fn take(&self, name: &str) -> Result<Option<Secret>, CustodyError>;

    /// Destroys what is held under a name.
    fn discard(&self, name: &str) -> Result<(), CustodyError>;
}

impl Sealed for OpenCustody {
    fn seal(&self, name: &str, value: &Secret) -> Result<(), CustodyError> {
        disk::wait_for(|| self.custody().seal(name, value))
    }

    fn take(&self, name: &str) -> Result<Option<Secret>, CustodyError> {
        Self::take(self, name)
    }

    fn discard(&self, name: &str) -> Result<(), CustodyError> {
        self.custody().discard(name)
    }
}

/// Custody, by credential instead of by name. A new key is sealed together with its id, so
/// that a crash between minting and recording it loses neither.
#[derive(Clone)]
pub struct Vault(Arc<dyn Sealed>);

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// Uses open custody.
    pub fn new(custody: impl Sealed + 'static) -> Self {
        Self(Arc::new(custody))
    }

    /// Seals the old value.
    pub fn keep_old(&self, credential: &CredentialId, value: &Secret) -> Result<(), Fault> {
        self.0
            .seal(&format!("{credential}.old"), value)
            .map_err(local)
    }

    /// Gives the old value back, if it was kept.
    pub fn old(&self, credential: &CredentialId) -> Result<Option<Secret>, Fault> {
        self.0.take(&format!("{credential}.old")).map_err(local)
    }

    /// Seals the new key of a mint's `attempt`.
    pub fn keep_new(
        &self,
        credential: &CredentialId,
        attempt: u32,
        id: &KeyId,
        value: &Secret,
    ) -> Result<(), Fault> {
        let mut text = Zeroizing::new(Vec::with_capacity(id.as_str().len() + value.len() + 1));
        text.extend_from_slice(id.as_str().as_bytes());
        text.push(b'\n');
        text.extend_from_slice(value.expose());
        let sealed = Secret::new(std::mem::take(&mut *text));
        self.0
            .seal(&name_of_new(credential, attempt), &sealed)
            .map_err(local)
    }

    /// Gives the new key of a mint's `attempt` back, if it is held.
    pub fn new_key(
        &self,
        credential: &CredentialId,
        attempt: u32,
    ) -> Result<Option<(KeyId, Secret)>, Fault> {
        let Some(text) = self
            .0
            .take(&name_of_new(credential, attempt))
            .map_err(local)?
        else {
            return Ok(None);
        };
        let damaged = || Fault::new(FaultKind::Local, "a sealed key is damaged");
        let bytes = text.expose();
        let split = bytes.iter().position(|&b| b == b'\n').ok_or_else(damaged)?;
        let id = std::str::from_utf8(&bytes[..split]).map_err(|_| damaged())?;
        Ok(Some((
            KeyId::from(id),
            Secret::new(bytes[split + 1..].to_vec()),
        )))
    }

    /// Destroys what is held of a mint's `attempt`.
    pub fn discard_new(&self, credential: &CredentialId, attempt: u32) -> Result<(), Fault> {
        self.0
            .discard(&name_of_new(credential, attempt))
            .map_err(local)
    }
}

/// The half of a key that goes into a slot.
pub(crate) fn half(part: Part, key: &KeyMaterial) -> Option<Secret> {
    match part {
        Part::Secret => Some(key.secret.clone()),
        Part::KeyId => key.id.as_ref().map(|id| Secret::from(id.as_str())),
    }
}

fn name_of_new(credential: &CredentialId, attempt: u32) -> String {
    format!("{credential}.new.{attempt}")
}

fn local(error: CustodyError) -> Fault {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    Fault::new(FaultKind::Local, words)
}
