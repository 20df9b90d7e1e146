//! From evidence to an answer: who, since when, what was read, what was planted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;
use relatch_detect::RuleSet;

use crate::answer::{Persistence, Triage};
use crate::found::actors::actors;
use crate::found::blind_spots::{View, blind_spots};
use crate::found::detections::Detections;
use crate::found::events::events;
use crate::found::exposure::{Names, actor_id, exposure};
use crate::found::known::known;
use crate::input::aws_findings::merge;
use crate::input::reader::{Limits, Source, Taken, read};
use crate::input::record::show_time;
use crate::input::rows::is_caller_address;
use crate::log::agents;
use crate::log::{Fact, IdentityKind, Log, What};
use crate::taint::actors::{Credential, Index};
use crate::taint::attribution::Taint;
use crate::taint::judgements::judge;
use crate::taint::links::{Link, Mark};
use crate::taint::score::{Scorer, is_instance_session};
use crate::taint::seeds::reported::reported;
use crate::taint::seeds::{Seeding, Seeds, keys_made};
use crate::taint::split::{Hints, Split, split};
use crate::text::sanitize;

/// How to triage.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the attack began; empty to have it proposed.
    pub seeds: Seeds,
    /// Bounds on what is read.
    pub limits: Limits,
    /// What to look for in every record; with `None` nothing is.
    pub detections: Option<Arc<RuleSet>>,
}

impl Options {
    /// Standard limits with these seeds, and no detections.
    pub fn with_seeds(seeds: Seeds) -> Options {
        Options {
            seeds,
            limits: Limits::STANDARD,
            detections: None,
        }
    }
}

/// Why triage could not begin. Trouble with single files is a [`Problem`](crate::Problem), not an error.
#[derive(Debug, thiserror::Error)]
pub enum TriageError {
    /// Nothing was given to read.
    #[error("no evidence given")]
    NoEvidence,
    /// Not one of the sources holds a file that could be opened.
    #[error("no evidence could be read: {0}")]
    NothingReadable(String),
    /// The time window ends before it begins.
    #[error("the time window ends before it begins")]
    Window,
}

/// Triages files, folders and glob patterns.
///
/// # Errors
/// When nothing is given or nothing at all could be opened; never for single bad files.
pub fn triage(paths: &[PathBuf], options: &Options) -> Result<Triage, TriageError> {
    let sources: Vec<Source> = paths.iter().cloned().map(Source::Path).collect();
    triage_sources(&sources, options)
}

/// Triages files and documents in memory alike.
///
/// # Errors
/// As [`triage`].
pub fn triage_sources(sources: &[Source], options: &Options) -> Result<Triage, TriageError> {
    if sources.is_empty() {
        return Err(TriageError::NoEvidence);
    }
    if let (Some(since), Some(until)) = (options.seeds.since, options.seeds.until)
        && until < since
    {
        return Err(TriageError::Window);
    }
    let taken = read(sources, &options.limits, options.detections.as_deref());
    if taken.files.is_empty() {
        let why = taken
            .problems
            .first()
            .map(|problem| format!("{} {}", problem.file, problem.what));
        let why = why.or_else(|| {
            taken
                .skipped
                .first()
                .map(|skipped| format!("{} is {}", skipped.path, skipped.why))
        });
        return Err(TriageError::NothingReadable(sanitize(
            &why.unwrap_or_else(|| "no files found".into()),
        )));
    }
    Ok(answer(taken, &options.seeds, options.detections.as_deref()))
}

fn answer(mut taken: Taken, seeds: &Seeds, set: Option<&RuleSet>) -> Triage {
    let log = &taken.log;
    let index = Index::new(log);
    let scorer = Scorer::new(log, &index);
    let mut taint = Taint::new(log, &index);
    let judgements = judge(log, &index, seeds, &mut taint);
    let mut splits = splits(log, &index, &scorer);
    let mut aws_findings = merge(std::mem::take(&mut taken.findings));
    reported(&mut aws_findings, log, &index, &scorer, &mut splits);
    let used = Seeding {
        log,
        index: &index,
        scorer: &scorer,
        seeds,
        splits: &splits,
    }
    .run(&mut taint);
    let tainted = taint.tainted();
    let names = Names::new(log, &index);
    let exposure = exposure(log, &names, &tainted);
    let (secrets_known, unlisted) = known(log, &index, &names);
    let (events, untold) = events(log, &taint, &tainted);
    let detections = set.map(|set| detections(set, &taken, &taint, seeds));
    let detections = detections.unwrap_or_default();
    let mut blind_spots = blind_spots(&View {
        log,
        tainted: &tainted,
        unnamed: &exposure.unnamed,
        seeds: &used,
        judgements: &judgements,
        problems: &taken.problems,
        findings: &aws_findings,
    });
    blind_spots.extend(detections.counts.blind_spots());
    blind_spots.sort();
    taken.problems.extend(unlisted.into_iter().chain(untold));
    let times = || tainted.iter().filter_map(|row| log.row(*row).time);
    let uncertain = log
        .numbers()
        .filter(|row| taint.mark(*row) == Mark::Uncertain);
    Triage {
        uncertain_events: uncertain.map(|row| event_id(log, row)).collect(),
        events,
        secrets_read: exposure.read,
        attempted_reads: exposure.attempted,
        issued_credentials: exposure.handed_out,
        secrets_known,
        secrets_readable: None,
        actors: actors(log, &index, &splits, &taint),
        addresses: addresses(log, &scorer, &taint, &tainted),
        first: times().min().and_then(show_time),
        last: times().max().and_then(show_time),
        detections: detections.groups,
        detection_counts: detections.counts,
        detections_by_event: detections.titles,
        persistence: persistence(log, &tainted),
        created_keys: keys_made(log, &tainted, What::KeyMade)
            .iter()
            .map(|key| sanitize(key))
            .collect(),
        aws_findings,
        blind_spots,
        seeds: used,
        judgements,
        events_read: taken.events,
        duplicates: log.duplicates,
        tainted_events: tainted.iter().map(|row| event_id(log, *row)).collect(),
        problems: taken.problems,
        files: taken.files,
        skipped: taken.skipped,
    }
}

