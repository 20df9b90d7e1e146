//! `relatch status`: how far the plan is.

use clap::Args;
use relatch_case::{CredentialId, State, StepId};
use relatch_rotation::summary::{WaveProgress, wave_progress};
use relatch_rotation::{Decision, Waiting, decide};
use serde::Serialize;

use crate::app::App;
use crate::commands::plan::Approval;
use crate::commands::waive;
use crate::error::{CommandError, Kind};
use crate::names;
use crate::output::{count, first, more, table};

/// Options of `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Only this credential, by id, beginning of an id, key or name
    #[arg(long, value_name = "CREDENTIAL")]
    credential: Option<String>,
    /// List every wait, not the first twenty of a kind
    #[arg(long)]
    all: bool,
}

/// How far a plan is.
#[derive(Debug, Serialize)]
struct Status {
    plan: String,
    approval: Approval,
    contained: bool,
    paused: Option<String>,
    paused_rotations: Vec<(String, String)>,
    progress: Vec<(String, usize, usize)>,
    waves: Vec<WaveProgress>,
    rolled_back: Vec<RolledBack>,
    waivers_expired: Vec<waive::Listed>,
    decision: Decision,
}

/// A wave that failed, and what to do.
#[derive(Debug, Serialize)]
struct RolledBack {
    credential: String,
    name: String,
    wave: u32,
    step: StepId,
    because: String,
    /// Steps that are still to be undone.
    undoing: usize,
}

pub(crate) fn run(app: &App, args: &StatusArgs) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let only = args.credential.as_deref();
    let only = only
        .map(|text| case.ledger.with(|state| names::credential(state, text)))
        .transpose()?;
    let status = case
        .ledger
        .with(|state| status(state, only.as_ref(), app.now()))
        .ok_or_else(|| {
            CommandError::new(Kind::Usage, "there is no plan").hint("make one: relatch plan")
        })?;
    app.printer.result(&status, |status| text(status, args.all));
    Ok(())
}

fn status(state: &State, only: Option<&CredentialId>, now: jiff::Timestamp) -> Option<Status> {
    let in_force = state.plan.as_ref()?;
    let plan = &in_force.plan;
    let wanted = |id: &CredentialId| only.is_none_or(|only| only == id);
    let of_wanted = |step: &StepId| plan.step(step).is_some_and(|s| wanted(&s.credential));
    let mut decision = decide(state, now);
    decision.commands.retain(|c| of_wanted(c.step()));
    decision.waits.retain(|wait| of_wanted(&wait.step));
    let mut waves = wave_progress(state, plan);
    waves.retain(|progress| wanted(&progress.credential));
    let mut waivers_expired = waive::all(state, now);
    waivers_expired.retain(|waiver| waiver.expired);
    Some(Status {
        plan: in_force.hash.to_string(),
        approval: Approval::of(in_force),
        contained: state.is_contained(),
        paused: state.paused.clone(),
        paused_rotations: state
            .paused_rotations
            .iter()
            .filter(|(id, _)| wanted(id))
            .map(|(id, because)| (id.to_string(), because.clone()))
            .collect(),
        progress: progress(state, &wanted),
        waves,
        rolled_back: rolled_back(state, &wanted),
        waivers_expired,
        decision,
    })
}

/// Steps that are over and all, by verb.
fn progress(state: &State, wanted: &dyn Fn(&CredentialId) -> bool) -> Vec<(String, usize, usize)> {
    let mut verbs: Vec<(String, usize, usize)> = Vec::new();
    let steps = state.plan.iter().flat_map(|plan| &plan.plan.steps);
    for step in steps.filter(|step| wanted(&step.credential)) {
        let verb = step.action.verb();
        let at = verbs.iter().position(|(known, ..)| known == verb);
        let at = at.unwrap_or_else(|| {
            verbs.push((verb.to_string(), 0, 0));
            verbs.len() - 1
        });
        verbs[at].1 += usize::from(state.is_over(&step.id));
        verbs[at].2 += 1;
    }
    verbs.sort();
    verbs
}

