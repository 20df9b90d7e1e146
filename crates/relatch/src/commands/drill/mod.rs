//! `relatch drill`: the whole response on the practice range, with the same code and the same
//! HTTP as in earnest; only addresses and durations are changed.

mod hook;
mod score;
mod setup;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use relatch_case::Fact;
use relatch_drill::{Range, RangeConfig, TRAIL_BUCKET, braintrust};
use relatch_executor::{Ended, Engine, Patience};
use relatch_rotation::make;
use relatch_secret::{Protection, Secret};

use crate::app::App;
use crate::commands::{apply, certificate, contain, inventory, report, tasks, triage, watch};
use crate::error::{CommandError, Kind, OfKind};
use crate::workspace::{NewCase, OpenCase};
use crate::world::{AwsSide, Outside};

/// Options of `drill`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DrillArgs {
    #[command(subcommand)]
    command: Option<DrillCommand>,
    /// The scenario
    #[arg(default_value = "braintrust")]
    scenario: String,
    /// Carry the whole response out without asking
    #[arg(long, conflicts_with = "guided")]
    yes: bool,
    /// Stop before each phase for you to look (the default at a terminal)
    #[arg(long)]
    guided: bool,
    /// Where report, certificate and the case are left
    #[arg(long, value_name = "DIR", default_value = "drill-out")]
    out: PathBuf,
}

#[derive(Debug, Subcommand)]
enum DrillCommand {
    /// What the range's endpoint is administered with; stands in for a script of your own
    #[command(hide = true)]
    Hook(hook::HookArgs),
}

/// The moments that the score is made of.
#[derive(Debug, Clone, Copy)]
struct Clock {
    opened: Timestamp,
    scoped: Timestamp,
    contained: Timestamp,
}

pub(crate) async fn run(app: &App, args: DrillArgs) -> Result<(), CommandError> {
    if let Some(DrillCommand::Hook(args)) = args.command {
        return hook::run(args).await;
    }
    if args.scenario != "braintrust" {
        return Err(CommandError::new(
            Kind::Usage,
            format!("there is no scenario {}", args.scenario),
        )
        .hint("there is: braintrust"));
    }
    let guided = args.guided || !args.yes;
    if guided && !app.printer.can_ask() {
        return Err(CommandError::new(Kind::Usage, "nobody can be asked here")
            .hint("say --yes to carry the whole response out without asking"));
    }
    let out = setup::fresh_folder(&args.out)?;
    app.printer
        .note("starting the range: an emulated cloud, three issuers, consumers, a thief");
    let range = Range::start(RangeConfig::standard(), braintrust(), &out.join("range"))
        .await
        .kind(Kind::Failed)?;
    let result = respond(app, &range, &out, guided).await;
    let stopped = range.stop().await;
    result?;
    stopped.kind(Kind::Failed)
}

