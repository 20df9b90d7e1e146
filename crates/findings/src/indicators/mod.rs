//! Indicators of the attacker: what to look for elsewhere, as CSV and as a STIX 2.1 bundle.
//!
//! An indicator that somebody else used as well is marked [`Standing::Shared`]: blocking it would
//! hit its owner.

mod collect;
mod indicator;
mod objects;
mod pattern;
mod stix;
mod table;

pub use collect::collect;
pub use indicator::{Indicator, IndicatorKind, Standing};
pub use stix::stix;
pub use table::csv;
