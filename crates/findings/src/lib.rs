//! What triage found, in the forms that people and other tools read.
//!
//! A [`Triage`](relatch_evidence::Triage) says who, since when and what; [`Moment`]s are its
//! events, one by one, each with its reason. From both, this crate writes a page and tables
//! ([`timeline`]), indicators ([`indicators`]), findings for a log lake ([`ocsf`]) and rules
//! that fire on any further use ([`sigma`]).
//!
//! All text from logs was chosen by whoever made the calls. Before it is written it loses
//! terminal escapes, control characters and direction marks, and is cut with a mark when long;
//! then each form escapes it in its own way.
//!
//! Invariant: this crate never reads a file, a clock, the network or the environment; equal
//! input gives equal bytes; and it never writes text from outside unescaped.

mod about;
mod attack;
mod calls;
mod clean;
mod groups;
mod moment;
mod moments;
mod uuid;
mod words;
mod write;

pub mod indicators;
pub mod ocsf;
pub mod sigma;
pub mod timeline;

pub use about::About;
pub use moment::{Moment, Verdict};
pub use moments::moments;
pub use write::WriteError;
