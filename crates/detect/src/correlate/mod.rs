//! Rules over the hits of other rules.

mod collect;
mod evaluate;
mod wiring;

pub(crate) use collect::{Correlator, Kept, MOST_VALUES, Numbered, cut};
pub use evaluate::Alert;
pub(crate) use evaluate::Phase;
pub(crate) use wiring::Wiring;
