//! Holds the detections against each record while it is at hand: most are told by their source,
//! name and a few fields, and only for the rest is the record looked at as a whole.
//!
//! - `spotter`: goes from record to record;
//! - `shape`: what of a record decides, so that the next one like it need not be looked at;
//! - `view`: a record as rules see it, which notes whether more than that was asked for.

mod shape;
mod spotter;
mod view;

pub(crate) use spotter::{Spotter, Spotters};
pub(crate) use view::Sight;
