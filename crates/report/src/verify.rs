//! Checking a certificate with nothing but the file.

use relatch_case::chain::{self, ChainError};
use relatch_case::signature::{self, SignatureError};
use relatch_case::{Fact, Record};
use serde::Deserialize;

use crate::certificate::{self, Certificate, Signed, VERSION};

/// A certificate that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What is proven.
    pub certificate: Certificate,
    /// SHA-256 of the file, hex.
    pub sha256: String,
}

/// Why a file is no certificate that holds.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Not a certificate at all, or with parts missing, unknown or twice.
    #[error("this is not a certificate of relatch, or it is damaged")]
    Malformed(#[source] serde_json::Error),
    /// Written by a newer version.
    #[error(
        "the certificate has format {found}, this version of relatch knows up to {VERSION}: use \
         a newer one"
    )]
    Newer {
        /// Its format.
        found: u32,
    },
    /// Says the same in other bytes.
    #[error("the file is not in the form in which certificates are written: it was altered")]
    Altered,
    /// The signature does not hold.
    #[error("the signature does not hold")]
    Signature(#[source] SignatureError),
    /// Signed by another key than the caller expects.
    #[error("the certificate is signed by {found}, not by the expected key {expected}")]
    OtherKey {
        /// The expected public key, hex.
        expected: String,
        /// The public key in the file, hex.
        found: String,
    },
    /// The key in the file is not the one the case was opened with, or the case was opened
    /// twice or never.
    #[error("the signing key is not the key that the case was opened with")]
    NotTheCasesKey,
    /// The facts do not form a chain.
    #[error("the facts in the certificate do not form a chain")]
    Chain(#[source] ChainError),
    /// The claims do not follow from the facts.
    #[error("the certificate claims what its facts do not show: {what} differs")]
    Claims {
        /// The first part that differs.
        what: &'static str,
    },
}

/// Checks a certificate with nothing but its bytes.
///
/// It holds only if it is byte for byte in the form this program writes, its signature is by
/// the key the case was opened with, its facts form an unbroken chain up to its head, and
/// every claim can be derived again from those facts. Whose key that is, only
/// [`verify_with_key`] can check.
pub fn verify(bytes: &[u8]) -> Result<Verified, VerifyError> {
    check(bytes, None)
}

/// As [`verify`], and the signing key must be `expected` (Ed25519 public key, hex in either
/// case).
pub fn verify_with_key(bytes: &[u8], expected: &str) -> Result<Verified, VerifyError> {
    check(bytes, Some(expected))
}

fn check(bytes: &[u8], expected: Option<&str>) -> Result<Verified, VerifyError> {
    refuse_newer(bytes)?;
    let signed: Signed = serde_json::from_slice(bytes).map_err(VerifyError::Malformed)?;
    let rendered = certificate::render(&signed).map_err(|_| VerifyError::Altered)?;
    // Hex can be spelled in two ways; only one of them is ours.
    let upper = |text: &str| text.chars().any(|c| c.is_ascii_uppercase());
    if rendered.as_bytes() != bytes || upper(&signed.signature) {
        return Err(VerifyError::Altered);
    }
    let certificate = signed.certificate;
    let content = chain::canonical(&certificate).map_err(|_| VerifyError::Altered)?;
    signature::verify(&certificate.public_key, &content, &signed.signature)
        .map_err(VerifyError::Signature)?;
    if let Some(expected) = expected
        && !expected.eq_ignore_ascii_case(&certificate.public_key)
    {
        return Err(VerifyError::OtherKey {
            expected: expected.to_string(),
            found: certificate.public_key,
        });
    }
    chain::verify(&certificate.records).map_err(VerifyError::Chain)?;
    if opening_key(&certificate.records) != Some(&certificate.public_key) {
        return Err(VerifyError::NotTheCasesKey);
    }
    follows(&certificate)?;
    Ok(Verified {
        certificate,
        sha256: chain::sha256_hex(bytes),
    })
}

/// Looks at the version alone, so that a newer file is named as such.
fn refuse_newer(bytes: &[u8]) -> Result<(), VerifyError> {
    #[derive(Deserialize)]
    struct File {
        certificate: Format,
    }
    #[derive(Deserialize)]
    struct Format {
        version: u32,
    }
    let file: File = serde_json::from_slice(bytes).map_err(VerifyError::Malformed)?;
    match file.certificate.version {
        found if found > VERSION => Err(VerifyError::Newer { found }),
        _ => Ok(()),
    }
}

/// The public key of the one fact that opens the case, which must be the first.
fn opening_key(records: &[Record]) -> Option<&String> {
    let (first, rest) = records.split_first()?;
    let opens = |record: &Record| matches!(record.fact, Fact::CaseOpened { .. });
    match &first.fact {
        Fact::CaseOpened { public_key, .. } if !rest.iter().any(opens) => Some(public_key),
        _ => None,
    }
}

/// Whether every claim follows from the facts, as of the moment of issue.
fn follows(claimed: &Certificate) -> Result<(), VerifyError> {
    let derived = certificate::derive(claimed.records.clone(), claimed.issued_at);
    let Some(derived) = derived else {
        return Err(VerifyError::NotTheCasesKey);
    };
    let parts = [
        ("the head", claimed.head == derived.head),
        ("the status", claimed.status == derived.status),
        ("what is open", claimed.open == derived.open),
        ("a credential", claimed.credentials == derived.credentials),
        ("a figure", claimed.figures == derived.figures),
        ("an exception", claimed.exceptions == derived.exceptions),
        ("the case", claimed == &derived),
    ];
    match parts.into_iter().find(|(_, same)| !same) {
        Some((what, _)) => Err(VerifyError::Claims { what }),
        None => Ok(()),
    }
}
