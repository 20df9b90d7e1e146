//! What every issuer offers, whatever it is made of.

use async_trait::async_trait;
use jiff::Timestamp;
use relatch_case::model::{IssuedKey, Probe, Sheet};
use relatch_case::{Fault, IssuerId, KeyId, Principal};
use relatch_secret::Secret;

/// A key as its holder presents it.
#[derive(Debug, Clone)]
pub struct KeyMaterial {
    /// The issuer's id, where presenting needs it (an AWS access key id).
    pub id: Option<KeyId>,
    /// The value.
    pub secret: Secret,
}

/// What to mint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MintRequest {
    /// For whom; the new key gets the same principal, and so the same rights, as the old.
    pub principal: Principal,
    /// The name to give, unique to one attempt of one step.
    pub name: String,
    /// The key it replaces, whose scopes and limits it must not exceed.
    pub replaces: Option<KeyId>,
}

/// A new key, shown once.
#[derive(Debug)]
pub struct Minted {
    /// The issuer's id.
    pub id: KeyId,
    /// The value.
    pub secret: Secret,
}

/// An issuer: mints, lists, cuts off, disables, deletes and probes keys.
///
/// Contract, on which the engine rests and which the contract tests check:
/// - `Err` with any kind but [`FaultKind::Ambiguous`](relatch_case::FaultKind) means that
///   nothing changed outside; whatever else (time-out after sending, cut or server-error
///   answer) is `Ambiguous`. A client must never resend a mutating request by itself.
/// - `disable`, `enable`, `delete`, `cut` and `uncut` may be called twice; the second call
///   finds the work done and succeeds. Deleting an absent key succeeds.
/// - `probe` never fails: no definite answer is `unknown`. It runs its own negative control.
#[async_trait]
pub trait Issuer: Send + Sync {
    /// The id under which it is configured.
    fn id(&self) -> &IssuerId;

    /// What it can do.
    fn sheet(&self) -> &Sheet;

    /// Every principal with its keys. Pages are followed to the end.
    async fn list_all(&self) -> Result<Vec<(Principal, Vec<IssuedKey>)>, Fault>;

    /// The keys of one principal. An unknown principal is `NotFound`.
    async fn list(&self, principal: &Principal) -> Result<Vec<IssuedKey>, Fault>;

    /// Makes a new key.
    async fn mint(&self, request: &MintRequest) -> Result<Minted, Fault>;

    /// Switches a key off, reversibly.
    async fn disable(&self, principal: &Principal, key: &KeyId) -> Result<(), Fault>;

    /// Switches a disabled key on again.
    async fn enable(&self, principal: &Principal, key: &KeyId) -> Result<(), Fault>;

    /// Removes a key for good.
    async fn delete(&self, principal: &Principal, key: &KeyId) -> Result<(), Fault>;

    /// Denies the principal everything, so that attempts stay visible in the log. Only where
    /// [`Sheet::cuts`]; never on a principal that holds a key in use.
    async fn cut(&self, principal: &Principal) -> Result<(), Fault>;

    /// Takes [`Issuer::cut`] back.
    async fn uncut(&self, principal: &Principal) -> Result<(), Fault>;

    /// When a key was last used, as far as the issuer tells. Never proof of "no attempt".
    async fn last_used(
        &self,
        principal: &Principal,
        key: &KeyId,
    ) -> Result<Option<Timestamp>, Fault>;

    /// Presents a key and says whether it works.
    async fn probe(&self, key: &KeyMaterial) -> Probe;

    /// Whether `listed` can be the key whose value is `secret`, by the hint the issuer shows.
    /// A hint can match several keys; the caller treats that as not matched.
    fn recognises(&self, listed: &IssuedKey, secret: &Secret) -> bool;

    /// Whether a value looks like a key of this issuer, for checking what a person pasted.
    /// Where keys have no format everything does.
    fn well_formed(&self, secret: &Secret) -> bool {
        !secret.is_empty()
    }

    /// The id of the one usable key of `principal` that shows the hint of `secret` and is not
    /// among `not_in`: how a key that a person pasted is found. `None`: no key fits, or more
    /// than one does.
    async fn find_by_value(
        &self,
        principal: &Principal,
        secret: &Secret,
        not_in: &[KeyId],
    ) -> Result<Option<KeyId>, Fault> {
        let listed = self.list(principal).await?;
        let mut fitting = listed
            .into_iter()
            .filter(|key| key.active && !not_in.contains(&key.id) && self.recognises(key, secret));
        Ok(match (fitting.next(), fitting.next()) {
            (Some(key), None) => Some(key.id),
            _ => None,
        })
    }
}
