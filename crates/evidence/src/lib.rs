//! Evidence: CloudTrail logs in, an answer out — who, since when, what was read, what was planted.
//!
//! Four rooms: `input` turns files into events, `log` holds what a record leaves behind, `taint`
//! decides who the attacker is, `found` tells what the log shows of him.
//!
//! [`triage`] reads files of several formats, follows the attacker from seeds (or proposes them),
//! and returns a [`Triage`]. [`uses_of_keys`] finds the use of single keys quickly, for a watch.
//! [`summary`] puts a [`Triage`] into words.
//!
//! Invariant: this crate only reads local files and bytes handed to it. It never touches the
//! network, writes nothing but nameless temporary files with what it keeps of a large log, never
//! holds a log's text, and never keeps or gives out session tokens, passwords or values of secrets
//! that a record may contain.

mod answer;
mod found;
mod input;
mod log;
mod taint;
mod text;
mod triage;
mod uses;

pub use answer::{Actor, Persistence, Share, Step, Triage, Verdict};
pub use found::blind_spots::BlindSpot;
pub use found::detections::{DetectionAlert, DetectionCounts, DetectionGroup, DetectionRule};
pub use found::events::TaintedEvent;
pub use found::exposure::SecretRead;
pub use found::known::{ByPolicy, SecretKnown, SecretReadable, not_read};
pub use found::summary::summary;
pub use input::aws_findings::{AwsFinding, FindingActor};
pub use input::reader::{FileSkipped, FileTaken, Limits, Problem, Source};
pub use taint::judgements::{Judged, Judgement};
pub use taint::seeds::{SeedUsed, Seeds};
pub use text::sanitize;
pub use triage::{Options, TriageError, triage, triage_sources};
pub use uses::{KeyUse, KeyUses, uses_of_keys};
