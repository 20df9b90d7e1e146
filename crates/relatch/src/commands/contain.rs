//! `relatch contain`: plan, apply, verify, restore.

use std::fmt::Write as _;

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use relatch_case::{Fact, FaultKind};
use relatch_containment::{Cloud, Form, Measure, Proposal, lockout, propose};
use serde::Serialize;

use crate::app::App;
use crate::error::{CommandError, Kind, OfKind};
use crate::output::{count, table};
use crate::workspace::OpenCase;
use crate::world::{AwsSide, Outside};

/// What to do about containment.
#[derive(Debug, Subcommand)]
pub(crate) enum ContainCommand {
    /// Say which measures answer what the evidence shows; nothing is done
    Plan(PlanArgs),
    /// Take the measures, each with a snapshot first
    Apply(ApplyArgs),
    /// Look whether every measure taken binds
    Verify,
    /// Put back what stood there before
    Restore(RestoreArgs),
    /// Let new values into places before containment is verified; needs two people
    Waive(WaiveArgs),
}

/// Which measures.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlanArgs {
    /// The form of the service control policy
    #[arg(long, value_name = "FORM", default_value = "deny-writes")]
    scp: ScpForm,
    /// Also deny everything to users whose key was stolen
    #[arg(long)]
    deny_users: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ScpForm {
    DenyWrites,
    DenyAll,
    None,
}

/// Options of `contain apply`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    plan: PlanArgs,
    /// Go on without being asked
    #[arg(long)]
    yes: bool,
}

/// Options of `contain restore`.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// Only this measure, by its id
    measure: Option<String>,
    /// Go on without being asked
    #[arg(long)]
    yes: bool,
}

/// Options of `contain waive`.
#[derive(Debug, Args)]
pub(crate) struct WaiveArgs {
    /// Why new values may go into places that the thief might read
    #[arg(long, value_name = "REASON")]
    because: String,
    /// A person who answers for it; at least two different ones
    #[arg(long = "by", value_name = "PERSON", required = true)]
    people: Vec<String>,
}

/// What was seen of one measure.
#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    measure: String,
    binds: Option<bool>,
    how: String,
}

#[cfg(feature = "drill")]
impl PlanArgs {
    /// What a drill asks for.
    pub(crate) fn deny_writes() -> Self {
        Self {
            scp: ScpForm::DenyWrites,
            deny_users: false,
        }
    }
}

pub(crate) async fn run(app: &App, command: ContainCommand) -> Result<(), CommandError> {
    let case = app.open_case()?;
    if let ContainCommand::Waive(args) = &command {
        return waive(app, &case, args);
    }
    let outside = Outside::connect(app, &case).await?;
    let aws = outside
        .aws
        .as_ref()
        .ok_or("containment needs an AWS account: the case names none")
        .kind(Kind::Usage)?;
    match command {
        ContainCommand::Plan(args) => {
            let proposal = proposal(app, &case, aws, &args).await?;
            app.printer.result(&proposal, text);
            Ok(())
        }
        ContainCommand::Apply(args) => {
            let proposal = proposal(app, &case, aws, &args.plan).await?;
            app.printer.note(&text(&proposal));
            app.confirm("Take these measures?", args.yes)?;
            apply(app, &case, aws, &proposal.measures).await?;
            verify_all(app, &case, aws).await
        }
        ContainCommand::Verify => verify_all(app, &case, aws).await,
        ContainCommand::Restore(args) => restore(app, &case, aws, &args).await,
        ContainCommand::Waive(_) => Ok(()),
    }
}

