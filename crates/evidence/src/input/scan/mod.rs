//! Reads records straight out of the bytes of a log, in a single pass and without a copy.
//!
//! Only JSON that a strict parser accepts too is taken, and only where the names of the fields
//! are plain. Everything else gives `None` and is left to the tolerant readers.

mod cursor;
mod identity;
mod record;

pub(crate) use identity::identity;
pub(crate) use record::record;
