//! What the engine tells whoever watches it: terminal, JSON lines, pages.

use relatch_case::{ConsumerId, StepId};
use serde::Serialize;

/// One thing that happened. Never holds a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A step was begun.
    Started {
        /// Which.
        step: StepId,
        /// Its verb.
        verb: &'static str,
        /// What it is for: the credential's name.
        name: String,
    },
    /// Consumers are about to stop working, because their key dies first.
    Outage {
        /// The credential's name.
        name: String,
        /// Which consumers.
        consumers: Vec<ConsumerId>,
    },
    /// A step of a wave that failed is being undone.
    Undoing {
        /// Which.
        step: StepId,
        /// What failed.
        because: String,
    },
    /// What became of an interrupted step is being found out.
    Reconciling {
        /// Which.
        step: StepId,
    },
    /// A step ended.
    Ended {
        /// Which.
        step: StepId,
        /// Its verb.
        verb: &'static str,
        /// What it was for.
        name: String,
        /// How: `done`, `failed`, `unknown`, `not done`, `stuck`.
        how: &'static str,
        /// What there is to say.
        detail: String,
    },
    /// A step that watches for something has not seen it yet.
    NotYet {
        /// Which.
        step: StepId,
        /// What for the first time or anew.
        detail: String,
    },
}
