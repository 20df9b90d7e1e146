//! The practice range: an emulated cloud behind a gatekeeper, fake issuers, loaded consumers
//! and an attacker, all in this process.
//!
//! Invariant: nothing in this crate reaches outside loopback, and it never knows what a case
//! or a plan is.

mod attacker;
mod aws;
mod build;
mod config;
mod consumers;
mod error;
mod faults;
mod http;
mod issuers;
mod loot;
mod questions;
mod random;
mod range;
mod scenario;
mod stop;
mod truth;

pub use attacker::Misuse;
pub use aws::{AwsClient, CallError, KeyPair};
pub use config::{
    ACCOUNT, HOME_REGION, MANAGEMENT_ACCOUNT, Network, RangeConfig, SECOND_REGION, TRAIL_BUCKET,
};
pub use consumers::ConsumerStats;
pub use error::RangeError;
pub use faults::Faults;
pub use issuers::{IssuedKey, KeyStatus, Standing};
pub use range::Range;
pub use scenario::{Consumer, Credential, IssuerKind, Place, Scenario, Store, braintrust};
pub use truth::{ConsumerInfo, LiveKey, Stats, Truth, TruthCredential};
