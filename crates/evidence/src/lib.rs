//! Evidence: CloudTrail logs in, an answer out — who, since when, what was read, what was planted.
//!
//! [`triage`] reads files of several formats, follows the attacker from seeds (or proposes them),
//! and returns a [`Triage`]. [`uses_of_keys`] finds the use of single keys quickly, for a watch.
//! [`summary`] puts a [`Triage`] into words.
//!
//! Invariant: this crate only reads local files and bytes handed to it. It never touches the
//! network, never writes, never holds a whole log's text in memory, and never gives out session
//! tokens, passwords or values of secrets that a record may contain.

mod actors;
mod agents;
mod attribution;
mod blind_spots;
mod classes;
mod columns;
mod csv;
mod detections;
mod document;
mod events;
mod exposure;
mod facts;
mod files;
mod frames;
mod identities;
mod ids;
mod judgements;
mod known;
mod links;
mod log;
mod normalise;
mod on_behalf;
mod pivot;
mod premises;
mod reader;
mod reads;
mod record;
mod rows;
mod scan;
mod score;
mod seeds;
mod split;
mod splitter;
mod spot;
mod stream;
mod summary;
mod tables;
mod text;
mod texts;
mod triage;
mod unpack;
mod uses;

pub use blind_spots::BlindSpot;
pub use detections::{DetectionAlert, DetectionCounts, DetectionGroup, DetectionRule};
pub use events::TaintedEvent;
pub use exposure::SecretRead;
pub use judgements::{Judged, Judgement};
pub use known::{ByPolicy, SecretKnown, SecretReadable, not_read};
pub use reader::{FileSkipped, FileTaken, Limits, Problem, Source};
pub use seeds::{SeedUsed, Seeds};
pub use summary::summary;
pub use text::sanitize;
pub use triage::{
    Actor, Options, Persistence, Step, Triage, TriageError, Verdict, triage, triage_sources,
};
pub use uses::{KeyUse, KeyUses, uses_of_keys};
