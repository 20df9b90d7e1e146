//! From files to events: finds them, unpacks them, cuts them into records, reads each once.

pub(crate) mod aws_findings;
pub(crate) mod csv;
pub(crate) mod document;
pub(crate) mod files;
pub(crate) mod frames;
pub(crate) mod guardduty;
pub(crate) mod identities;
pub(crate) mod insight;
pub(crate) mod memo;
pub(crate) mod normalise;
pub(crate) mod reader;
pub(crate) mod record;
pub(crate) mod rows;
pub(crate) mod scan;
pub(crate) mod splitter;
pub(crate) mod stream;
pub(crate) mod unpack;