/// The measures for this case, none of which denies the responder.
pub(crate) async fn proposal(
    app: &App,
    case: &OpenCase,
    aws: &AwsSide,
    args: &PlanArgs,
) -> Result<Proposal, CommandError> {
    let responders = &app.config.containment.responders;
    let scp = match args.scp {
        ScpForm::None => None,
        _ if aws.management.is_none() => None,
        form => Some((
            aws.identity.account.clone(),
            if form == ScpForm::DenyAll {
                Form::DenyAll
            } else {
                Form::DenyWrites
            },
            responders.clone(),
        )),
    };
    let proposal = case
        .ledger
        .with(|state| propose(state, scp, args.deny_users, app.now()));
    let mut proposal = proposal;
    if aws.management.is_some() && args.scp != ScpForm::None {
        let missing = aws.cloud().missing(&aws.identity.account).await;
        proposal
            .missing
            .extend(missing.unwrap_or_else(|fault| vec![fault.detail]));
    }
    let responder = aws.cloud().principal(&aws.identity.arn).await?;
    for measure in &proposal.measures {
        lockout::check(measure, &responder).map_err(|error| {
            CommandError::new(Kind::Refused, error).hint(
                "name yourself under [containment] responders, or connect as a break-glass role",
            )
        })?;
        relatch_containment::document::of(measure).kind(Kind::Refused)?;
    }
    Ok(proposal)
}

fn text(proposal: &Proposal) -> String {
    if proposal.measures.is_empty() && proposal.missing.is_empty() {
        return "no measure is needed: nobody was convicted (relatch triage --record)".to_string();
    }
    let mut out = table(
        ["MEASURE", "BINDS AFTER", "WHAT"],
        proposal.measures.iter().map(|measure| {
            [
                measure.id(),
                format!("{} s", measure.propagation_s()),
                measure.to_string(),
            ]
        }),
    );
    for missing in &proposal.missing {
        let _ = write!(out, "\n! {missing}");
    }
    out
}

/// Takes measures, the snapshot of each recorded before it is taken. Sessions are revoked
/// last, once the keys that could open new ones no longer bind: a session that is opened in
/// between would outlive its revocation.
pub(crate) async fn apply(
    app: &App,
    case: &OpenCase,
    aws: &AwsSide,
    measures: &[Measure],
) -> Result<(), CommandError> {
    let revokes = |measure: &&Measure| matches!(measure, Measure::RevokeSessions { .. });
    let mut failed = 0usize;
    for measure in measures.iter().filter(|measure| !revokes(measure)) {
        failed += usize::from(!take(app, case, &aws.cloud(), measure).await?);
    }
    let last: Vec<&Measure> = measures.iter().filter(revokes).collect();
    if !last.is_empty() {
        let wait = measures
            .iter()
            .map(Measure::propagation_s)
            .max()
            .unwrap_or(0);
        app.printer.note(&format!(
            "waiting {wait} s until the measures bind, then revoking sessions"
        ));
        tokio::time::sleep(Duration::from_secs(u64::from(wait))).await;
    }
    for measure in last {
        let measure = measure.clone().revoking_until(app.now());
        failed += usize::from(!take(app, case, &aws.cloud(), &measure).await?);
    }
    if failed == 0 {
        return Ok(());
    }
    Err(CommandError::new(
        Kind::Incomplete,
        format!("{} not taken", count(failed, "measure")),
    ))
}

/// Takes one measure; says whether it was taken.
async fn take(
    app: &App,
    case: &OpenCase,
    cloud: &relatch_aws::AwsCloud,
    measure: &Measure,
) -> Result<bool, CommandError> {
    let id = measure.id();
    let snapshot = match cloud.snapshot(measure).await {
        Ok(snapshot) => snapshot,
        Err(fault) => {
            app.printer.note(&format!("! {id}: not taken: {fault}"));
            return Ok(false);
        }
    };
    let measure_json = serde_json::to_value(measure)?;
    let fact = Fact::MeasureIntended {
        id: id.clone(),
        measure: measure_json,
        snapshot,
    };
    case.ledger.record(app.now(), vec![fact])?;
    let (taken, fact) = match cloud.apply(measure).await {
        Ok(()) => (true, Fact::MeasureApplied { id }),
        Err(fault) => {
            app.printer.note(&format!("! {id}: {fault}"));
            (false, Fact::MeasureFailed { id, fault })
        }
    };
    case.ledger.record(app.now(), vec![fact])?;
    Ok(taken)
}

