//! Showing a plan: the one in force or a file.

use std::path::Path;
use std::sync::Arc;

use relatch_case::{Plan, State};

use super::args::ViewArgs;
use super::run::read;
use super::view::View;
use crate::app::App;
use crate::error::{CommandError, Kind, OfKind};

/// Runs `relatch plan show`.
pub(super) fn run(app: &App, file: Option<&Path>, args: &ViewArgs) -> Result<(), CommandError> {
    let Some(path) = file else {
        let case = app.open_case()?;
        let plan = in_force(app)?;
        case.ledger.with(|state| {
            let hash = plan.hash()?;
            let view = View::new(hash, &plan, Some(state), args, Vec::new());
            app.printer.result(&view, |view| view.text(args));
            Ok::<_, CommandError>(())
        })?;
        return Ok(());
    };
    let plan = read(path)?;
    let hash = plan.hash()?;
    // A file can be looked at without its case; severity and exposure are then not known.
    let case = app.workspace.open(Some(&plan.case), &app.by).ok();
    let show = |state: Option<&State>| {
        let view = View::new(hash.clone(), &plan, state, args, Vec::new());
        app.printer.result(&view, |view| view.text(args));
    };
    match &case {
        Some(case) => case.ledger.with(|state| show(Some(state))),
        None => show(None),
    }
    Ok(())
}

/// The plan in force.
pub(super) fn in_force(app: &App) -> Result<Arc<Plan>, CommandError> {
    app.open_case()?
        .ledger
        .with(|state| state.plan.as_ref().map(|plan| Arc::clone(&plan.plan)))
        .ok_or("there is no plan")
        .kind(Kind::Usage)
        .map_err(|error| error.hint("make one: relatch plan"))
}
