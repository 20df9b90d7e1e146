//! How a rotation is paced. Every duration is in seconds, so that a drill can shrink them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{ConsumerId, IssuerId};

/// The pace of a rotation; part of the plan, and so of what is approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Observation window: how long an old key must be quiet, and new consumers well,
    /// before the old key is switched off (requirement D4: 15 to 30 minutes).
    pub observe_s: u32,
    /// Quiet time between disable and delete (requirement R4: 24 hours).
    pub soak_s: u32,
    /// When a switched-off key is probed, in seconds from the first time it was refused
    /// (requirement R3).
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
    /// How many times as many consumers each wave has as the one before; the first has one
    /// (requirement D1). 0: all at once.
    #[serde(skip_serializing_if = "unchanged::wave_growth")]
    pub wave_growth: u32,
    /// Who goes first where they read a credential; else the first by name.
    #[serde(skip_serializing_if = "unchanged::canaries")]
    pub canaries: Vec<ConsumerId>,
    /// How long a wave's consumers must stay well before the next wave begins.
    #[serde(skip_serializing_if = "unchanged::settle_s")]
    pub settle_s: u32,
    /// How long a consumer may take to be well on a new value before its wave is rolled back.
    #[serde(skip_serializing_if = "unchanged::adopt_s")]
    pub adopt_s: u32,
    /// Issuers whose keys cost money by the call, which makes them urgent.
    #[serde(skip_serializing_if = "unchanged::spends")]
    pub spends: BTreeSet<IssuerId>,
    /// How many people must approve (requirement R6).
    #[serde(skip_serializing_if = "unchanged::approvals")]
    pub approvals: u32,
    /// Who may approve, by signature. Empty: whoever runs the command, by name.
    #[serde(skip_serializing_if = "unchanged::approvers")]
    pub approvers: Vec<Approver>,
}

/// Somebody who may approve plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approver {
    /// The name, as in the allowed-signers file.
    pub name: String,
    /// The SSH public key, `ssh-ed25519 AAAA…`.
    pub key: String,
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
            wave_growth: 4,
            canaries: Vec::new(),
            settle_s: 60,
            adopt_s: 300,
            spends: ["openai", "anthropic", "bedrock", "azure-openai", "gemini"]
                .map(IssuerId::from)
                .into(),
            approvals: 1,
            approvers: Vec::new(),
        }
    }
}

/// Fields that came later are written only where they differ from their default, so that the
/// hashes of older plans, and the certificates that hold them, stay what they are. What is
/// absent will always mean these values.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks through references"
)]
mod unchanged {
    use super::{Approver, BTreeSet, ConsumerId, IssuerId, Policy};

    pub(super) fn wave_growth(value: &u32) -> bool {
        *value == Policy::default().wave_growth
    }

    pub(super) fn canaries(value: &[ConsumerId]) -> bool {
        value.is_empty()
    }

    pub(super) fn settle_s(value: &u32) -> bool {
        *value == Policy::default().settle_s
    }

    pub(super) fn adopt_s(value: &u32) -> bool {
        *value == Policy::default().adopt_s
    }

    pub(super) fn spends(value: &BTreeSet<IssuerId>) -> bool {
        *value == Policy::default().spends
    }

    pub(super) fn approvals(value: &u32) -> bool {
        *value == Policy::default().approvals
    }

    pub(super) fn approvers(value: &[Approver]) -> bool {
        value.is_empty()
    }
}