fn rolled_back(state: &State, wanted: &dyn Fn(&CredentialId) -> bool) -> Vec<RolledBack> {
    use relatch_case::state::StepStatus;
    let Some(in_force) = &state.plan else {
        return Vec::new();
    };
    let failed = state.failed_waves.iter().filter(|(id, _)| wanted(id));
    failed
        .filter_map(|(id, failed)| {
            let rotation = in_force.plan.rotation(id)?;
            let undoing = in_force.plan.steps_of(id).filter(|step| {
                state
                    .steps
                    .get(&step.id)
                    .is_some_and(|known| matches!(known.status, StepStatus::Undoing { .. }))
            });
            Some(RolledBack {
                credential: id.to_string(),
                name: rotation.name.clone(),
                wave: failed.wave,
                step: failed.step.clone(),
                because: failed.because.clone(),
                undoing: undoing.count(),
            })
        })
        .collect()
}

fn text(status: &Status, all: bool) -> String {
    let mut parts = vec![head(status)];
    parts.push(table(
        ["STEP", "DONE", "OF"],
        status
            .progress
            .iter()
            .map(|(verb, done, all)| [verb.clone(), done.to_string(), all.to_string()]),
    ));
    parts.extend(waves(status, all));
    parts.extend(failed(status, all));
    parts.extend(waivers(status, all));
    if status.decision.finished {
        parts.push("every step is over: relatch certificate".to_string());
    } else if !status.decision.commands.is_empty() {
        let steps = count(status.decision.commands.len(), "step");
        parts.push(format!("{steps} can be done now: relatch apply"));
    }
    let waits = grouped(&status.decision, all);
    if !waits.is_empty() {
        parts.push(format!("waiting:\n{}", waits.join("\n")));
    }
    parts.join("\n\n")
}

fn head(status: &Status) -> String {
    let mut lines = vec![format!(
        "plan {}: {}; containment {}",
        &status.plan[..12.min(status.plan.len())],
        status.approval.words(),
        if status.contained {
            "holds"
        } else {
            "is not verified"
        },
    )];
    lines.extend(status.approval.alarm());
    if let Some(because) = &status.paused {
        lines.push(format!("! PAUSED: {because}; go on with relatch resume"));
    }
    for (id, because) in status
        .paused_rotations
        .iter()
        .take(crate::output::MOST_ROWS)
    {
        lines.push(format!(
            "! {id} is PAUSED: {because}; go on with relatch resume {id}"
        ));
    }
    let lines = lines.iter().map(|line| cleaned(line));
    lines.collect::<Vec<_>>().join("\n")
}

fn waves(status: &Status, all: bool) -> Option<String> {
    if status.waves.is_empty() {
        return None;
    }
    let rows = status.waves.iter().map(|progress| {
        [
            progress.credential.to_string(),
            progress.name.clone(),
            progress.over.to_string(),
            progress.of.to_string(),
            format!("{} of {}", progress.adopted, progress.consumers),
            match &progress.failed {
                Some((wave, _)) => format!("wave {wave} FAILED"),
                None => "under way".to_string(),
            },
        ]
    });
    let head = ["CREDENTIAL", "NAME", "WAVES", "OF", "CONSUMERS", "STATUS"];
    let rows = first(rows, all);
    let more = more(status.waves.len(), "rotation", all, "--all lists them");
    Some(format!("{}{more}", table(head, rows)))
}

fn failed(status: &Status, all: bool) -> Option<String> {
    if status.rolled_back.is_empty() {
        return None;
    }
    let lines: Vec<String> = first(status.rolled_back.iter(), all)
        .map(|failed| {
            let undoing = match failed.undoing {
                0 => String::new(),
                n => format!(" ({} still being undone)", count(n, "step")),
            };
            cleaned(&format!(
                "! {} ({}), wave {}: {}{undoing}: mend the consumer, then relatch retry {}",
                failed.name, failed.credential, failed.wave, failed.because, failed.step
            ))
        })
        .collect();
    let more = more(status.rolled_back.len(), "wave", all, "--all lists them");
    Some(format!(
        "waves that failed; relatch plan explain STEP says whether they are rolled back:\n{}{more}",
        lines.join("\n")
    ))
}

