//! Made-up CloudTrail logs of a made-up organisation, with the truth beside them: a breach is
//! hidden in ordinary traffic, and every event of the attacker's is known by id.
//!
//! [`write()`] fills a folder laid out like the trail's bucket, [`documents`] gives the same files
//! in memory, and [`Truth`] says what an investigation should find. [`judge`] compares an answer
//! with it.
//!
//! Invariant: equal specs give equal bytes; nothing is ever read, and nothing written outside
//! the folder that was named.

mod breach;
mod call;
mod calls;
mod files;
mod generate;
mod identity;
mod json;
mod judge;
mod organisation;
mod people;
mod random;
mod spec;
mod text;
mod truth;
mod workers;
mod workloads;

pub use generate::{documents, write};
pub use judge::{Found, Judgement, Rate, judge};
pub use spec::{Breach, Part, Spec, Trouble};
pub use truth::{Planted, SecretTruth, Truth};

/// Raised with every change after which a spec gives other bytes.
pub const VERSION: u32 = 1;
