//! The whole of it: from options and seeds to events.

use jiff::Timestamp;
use relatch_aws::{Athena, AthenaOptions, TableName, TableShape};
use relatch_case::{Fault, FaultKind};
use relatch_detect::sql::{Table, Window};
use relatch_detect::{RuleSet, builtin};
use relatch_evidence::{BlindSpot, Problem, Seeds, Source, Triage};

use super::args::AthenaArgs;
use super::asked::Asked;
use super::ddl::ddl;
use super::fetched::Fetched;
use super::questions::{given, least, statements, window};
use super::rounds::Rounds;
use super::table::table;
use crate::app::App;
use crate::commands::triage;
use crate::error::{CommandError, Kind};

/// What asking came to.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// Nothing is to be triaged: what was asked for is printed.
    pub(crate) printed: bool,
    /// The events.
    pub(crate) sources: Vec<Source>,
    problems: Vec<Problem>,
    blind_spots: Vec<BlindSpot>,
    asked: Option<Asked>,
}

impl Gathered {
    /// Adds to an answer what could not be fetched, and what that could hide; gives what asking
    /// came to, if anything was asked.
    pub(crate) fn complete(self, triage: &mut Triage) -> Option<Asked> {
        triage.problems.extend(self.problems);
        triage.blind_spots.extend(self.blind_spots);
        self.asked
    }

    fn printed() -> Self {
        Self {
            printed: true,
            ..Self::default()
        }
    }

    fn of(name: &TableName, fetched: Fetched, asked: Asked) -> Self {
        Self {
            printed: false,
            blind_spots: vec![fetched.blind_spot(name)],
            sources: fetched.sources,
            problems: fetched.problems,
            asked: Some(asked),
        }
    }
}

/// Fetches what matters for these seeds, if Athena is to be asked at all. `others` is the evidence
/// from elsewhere, which takes part in following the thief.
pub(crate) async fn gather(
    app: &App,
    args: &AthenaArgs,
    seeds: &Seeds,
    others: &[Source],
) -> Result<Gathered, CommandError> {
    if let Some(bucket) = &args.athena_ddl {
        app.printer.data(&ddl(app, args, bucket, seeds.since)?);
        return Ok(Gathered::printed());
    }
    let Some(name) = &args.athena else {
        return Ok(Gathered::default());
    };
    let athena = athena(app, args).await;
    let shape = athena.describe(name).await.map_err(refused)?;
    let table = table(name, &shape, args)?;
    let window = window(app, args, seeds, &shape)?;
    let rules = RuleSet::compile(builtin());
    if args.dry_run {
        let first = statements(&rules, &table, window, &given(seeds), Some(least(seeds)))?;
        app.printer.data(&first.sql.join(";\n\n"));
        return Ok(Gathered::printed());
    }
    tell_plan(app, name, &table, &shape, window);
    let mut rounds = Rounds {
        app,
        args,
        athena: &athena,
        name,
        table: &table,
        window,
        rules: &rules,
        seeds,
        fetched: Fetched::default(),
        rounds: Vec::new(),
    };
    let asked = rounds.run(others).await?;
    let fetched = rounds.fetched;
    if fetched.events == 0 && others.is_empty() {
        let words = format!("no event of {name} fits the detections or the seeds in this time");
        return Err(CommandError::new(Kind::Incomplete, words)
            .hint("that proves nothing: look at the table's days, its partitions and the seeds"));
    }
    Ok(Gathered::of(name, fetched, asked))
}

async fn athena(app: &App, args: &AthenaArgs) -> Athena {
    let region = args.athena_region.clone().unwrap_or_default();
    let options = AthenaOptions {
        workgroup: args.athena_workgroup.clone(),
        output: args.athena_output.clone(),
    };
    Athena::new(&triage::connection(app).await, &region, options)
}

/// A refusal with what it takes.
pub(super) fn refused(fault: Fault) -> CommandError {
    let denied = fault.kind == FaultKind::Denied;
    let error = CommandError::from(fault);
    if !denied {
        return error;
    }
    error
        .hint("on the workgroup: athena:StartQueryExecution, GetQueryExecution, GetQueryResults, StopQueryExecution; on the catalog: athena:GetTableMetadata, glue:GetTable, glue:GetPartitions")
        .hint("on the logs: s3:GetObject and s3:ListBucket (and kms:Decrypt); on the place of answers: also s3:PutObject and s3:GetBucketLocation")
}

fn tell_plan(app: &App, name: &TableName, table: &Table, shape: &TableShape, window: Window) {
    let at = |ms| Timestamp::from_millisecond(ms).unwrap_or_default();
    let (from, to) = (at(window.from_ms), at(window.to_ms));
    let note = |words: String| app.printer.note(&words);
    note(format!(
        "{name}: asking for {from:.0} to {to:.0}; Athena tells the cost only afterwards"
    ));
    match (&table.day, shape.days()) {
        (Some(day), Some(days)) => note(format!(
            "{name}: only these days are read, by the partition `{day}` ({days})"
        )),
        (Some(day), None) => note(format!(
            "{name}: only these days are read, by the partition `{day}`"
        )),
        (None, _) => note(format!(
            "! {name}: no partition is known to hold the day as yyyy/MM/dd, so each query reads the whole table (divided by: {}); relatch triage --athena-ddl prints a table that is divided by day",
            shape.partitions.join(", ")
        )),
    }
    if !table.lacking.is_empty() {
        note(format!(
            "! {name} has no column for: {}",
            table.lacking.join(", ")
        ));
    }
}
