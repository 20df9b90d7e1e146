//! Scenarios: which credentials exist, where their copies lie, who uses them, and what the
//! attacker goes for.

mod braintrust;
mod containers;
mod files;
mod identities;
mod model;

pub use braintrust::braintrust;
pub(crate) use containers::{Contents, DATA_BUCKET, fill, put};
pub(crate) use files::read_field;
pub(crate) use identities::{RUNTIME_ROLE, Seeded, seed, workload_user};
pub use model::{Consumer, Credential, IssuerKind, Place, Scenario, Store};
