//! How a rotation is paced. Every duration is in seconds, so that a drill can shrink them.

use serde::{Deserialize, Serialize};

/// The pace of a rotation; part of the plan, and so of what is approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Observation window: how long an old key must be quiet, and new consumers well,
    /// before the old key is switched off (requirement D4: 15 to 30 minutes).
    pub observe_s: u32,
    /// Quiet time between disable and delete (requirement R4: 24 hours).
    pub soak_s: u32,
    /// When a switched-off key is probed, counted from the disable (requirement R3).
    pub dead_probes_s: Vec<u32>,
    /// How long a cut-off key stays enabled as a tripwire before it is disabled; 0 disables
    /// at once. Never used in hot mode.
    pub tripwire_s: u32,
    /// Seconds between two looks at something that is waited for.
    pub poll_s: u32,
    /// How often a step that failed without effect is tried before a person is asked.
    pub max_attempts: u32,
    /// Seconds before the second attempt; doubled for each further one.
    pub backoff_s: u32,
    /// Most effects at one issuer or cloud account at once.
    pub concurrency: u32,
    /// Most effects at one issuer or cloud account in a minute.
    pub per_minute: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            observe_s: 15 * 60,
            soak_s: 24 * 60 * 60,
            dead_probes_s: vec![0, 60, 15 * 60, 24 * 60 * 60],
            tripwire_s: 0,
            poll_s: 15,
            max_attempts: 5,
            backoff_s: 2,
            concurrency: 4,
            per_minute: 120,
        }
    }
}
