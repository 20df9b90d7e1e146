//! How measures are taken.

use async_trait::async_trait;
use relatch_case::Fault;
use serde_json::Value;

use crate::Measure;

/// Whether a measure binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// `None`: it could not be told.
    pub binds: Option<bool>,
    /// How it was seen.
    pub how: String,
}

/// A cloud that can be contained.
///
/// Contract: `apply` and `restore` may be called twice; `restore` puts back exactly what the
/// snapshot holds, and only what the measure changed.
#[async_trait]
pub trait Cloud: Send + Sync {
    /// What stands where the measure will act. Never a value.
    async fn snapshot(&self, measure: &Measure) -> Result<Value, Fault>;

    /// Takes the measure.
    async fn apply(&self, measure: &Measure) -> Result<(), Fault>;

    /// Looks whether it binds.
    async fn verify(&self, measure: &Measure) -> Verdict;

    /// Puts back what stood there before.
    async fn restore(&self, measure: &Measure, snapshot: &Value) -> Result<(), Fault>;
}
