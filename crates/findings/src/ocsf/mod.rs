//! Findings for a log lake: OCSF 1.5.0, class Detection Finding (2004), profile `cloud`.
//!
//! Facts: OCSF schema 1.5.0 (<https://schema.ocsf.io/1.5.0/classes/detection_finding>).

mod evidence;
mod finding;

pub use finding::{MOST_EVIDENCES, ocsf};
