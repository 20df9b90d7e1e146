//! Where an inventory comes from.

use async_trait::async_trait;
use relatch_case::model::{Consumer, Container};
use relatch_places::Document;

/// Something that could not be looked at, and what it could hide.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BlindSpot {
    /// What could not be read: `secretsmanager:eu-west-1`.
    pub what: String,
    /// Why, cleaned.
    pub why: String,
    /// What it could hide.
    pub hides: String,
}

/// What one source found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Containers with their content, in memory only.
    pub containers: Vec<(Container, Document)>,
    /// Consumers that the source itself shows (a function reads its own environment).
    pub consumers: Vec<Consumer>,
    /// What could not be read.
    pub blind_spots: Vec<BlindSpot>,
}

/// A source of containers: a region of a cloud, a set of files.
#[async_trait]
pub trait Source: Send + Sync {
    /// What it is called in messages: `Secrets Manager in us-east-1`.
    fn name(&self) -> String;

    /// Looks at everything it can. What it cannot read becomes a blind spot, never silence.
    async fn find(&self) -> Findings;
}