/// The incident begins with the first of the attacker's calls, or where the seeds say so.
fn detections(set: &RuleSet, taken: &Taken, taint: &Taint<'_>, seeds: &Seeds) -> Detections {
    let log = &taken.log;
    let tainted = taint.tainted();
    let first = tainted.iter().filter_map(|row| log.time(*row)).min();
    let since = first.or_else(|| seeds.since.map(jiff::Timestamp::as_millisecond));
    Detections::new(set, &taken.sightings, log, taint, since)
}

fn event_id(log: &Log, row: u32) -> String {
    sanitize(&log.event_id(row))
}

/// Addresses the attacker called from; those of instances and functions he started are theirs.
fn addresses(log: &Log, scorer: &Scorer, taint: &Taint<'_>, tainted: &[u32]) -> Vec<String> {
    let own = tainted
        .iter()
        .copied()
        .filter(|row| !is_workload(log, scorer, taint, *row))
        .map(|row| log.row(row));
    let own = own.filter(|row| !row.invoked_by.some() && is_caller_address(log.text(row.address)));
    let set: BTreeSet<String> = own.map(|row| sanitize(log.text(row.address))).collect();
    set.into_iter().collect()
}

/// Whether a call was made by something the attacker started, and not by his own hand.
fn is_workload(log: &Log, scorer: &Scorer, taint: &Taint<'_>, row: u32) -> bool {
    let event = &log.row(row);
    let agent = log.text(event.agent);
    let by_hand = agents::is_hand_tool(agent)
        || agents::is_attack_tool(agent)
        || agents::is_desktop(agent)
        || agents::is_console(agent);
    // A client's word does not count where nobody else is; a gateway is known by the others.
    let gateway = scorer
        .premises()
        .first_from(event.address)
        .is_some_and(|first| taint.mark(first) == Mark::None);
    let (link, from) = taint.why(row).unwrap_or((Link::Seed, None));
    let for_service = from.is_some_and(|from| log.row(from).kind == IdentityKind::Service);
    let issued = matches!(link, Link::SessionKey | Link::Session | Link::CreatedRole);
    (!by_hand || gateway)
        && (matches!(link, Link::CreatedInstance | Link::CreatedFunction)
            || (issued && (for_service || is_instance_session(log.text(event.arn)))))
}

/// How every credential splits when nothing is known from outside, as far as anything speaks
/// against it; services are nobody's.
fn splits(log: &Log, index: &Index, scorer: &Scorer) -> BTreeMap<Credential, Split> {
    let none = BTreeSet::new();
    let hints = Hints {
        addresses: &none,
        agents: &none,
        since: None,
        named: false,
    };
    index
        .by_credential
        .par_iter(log)
        .filter(|(credential, _)| !matches!(credential, Credential::Service(_)))
        .map(|(credential, part)| (credential, split(scorer, credential, part, &hints)))
        .filter(|(_, split)| !split.is_empty())
        .collect()
}

fn persistence(log: &Log, tainted: &[u32]) -> Vec<Persistence> {
    let mut found = Vec::new();
    for at in tainted {
        let row = &log.row(*at);
        for fact in row.facts().iter().filter(|_| !row.error.some()) {
            let Some((kind, id, detail)) = planted(log, fact) else {
                continue;
            };
            found.push(Persistence {
                kind: kind.to_owned(),
                id: sanitize(id),
                detail: sanitize(detail),
                event_id: event_id(log, *at),
                time: row.time.and_then(show_time),
                account: row.account.some().then(|| sanitize(log.text(row.account))),
                actor: actor_id(log, Credential::of(log, row)),
            });
        }
    }
    found
}

fn planted<'l>(log: &'l Log, fact: &Fact) -> Option<(&'static str, &'l str, &'l str)> {
    let (name, other) = (log.text(fact.name), log.text(fact.other));
    Some(match fact.what {
        What::KeyMade => ("access_key", name, other),
        What::UserMade => ("user", name, other),
        What::PasswordSet => ("login_profile", name, other),
        What::ServiceCredentialMade => ("service_credential", name, other),
        What::RoleMade => ("role", name, other),
        What::TrustChanged => ("trust_policy", name, other),
        What::FunctionMade => ("function", name, other),
        What::FunctionChanged => ("function_change", name, other),
        What::InstanceMade => ("instance", name, other),
        What::Recording => ("recording", name, other),
        What::Planted => ("other", other, name),
        _ => return None,
    })
}
