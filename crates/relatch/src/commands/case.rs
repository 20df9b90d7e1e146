//! `relatch case`: open, list, show, log, close.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use relatch_case::{CaseId, Fact};
use relatch_secret::{Protection, Unlock};
use serde::Serialize;

use crate::app::App;
use crate::error::{CommandError, Kind};
use crate::output::{count, table};
use crate::workspace::NewCase;

/// What to do with cases.
#[derive(Debug, Subcommand)]
pub(crate) enum CaseCommand {
    /// Open a case; its clock starts now
    Open(OpenArgs),
    /// The cases in this workspace
    List,
    /// The state of a case
    Show,
    /// The journal, for people
    Log,
    /// Close a case whose every old key is dead or excepted
    Close(CloseArgs),
}

/// Options of `case open`.
#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// What happened, in a line
    #[arg(long)]
    title: String,
    /// The cloud account; later runs are refused on any other
    #[arg(long, value_name = "12 DIGITS", value_parser = account)]
    account: Option<String>,
    /// A region in scope; may be repeated
    #[arg(long = "region", value_name = "REGION")]
    regions: Vec<String>,
    /// The case's id [default: made from the time]
    #[arg(long, value_parser = case_name)]
    id: Option<String>,
    /// Protect the case identity by an age identity file, made if it is missing
    #[arg(long, value_name = "FILE", conflicts_with = "identity_command")]
    identity_file: Option<PathBuf>,
    /// Protect the case identity by a command that prints an age identity
    #[arg(long, value_name = "COMMAND", num_args = 1.., allow_hyphen_values = true)]
    identity_command: Option<Vec<String>>,
}

/// Options of `case close`.
#[derive(Debug, Args)]
pub(crate) struct CloseArgs {
    /// A last remark
    #[arg(long, default_value = "")]
    remark: String,
}

#[derive(Debug, Serialize)]
struct Listed {
    id: String,
    title: String,
    account: Option<String>,
    opened: Option<jiff::Timestamp>,
    closed: bool,
    facts: u64,
}

pub(crate) fn run(app: &App, command: CaseCommand) -> Result<(), CommandError> {
    match command {
        CaseCommand::Open(args) => open(app, args),
        CaseCommand::List => list(app),
        CaseCommand::Show => show(app),
        CaseCommand::Log => log(app),
        CaseCommand::Close(args) => close(app, args),
    }
}

fn open(app: &App, args: OpenArgs) -> Result<(), CommandError> {
    let now = app.now();
    let id = args
        .id
        .unwrap_or_else(|| format!("case-{}", now.strftime("%Y%m%d-%H%M%S")));
    let protection = match (args.identity_file, args.identity_command) {
        (Some(path), _) => Protection::IdentityFile(std::path::absolute(path)?),
        (None, Some(argv)) => Protection::Command(argv),
        (None, None) => Protection::Passphrase,
    };
    let passphrase = match &protection {
        Protection::Passphrase => Some(new_passphrase(app)?),
        _ => None,
    };
    let unlock = passphrase
        .as_ref()
        .map_or(Unlock::Unattended, Unlock::Passphrase);
    let new = NewCase {
        id: CaseId::new(id),
        title: args.title,
        account: args.account,
        regions: args.regions,
        protection,
    };
    let case = app.workspace.open_new(&new, &unlock, &app.by, now)?;
    case.ledger.with(|state| {
        app.printer.result(&state.case, |_| {
            format!(
                "case {} is open; its journal is in {}",
                case.id,
                app.workspace.journal_place(&case.id)
            )
        });
    });
    Ok(())
}

fn new_passphrase(app: &App) -> Result<relatch_secret::Secret, CommandError> {
    let first = app.passphrase("New passphrase of the case: ")?;
    if app.passphrase_file.is_none() {
        let second = app.ask_hidden("Once more: ")?;
        if first.expose() != second.expose() {
            return Err(CommandError::new(Kind::Usage, "the two passphrases differ"));
        }
    }
    Ok(first)
}

