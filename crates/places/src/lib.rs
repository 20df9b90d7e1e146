//! Places where copies of values live, and the consumers that read them.
//!
//! [`Store`] and [`Roller`] are the ports. This crate implements them for files (`.env`,
//! JSON, TOML, YAML, plain; see [`formats`]) and for services with hooks; the AWS ones are in
//! `relatch-aws`.
//!
//! Invariant: nothing here decides when something happens, and nothing is written to a place
//! that is not exactly as expected.

mod file;
pub mod formats;
mod hook;
mod port;
mod service;

pub use file::FileStore;
pub use hook::HookLimits;
pub use port::{Document, Health, Roller, Store, Version};
pub use service::ServiceRoller;