async fn verify_all(app: &App, case: &OpenCase, aws: &AwsSide) -> Result<(), CommandError> {
    let seen = verify_standing(app, case, aws).await?;
    app.printer.result(&seen, |seen| verified_text(seen));
    let loose = seen.iter().filter(|v| v.binds != Some(true)).count();
    if loose == 0 {
        return Ok(());
    }
    Err(CommandError::new(
        Kind::Incomplete,
        format!("{} not seen to bind", count(loose, "measure")),
    ))
}

/// Looks at every standing measure until it binds or its propagation time is over, and
/// records what was seen.
pub(crate) async fn verify_standing(
    app: &App,
    case: &OpenCase,
    aws: &AwsSide,
) -> Result<Vec<Verified>, CommandError> {
    let cloud = aws.cloud();
    let mut seen = Vec::new();
    for (id, measure) in standing(case)? {
        let mut left = measure.propagation_s();
        let verdict = loop {
            let verdict = cloud.verify(&measure).await;
            if verdict.binds == Some(true) || left == 0 {
                break verdict;
            }
            left -= 1;
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        let fact = Fact::MeasureVerified {
            id: id.clone(),
            binds: verdict.binds,
            how: verdict.how.clone(),
        };
        case.ledger.record(app.now(), vec![fact])?;
        seen.push(Verified {
            measure: id,
            binds: verdict.binds,
            how: verdict.how,
        });
    }
    Ok(seen)
}

fn verified_text(seen: &[Verified]) -> String {
    table(
        ["MEASURE", "BINDS", "SEEN BY"],
        seen.iter().map(|v| {
            let binds = match v.binds {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "unknown",
            };
            [v.measure.clone(), binds.to_string(), v.how.clone()]
        }),
    )
}

fn standing(case: &OpenCase) -> Result<Vec<(String, Measure)>, CommandError> {
    let measures = case.ledger.with(|state| {
        state
            .measures
            .iter()
            .filter(|(_, measure)| measure.restored_at.is_none())
            .map(|(id, measure)| (id.clone(), measure.measure.clone()))
            .collect::<Vec<_>>()
    });
    measures
        .into_iter()
        .map(|(id, measure)| Ok((id, serde_json::from_value(measure)?)))
        .collect()
}

async fn restore(
    app: &App,
    case: &OpenCase,
    aws: &AwsSide,
    args: &RestoreArgs,
) -> Result<(), CommandError> {
    let mut measures = standing(case)?;
    if let Some(only) = &args.measure {
        measures.retain(|(id, _)| id == only);
    }
    if measures.is_empty() {
        return Err(CommandError::new(Kind::Usage, "no such measure stands"));
    }
    app.confirm(
        &format!("Take back {}?", count(measures.len(), "measure")),
        args.yes,
    )?;
    let cloud = aws.cloud();
    // In the reverse order in which they were taken.
    for (id, measure) in measures.into_iter().rev() {
        let snapshot = case
            .ledger
            .with(|state| state.measures.get(&id).map(|m| m.snapshot.clone()))
            .unwrap_or_default();
        match cloud.restore(&measure, &snapshot).await {
            Ok(()) => {}
            Err(fault) if fault.kind == FaultKind::NotFound => {
                app.printer
                    .note(&format!("{id}: what it acted on is gone: {fault}"));
            }
            Err(fault) => return Err(CommandError::new(Kind::Failed, fault)),
        }
        case.ledger
            .record(app.now(), vec![Fact::MeasureRestored { id: id.clone() }])?;
        app.printer.note(&format!("{id}: restored"));
    }
    Ok(())
}

fn waive(app: &App, case: &OpenCase, args: &WaiveArgs) -> Result<(), CommandError> {
    let mut people = args.people.clone();
    people.sort();
    people.dedup();
    if people.len() < 2 {
        return Err(CommandError::new(
            Kind::Refused,
            "two different people have to answer for it",
        ));
    }
    let fact = Fact::ContainmentWaived {
        because: args.because.clone(),
        people,
    };
    case.ledger.record(app.now(), vec![fact])?;
    app.printer.note("recorded; it stands in every report");
    Ok(())
}
