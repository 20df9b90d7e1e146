//! What people read of a case: the report, its renderings and the signed certificate.
//!
//! - [`report`]: everything that is told about a case, derived from its facts;
//! - [`credential`]: how far each old key is, and the strict rule of what counts as dead;
//! - [`describe()`]: one fact in plain words, one line;
//! - [`render`]: HTML, Markdown and JSON;
//! - [`certificate`] and [`verify()`]: the signed proof, and its check with nothing but the file.
//!
//! Invariant: readers only. Nothing here records a fact, reads a clock, touches the network
//! or a disk, or sees a value; and nothing but a definite, controlled answer is called dead.

pub mod certificate;
pub mod credential;
pub mod describe;
mod exceptions;
mod figures;
mod history;
mod layout;
pub mod render;
pub mod report;
mod scope;
pub mod verify;
pub mod words;

pub use certificate::{Certificate, CertificateError, Standing, issue};
pub use credential::{CredentialReport, KeyStatus, Missing, NotDead, Status, credential_status};
pub use describe::describe;
pub use exceptions::{Exception, ExceptionKind};
pub use figures::{Count, Figures};
pub use history::Proof;
pub use render::RenderError;
pub use report::Report;
pub use verify::{Verified, VerifyError, verify, verify_with_key};
