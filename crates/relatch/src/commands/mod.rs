//! One file for each command.

pub(crate) mod apply;
pub(crate) mod case;
pub(crate) mod certificate;
pub(crate) mod contain;
#[cfg(feature = "drill")]
pub(crate) mod drill;
pub(crate) mod init;
pub(crate) mod inventory;
pub(crate) mod pause;
pub(crate) mod plan;
pub(crate) mod probe;
pub(crate) mod report;
pub(crate) mod status;
pub(crate) mod step;
pub(crate) mod tasks;
pub(crate) mod triage;
pub(crate) mod verify;
pub(crate) mod waive;
pub(crate) mod watch;
pub(crate) mod watch_queue;

use crate::app::{App, who};
use crate::cli::{Cli, Command};
use crate::config::Config;
use crate::error::CommandError;
use crate::journals::Journals;
use crate::output::Printer;
use crate::workspace::Workspace;

/// Runs what was typed.
pub(crate) async fn run(cli: Cli) -> Result<(), CommandError> {
    let app = app(&cli)?;
    match cli.command {
        #[cfg(feature = "drill")]
        Command::Drill(args) => drill::run(&app, args).await,
        Command::Init(args) => init::run(&app, args),
        Command::Case(command) => case::run(&app, command),
        Command::Triage(args) => triage::run(&app, *args).await,
        Command::Contain(command) => contain::run(&app, command).await,
        Command::Inventory(args) => inventory::run(&app, args).await,
        Command::Probe(args) => probe::run(&app, args).await,
        Command::Plan(args) => plan::run(&app, *args),
        Command::Apply(args) => apply::run(&app, args).await,
        Command::Status(args) => status::run(&app, &args),
        Command::Tasks(args) => tasks::run(&app, args).await,
        Command::Pause(args) => pause::pause(&app, args),
        Command::Resume(args) => pause::resume(&app, args),
        Command::Skip(args) => step::skip(&app, args),
        Command::Retry(args) => step::retry(&app, args),
        Command::Waive(args) => waive::run(&app, args),
        Command::Watch(args) => watch::run(&app, args).await,
        Command::Report(args) => report::run(&app, args),
        Command::Certificate(args) => certificate::run(&app, args),
        Command::Verify(args) => verify::run(&app, &args),
    }
}

fn app(cli: &Cli) -> Result<App, CommandError> {
    let workspace = Workspace::new(cli.global.workspace.clone());
    let beside = workspace
        .folder()
        .parent()
        .unwrap_or(workspace.folder())
        .join("relatch.toml");
    let (path, named) = match &cli.global.config {
        Some(path) => (path.clone(), true),
        None => (beside, false),
    };
    let needs_config = !needs_no_config(&cli.command);
    let config = if needs_config {
        Config::load(&path, named)?
    } else {
        Config::default()
    };
    Ok(App {
        printer: Printer::new(cli.global.json),
        workspace: workspace.with_journals(Journals::configured(&config.journal)?),
        config,
        case: cli.global.case.as_deref().map(Into::into),
        passphrase_file: cli.global.passphrase_file.clone(),
        by: who(),
    })
}

/// The drill brings its own configuration, and a broken one must not stop the check of a
/// certificate.
fn needs_no_config(command: &Command) -> bool {
    match command {
        Command::Verify(_) => true,
        #[cfg(feature = "drill")]
        Command::Drill(_) => true,
        _ => false,
    }
}
