//! A rotation under fire: the real core and the real executor against a modelled world, in
//! one thread and virtual time, so that every schedule is a function of its seed.
//!
//! - [`dice`]: which faults strike where; leaving one out shifts no other;
//! - [`shape`]: the world of a seed;
//! - `world`: issuers, places, consumers, custody and the journal, with their truth;
//! - `events`, `drift`, `people`: what happens, what others do, what people of ours do;
//! - [`mod@laws`]: what is asserted after every fact and every effect;
//! - [`schedule`]: one schedule; [`shrink`]: the least of one that breaks a law;
//! - [`soak()`](soak::soak) runs many.
//!
//! Invariant: nothing real is touched: no network, no file, no clock.

pub mod dice;
mod drift;
mod events;
pub mod hooks;
pub mod laws;
mod operator;
mod people;
pub mod schedule;
pub mod shape;
pub mod shrink;
pub mod soak;
pub mod story;
mod world;

pub use hooks::Hooks;
pub use laws::{Law, Violation};
pub use schedule::{Report, Setup, run};
