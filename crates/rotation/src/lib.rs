//! The pure core of a rotation: what to do, in which order, and what may be done now.
//!
//! - [`plan::make`] turns a state and a policy into a [`relatch_case::Plan`];
//! - [`decide::decide`] says what may be done at a moment, from nothing but the state, and
//!   [`Agenda`] the same from fact to fact;
//! - `rollback` is how a wave that failed is undone;
//! - `order` is which credential has to be dead before which is renewed;
//! - [`drift::drift`] compares the world with what the plan was made for;
//! - [`diff::diff`] compares two plans;
//! - [`summary`] is what a plan comes to, [`explain`] why a step is in it and what it waits for.
//!
//! Invariant: no input or output, no clock, no thread, no async, no randomness. Everything
//! here is a function of its arguments, so that the same code runs in earnest, in the drill
//! and under simulation.

mod agenda;
pub mod decide;
pub mod diff;
pub mod drift;
pub mod estimate;
pub mod explain;
pub mod find;
pub mod order;
pub mod plan;
mod rollback;
mod steps;
pub mod summary;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod waves;

pub use agenda::{Agenda, Touched};
pub use decide::{Command, Decision, Wait, Waiting, decide};
pub use plan::{Options, make};