fn list(app: &App) -> Result<(), CommandError> {
    let mut cases = Vec::new();
    for id in app.workspace.case_ids()? {
        let case = app.workspace.open(Some(&id), &app.by)?;
        cases.push(case.ledger.with(|state| {
            Listed {
                id: id.to_string(),
                title: state
                    .case
                    .as_ref()
                    .map(|c| c.title.clone())
                    .unwrap_or_default(),
                account: state.case.as_ref().and_then(|c| c.account.clone()),
                opened: state.case.as_ref().map(|c| c.opened_at),
                closed: state.closed.is_some(),
                facts: state.head.seq,
            }
        }));
    }
    app.printer.result(&cases, |cases| {
        table(
            ["CASE", "STATUS", "ACCOUNT", "OPENED", "FACTS", "TITLE"],
            cases.iter().map(|case| {
                [
                    case.id.clone(),
                    if case.closed { "closed" } else { "open" }.to_string(),
                    case.account.clone().unwrap_or_default(),
                    case.opened.map(|at| format!("{at:.0}")).unwrap_or_default(),
                    case.facts.to_string(),
                    case.title.clone(),
                ]
            }),
        )
    });
    Ok(())
}

fn show(app: &App) -> Result<(), CommandError> {
    let case = app.open_case()?;
    case.ledger.with(|state| {
        app.printer.result(state, |state| {
            let mut lines = Vec::new();
            if let Some(info) = &state.case {
                lines.push(format!("{}: {}", info.id, info.title));
                lines.push(format!("  opened       {:.0}", info.opened_at));
                lines.push(format!(
                    "  account      {}",
                    info.account.as_deref().unwrap_or("none")
                ));
            }
            lines.push(format!(
                "  journal      {} facts, head {}",
                state.head.seq,
                &state.head.hash[..12]
            ));
            lines.push(format!(
                "  evidence     {}",
                count(state.evidence.len(), "file")
            ));
            lines.push(format!(
                "  thief        {}",
                count(state.actors.len(), "identity")
            ));
            lines.push(format!(
                "  contained    {}",
                if state.is_contained() { "yes" } else { "no" }
            ));
            lines.push(format!("  credentials  {}", state.credentials.len()));
            lines.push(format!("  places       {}", state.places.len()));
            lines.push(format!("  consumers    {}", state.consumers.len()));
            lines.push(format!("  blind spots  {}", state.blind_spots.len()));
            lines.push(format!(
                "  plan         {}",
                state.plan.as_ref().map_or("none", |plan| plan.hash.short())
            ));
            lines.push(format!(
                "  tripwires    {}",
                count(state.tripwires.len(), "hit")
            ));
            lines.join("\n")
        });
    });
    Ok(())
}

fn log(app: &App) -> Result<(), CommandError> {
    let case = app.open_case()?;
    for record in case.ledger.records()? {
        if app.printer.is_json() {
            app.printer.json_line(&record);
        } else {
            let words = relatch_report::describe(&record.fact);
            app.printer.data(&format!(
                "{:>6}  {:.3}  {:<20}  {words}",
                record.seq, record.at, record.by
            ));
        }
    }
    Ok(())
}

fn close(app: &App, args: CloseArgs) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let records = case.ledger.records()?;
    let open = case
        .ledger
        .with(|state| relatch_report::Report::from(&records, state, app.now()).open_items());
    if !open.is_empty() {
        let mut error = CommandError::new(
            Kind::Refused,
            format!(
                "the case cannot be closed: {} open",
                count(open.len(), "matter")
            ),
        );
        for item in open.iter().take(10) {
            error = error.hint(item.clone());
        }
        return Err(error);
    }
    case.ledger.record(
        app.now(),
        vec![Fact::CaseClosed {
            remark: args.remark,
        }],
    )?;
    app.printer.note(&format!("case {} is closed", case.id));
    Ok(())
}

fn account(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(text.to_string())
    } else {
        Err("an AWS account id has 12 digits".to_string())
    }
}

fn case_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !text.is_empty() && text.len() <= 64 && text.chars().all(plain) {
        Ok(text.to_string())
    } else {
        Err("use up to 64 letters, digits, - and _".to_string())
    }
}
