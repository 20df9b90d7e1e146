//! `relatch plan`: make, show, compare, approve.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use relatch_case::model::ExposureLevel;
use relatch_case::plan::{Mode, Plan, VERSION};
use relatch_case::{CredentialId, Fact, PlanHash, State};
use relatch_rotation::{Options, make};
use serde::Serialize;

use crate::app::App;
use crate::error::{CommandError, Kind, OfKind};
use crate::output::{count, table};

/// Options of `plan`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct PlanArgs {
    #[command(subcommand)]
    command: Option<PlanCommand>,
    #[command(flatten)]
    make: MakeArgs,
}

/// Options of making a plan.
#[derive(Debug, Args)]
struct MakeArgs {
    /// Kill every old key first and accept the outage
    #[arg(long, conflicts_with = "warm")]
    hot: bool,
    /// Overlap old and new keys without downtime (the default)
    #[arg(long)]
    warm: bool,
    /// Only credentials exposed at least so much
    #[arg(long, value_name = "LEVEL")]
    exposed: Option<Level>,
    /// Only this credential; may be repeated
    #[arg(long, value_name = "CREDENTIAL")]
    only: Vec<String>,
    /// Also write the plan to a file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Level {
    Read,
    Readable,
    Reachable,
}

#[derive(Debug, Subcommand)]
enum PlanCommand {
    /// Show a plan: the one in force, or a file
    Show {
        /// A plan file
        file: Option<PathBuf>,
        /// List every step
        #[arg(long)]
        steps: bool,
    },
    /// What differs between two plans; with one file, between it and the plan in force
    Diff {
        /// The older plan
        old: PathBuf,
        /// The newer plan
        new: Option<PathBuf>,
    },
    /// Approve the plan in force, by its hash
    Approve {
        /// The hash, or at least its first twelve digits
        hash: String,
    },
}

/// A plan with its hash, as shown and written.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    hash: PlanHash,
    plan: &'a Plan,
}

pub(crate) fn run(app: &App, args: PlanArgs) -> Result<(), CommandError> {
    match args.command {
        None => make_plan(app, &args.make),
        Some(PlanCommand::Show { file, steps }) => show(app, file.as_deref(), steps),
        Some(PlanCommand::Diff { old, new }) => diff(app, &old, new.as_deref()),
        Some(PlanCommand::Approve { hash }) => approve(app, &hash),
    }
}

fn make_plan(app: &App, args: &MakeArgs) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let options = Options {
        mode: if args.hot {
            Some(Mode::Hot)
        } else {
            args.warm.then_some(Mode::Warm)
        },
        at_least: args.exposed.map(|level| match level {
            Level::Read => ExposureLevel::Read,
            Level::Readable => ExposureLevel::Readable,
            Level::Reachable => ExposureLevel::Reachable,
        }),
        at: Some(app.now()),
        only: args
            .only
            .iter()
            .map(|id| CredentialId::new(id.clone()))
            .collect(),
    };
    if case.ledger.with(is_under_way) {
        app.printer.note(
            "note: a plan is under way; a new one replaces it, and steps of the same name keep \
             what was done",
        );
    }
    let plan = case
        .ledger
        .with(|state| make(state, &app.config.policy, &options))
        .kind(Kind::Usage)?;
    let hash = plan.hash()?;
    let known = case
        .ledger
        .with(|s| s.plan.as_ref().is_some_and(|p| p.hash == hash));
    if !known {
        let fact = Fact::PlanRecorded {
            hash: hash.clone(),
            plan: Box::new(plan.clone()),
        };
        case.ledger.record(app.now(), vec![fact])?;
    }
    if let Some(path) = &args.out {
        write(path, &plan)?;
    }
    app.printer.result(
        &Shown {
            hash: hash.clone(),
            plan: &plan,
        },
        |shown| text(shown, false),
    );
    app.printer
        .note(&format!("next: relatch plan approve {}", hash.short()));
    Ok(())
}

fn is_under_way(state: &State) -> bool {
    !state.steps.is_empty()
}

fn show(app: &App, file: Option<&Path>, steps: bool) -> Result<(), CommandError> {
    let plan = match file {
        Some(path) => read(path)?,
        None => in_force(app)?,
    };
    let hash = plan.hash()?;
    app.printer
        .result(&Shown { hash, plan: &plan }, |shown| text(shown, steps));
    Ok(())
}

