//! Which places a principal could read by policy: the exposure `readable`, decided offline.
//!
//! - [`World`] holds what is known: an account's identities and policies, resource policies,
//!   and the organization's policies along the path;
//! - [`World::decide`] answers one [`Query`] with [`Verdict::Allowed`], [`Verdict::Denied`] or
//!   [`Verdict::Undecidable`], and cites the statements that decided;
//! - [`World::reach`] follows roles that may be assumed, and lists for each [`Place`] who could
//!   read it, through which roles;
//! - [`World::readings`] answers for one principal, place by place, and lists the roles it could
//!   become.
//!
//! What is not known (a context key, a policy that cannot be read or was not given) is a third
//! truth value, never a guess: an undecidable question counts as readable.
//!
//! Invariant: no network, no clock, no files; nothing that could not be read is taken as absent.

mod arn;
mod ask;
mod calls;
mod compare;
mod condition;
mod context;
mod decide;
mod details;
mod layers;
mod node;
mod parse;
mod pattern;
mod policy;
mod principal;
mod reach;
mod readings;
mod search;
mod statement;
mod truth;
mod verdict;
mod ways;
mod weight;
mod world;

pub use context::Context;
pub use decide::{Query, QueryError, Session};
pub use details::DetailsError;
pub use reach::{BlindSpot, Hop, Limits, Reach, Readable};
pub use readings::{Chain, Reading, Readings};
pub use verdict::{Answer, Cited, Doubt, Layer, Verdict};
pub use ways::{Encryption, Place, PlaceKind};
pub use world::{Fault, World};
