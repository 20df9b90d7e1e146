//! Detections over CloudTrail events, written as Sigma rules (<https://sigmahq.io>).
//!
//! A rule goes from YAML text ([`load`], [`builtin`]) to an expression of tests on fields
//! ([`ast`]), is compiled with all others into a [`RuleSet`], and a [`Scanner`] says which rules
//! an [`Event`] matches. A [`Folder`] takes the hits in any order and groups them by actor and
//! tactic, without what the actor did before the incident in the same way. What needs more than
//! one event is a [`Correlation`]; the folder evaluates them at the end in order of time, with
//! windows that slide. Where it is known only after the whole log whose a hit is and when the
//! incident began, [`Sightings`] keep the hits until then.
//!
//! What makes it fast: every rule is first evaluated on the event's source and name alone, once
//! for each pair of them; where that already says no, the rule is never looked at again.
//!
//! Invariant: this crate never reads the network, a clock or the environment, never executes
//! anything a rule says, and never drops a rule in silence: what it cannot understand is listed
//! with its reason in [`Loaded::refused`].

pub mod ast;
mod builtin;
mod compile;
mod correlate;
mod event;
mod fold;
mod groups;
mod habit;
mod index;
mod load;
mod parse;
mod path;
mod pattern;
mod rule;
mod scan;
mod sightings;
pub mod sql;
mod test_eval;
mod walk;
mod windows;
mod yaml;

pub use builtin::builtin;
pub use compile::{Answers, RuleSet};
pub use correlate::Alert;
pub use event::{Event, NotARecord, RawEvent, See, Value};
pub use fold::{Folded, Folder, Group, Hit, RuleCount};
pub use habit::habit;
pub use load::{LoadError, Loaded, Placeholders, Refused, load, load_text, load_with};
pub use parse::{Refusal, RefusalKind};
pub use path::{Known, Path};
pub use rule::{Bound, Correlation, CorrelationKind, Level, Rule, RuleIndex};
pub use scan::{Interest, Scanner};
pub use sightings::{Doer, Sighted, Sightings};
pub use walk::walk_json;
