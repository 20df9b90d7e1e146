//! What is exposed, where it lives and who uses it.
//!
//! [`Source`]s bring containers ([`FileSource`] brings files), [`detect`] finds credentials in
//! them by format and name, and [`join`] makes one credential of equal values by keyed
//! fingerprint and matches them with the issuers' own lists. [`declared`] reads what people
//! wrote down about their services.
//!
//! Invariant: no value leaves this crate; what it returns are facts.

pub mod declared;
pub mod declared_dependency;
pub mod detect;
mod files;
pub mod join;
mod port;

pub use files::FileSource;
pub use port::{BlindSpot, Findings, Source};
