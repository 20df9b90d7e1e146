//! `relatch apply`: carries the plan in force out; stop and resume at will.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use relatch_executor::{Ended, Engine, EngineError, Patience, survey};
use relatch_rotation::drift::drift;
use relatch_rotation::{Decision, decide};
use serde::Serialize;
use tokio::sync::watch;

use crate::app::App;
use crate::commands::{plan, status};
use crate::error::{CommandError, Kind, OfKind};
use crate::outage::Outages;
use crate::output::count;
use crate::progress::Progress;
use crate::workspace::OpenCase;
use crate::world::Outside;

/// Options of `apply`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct ApplyArgs {
    /// A plan file: must be the plan in force, to the byte
    plan: Option<PathBuf>,
    /// Say what would be done now, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Stay until every step is over, a day or longer
    #[arg(long, conflicts_with = "patience")]
    wait: bool,
    /// Stay while something is due within so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    patience: u32,
    /// Go on without being asked
    #[arg(long)]
    yes: bool,
    /// Approve the plan in force first, by this hash
    #[arg(long, value_name = "HASH")]
    approve: Option<String>,
    /// Say every step
    #[arg(long)]
    steps: bool,
}

#[derive(Debug, Serialize)]
struct Summary {
    ended: &'static str,
    steps: usize,
    over: usize,
    waiting: Vec<String>,
}

pub(crate) async fn run(app: &App, args: ApplyArgs) -> Result<(), CommandError> {
    let case = app.open_case()?;
    if case.ledger.with(|state| state.plan.is_none()) {
        return Err(
            CommandError::new(Kind::Usage, "there is no plan").hint("make one: relatch plan")
        );
    }
    check_file(&case, &args)?;
    if let Some(hash) = &args.approve {
        plan::approve_by_name(app, hash)?;
        case.ledger.catch_up()?;
    }
    alarm(app, &case);
    let outside = Outside::connect(app, &case).await?;
    if args.dry_run {
        dry_run(app, &case);
        return Ok(());
    }
    let rotations = must_be_approved(&case)?;
    let outages = Outages::new(app, &case.id);
    let engine = engine_telling(app, &case, &outside, args.steps, Some(outages.clone()))?;
    refuse_drift(&engine).await?;
    let question = format!("Rotate {}?", count(rotations, "credential"));
    app.confirm(&question, args.yes)?;
    let patience = if args.wait {
        Patience::Forever
    } else {
        Patience::Seconds(args.patience)
    };
    let ended = carry_out(app, &engine, patience).await;
    outages.finish().await;
    finish(app, &case, &ended?)
}

/// The engine for a case, showing progress.
pub(crate) fn engine(
    app: &App,
    case: &OpenCase,
    outside: &Outside,
    verbose: bool,
) -> Result<Arc<Engine>, CommandError> {
    engine_telling(app, case, outside, verbose, None)
}

/// The same, telling webhooks of outages.
fn engine_telling(
    app: &App,
    case: &OpenCase,
    outside: &Outside,
    verbose: bool,
    outages: Option<Outages>,
) -> Result<Arc<Engine>, CommandError> {
    let identity = app.unlock(case)?;
    let ctx = outside.context(app, case, case.vault(&identity)?)?;
    let (steps, over) = case.ledger.with(progress);
    let show = Progress::new(app.printer, steps, over, verbose);
    Ok(Arc::new(Engine::new(ctx, move |event| {
        if let Some(outages) = &outages {
            outages.take(&event);
        }
        show.take(&event);
    })))
}

/// Runs the engine; the first Ctrl-C lets what was begun finish, and then it stops.
pub(crate) async fn carry_out(
    app: &App,
    engine: &Arc<Engine>,
    patience: Patience,
) -> Result<Ended, CommandError> {
    let (stop, stopping) = watch::channel(false);
    let printer = app.printer;
    let listener = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            printer.note("stopping: what was begun is finished and recorded first");
            let _ = stop.send(true);
            // A second Ctrl-C is the person's right; the next run reconciles.
            let _ = tokio::signal::ctrl_c().await;
            std::process::exit(130);
        }
    });
    // Among its steps, and not on the thread that waits for it, which each of them would wake.
    let at_work = Arc::clone(engine);
    let run = tokio::spawn(async move { at_work.run(patience, stopping).await });
    let ended = run.await;
    listener.abort();
    Ok(ended.map_err(EngineError::Crashed)??)
}

