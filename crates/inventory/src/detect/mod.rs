//! Finding credentials in containers, by the format of values and the names of slots.
//!
//! A format is trusted before a name. What looks like a credential and cannot be made a place
//! (it stands within a longer text, its other half is missing or one of several, its name
//! says more than its format) becomes a blind spot for a person, never silence.

mod aws;
mod detector;
mod scan;
mod value;

pub use aws::{Half, Undecided};
pub use detector::{Detector, DetectorError, DetectorSpec, Detectors};
pub use scan::{Candidate, Detected, detect};

#[cfg(test)]
mod tests;
