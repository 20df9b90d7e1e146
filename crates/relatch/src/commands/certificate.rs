//! `relatch certificate`: the signed proof; custody is shredded when it is complete.

use std::path::PathBuf;

use clap::Args;
use relatch_case::Fact;
use relatch_case::signature::CaseKey;
use relatch_report::{Report, issue};

use crate::app::App;
use crate::commands::report;
use crate::error::{CommandError, Kind};
use crate::workspace::OpenCase;

/// Options of `certificate`.
#[derive(Debug, Args)]
pub(crate) struct CertificateArgs {
    /// Where to write it
    #[arg(long, value_name = "FILE", default_value = "certificate.json")]
    out: PathBuf,
    /// Keep the sealed values, though the certificate is complete
    #[arg(long)]
    keep_custody: bool,
}

pub(crate) fn run(app: &App, args: CertificateArgs) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let complete = write(app, &case, &args.out, args.keep_custody)?;
    app.printer.note(&format!("wrote {}", args.out.display()));
    if complete {
        app.printer.note("next: relatch case close");
        return Ok(());
    }
    Err(CommandError::new(
        Kind::Incomplete,
        "the certificate says incomplete: something is open",
    )
    .hint("relatch status, relatch report"))
}

/// Issues the certificate; says whether it is complete. Before custody is shredded the file
/// is on disk; then it is issued again, so that it speaks of the shredding as well.
pub(crate) fn write(
    app: &App,
    case: &OpenCase,
    path: &std::path::Path,
    keep_custody: bool,
) -> Result<bool, CommandError> {
    let identity = app.unlock(case)?;
    let key = case.key(&identity)?;
    let records = case.ledger.records()?;
    let now = app.now();
    let complete = case
        .ledger
        .with(|state| Report::from(&records, state, now).is_complete());
    let mut text = issue_to(app, case, path, &key)?;
    let shredded = case.ledger.with(|state| state.shredded_at.is_some());
    if complete && !keep_custody && !shredded {
        case.custody()?.shred()?;
        case.ledger.record(now, vec![Fact::CustodyShredded])?;
        text = issue_to(app, case, path, &key)?;
    }
    let sha256 = relatch_case::chain::sha256_hex(text.as_bytes());
    case.ledger
        .record(app.now(), vec![Fact::CertificateIssued { sha256 }])?;
    Ok(complete)
}

/// Issues a certificate over the facts so far and writes it.
fn issue_to(
    app: &App,
    case: &OpenCase,
    path: &std::path::Path,
    key: &CaseKey,
) -> Result<String, CommandError> {
    let records = case.ledger.records()?;
    let text = case
        .ledger
        .with(|state| issue(&records, state, app.now(), key))?;
    report::write(path, &text)?;
    Ok(text)
}
