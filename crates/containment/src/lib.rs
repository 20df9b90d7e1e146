//! Containment: the ladder of measures, what they deny, and how they are taken back.
//!
//! - [`Measure`] is one rung, as data; [`document`] writes the policies;
//! - [`propose`] picks measures for the identities that were convicted;
//! - [`lockout`] refuses a measure that would deny the responder;
//! - [`Cloud`] is the port that takes, probes and restores measures.
//!
//! Invariant: no measure is taken without a recorded snapshot of what stood there before.

mod arn;
pub mod document;
pub mod lockout;
mod measure;
mod port;
mod propose;

pub use measure::{Form, Measure, Role};
pub use port::{Cloud, Verdict};
pub use propose::{Proposal, propose};
