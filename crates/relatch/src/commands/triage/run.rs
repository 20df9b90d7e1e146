//! The run of `triage`.

use std::sync::Arc;

use relatch_detect::{RuleSet, builtin};
use relatch_evidence::{Options, summary, triage_sources};

use super::answer::Answer;
use super::args::TriageArgs;
use super::athena;
use super::judgements::Judgements;
use super::out::Folder;
use super::policy::Policies;
use super::record::record;
use super::simulate;
use super::sources::sources;
use super::start;
use crate::app::App;
use crate::error::{CommandError, Kind};

pub(crate) async fn run(app: &App, args: TriageArgs) -> Result<(), CommandError> {
    // A case is needed for its facts; where it is named, its name stands in what is written.
    let case = if args.record || app.case.is_some() {
        Some(app.open_case()?)
    } else {
        None
    };
    // What cannot be used is said before a log is read, which may take long.
    let told = args.seeds()?;
    let mut seeds = told.clone();
    let judgements = Judgements::told(app, &args)?;
    if let Some(case) = &case {
        start::remember(app, case, &mut seeds);
        judgements.remember(app, case, &mut seeds);
    }
    let folder = args.out.as_ref();
    let folder = folder
        .map(|path| Folder::open(path, args.force))
        .transpose()?;
    let policies = Policies::read(&args)?;
    let mut sources = sources(app, &args).await?;
    let mut gathered = athena::gather(app, &args.athena, &seeds, &sources).await?;
    if gathered.printed {
        return Ok(());
    }
    sources.append(&mut gathered.sources);
    if sources.is_empty() {
        return Err(CommandError::new(Kind::Usage, "no log was named")
            .hint("relatch triage FILE|FOLDER|GLOB|s3://bucket/prefix, --lookup --key AKIA…, or --athena DATABASE.TABLE"));
    }
    let options = Options {
        detections: Some(Arc::new(RuleSet::compile(builtin()))),
        ..Options::with_seeds(seeds)
    };
    let mut triage = triage_sources(&sources, &options)?;
    let recording = case.as_ref().filter(|_| args.record);
    let judged = recording
        .map(|case| judgements.facts(app, case, &sources, &options, &triage))
        .transpose()?;
    let began = start::fact(&told, &triage.seeds);
    // Copies of a bucket's files take room on the disk until here.
    drop(sources);
    let asked = gathered.complete(&mut triage);
    let held = policies.map(|policies| policies.fill(&mut triage));
    if args.simulate {
        simulate::fill(app, &mut triage, &held.unwrap_or_default()).await;
    }
    if let (Some(case), Some(judged)) = (recording, judged) {
        let facts = began.into_iter().chain(judged).collect();
        record(app, case, facts, &triage)?;
    }
    if let Some(folder) = &folder {
        folder.write(app, case.as_ref(), &triage, asked.as_ref())?;
    }
    let answer = Answer::new(&triage, asked.as_ref());
    app.printer.result(&answer, |_| summary(&triage));
    if triage.problems.is_empty() {
        return Ok(());
    }
    let words = format!(
        "{} inputs could not be read whole: see problems",
        triage.problems.len()
    );
    Err(CommandError::new(Kind::Incomplete, words))
}
