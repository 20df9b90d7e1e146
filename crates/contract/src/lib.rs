//! What every adapter must hold to, as tests that each adapter runs against a real server,
//! and a proxy that makes the wire between the two fail.
//!
//! - [`proxy`]: an HTTP proxy on this machine that fails as told, or at random by a seed;
//! - [`wire`]: what a suite needs of whatever stands between an adapter and its server;
//! - [`issuer`], [`store`], [`roller`]: the contracts of the three ports, each with a harness
//!   that an adapter's tests implement and a suite that returns [`Findings`].
//!
//! Invariant: used by tests only; listens and connects on loopback only, and keeps no body of
//! a request.

mod findings;
pub mod issuer;
pub mod proxy;
pub mod roller;
pub mod store;
pub mod wire;

pub use findings::Findings;