async fn respond(
    app: &App,
    range: &Range,
    out: &std::path::Path,
    guided: bool,
) -> Result<(), CommandError> {
    let phase = |title: &str| phase(app, guided, title);
    range.start_load();
    tokio::time::sleep(Duration::from_secs(1)).await;
    app.printer
        .note("the thief is in: enumerating, reading secrets, planting a key");
    range.start_attack();
    if !range.first_phase_done().await {
        return Err(CommandError::new(
            Kind::Failed,
            "the attack of the range did not come off",
        ));
    }
    range.flush().await.kind(Kind::Failed)?;

    phase("1 confirm: open a case and read the trail")?;
    let drill = setup::app(app, range, out)?;
    let opened = Timestamp::now();
    let case = open_case(&drill, out, opened)?;
    let outside = Outside::connect(&drill, &case).await?;
    confirm(&drill, &case, &outside).await?;

    phase("2 identify: what there is, where it lives, who uses it")?;
    inventory::take(&drill, &case, &outside).await?;
    let scoped = Timestamp::now();
    inventory_words(&drill, &case);

    phase("1 contain: from outside the account first, each measure probed")?;
    let aws = outside
        .aws
        .as_ref()
        .ok_or("the range has no cloud")
        .kind(Kind::Failed)?;
    let proposal = contain::proposal(&drill, &case, aws, &contain::PlanArgs::deny_writes()).await?;
    contain::apply(&drill, &case, aws, &proposal.measures).await?;
    contain::verify_standing(&drill, &case, aws).await?;
    let contained = Timestamp::now();

    phase("3-5 rotate: mint, roll out, watch, switch off, prove")?;
    waive_own_key(&drill, &case, aws)?;
    plan(&drill, &case)?;
    let engine = apply::engine(&drill, &case, &outside, !app.printer.is_json() && !guided)?;
    apply::refuse_drift(&engine).await?;
    rotate(&drill, &case, range, &engine).await?;

    phase("6 prove: tripwires, report, certificate")?;
    // The thief goes on trying; what he tried since must be seen.
    tokio::time::sleep(Duration::from_secs(2)).await;
    range.flush().await.kind(Kind::Failed)?;
    watch::look_once(&drill, &case, &outside).await?;
    range.stop_attack();
    // The score needs the sealed values' fingerprints only; a complete certificate shreds.
    let clock = Clock {
        opened,
        scoped,
        contained,
    };
    let complete = certificate::write(&drill, &case, &out.join("certificate.json"), false)?;
    for (format, name) in [
        (report::Format::Html, "report.html"),
        (report::Format::Markdown, "report.md"),
        (report::Format::Json, "report.json"),
    ] {
        report::write(&out.join(name), &report::render(&drill, &case, format)?)?;
    }
    let bytes = std::fs::read(out.join("certificate.json"))?;
    let verified = relatch_report::verify(&bytes).is_ok();
    let score = score::score(range, &case, &clock, complete && verified).await?;
    score.show(app, out);
    if score.is_clean() {
        return Ok(());
    }
    Err(CommandError::new(
        Kind::Found,
        "the drill did not end clean: see the score",
    ))
}

fn phase(app: &App, guided: bool, title: &str) -> Result<(), CommandError> {
    app.printer.note(&format!("\n== {title}"));
    if guided {
        app.printer.note("   Enter goes on, Ctrl-C ends the drill");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
    }
    Ok(())
}

fn open_case(drill: &App, out: &std::path::Path, now: Timestamp) -> Result<OpenCase, CommandError> {
    let new = NewCase {
        id: "drill".into(),
        title: "drill braintrust: a cloud account was entered".to_string(),
        account: Some(relatch_drill::ACCOUNT.to_string()),
        regions: vec![
            relatch_drill::HOME_REGION.to_string(),
            relatch_drill::SECOND_REGION.to_string(),
        ],
        protection: Protection::IdentityFile(out.join("identity.txt")),
    };
    drill
        .workspace
        .open_new(&new, &relatch_secret::Unlock::Unattended, &drill.by, now)
}

async fn confirm(drill: &App, case: &OpenCase, outside: &Outside) -> Result<(), CommandError> {
    let aws = outside
        .aws
        .as_ref()
        .ok_or("the range has no cloud")
        .kind(Kind::Failed)?;
    let url = format!("s3://{TRAIL_BUCKET}/AWSLogs/{}/", relatch_drill::ACCOUNT);
    let sources = triage::fetch(drill, &aws.connection, &url, None, None).await?;
    let found = relatch_evidence::triage_sources(
        &sources,
        &relatch_evidence::Options::with_seeds(relatch_evidence::Seeds::default()),
    )?;
    triage::record(drill, case, Vec::new(), &found)?;
    if !drill.printer.is_json() {
        drill.printer.note(&relatch_evidence::summary(&found));
    }
    Ok(())
}

