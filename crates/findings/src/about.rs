//! What the findings are about.

use jiff::Timestamp;

use crate::clean::clean;

/// What the findings are about, and when they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Id of the case. Ids in the outputs are derived from it, so that a later export of the
    /// same case replaces an earlier one where the reader knows how to.
    pub case: String,
    /// What people call the incident.
    pub title: String,
    /// When the case was opened.
    pub opened_at: Timestamp,
    /// When this is written. There is no clock in this crate.
    pub made_at: Timestamp,
}

impl About {
    /// The same with texts that are safe to show.
    pub(crate) fn clean(&self) -> About {
        About {
            case: clean(&self.case),
            title: clean(&self.title),
            opened_at: self.opened_at,
            made_at: self.made_at,
        }
    }
}
