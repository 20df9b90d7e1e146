//! What every kind of place and consumer offers.

use std::collections::BTreeMap;

use async_trait::async_trait;
use relatch_case::Fault;
use relatch_case::model::{Consumer, ConsumerKind, Container, Slot};
use relatch_secret::Secret;

/// What a store calls the content it last gave out; compared, never interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub String);

/// A container's content.
#[derive(Debug, Clone)]
pub struct Document {
    /// What it was when it was read.
    pub version: Version,
    /// Every value in it that can be replaced: leaves of structured content, and the whole
    /// (empty slot) where the content has no structure.
    pub slots: BTreeMap<Slot, Secret>,
}

/// A store of one kind of container.
///
/// Contract, which the contract tests check:
/// - `write` takes effect only if the container still is at `version`, else `Conflict` and
///   nothing is changed; where the store has no such condition, the adapter detects a writer
///   in between, restores that writer's content and says `Conflict`.
/// - Only the named slots change: order, comments, formatting, other keys, tags, keys of
///   encryption, tiers, mode and owner stay.
/// - `Err` other than `Ambiguous` means that nothing changed.
#[async_trait]
pub trait Store: Send + Sync {
    /// The `kind` of the containers it handles.
    fn kind(&self) -> &'static str;

    /// Reads a container.
    async fn read(&self, container: &Container) -> Result<Document, Fault>;

    /// Replaces slots if the container still is at `version`. An empty `changes` is refused
    /// as `Invalid`.
    async fn write(
        &self,
        container: &Container,
        version: &Version,
        changes: &BTreeMap<Slot, Secret>,
    ) -> Result<Version, Fault>;
}

/// How a consumer is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether it says that it is well.
    pub well: bool,
    /// What it said, cleaned.
    pub detail: String,
}

/// Rolls consumers of one kind and watches their health.
#[async_trait]
pub trait Roller: Send + Sync {
    /// Whether it handles this kind.
    fn handles(&self, kind: &ConsumerKind) -> bool;

    /// What is needed to put the consumer back (an alias's version), as JSON, recorded before
    /// a roll. Never a value.
    async fn baseline(&self, consumer: &Consumer) -> Result<serde_json::Value, Fault>;

    /// Makes the consumer read its places again. Doing it twice is harmless.
    async fn roll(&self, consumer: &Consumer) -> Result<(), Fault>;

    /// Puts the consumer back to the baseline.
    async fn roll_back(
        &self,
        consumer: &Consumer,
        baseline: &serde_json::Value,
    ) -> Result<(), Fault>;

    /// Asks how it is doing.
    async fn health(&self, consumer: &Consumer) -> Result<Health, Fault>;

    /// What the consumer runs with now, where that can be seen from outside (the environment
    /// of the version behind a Lambda alias). `None` where it cannot.
    async fn runs_with(
        &self,
        consumer: &Consumer,
        container: &Container,
    ) -> Result<Option<Document>, Fault>;
}