fn waivers(status: &Status, all: bool) -> Option<String> {
    let expired = &status.waivers_expired;
    if expired.is_empty() {
        return None;
    }
    let lines: Vec<String> = first(expired.iter(), all)
        .map(|waiver| {
            cleaned(&format!(
                "! {} ({}) since {:.0}: {} answers for it",
                waiver.credential, waiver.name, waiver.expires, waiver.owner
            ))
        })
        .collect();
    let more = more(expired.len(), "waiver", all, "relatch waive list");
    Some(format!(
        "waivers that ran out; rotate (relatch plan) or waive anew:\n{}{more}",
        lines.join("\n")
    ))
}

fn cleaned(line: &str) -> String {
    relatch_secret::redact::printable_text(line)
}

/// What is waited for, a line each, without repeating what many steps share.
pub(crate) fn waits(decision: &Decision) -> Vec<String> {
    grouped(decision, false)
}

/// Waits of one kind.
#[derive(Default)]
struct Kinds {
    approval: usize,
    containment: usize,
    paused: std::collections::BTreeMap<String, usize>,
    time: Vec<(jiff::Timestamp, String)>,
    person: Vec<String>,
    stuck: Vec<String>,
}

impl Kinds {
    fn of(decision: &Decision) -> Self {
        let mut kinds = Self::default();
        for wait in &decision.waits {
            let step = &wait.step;
            match &wait.on {
                Waiting::Approval => kinds.approval += 1,
                Waiting::Containment => kinds.containment += 1,
                Waiting::Paused { because } => {
                    *kinds.paused.entry(because.clone()).or_default() += 1;
                }
                Waiting::Time { until } => {
                    kinds
                        .time
                        .push((*until, format!("  {step}  until {until:.0}")));
                }
                Waiting::Person => kinds.person.push(format!("  {step}  for a person")),
                Waiting::Stuck { because } => {
                    kinds.stuck.push(format!("! {step}  stuck: {because}"));
                }
            }
        }
        kinds.time.sort();
        kinds
    }
}

fn grouped(decision: &Decision, all: bool) -> Vec<String> {
    let kinds = Kinds::of(decision);
    let mut lines = Vec::new();
    if kinds.containment > 0 {
        let (steps, wait) = (count(kinds.containment, "step"), verb(kinds.containment));
        lines.push(format!(
            "  {steps} {wait} for containment: relatch contain verify"
        ));
    }
    if kinds.approval > 0 {
        let (steps, wait) = (count(kinds.approval, "step"), verb(kinds.approval));
        lines.push(format!(
            "  {steps} {wait} for the plan's approval: relatch plan approve"
        ));
    }
    for (because, n) in &kinds.paused {
        let steps = count(*n, "step");
        lines.push(format!("  {steps} paused: {because}: relatch resume"));
    }
    let time: Vec<String> = kinds.time.into_iter().map(|(_, line)| line).collect();
    for (kind, hint, group) in [
        ("stuck", "relatch retry or relatch skip", kinds.stuck),
        ("for a person", "relatch tasks", kinds.person),
        ("for the time", "--all lists them", time),
    ] {
        let n = group.len();
        if n > crate::output::MOST_ROWS && !all {
            lines.push(format!("  {} {kind}:", count(n, "step")));
        }
        lines.extend(first(group.into_iter(), all));
        let more = more(n, "step", all, hint);
        if !more.is_empty() {
            lines.push(format!("  {}", more.trim_start()));
        }
    }
    lines.iter().map(|line| cleaned(line)).collect()
}

fn verb(steps: usize) -> &'static str {
    if steps == 1 { "waits" } else { "wait" }
}
