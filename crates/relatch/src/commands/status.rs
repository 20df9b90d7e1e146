//! `relatch status`: how far the plan is.

use std::fmt::Write as _;

use clap::Args;
use relatch_case::State;
use relatch_rotation::decide::progress;
use relatch_rotation::{Decision, Waiting, decide};
use serde::Serialize;

use crate::app::App;
use crate::error::{CommandError, Kind};
use crate::output::table;

/// Options of `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {}

#[derive(Debug, Serialize)]
struct Status {
    plan: String,
    approved_by: Vec<String>,
    contained: bool,
    progress: Vec<(String, usize, usize)>,
    decision: Decision,
}

pub(crate) fn run(app: &App, _: &StatusArgs) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let status = case
        .ledger
        .with(|state| status(state, app))
        .ok_or_else(|| {
            CommandError::new(Kind::Usage, "there is no plan").hint("make one: relatch plan")
        })?;
    app.printer.result(&status, text);
    Ok(())
}

fn status(state: &State, app: &App) -> Option<Status> {
    let in_force = state.plan.as_ref()?;
    Some(Status {
        plan: in_force.hash.to_string(),
        approved_by: in_force.approved_by.iter().cloned().collect(),
        contained: state.is_contained(),
        progress: progress(state, &in_force.plan)
            .into_iter()
            .map(|(verb, (done, all))| (verb.to_string(), done, all))
            .collect(),
        decision: decide(state, app.now()),
    })
}

fn text(status: &Status) -> String {
    let mut out = format!(
        "plan {}: {}; containment {}\n\n",
        &status.plan[..12.min(status.plan.len())],
        if status.approved_by.is_empty() {
            "not approved".to_string()
        } else {
            format!("approved by {}", status.approved_by.join(", "))
        },
        if status.contained {
            "holds"
        } else {
            "is not verified"
        },
    );
    out.push_str(&table(
        ["STEP", "DONE", "OF"],
        status
            .progress
            .iter()
            .map(|(verb, done, all)| [verb.clone(), done.to_string(), all.to_string()]),
    ));
    let waits = waits(&status.decision);
    if status.decision.finished {
        out.push_str("\n\nevery step is over: relatch certificate");
    } else if !status.decision.commands.is_empty() {
        let _ = write!(
            out,
            "\n\n{} steps can be done now: relatch apply",
            status.decision.commands.len()
        );
    }
    if !waits.is_empty() {
        out.push_str("\n\nwaiting:\n");
        out.push_str(&waits.join("\n"));
    }
    out
}

/// What is waited for, a line each, without repeating what many steps share.
pub(crate) fn waits(decision: &Decision) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut approval, mut containment) = (0, 0);
    for wait in &decision.waits {
        match &wait.on {
            Waiting::Approval => approval += 1,
            Waiting::Containment => containment += 1,
            Waiting::Time { until } => lines.push(format!("  {}  until {until:.0}", wait.step)),
            Waiting::Person => lines.push(format!("  {}  for a person: relatch tasks", wait.step)),
            Waiting::Stuck { because } => lines.push(format!("! {}  stuck: {because}", wait.step)),
        }
    }
    if approval > 0 {
        lines.insert(
            0,
            format!("  {approval} steps wait for the plan's approval: relatch plan approve"),
        );
    }
    if containment > 0 {
        lines.insert(
            0,
            format!("  {containment} steps wait for containment: relatch contain verify"),
        );
    }
    lines
}
