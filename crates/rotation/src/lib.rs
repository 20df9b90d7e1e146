//! The pure core of a rotation: what to do, in which order, and what may be done now.
//!
//! - [`plan::make`] turns a state and a policy into a [`relatch_case::Plan`];
//! - [`decide::decide`] says what may be done at a moment, from nothing but the state;
//! - [`drift::drift`] compares the world with what the plan was made for;
//! - [`diff::diff`] compares two plans.
//!
//! Invariant: no input or output, no clock, no thread, no async, no randomness. Everything
//! here is a function of its arguments, so that the same code runs in earnest, in the drill
//! and under simulation.

pub mod decide;
pub mod diff;
pub mod drift;
pub mod plan;
mod steps;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use decide::{Command, Decision, Wait, Waiting, decide};
pub use plan::{Options, make};
