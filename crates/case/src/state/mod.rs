//! The fold of the facts: what is known now. Never stored, always derived.
//!
//! - `types`: what is known, as data;
//! - `fold`: how a fact changes it;
//! - `steps`: how a fact about a step does;
//! - `start`: where triage began, over all its runs;
//! - `questions`: what the rest of the program asks of it.

mod fold;
mod questions;
mod start;
mod steps;
mod types;

pub use start::Start;
pub use types::{
    Actor, BlindSpot, CaseInfo, FailedWave, Judged, Map, Measure, PlanInForce, State, StepState,
    StepStatus, Steps, TripwireHit, Waiver,
};
