//! What can go wrong while writing.

use std::io::Write;

/// Findings that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The writer failed.
    #[error("the findings cannot be written")]
    Io(#[from] std::io::Error),
    /// Something has no JSON form.
    #[error("the findings cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// The page's template failed, which is a defect of this program.
    #[error("the page cannot be rendered")]
    Template(#[from] minijinja::Error),
}

/// One value as canonical JSON (RFC 8785): the same bytes whatever the order of its making.
pub(crate) fn canonical(value: &serde_json::Value, out: &mut impl Write) -> Result<(), WriteError> {
    out.write_all(serde_json_canonicalizer::to_string(value)?.as_bytes())?;
    Ok(())
}
