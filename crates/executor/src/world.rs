//! Everything outside that steps act on.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use relatch_case::model::{Consumer, Container};
use relatch_case::{Fault, FaultKind, IssuerId, KeyId};
use relatch_issuers::Issuer;
use relatch_places::{Roller, Store};

/// One use of a key, as a log shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// When.
    pub at: Timestamp,
    /// Where from.
    pub address: String,
    /// By which client.
    pub client: String,
}

/// A log of who used which key.
#[async_trait]
pub trait UseLog: Send + Sync {
    /// Whether uses of an issuer's keys are in it.
    fn covers(&self, issuer: &IssuerId) -> bool;

    /// The uses of a key since a moment, as far as they were delivered by now.
    async fn uses(&self, key: &KeyId, since: Timestamp) -> Result<Vec<KeyUse>, Fault>;
}

/// Issuers, stores and rollers, as configured.
#[derive(Clone, Default)]
pub struct World {
    log: Option<Arc<dyn UseLog>>,
    issuers: BTreeMap<IssuerId, Arc<dyn Issuer>>,
    stores: BTreeMap<&'static str, Arc<dyn Store>>,
    rollers: Vec<Arc<dyn Roller>>,
}

impl World {
    /// Adds an issuer.
    pub fn add_issuer(&mut self, issuer: Arc<dyn Issuer>) {
        self.issuers.insert(issuer.id().clone(), issuer);
    }

    /// Adds a store.
    pub fn add_store(&mut self, store: Arc<dyn Store>) {
        self.stores.insert(store.kind(), store);
    }

    /// Adds a roller.
    pub fn add_roller(&mut self, roller: Arc<dyn Roller>) {
        self.rollers.push(roller);
    }

    /// Sets the log.
    pub fn set_log(&mut self, log: Arc<dyn UseLog>) {
        self.log = Some(log);
    }

    /// The log that shows uses of an issuer's keys, if there is one.
    pub fn log_of(&self, issuer: &IssuerId) -> Option<&Arc<dyn UseLog>> {
        self.log.as_ref().filter(|log| log.covers(issuer))
    }

    /// Every issuer.
    pub fn issuers(&self) -> impl Iterator<Item = &Arc<dyn Issuer>> {
        self.issuers.values()
    }

    /// The issuer of that id.
    pub fn issuer(&self, id: &IssuerId) -> Result<&Arc<dyn Issuer>, Fault> {
        self.issuers
            .get(id)
            .ok_or_else(|| missing(&format!("issuer {id}")))
    }

    /// The store that holds a container.
    pub fn store(&self, container: &Container) -> Result<&Arc<dyn Store>, Fault> {
        self.stores
            .get(container.kind.as_str())
            .ok_or_else(|| missing(&format!("a store for {container}")))
    }

    /// The roller of a consumer.
    pub fn roller(&self, consumer: &Consumer) -> Result<&Arc<dyn Roller>, Fault> {
        self.rollers
            .iter()
            .find(|roller| roller.handles(&consumer.kind))
            .ok_or_else(|| missing(&format!("a way to roll {}", consumer.id)))
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("issuers", &self.issuers.keys())
            .field("stores", &self.stores.keys())
            .finish_non_exhaustive()
    }
}

fn missing(what: &str) -> Fault {
    Fault::new(FaultKind::Invalid, format!("{what} is not configured"))
}
