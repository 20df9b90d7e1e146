//! `relatch pause` and `relatch resume`: a person stops rotations and lets them go on.

use clap::Args;
use relatch_case::{CredentialId, Fact};

use crate::app::App;
use crate::error::{CommandError, Kind};
use crate::names;
use crate::workspace::OpenCase;

/// Options of `pause`.
#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    /// The credential, by id, beginning of an id, key or name [default: all]
    credential: Option<String>,
    /// Why; it stands in status and report
    #[arg(long, value_name = "REASON", value_parser = crate::commands::step::reason)]
    because: String,
}

/// Options of `resume`.
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// The credential that was paused [default: the pause of all]
    credential: Option<String>,
}

pub(crate) fn pause(app: &App, args: PauseArgs) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let credential = meant(&case, args.credential.as_deref())?;
    let what = words(credential.as_ref());
    let fact = Fact::Paused {
        credential,
        because: args.because,
    };
    case.ledger.record(app.now(), vec![fact])?;
    app.printer.note(&format!(
        "{what} paused: what was begun is finished, nothing new is begun, by no run of apply"
    ));
    Ok(())
}

pub(crate) fn resume(app: &App, args: ResumeArgs) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let credential = meant(&case, args.credential.as_deref())?;
    let (paused, all, ones) = case.ledger.with(|state| {
        let ones: Vec<String> = state
            .paused_rotations
            .keys()
            .map(ToString::to_string)
            .collect();
        let paused = match &credential {
            Some(one) => state.paused_rotations.contains_key(one),
            None => state.paused.is_some(),
        };
        (paused, state.paused.is_some(), ones)
    });
    let what = words(credential.as_ref());
    if !paused {
        let error = CommandError::new(Kind::Usage, format!("{what} not paused"));
        return Err(match (all, ones.as_slice()) {
            (true, _) => error.hint("everything is paused: relatch resume"),
            (false, []) => error,
            (false, ones) => error.hint(format!("these are: {}", ones.join(", "))),
        });
    }
    case.ledger
        .record(app.now(), vec![Fact::Resumed { credential }])?;
    app.printer.note(&format!("{what} no longer paused"));
    if !ones.is_empty() && what.starts_with("the plan") {
        app.printer.note(&format!(
            "still paused by themselves: {}; relatch resume CREDENTIAL",
            ones.join(", ")
        ));
    }
    app.printer.note("next: relatch apply");
    Ok(())
}

fn meant(case: &OpenCase, text: Option<&str>) -> Result<Option<CredentialId>, CommandError> {
    text.map(|text| case.ledger.with(|state| names::credential(state, text)))
        .transpose()
}

fn words(credential: Option<&CredentialId>) -> String {
    credential.map_or_else(
        || "the plan is".to_string(),
        |one| format!("the rotation of {one} is"),
    )
}