fn diff(app: &App, old: &Path, new: Option<&Path>) -> Result<(), CommandError> {
    let old = read(old)?;
    let new = match new {
        Some(path) => read(path)?,
        None => in_force(app)?,
    };
    let changes = relatch_rotation::diff::diff(&old, &new);
    app.printer.result(&changes, |changes| {
        if changes.is_empty() {
            return "the plans are the same".to_string();
        }
        let lines: Vec<String> = changes
            .iter()
            .map(|change| format!("{} {}", change.sign, change.what))
            .collect();
        lines.join("\n")
    });
    Ok(())
}

pub(crate) fn approve(app: &App, hash: &str) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let found = case
        .ledger
        .with(|state| state.plan.as_ref().map(|plan| plan.hash.clone()))
        .ok_or("there is no plan to approve")
        .kind(Kind::Usage)?;
    if hash.len() < 12 || !found.as_str().starts_with(hash) {
        return Err(CommandError::new(
            Kind::Refused,
            format!(
                "the plan in force has hash {}, not {hash}: look at it again",
                found.short()
            ),
        )
        .hint("relatch plan show"));
    }
    let fact = Fact::PlanApproved {
        hash: found.clone(),
        by: app.by.clone(),
    };
    case.ledger.record(app.now(), vec![fact])?;
    app.printer
        .note(&format!("plan {} is approved by {}", found.short(), app.by));
    app.printer.note("next: relatch apply");
    Ok(())
}

fn in_force(app: &App) -> Result<Plan, CommandError> {
    app.open_case()?
        .ledger
        .with(|state| state.plan.as_ref().map(|plan| (*plan.plan).clone()))
        .ok_or("there is no plan")
        .kind(Kind::Usage)
        .map_err(|error| error.hint("make one: relatch plan"))
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

fn write(path: &Path, plan: &Plan) -> Result<(), CommandError> {
    let bytes = relatch_case::chain::canonical(plan)?;
    std::fs::write(path, bytes).map_err(|error| {
        CommandError::new(
            Kind::Failed,
            format!("cannot write {}: {error}", path.display()),
        )
    })
}

fn text(shown: &Shown<'_>, steps: bool) -> String {
    let plan = shown.plan;
    let mut by_mode: BTreeMap<&str, usize> = BTreeMap::new();
    for rotation in &plan.rotations {
        *by_mode.entry(mode_word(rotation.mode)).or_default() += 1;
    }
    let modes: Vec<String> = by_mode
        .iter()
        .map(|(mode, n)| format!("{n} {mode}"))
        .collect();
    let mut out = format!(
        "plan {} for {}: {} ({}), {}\n\n",
        shown.hash.short(),
        plan.case,
        count(plan.rotations.len(), "credential"),
        modes.join(", "),
        count(plan.steps.len(), "step"),
    );
    out.push_str(&table(
        [
            "CREDENTIAL",
            "NAME",
            "ISSUER",
            "OLD KEY",
            "MODE",
            "STEPS",
            "WHY",
        ],
        plan.rotations.iter().map(|r| {
            let steps = plan
                .steps
                .iter()
                .filter(|s| s.credential == r.credential)
                .count();
            [
                r.credential.to_string(),
                r.name.clone(),
                r.issuer.to_string(),
                r.old_key.to_string(),
                mode_word(r.mode).to_string(),
                steps.to_string(),
                r.why.clone(),
            ]
        }),
    ));
    if !plan.blocked.is_empty() {
        out.push_str("\n\nnot rotated, a person has to decide:\n");
        out.push_str(&table(
            ["CREDENTIAL", "NAME", "BECAUSE"],
            plan.blocked
                .iter()
                .map(|b| [b.credential.to_string(), b.name.clone(), b.because.clone()]),
        ));
    }
    if steps {
        out.push_str("\n\n");
        out.push_str(&table(
            ["STEP", "NEEDS", "GATES"],
            plan.steps.iter().map(|step| {
                [
                    step.id.to_string(),
                    step.needs
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                        .join(" "),
                    step.gates
                        .iter()
                        .map(gate_word)
                        .collect::<Vec<_>>()
                        .join(", "),
                ]
            }),
        ));
    }
    out
}

fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Warm => "warm",
        Mode::Hot => "hot",
        Mode::Retire => "retire",
    }
}

fn gate_word(gate: &relatch_case::plan::Gate) -> String {
    use relatch_case::plan::Gate;
    match gate {
        Gate::Approved => "approved".to_string(),
        Gate::Contained => "contained".to_string(),
        Gate::After { step, seconds } => format!("{seconds} s after {step}"),
    }
}
