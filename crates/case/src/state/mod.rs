//! The fold of the facts: what is known now. Never stored, always derived.
//!
//! - `types`: what is known, as data;
//! - `fold`: how a fact changes it;
//! - `questions`: what the rest of the program asks of it.

mod fold;
mod questions;
mod types;

pub use types::{
    Actor, BlindSpot, CaseInfo, Measure, PlanInForce, State, StepState, StepStatus, TripwireHit,
    Waiver,
};