/// The key that the response itself works with was made after the breach, on a clean machine:
/// a decision with reason, owner and expiry, as for any key that is left as it is.
fn waive_own_key(drill: &App, case: &OpenCase, aws: &AwsSide) -> Result<(), CommandError> {
    let user = aws.identity.arn.rsplit('/').next().unwrap_or_default();
    let own = relatch_case::Principal::new(format!("user/{user}"));
    let expires = drill.now() + jiff::SignedDuration::from_hours(24 * 7);
    let facts = case.ledger.with(|state| {
        let mine = state
            .credentials
            .values()
            .filter(|c| c.principal.as_ref() == Some(&own));
        mine.map(|credential| relatch_case::Fact::Waived {
            credential: credential.id.clone(),
            because: "the response works with it; made after the breach".to_string(),
            owner: drill.by.clone(),
            expires,
        })
        .collect()
    });
    Ok(case.ledger.record(drill.now(), facts)?)
}

fn inventory_words(drill: &App, case: &OpenCase) {
    case.ledger.with(|state| {
        drill.printer.note(&format!(
            "{} credentials in {} places, {} consumers, {} blind spots",
            state.credentials.len(),
            state.places.len(),
            state.consumers.len(),
            state.blind_spots.len()
        ));
    });
}

fn plan(drill: &App, case: &OpenCase) -> Result<(), CommandError> {
    let options = relatch_rotation::Options {
        at: Some(drill.now()),
        ..Default::default()
    };
    let plan = case
        .ledger
        .with(|state| make(state, &drill.config.policy, &options))
        .kind(Kind::Failed)?;
    let hash = plan.hash()?;
    drill.printer.note(&format!(
        "plan {}: {} credentials, {} steps, {} blocked",
        hash.short(),
        plan.rotations.len(),
        plan.steps.len(),
        plan.blocked.len()
    ));
    for blocked in &plan.blocked {
        drill
            .printer
            .note(&format!("! {}: {}", blocked.name, blocked.because));
    }
    let fact = Fact::PlanRecorded {
        hash,
        plan: std::sync::Arc::new(plan),
    };
    case.ledger.record(drill.now(), vec![fact])?;
    approve_in_force(drill, case)
}

/// Records the approval of whoever runs a drill.
fn approve_in_force(app: &App, case: &OpenCase) -> Result<(), CommandError> {
    let hash = case
        .ledger
        .with(|state| state.plan.as_ref().map(|plan| plan.hash.clone()))
        .ok_or("there is no plan")
        .kind(Kind::Usage)?;
    let fact = Fact::PlanApproved {
        hash,
        by: app.by.clone(),
    };
    Ok(case.ledger.record(app.now(), vec![fact])?)
}

/// Runs the engine, with a person at the consoles beside it.
async fn rotate(
    drill: &App,
    case: &OpenCase,
    range: &Range,
    engine: &Arc<Engine>,
) -> Result<(), CommandError> {
    let person = async {
        loop {
            do_tasks(drill, case, range, engine).await?;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let machine = async {
        loop {
            match apply::carry_out(drill, engine, Patience::Forever).await? {
                Ended::Finished => return Ok(()),
                Ended::Stopped => return Err(CommandError::new(Kind::Incomplete, "stopped")),
                Ended::Waiting(waits) => {
                    let due = case.ledger.with(|state| tasks::due(state, drill.now()));
                    if due.is_empty() {
                        return Err(stuck(&waits));
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    tokio::select! {
        result = machine => result,
        result = person => result,
    }
}

/// Makes the keys that only a person can make, and hands them over.
async fn do_tasks(
    drill: &App,
    case: &OpenCase,
    range: &Range,
    engine: &Engine,
) -> Result<(), CommandError> {
    let due = case.ledger.with(|state| tasks::due(state, drill.now()));
    for task in due {
        let workspace = task
            .principal
            .strip_prefix("workspace/")
            .unwrap_or(&task.principal);
        let made = range.anthropic_console_create(workspace, &task.make_name);
        engine
            .hand_over(&task.step, Secret::from(made.value.as_str()))
            .await?;
    }
    Ok(())
}

fn stuck(waits: &[relatch_rotation::Wait]) -> CommandError {
    let mut error = CommandError::new(Kind::Incomplete, "the rotation cannot go on by itself");
    for wait in waits.iter().take(10) {
        error = error.hint(format!("{}: {:?}", wait.step, wait.on));
    }
    error
}
