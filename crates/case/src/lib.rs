//! The case: one incident, its journal of facts and the state they add up to.
//!
//! - [`fact`]: everything that can be written into a journal;
//! - [`model`]: the nouns facts speak of (credential, place, consumer, exposure, liveness);
//! - [`plan`] and [`policy`]: the rotation as data;
//! - [`state`]: the fold of the facts, the only way the rest of the program looks at a case;
//! - [`chain`], [`journal`]: how facts are hashed, chained and kept;
//! - [`sqlite`], [`postgres`]: where they are kept;
//! - [`approval`]: signatures of people under plans;
//! - [`signature`]: the case key that signs certificates;
//! - [`fault`]: the one vocabulary in which the outside world fails.
//!
//! Invariant: nothing here talks to a cloud or an issuer, reads a clock or holds a value.

pub mod approval;
mod canonical;
pub mod chain;
pub mod fact;
pub mod fault;
pub mod id;
pub mod journal;
pub mod model;
mod names;
pub mod plan;
mod plan_index;
mod plan_read;
pub mod policy;
pub mod postgres;
mod postgres_queries;
mod postgres_schema;
mod postgres_session;
pub mod signature;
pub mod sqlite;
pub mod state;
mod step_baseline;
mod stored;
mod stored_plan;
mod stored_steps;

pub use fact::{Fact, Record};
pub use fault::{Fault, FaultKind};
pub use id::{
    CaseId, ConsumerId, CredentialId, IssuerId, KeyId, PlaceId, PlanHash, Principal, StepId,
};
pub use journal::{Draft, Journal, JournalError, Lease};
pub use plan::Plan;
pub use policy::Policy;
pub use state::State;
pub use step_baseline::StepBaseline;
