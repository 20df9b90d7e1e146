//! `relatch tasks`: what people have to do, and handing a new key over.

use clap::{Args, Subcommand};
use relatch_case::model::Minting;
use relatch_case::{State, StepId};
use relatch_rotation::{Waiting, decide};
use serde::Serialize;

use crate::app::App;
use crate::commands::apply;
use crate::config::ValueFrom;
use crate::error::CommandError;
use crate::names;
use crate::output::count;
use crate::world::Outside;

/// Options of `tasks`.
#[derive(Debug, Args)]
pub(crate) struct TasksArgs {
    #[command(subcommand)]
    command: Option<TaskCommand>,
}

#[derive(Debug, Subcommand)]
enum TaskCommand {
    /// Hand over the key that was made at the console
    Done {
        /// The step, by its id or the beginning of it
        step: String,
        /// Read the key from a file instead of asking for it
        #[arg(long, value_name = "FILE")]
        from_file: Option<std::path::PathBuf>,
    },
}

/// One open task.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Task {
    pub(crate) step: StepId,
    pub(crate) name: String,
    pub(crate) issuer: String,
    pub(crate) principal: String,
    pub(crate) make_name: String,
    pub(crate) console: String,
    pub(crate) instructions: String,
}

pub(crate) async fn run(app: &App, args: TasksArgs) -> Result<(), CommandError> {
    match args.command {
        None => list(app),
        Some(TaskCommand::Done { step, from_file }) => done(app, &step, from_file).await,
    }
}

/// The tasks that are due.
pub(crate) fn due(state: &State, now: jiff::Timestamp) -> Vec<Task> {
    let Some(in_force) = &state.plan else {
        return Vec::new();
    };
    decide(state, now)
        .waits
        .into_iter()
        .filter(|wait| wait.on == Waiting::Person)
        .filter_map(|wait| {
            let step = in_force.plan.step(&wait.step)?;
            let rotation = in_force.plan.rotation(&step.credential)?;
            let Minting::Person {
                console,
                instructions,
            } = &state.sheets.get(&rotation.issuer)?.minting
            else {
                return None;
            };
            let relatch_case::plan::Action::Mint { name, .. } = &step.action else {
                return None;
            };
            Some(Task {
                step: wait.step,
                name: rotation.name.clone(),
                issuer: rotation.issuer.to_string(),
                principal: rotation.principal.to_string(),
                make_name: name.clone(),
                console: console.clone(),
                instructions: instructions.clone(),
            })
        })
        .collect()
}

fn list(app: &App) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let tasks = case.ledger.with(|state| due(state, app.now()));
    app.printer.result(&tasks, |tasks| {
        if tasks.is_empty() {
            return "no task is due".to_string();
        }
        let mut lines = vec![format!("{} due:", count(tasks.len(), "task"))];
        for task in tasks {
            lines.push(format!("\n{}", task.step));
            lines.push(format!(
                "  replaces  {} of {} ({})",
                task.name, task.issuer, task.principal
            ));
            lines.push(format!("  console   {}", task.console));
            lines.push(format!("  name it   {}", task.make_name));
            lines.push(format!("  {}", task.instructions));
            lines.push(format!("  then      relatch tasks done {}", task.step));
        }
        lines.join("\n")
    });
    Ok(())
}

async fn done(
    app: &App,
    step: &str,
    from_file: Option<std::path::PathBuf>,
) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let step = case.ledger.with(|state| names::step(state, step))?;
    let outside = Outside::connect(app, &case).await?;
    let engine = apply::engine(app, &case, &outside, false)?;
    let value = match from_file {
        Some(path) => ValueFrom::File(path).fetch()?,
        None => app.ask_hidden("Paste the new key (nothing is shown): ")?,
    };
    let value = relatch_secret::Secret::from(value.expose_str().unwrap_or_default().trim());
    engine.hand_over(&step, value).await?;
    app.printer.note(&format!(
        "{step} is done: the key is alive, new, and in custody"
    ));
    Ok(())
}
