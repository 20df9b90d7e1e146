//! How the outside world fails, in one vocabulary for issuers, places, consumers and clouds.

use serde::{Deserialize, Serialize};

/// What kind of failure it was, which decides what may be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// We are not allowed to. Nothing happened; a person has to grant it.
    Denied,
    /// The thing is not there. Nothing happened.
    NotFound,
    /// The thing is not as expected (compare-and-set failed). Nothing happened.
    Conflict,
    /// The issuer has no room for another key. Nothing happened.
    SlotsFull,
    /// Asked to slow down. Nothing happened; it may be tried again.
    Throttled,
    /// The request was refused as wrong. Nothing happened; trying again will not help.
    Invalid,
    /// The outside world was not reached at all. Nothing happened; it may be tried again.
    Unreachable,
    /// It may have happened: the answer was lost, cut, or a server error. Never replayed;
    /// the outside world has to be asked.
    Ambiguous,
    /// A consumer did not get well on a new value.
    Unwell,
    /// What we hold ourselves failed (custody, a local file). Nothing happened outside.
    Local,
}

/// One failure, with words for a person. Never holds a value: whoever makes one from an
/// outside text passes it through [`relatch_secret::redact::outside`], as [`Fault::new`] does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{detail}")]
pub struct Fault {
    /// What kind of failure.
    pub kind: FaultKind,
    /// What was said, cleaned.
    pub detail: String,
}

impl Fault {
    /// A fault with a cleaned description.
    pub fn new(kind: FaultKind, detail: impl AsRef<str>) -> Self {
        Self {
            kind,
            detail: relatch_secret::redact::outside(detail.as_ref()),
        }
    }

    /// Whether the outside world may have changed.
    pub fn may_have_acted(&self) -> bool {
        self.kind == FaultKind::Ambiguous
    }

    /// Whether the same request may simply be sent again later.
    pub fn is_passing(&self) -> bool {
        matches!(self.kind, FaultKind::Throttled | FaultKind::Unreachable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_text_is_cleaned() {
        let fault = Fault::new(
            FaultKind::Denied,
            "no \u{1b}[31m sk-svcacct-abcdefghijklmnopqrst",
        );
        assert_eq!(fault.detail, "no ·[31m [redacted]");
    }
}
