//! `relatch verify`: checks a certificate with nothing but the file.

use std::path::PathBuf;

use clap::Args;
use relatch_report::Standing;
use serde::Serialize;

use crate::app::App;
use crate::error::{CommandError, Kind};

/// Options of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The certificate
    file: PathBuf,
    /// The public key that the case is known to have, in hex
    #[arg(long, value_name = "HEX")]
    key: Option<String>,
}

#[derive(Debug, Serialize)]
struct Shown {
    case: String,
    status: Standing,
    issued_at: jiff::Timestamp,
    credentials: usize,
    facts: u64,
    public_key: String,
    sha256: String,
    open: Vec<String>,
}

pub(crate) fn run(app: &App, args: &VerifyArgs) -> Result<(), CommandError> {
    let bytes = std::fs::read(&args.file).map_err(|error| {
        CommandError::new(
            Kind::Usage,
            format!("cannot read {}: {error}", args.file.display()),
        )
    })?;
    let verified = match &args.key {
        Some(key) => relatch_report::verify_with_key(&bytes, key),
        None => relatch_report::verify(&bytes),
    }
    .map_err(|error| {
        CommandError::new(Kind::Found, error).hint("this file is not what the case signed")
    })?;
    let certificate = verified.certificate;
    let shown = Shown {
        case: certificate.case.to_string(),
        status: certificate.status,
        issued_at: certificate.issued_at,
        credentials: certificate.credentials.len(),
        facts: certificate.head.seq,
        public_key: certificate.public_key,
        sha256: verified.sha256,
        open: certificate.open,
    };
    app.printer.result(&shown, text);
    Ok(())
}

fn text(shown: &Shown) -> String {
    let status = match shown.status {
        Standing::Complete => "complete: every old key in scope is proven dead or excepted",
        Standing::Incomplete => "INCOMPLETE",
    };
    let mut lines = vec![
        format!("the certificate holds; {status}"),
        format!(
            "  case         {}, issued {:.0}",
            shown.case, shown.issued_at
        ),
        format!("  credentials  {}", shown.credentials),
        format!("  facts        {}", shown.facts),
        format!("  case key     {}", shown.public_key),
        format!("  sha-256      {}", shown.sha256),
    ];
    lines.extend(shown.open.iter().map(|open| format!("  open: {open}")));
    let clean: Vec<String> = lines
        .iter()
        .map(|line| relatch_secret::redact::printable_text(line))
        .collect();
    clean.join("\n")
}
