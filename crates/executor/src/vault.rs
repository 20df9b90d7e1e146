//! What a plan's keys are called in custody.

use std::sync::Arc;

use relatch_case::model::Part;
use relatch_case::{CredentialId, Fault, FaultKind, KeyId};
use relatch_issuers::KeyMaterial;
use relatch_secret::{CustodyError, OpenCustody, Secret};
use zeroize::Zeroizing;

use crate::gather::Gather;

/// Sealed storage by name. What was sealed is durable when `seal` returns.
pub trait Sealed: Send + Sync {
    /// Seals values under their names, in place of what was there. Where it fails, any of them
    /// may be sealed.
    fn seal(&self, values: &[(String, Secret)]) -> Result<(), CustodyError>;

    /// Gives a value back, if there is one of that name.
    fn take(&self, name: &str) -> Result<Option<Secret>, CustodyError>;

    /// Destroys what is held under a name.
    fn discard(&self, name: &str) -> Result<(), CustodyError>;
}

impl Sealed for OpenCustody {
    fn seal(&self, values: &[(String, Secret)]) -> Result<(), CustodyError> {
        self.custody().seal(values)
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
pub struct Vault(Arc<Inner>);

struct Inner {
    custody: Box<dyn Sealed>,
    /// Values of steps that wait to be sealed together.
    pending: Gather<(String, Secret), Result<(), Fault>>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// Uses open custody.
    pub fn new(custody: impl Sealed + 'static) -> Self {
        Self(Arc::new(Inner {
            custody: Box::new(custody),
            pending: Gather::default(),
        }))
    }

    /// Seals the old value.
    pub async fn keep_old(&self, credential: &CredentialId, value: &Secret) -> Result<(), Fault> {
        self.seal(name_of_old(credential), value.clone()).await
    }

    /// Gives the old value back, if it was kept.
    pub fn old(&self, credential: &CredentialId) -> Result<Option<Secret>, Fault> {
        self.take(&name_of_old(credential))
    }

    /// Seals the new key of a mint's `attempt`.
    pub async fn keep_new(
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
        let both = Secret::new(std::mem::take(&mut *text));
        self.seal(name_of_new(credential, attempt), both).await
    }

    /// Gives the new key of a mint's `attempt` back, if it is held.
    pub fn new_key(
        &self,
        credential: &CredentialId,
        attempt: u32,
    ) -> Result<Option<(KeyId, Secret)>, Fault> {
        let Some(text) = self.take(&name_of_new(credential, attempt))? else {
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
        let name = name_of_new(credential, attempt);
        self.0.custody.discard(&name).map_err(local)
    }

    fn take(&self, name: &str) -> Result<Option<Secret>, Fault> {
        self.0.custody.take(name).map_err(local)
    }

    /// Seals a value, together with those that other steps seal at the same time.
    async fn seal(&self, name: String, value: Secret) -> Result<(), Fault> {
        let Inner { custody, pending } = &*self.0;
        let written = pending.write((name, value), |values| seal_together(&**custody, values));
        let lost = || Fault::new(FaultKind::Local, "sealing was broken off");
        written.await.unwrap_or_else(|| Err(lost()))
    }
}

/// Seals all values with one write, or each alone: one that cannot be sealed hinders no other.
fn seal_together(custody: &dyn Sealed, values: Vec<(String, Secret)>) -> Vec<Result<(), Fault>> {
    if values.len() > 1 && custody.seal(&values).is_ok() {
        return values.iter().map(|_| Ok(())).collect();
    }
    let alone = |value| custody.seal(std::slice::from_ref(value)).map_err(local);
    values.iter().map(alone).collect()
}

/// The half of a key that goes into a slot.
pub(crate) fn half(part: Part, key: &KeyMaterial) -> Option<Secret> {
    match part {
        Part::Secret => Some(key.secret.clone()),
        Part::KeyId => key.id.as_ref().map(|id| Secret::from(id.as_str())),
    }
}

fn name_of_old(credential: &CredentialId) -> String {
    format!("{credential}.old")
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