/// Refuses to go on in a world that is not what the plan was made for, and says why.
pub(crate) async fn refuse_drift(engine: &Engine) -> Result<(), CommandError> {
    let ctx = engine.context();
    let plan = ctx
        .ledger
        .with(|state| state.plan.as_ref().map(|plan| Arc::clone(&plan.plan)))
        .ok_or("there is no plan")
        .kind(Kind::Usage)
        .map_err(|error| error.hint("make one: relatch plan"))?;
    let seen = survey(ctx, &plan).await;
    let drifts = ctx.ledger.with(|state| drift(&plan, state, &seen));
    if drifts.is_empty() {
        return Ok(());
    }
    let mut error = CommandError::new(
        Kind::Refused,
        format!(
            "the world is not what the plan was made for: {}",
            count(drifts.len(), "difference")
        ),
    );
    for drift in &drifts {
        error = error.hint(drift.to_string());
    }
    Err(error
        .hint("take the inventory again, then make a new plan: relatch inventory && relatch plan"))
}

fn check_file(case: &OpenCase, args: &ApplyArgs) -> Result<(), CommandError> {
    let Some(path) = &args.plan else {
        return Ok(());
    };
    let hash = plan::read(path)?.hash()?;
    let in_force = case
        .ledger
        .with(|state| state.plan.as_ref().map(|plan| plan.hash.clone()));
    if in_force.as_ref() == Some(&hash) {
        return Ok(());
    }
    Err(CommandError::new(
        Kind::Refused,
        format!(
            "{} is plan {}, and that is not the plan in force",
            path.display(),
            hash.short()
        ),
    ))
}

fn dry_run(app: &App, case: &OpenCase) {
    let decision = case.ledger.with(|state| decide(state, app.now()));
    app.printer.result(&decision, |decision: &Decision| {
        let mut lines: Vec<String> = decision
            .commands
            .iter()
            .map(|command| format!("  {}", command.step()))
            .collect();
        lines.insert(
            0,
            format!("{} would be done now:", count(lines.len(), "step")),
        );
        lines.extend(status::waits(decision));
        lines.join("\n")
    });
}

/// How many rotations the plan in force has; refuses one that is not approved.
fn must_be_approved(case: &OpenCase) -> Result<usize, CommandError> {
    let found = case.ledger.with(|state| {
        let plan = state.plan.as_ref()?;
        Some((plan::Approval::of(plan), plan.plan.rotations.len()))
    });
    let (approval, rotations) = found.ok_or("there is no plan").kind(Kind::Usage)?;
    if approval.approved {
        return Ok(rotations);
    }
    Err(CommandError::new(
        Kind::Refused,
        format!("the plan is not approved: {}", approval.words()),
    )
    .hint("relatch plan show, then relatch plan approve HASH"))
}

/// Says that approvals were bypassed, if they were.
fn alarm(app: &App, case: &OpenCase) {
    let alarm = case
        .ledger
        .with(|state| plan::Approval::of(state.plan.as_ref()?).alarm());
    if let Some(alarm) = alarm {
        app.printer.note(&alarm);
    }
}

fn progress(state: &relatch_case::State) -> (usize, usize) {
    state.plan.as_ref().map_or((0, 0), |plan| {
        let over = plan
            .plan
            .steps
            .iter()
            .filter(|step| state.is_over(&step.id))
            .count();
        (plan.plan.steps.len(), over)
    })
}

fn finish(app: &App, case: &OpenCase, ended: &Ended) -> Result<(), CommandError> {
    let (steps, over) = case.ledger.with(progress);
    let decision = case.ledger.with(|state| decide(state, app.now()));
    let summary = Summary {
        ended: match ended {
            Ended::Finished => "finished",
            Ended::Waiting(_) => "waiting",
            Ended::Stopped => "stopped",
        },
        steps,
        over,
        waiting: status::waits(&decision),
    };
    app.printer.result(&summary, |summary| {
        let mut lines = vec![format!(
            "{}: {over} of {steps} steps are over",
            summary.ended
        )];
        lines.extend(summary.waiting.iter().cloned());
        lines.join("\n")
    });
    if matches!(ended, Ended::Finished) {
        app.printer.note("next: relatch certificate");
        return Ok(());
    }
    Err(CommandError::new(
        Kind::Incomplete,
        "the plan is not finished; relatch apply goes on from here",
    ))
}
