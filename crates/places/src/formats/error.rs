//! What can be wrong with a text or with a change to it.

use relatch_case::{Fault, FaultKind};

/// A text that cannot be read or changed. Never shows any of the text, which may hold values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The text is not in the format.
    #[error("line {line} is not valid {format}: {what}")]
    Syntax {
        /// The format.
        format: &'static str,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// The format allows it, and it cannot be changed without a risk of damage.
    #[error("line {line} has {what}, which is not changed without a person")]
    Unsupported {
        /// The line, from 1.
        line: usize,
        /// What stands there.
        what: &'static str,
    },
    /// A key stands there twice, and readers disagree on which one counts.
    #[error("the key {slot} stands there twice, again on line {line}")]
    Duplicate {
        /// The slot.
        slot: String,
        /// The line of the second, from 1.
        line: usize,
    },
    /// There is no value at this slot.
    #[error("there is no value at {slot}")]
    NoSuchSlot {
        /// The slot.
        slot: String,
    },
    /// This value cannot stand at this slot.
    #[error("the new value cannot stand at {slot}: {why}")]
    CannotHold {
        /// The slot.
        slot: String,
        /// Why.
        why: &'static str,
    },
    /// The text after the change does not read as it should; nothing was given back.
    #[error("changing the named values would change something else as well")]
    WouldDamage,
    /// No change was asked for.
    #[error("there is nothing to change")]
    NothingToChange,
}

impl From<FormatError> for Fault {
    fn from(error: FormatError) -> Self {
        let kind = match error {
            FormatError::NoSuchSlot { .. } => FaultKind::NotFound,
            _ => FaultKind::Invalid,
        };
        Self::new(kind, error.to_string())
    }
}
