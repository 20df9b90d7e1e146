//! `relatch report`: what happened and how far it is.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use relatch_report::Report;

use crate::app::App;
use crate::error::{CommandError, Kind};
use crate::workspace::OpenCase;

/// Options of `report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The form
    #[arg(long, value_name = "FORM", default_value = "markdown")]
    format: Format,
    /// Write to a file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Html,
    Markdown,
    Json,
}

pub(crate) fn run(app: &App, args: ReportArgs) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let format = if app.printer.is_json() {
        Format::Json
    } else {
        args.format
    };
    let text = render(app, &case, format)?;
    match args.out {
        None => app.printer.data(&text),
        Some(path) => {
            write(&path, &text)?;
            app.printer.note(&format!("wrote {}", path.display()));
        }
    }
    Ok(())
}

/// The report of a case.
pub(crate) fn render(app: &App, case: &OpenCase, format: Format) -> Result<String, CommandError> {
    let records = case.ledger.records()?;
    let report = case
        .ledger
        .with(|state| Report::from(&records, state, app.now()));
    Ok(match format {
        Format::Html => report.html()?,
        Format::Markdown => report.markdown()?,
        Format::Json => report.json()?,
    })
}

/// Writes a file that only its owner reads: it names accounts, keys and people.
pub(crate) fn write(path: &std::path::Path, text: &str) -> Result<(), CommandError> {
    relatch_secret::write_private(path, text.as_bytes()).map_err(|error| {
        CommandError::new(
            Kind::Failed,
            format!("cannot write {}: {error}", path.display()),
        )
    })
}
