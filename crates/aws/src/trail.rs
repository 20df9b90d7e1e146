//! CloudTrail evidence out of AWS: log files in a bucket, and the event history.
//!
//! Both are read in pieces, so that a year of logs needs no more memory than one file.

mod bucket;
mod layout;
mod lookup;
mod objects;

pub use bucket::{TrailBucket, TrailUrl};
pub use lookup::{EventLookup, LookupBy};
pub use objects::{TrailObject, TrailObjects};
