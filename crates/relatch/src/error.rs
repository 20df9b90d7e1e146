//! What a command fails with: a kind with its exit code, an error with its causes, hints.

use std::error::Error;

/// Exit codes, stable and documented in `docs/exit-codes.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 1: it could not be done.
    Failed,
    /// 2: the command line or the configuration is wrong.
    Usage,
    /// 3: refused for safety: another account, a drifted world, an unapproved plan.
    Refused,
    /// 4: done as far as possible; something is open (a person's task, unread input).
    Incomplete,
    /// 5: a check failed: a certificate that does not verify, a retired key in use.
    Found,
}

impl Kind {
    /// The exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Incomplete => 4,
            Self::Found => 5,
        }
    }
}

/// A failed command.
#[derive(Debug)]
pub(crate) struct CommandError {
    pub(crate) kind: Kind,
    error: Box<dyn Error + Send + Sync>,
    hints: Vec<String>,
}

impl CommandError {
    /// A failure of this kind.
    pub(crate) fn new(kind: Kind, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind,
            error: error.into(),
            hints: Vec::new(),
        }
    }

    /// Adds what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The message, its causes and the hints, one a line.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("error: {}", self.error)];
        let mut cause = self.error.source();
        while let Some(error) = cause {
            lines.push(format!("  because: {error}"));
            cause = error.source();
        }
        lines.extend(self.hints.iter().map(|hint| format!("hint: {hint}")));
        lines
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for CommandError {
    fn from(error: E) -> Self {
        Self::new(Kind::Failed, error)
    }
}

/// Turns errors into those of a kind.
pub(crate) trait OfKind<T> {
    /// The same with this kind.
    fn kind(self, kind: Kind) -> Result<T, CommandError>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> OfKind<T> for Result<T, E> {
    fn kind(self, kind: Kind) -> Result<T, CommandError> {
        self.map_err(|error| CommandError::new(kind, error))
    }
}
