//! Which of the things that can be done with plans is asked for.

use std::path::Path;

use relatch_case::plan::{Plan, VERSION};

use super::args::{PlanArgs, PlanCommand};
use super::{approve, diff, explain, make, show};
use crate::app::App;
use crate::error::{CommandError, Kind};

/// Runs `relatch plan …`.
pub(crate) fn run(app: &App, args: PlanArgs) -> Result<(), CommandError> {
    if let Some(name) = &args.explain {
        return explain::run(app, name);
    }
    match args.command {
        None => make::run(app, &args.make),
        Some(PlanCommand::Show { file, view }) => show::run(app, file.as_deref(), &view),
        Some(PlanCommand::Diff { old, new, all }) => diff::run(app, &old, new.as_deref(), all),
        Some(PlanCommand::Explain { name }) => explain::run(app, &name),
        Some(PlanCommand::Approve(args)) => approve::run(app, &args),
    }
}

/// Reads a plan file and refuses one that another version wrote.
pub(crate) fn read(path: &Path) -> Result<Plan, CommandError> {
    let wrong = |why: String| CommandError::new(Kind::Usage, format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let plan: Plan =
        serde_json::from_str(&text).map_err(|error| wrong(format!("no plan: {error}")))?;
    if plan.version > VERSION {
        return Err(wrong(format!(
            "plan version {} needs a newer relatch",
            plan.version
        )));
    }
    Ok(plan)
}
