//! The certificate: the signed, redacted proof of what a case did (requirement M4).
//!
//! The file is canonical JSON laid out for reading: `{"certificate": …, "signature": …}`. The
//! signature is Ed25519 by the case key over the canonical JSON (RFC 8785) of `certificate`,
//! so that it can be checked with `jq -cS .certificate` and any Ed25519 tool. Facts hold no
//! values, so the whole chain is in it, and every claim can be derived again from the chain.
//! Changing what is derived needs a new [`VERSION`].

use jiff::Timestamp;
use relatch_case::journal::Head;
use relatch_case::signature::CaseKey;
use relatch_case::{CaseId, Record, State, chain};
use serde::{Deserialize, Serialize};

use crate::credential::CredentialReport;
use crate::exceptions::Exception;
use crate::figures::Figures;
use crate::layout;
use crate::report::Report;
use crate::verify::{self, VerifyError};

/// The format this program writes; it refuses to read a newer one.
pub const VERSION: u32 = 1;

/// Whether a case is proven done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Every old key in scope is proven dead or excepted.
    Complete,
    /// Something is open.
    Incomplete,
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Format version, [`VERSION`].
    pub version: u32,
    /// The case.
    pub case: CaseId,
    /// What happened.
    pub title: String,
    /// The cloud account.
    pub account: Option<String>,
    /// When the case was opened.
    pub opened_at: Timestamp,
    /// When it was issued. The issuer's own clock says so; nothing else does.
    pub issued_at: Timestamp,
    /// Whether the case is proven done.
    pub status: Standing,
    /// What is open; empty when complete.
    pub open: Vec<String>,
    /// The last fact it rests on.
    pub head: Head,
    /// Every credential in scope.
    pub credentials: Vec<CredentialReport>,
    /// The figures.
    pub figures: Figures,
    /// Everything that did not go by the rule.
    pub exceptions: Vec<Exception>,
    /// How many things could not be looked at; each is a fact below.
    pub blind_spots_count: usize,
    /// What this file shows and what it does not.
    pub statement: Vec<String>,
    /// The case key's public half, Ed25519, hex.
    pub public_key: String,
    /// Every fact of the case.
    pub records: Vec<Record>,
}

/// The file: a certificate and its signature.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signed {
    /// What is signed.
    pub(crate) certificate: Certificate,
    /// Ed25519, lower-case hex.
    pub(crate) signature: String,
}

/// A certificate that cannot be issued.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The facts open no case.
    #[error("there is no case to certify")]
    NoCase,
    /// The state was not folded from these facts.
    #[error("the state does not belong to these facts: read the journal again")]
    Stale,
    /// The key at hand is not the one the case was opened with.
    #[error("the key at hand is not the key of this case")]
    WrongKey,
    /// The facts have no canonical form.
    #[error("the certificate cannot be written")]
    Canonical(#[from] chain::CanonicalError),
    /// What was issued does not hold when checked; nothing is handed out.
    #[error("the certificate does not hold when checked, so it is not issued")]
    Check(#[source] Box<VerifyError>),
}

/// Issues the certificate of a case as of `now`: the text of the file.
///
/// It says `complete` only when every old key in scope is proven dead, with a negative
/// control that held, or is excepted by a waiver that has not run out at `now`; otherwise it
/// says `incomplete` with what is open, and is signed all the same. The result is checked as
/// a stranger would before it is returned.
pub fn issue(
    records: &[Record],
    state: &State,
    now: Timestamp,
    key: &CaseKey,
) -> Result<String, CertificateError> {
    let case = state.case.as_ref().ok_or(CertificateError::NoCase)?;
    let last = records.last().map(|record| (record.seq, &record.hash));
    if last != Some((state.head.seq, &state.head.hash)) {
        return Err(CertificateError::Stale);
    }
    if case.public_key != key.public() {
        return Err(CertificateError::WrongKey);
    }
    let certificate = derive(records.to_vec(), now).ok_or(CertificateError::NoCase)?;
    let signature = key.sign(&chain::canonical(&certificate)?);
    let text = render(&Signed {
        certificate,
        signature,
    })?;
    verify::verify(text.as_bytes()).map_err(|error| CertificateError::Check(Box::new(error)))?;
    Ok(text)
}

/// What a chain of facts claims as of a moment; `None` when it opens no case.
pub(crate) fn derive(records: Vec<Record>, issued_at: Timestamp) -> Option<Certificate> {
    let state = State::fold(&records);
    let report = Report::from(&records, &state, issued_at);
    let case = report.case?;
    let status = if report.open.is_empty() {
        Standing::Complete
    } else {
        Standing::Incomplete
    };
    Some(Certificate {
        version: VERSION,
        case: case.id,
        title: case.title,
        account: case.account,
        opened_at: case.opened_at,
        issued_at,
        status,
        open: report.open,
        head: report.head,
        statement: statement(status, &report.watched_words),
        credentials: report.credentials,
        figures: report.figures,
        exceptions: report.exceptions,
        blind_spots_count: report.blind_spots.len(),
        public_key: case.public_key,
        records,
    })
}

/// The text of the file.
pub(crate) fn render(signed: &Signed) -> Result<String, chain::CanonicalError> {
    let canonical = chain::canonical(signed)?;
    Ok(layout::spread(&String::from_utf8_lossy(&canonical)))
}

fn statement(status: Standing, watched: &str) -> Vec<String> {
    let standing = match status {
        Standing::Complete => {
            "Every old key in scope was refused by its issuer when last asked, in the same way \
             as a made-up key, or is excepted below with reason, owner and expiry."
        }
        Standing::Incomplete => {
            "This case is not done: at least one old key in scope is neither proven dead nor \
             excepted. What is open is listed."
        }
    };
    [
        standing,
        "An answer without a control, and no answer, never count as dead.",
        "Scope rests on the evidence that was taken in; what could not be looked at is among \
         the facts as blind spots.",
        watched,
        "The signature shows that the holder of the case key issued this file and that it was \
         not altered since. That the key is theirs has to be learnt from them by another way.",
    ]
    .map(str::to_string)
    .into()
}
