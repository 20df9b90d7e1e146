//! `relatch waive`: a decision with reason, owner and expiry (requirement I6).

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use relatch_case::{Fact, State};
use serde::Serialize;

use crate::app::App;
use crate::commands::step::reason;
use crate::error::{CommandError, Kind};
use crate::names;
use crate::output::{count, table};

/// Options of `waive`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct WaiveArgs {
    #[command(subcommand)]
    command: Option<WaiveCommand>,
    /// The credential, by id, beginning of an id, key or name
    #[arg(required = true)]
    credential: Option<String>,
    /// Why it is not rotated
    #[arg(long, value_name = "REASON", required = true, value_parser = reason)]
    because: Option<String>,
    /// Who answers for it
    #[arg(long, required = true, value_parser = owner)]
    owner: Option<String>,
    /// Until when, as 2026-12-31T00:00:00Z
    #[arg(long, value_name = "TIME", required = true)]
    expires: Option<Timestamp>,
}

#[derive(Debug, Subcommand)]
enum WaiveCommand {
    /// The waivers of the case, and which have run out
    List,
}

/// A waiver as it is listed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Listed {
    pub(crate) credential: String,
    pub(crate) name: String,
    pub(crate) because: String,
    pub(crate) owner: String,
    pub(crate) expires: Timestamp,
    pub(crate) expired: bool,
}

pub(crate) fn run(app: &App, args: WaiveArgs) -> Result<(), CommandError> {
    if let Some(WaiveCommand::List) = args.command {
        return list(app);
    }
    let (Some(credential), Some(because), Some(owner), Some(expires)) =
        (args.credential, args.because, args.owner, args.expires)
    else {
        return Err(CommandError::new(
            Kind::Usage,
            "a waiver needs a credential, --because, --owner and --expires",
        ));
    };
    let case = app.open_case()?;
    let now = app.now();
    let credential = case
        .ledger
        .with(|state| names::credential(state, &credential))?;
    if expires <= now {
        return Err(CommandError::new(
            Kind::Usage,
            format!("a waiver must expire in the future, and {expires:.0} is over"),
        ));
    }
    let fact = Fact::Waived {
        credential: credential.clone(),
        because,
        owner,
        expires,
    };
    case.ledger.record(now, vec![fact])?;
    app.printer
        .note(&format!("{credential} is waived until {expires:.0}"));
    let planned = case.ledger.with(|state| {
        let plan = state.plan.as_ref();
        plan.is_some_and(|plan| plan.plan.rotation(&credential).is_some())
    });
    if planned {
        app.printer.note(
            "note: the plan in force rotates it all the same; a new one leaves it out: relatch \
             plan",
        );
    }
    Ok(())
}

fn owner(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("somebody must answer for it".to_string());
    }
    Ok(text.trim().to_string())
}

/// All waivers; those that ran out first.
pub(crate) fn all(state: &State, now: Timestamp) -> Vec<Listed> {
    let mut all: Vec<Listed> = state
        .waivers
        .iter()
        .map(|(id, waiver)| Listed {
            credential: id.to_string(),
            name: state
                .credentials
                .get(id)
                .map(|c| c.name.clone())
                .unwrap_or_default(),
            because: waiver.because.clone(),
            owner: waiver.owner.clone(),
            expires: waiver.expires,
            expired: waiver.expires <= now,
        })
        .collect();
    all.sort_by_key(|listed| listed.expires);
    all
}

fn list(app: &App) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let all = case.ledger.with(|state| all(state, app.now()));
    app.printer.result(&all, |all| {
        if all.is_empty() {
            return "nothing is waived".to_string();
        }
        let expired = all.iter().filter(|listed| listed.expired).count();
        let rows = all.iter().map(|listed| {
            [
                listed.credential.clone(),
                listed.name.clone(),
                format!(
                    "{:.0}{}",
                    listed.expires,
                    if listed.expired { " EXPIRED" } else { "" }
                ),
                listed.owner.clone(),
                listed.because.clone(),
            ]
        });
        let mut text = table(["CREDENTIAL", "NAME", "EXPIRES", "OWNER", "BECAUSE"], rows);
        if expired > 0 {
            let _ = write!(
                text,
                "\n\n! {} ran out: rotate what they excepted (relatch plan) or waive it anew",
                count(expired, "waiver")
            );
        }
        text
    });
    Ok(())
}
