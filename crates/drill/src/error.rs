//! Why a range could not be built or asked.

use std::path::PathBuf;

/// Why an act on the range failed.
#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    /// The process has no TLS provider, without which the HTTP client cannot be made.
    #[error("no TLS provider is installed in this process")]
    NoTlsProvider,
    /// The HTTP client could not be made.
    #[error("the HTTP client of the range could not be made")]
    Client(#[source] reqwest::Error),
    /// A loopback port could not be opened.
    #[error("no loopback port for {what}")]
    Listen {
        /// What was to listen.
        what: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A file of the range could not be written or read.
    #[error("file {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The emulated cloud refused a seeding call: a fault of the scenario.
    #[error("seeding {operation} was refused with status {status}: {body}")]
    Seed {
        /// The operation.
        operation: String,
        /// HTTP status.
        status: u16,
        /// What the emulator said; never holds a seeded value.
        body: String,
    },
    /// The emulated cloud's state could not be replaced.
    #[error("the emulator did not take the prepared state of {what}")]
    Restore {
        /// Which service.
        what: &'static str,
        /// The cause.
        #[source]
        source: winterbaume_core::StateViewError,
    },
    /// A name was asked for that the range does not have.
    #[error("the range has no {what} named {name}")]
    Unknown {
        /// The kind of thing.
        what: &'static str,
        /// The name.
        name: String,
    },
}
