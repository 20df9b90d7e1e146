//! `relatch watch`: who tries the retired keys.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use relatch_aws::LookupBy;
use relatch_case::{Fact, KeyId};
use relatch_evidence::{Source, uses_of_keys};
use relatch_watch::{
    Alert, Hit, KeyUse, LastUse, LineFormat, Retired, Window, Windowing, nothing_seen, notify_all,
    retired_keys_ever, sift, sift_last_uses,
};
use serde::Serialize;

use crate::app::App;
use crate::commands::triage;
use crate::commands::watch_queue;
use crate::error::{CommandError, Kind, OfKind};
use crate::outage::webhooks;
use crate::workspace::OpenCase;
use crate::world::{Outside, regions};

/// Options of `watch`.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Look once and end; exit code 5 when a retired key was tried
    #[arg(long)]
    once: bool,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS")]
    interval: Option<u64>,
    /// A queue of SQS that is told of new log files (by S3, SNS, CloudTrail or EventBridge) or
    /// gets events from EventBridge; may be repeated
    #[arg(long = "queue", value_name = "URL")]
    queues: Vec<String>,
}

/// What one look found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Look {
    pub(crate) hits: Vec<Hit>,
    pub(crate) undated: Vec<KeyUse>,
    pub(crate) problems: Vec<String>,
    /// Files that queues told of and that are no logs by their names.
    pub(crate) passed_over: Vec<String>,
    pub(crate) words: String,
    /// Whether a queue has more to give.
    #[serde(skip)]
    pub(crate) more: bool,
}

pub(crate) async fn run(app: &App, args: WatchArgs) -> Result<(), CommandError> {
    let case = app.open_case()?;
    let outside = Outside::connect(app, &case).await?;
    let interval = args.interval.or(app.config.watch.interval_s).unwrap_or(60);
    let mut queues = app.config.watch.queues.clone();
    queues.extend(args.queues);
    // Heard from the beginning: once a program listens, nothing else ends it at Ctrl-C.
    let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        case.ledger.catch_up()?;
        let look = tokio::select! {
            look = look_with(app, &case, &outside, &queues) => look?,
            _ = &mut stop => return Err(stopped()),
        };
        show(app, &look);
        if args.once {
            return ended(&look);
        }
        let pause = Duration::from_secs(interval.max(1));
        tokio::select! {
            ended = between(app, &case, &outside, &queues, pause) => ended?,
            stop = &mut stop => return Ok(stop?),
        }
    }
}

/// What a look had not recorded when it was stopped is looked at again.
fn stopped() -> CommandError {
    CommandError::new(Kind::Failed, "stopped in the middle of a look")
        .hint("the next one looks at the same again")
}

fn show(app: &App, look: &Look) {
    app.printer.result(look, |look| look.words.clone());
    for problem in &look.problems {
        app.printer.note(&format!("! {problem}"));
    }
    if let Some(first) = look.passed_over.first() {
        let files = look.passed_over.len();
        app.printer.note(&format!(
            "{files} files are no logs by their names and were passed over, such as {first}"
        ));
    }
}

/// Until the next look at everything: waits at the queues, if there are any, and tells of what
/// they bring as it comes. Up to when they were looked through is recorded by the next look, so
/// that the journal does not grow by the second.
async fn between(
    app: &App,
    case: &OpenCase,
    outside: &Outside,
    queues: &[String],
    pause: Duration,
) -> Result<(), CommandError> {
    let end = tokio::time::Instant::now() + pause;
    while !queues.is_empty() && tokio::time::Instant::now() < end {
        let began = tokio::time::Instant::now();
        let retired = retired_keys_ever(&case.ledger.records()?);
        let Some(since) = retired.iter().map(|key| key.since).min() else {
            break;
        };
        let mut look = Look::default();
        let looked = look_at_queues(app, case, outside, queues, since, &mut look).await?;
        tell(app, case, &mut look).await?;
        if !look.hits.is_empty() || !look.problems.is_empty() {
            look.words = words(app, &look, &looked);
            show(app, &look);
        }
        // A queue that cannot be asked answers at once.
        if began.elapsed() < Duration::from_secs(1) && !look.more {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }
    tokio::time::sleep_until(end).await;
    Ok(())
}

fn ended(look: &Look) -> Result<(), CommandError> {
    if !look.hits.is_empty() {
        return Err(CommandError::new(
            Kind::Found,
            "a retired key was tried: see above",
        ));
    }
    if !look.problems.is_empty() || look.more {
        return Err(CommandError::new(
            Kind::Incomplete,
            "not everything could be looked through",
        ));
    }
    Ok(())
}

/// Looks through every source once, records and tells what is new.
#[cfg(feature = "drill")]
pub(crate) async fn look_once(
    app: &App,
    case: &OpenCase,
    outside: &Outside,
) -> Result<Look, CommandError> {
    look_with(app, case, outside, &app.config.watch.queues).await
}

/// The same with these queues. While no key is retired, their messages are left where they are.
async fn look_with(
    app: &App,
    case: &OpenCase,
    outside: &Outside,
    queues: &[String],
) -> Result<Look, CommandError> {
    let retired = retired_keys_ever(&case.ledger.records()?);
    let mut look = Look::default();
    let Some(since) = retired.iter().map(|key| key.since).min() else {
        look.words = "no key is retired yet: there is nothing to watch".to_string();
        return Ok(look);
    };
    let mut looked = look_at_queues(app, case, outside, queues, since, &mut look).await?;
    let uses = read_logs(app, case, outside, &retired, since, &mut look, &mut looked).await;
    let last_uses = ask_issuers(app, outside, case, &retired, &mut look, &mut looked).await;
    let known = case.ledger.with(|state| state.tripwires.clone());
    let sifted = sift(&uses, &retired, &known);
    let mut hits = sifted.hits;
    hits.extend(sift_last_uses(&last_uses, &retired, &known));
    let mut facts: Vec<Fact> = hits.iter().map(Hit::fact).collect();
    facts.extend(
        looked
            .iter()
            .map(|(source, through)| Fact::TripwireChecked {
                source: source.clone(),
                through: *through,
            }),
    );
    case.ledger.record(app.now(), facts)?;
    look.undated.extend(sifted.undated);
    look.hits.extend(hits);
    look.words = words(app, &look, &looked);
    tell(app, case, &mut look).await?;
    Ok(look)
}

/// Looks through queues; what they show is recorded there and then.
async fn look_at_queues(
    app: &App,
    case: &OpenCase,
    outside: &Outside,
    queues: &[String],
    since: Timestamp,
    look: &mut Look,
) -> Result<Vec<(String, Timestamp)>, CommandError> {
    let mut looked = Vec::new();
    let connection = outside.aws.as_ref().map(|aws| &aws.connection);
    for url in queues {
        let Some(connection) = connection else {
            look.problems
                .push(format!("{url}: there is no AWS account to ask"));
            continue;
        };
        let through = watch_queue::look_through(app, case, connection, url, since, look).await?;
        looked.extend(through.map(|through| (url.clone(), through)));
    }
    Ok(looked)
}

fn words(app: &App, look: &Look, looked: &[(String, Timestamp)]) -> String {
    let sources: Vec<&str> = looked.iter().map(|(source, _)| source.as_str()).collect();
    if look.hits.is_empty() {
        let through = looked
            .iter()
            .map(|(_, through)| *through)
            .min()
            .unwrap_or_else(|| app.now());
        return nothing_seen(through, &sources);
    }
    let mut by_key: std::collections::BTreeMap<&KeyId, Vec<&Hit>> =
        std::collections::BTreeMap::new();
    for hit in &look.hits {
        by_key.entry(&hit.key).or_default().push(hit);
    }
    let lines: Vec<String> = by_key
        .into_iter()
        .map(|(key, hits)| {
            let last = hits
                .last()
                .map(|hit| format!("{:.0}, {}", hit.at, hit.seen))
                .unwrap_or_default();
            format!("TRIPWIRE {key}: tried {} times, last {last}", hits.len())
        })
        .collect();
    lines.join("\n")
}

async fn tell(app: &App, case: &OpenCase, look: &mut Look) -> Result<(), CommandError> {
    let Some(alert) = Alert::of_hits(&case.id, &look.hits) else {
        return Ok(());
    };
    if app.printer.is_json() {
        app.printer.data(&alert.line(LineFormat::Json)?);
    }
    let webhooks = webhooks(app)?;
    for undelivered in notify_all(&webhooks, &alert).await {
        look.problems.push(format!(
            "{} was not told: {}",
            undelivered.name, undelivered.fault
        ));
    }
    Ok(())
}

/// Reads the configured logs; what cannot be read is a problem and its watermark stays.
async fn read_logs(
    app: &App,
    case: &OpenCase,
    outside: &Outside,
    retired: &[Retired],
    since: Timestamp,
    look: &mut Look,
    looked: &mut Vec<(String, Timestamp)>,
) -> Vec<KeyUse> {
    let keys: BTreeSet<String> = retired.iter().map(|key| key.key.to_string()).collect();
    let mut uses = Vec::new();
    let mut sources: Vec<(String, Option<&std::path::Path>)> = Vec::new();
    for path in &app.config.watch.files {
        sources.push((path.display().to_string(), Some(path)));
    }
    sources.extend(
        app.config
            .watch
            .trails
            .iter()
            .map(|trail| (trail.clone(), None)),
    );
    if app.config.watch.lookup
        && let Some(aws) = &outside.aws
    {
        sources.extend(
            regions(app, case, aws)
                .into_iter()
                .map(|r| (format!("lookup:{r}"), None)),
        );
    }
    for (name, path) in sources {
        let through = case.ledger.with(|state| state.watched.get(&name).copied());
        let window = Windowing::default().next(through, since, app.now());
        let read = match path {
            Some(path) => Ok(vec![Source::Path(path.to_path_buf())]),
            None => fetch(app, outside, &name, &keys, &window).await,
        };
        match read {
            Ok(sources) => {
                let found = uses_of_keys(&sources, &keys);
                uses.extend(found.uses.into_iter().map(converted));
                if found.problems.is_empty() {
                    looked.push((name, window.through));
                } else {
                    let more = found.problems.len();
                    look.problems
                        .push(format!("{name}: {more} inputs could not be read whole"));
                }
            }
            Err(error) => look
                .problems
                .push(format!("{name}: {}", error.lines().join("; "))),
        }
    }
    uses
}

async fn fetch(
    app: &App,
    outside: &Outside,
    name: &str,
    keys: &BTreeSet<String>,
    window: &Window,
) -> Result<Vec<Source>, CommandError> {
    let (from, to) = (window.from, window.to);
    let aws = outside
        .aws
        .as_ref()
        .ok_or("there is no AWS account to ask")
        .kind(Kind::Usage)?;
    let Some(region) = name.strip_prefix("lookup:") else {
        return triage::fetch(app, &aws.connection, name, Some(from), Some(to)).await;
    };
    let mut documents = Vec::new();
    for key in keys.iter().filter(|key| key.starts_with("AKIA")) {
        let by = LookupBy::AccessKeyId(key.clone());
        documents.extend(triage::lookup(&aws.connection, region, &by, from, to).await?);
    }
    Ok(documents)
}

pub(crate) fn converted(found: relatch_evidence::KeyUse) -> KeyUse {
    KeyUse {
        event_id: found.event_id,
        time: found.time.and_then(|time| time.parse().ok()),
        key_id: KeyId::new(found.key_id),
        event_source: found.event_source,
        event_name: found.event_name,
        address: found.address,
        user_agent: found.user_agent,
        error_code: found.error_code,
    }
}

/// Asks the issuers that tell when a key was last used.
async fn ask_issuers(
    app: &App,
    outside: &Outside,
    case: &OpenCase,
    retired: &[Retired],
    look: &mut Look,
    looked: &mut Vec<(String, Timestamp)>,
) -> Vec<LastUse> {
    let mut uses = Vec::new();
    let mut asked = BTreeSet::new();
    for key in retired {
        let Ok(issuer) = outside.world.issuer(&key.issuer) else {
            continue;
        };
        let principal = case.ledger.with(|state| {
            state
                .plan
                .as_ref()?
                .plan
                .rotation(&key.credential)
                .map(|r| r.principal.clone())
        });
        let (true, Some(principal)) = (issuer.sheet().last_used, principal) else {
            continue;
        };
        match issuer.last_used(&principal, &key.key).await {
            Ok(at) => {
                asked.insert(key.issuer.clone());
                uses.extend(at.map(|at| LastUse {
                    key: key.key.clone(),
                    at,
                }));
            }
            Err(fault) if fault.kind == relatch_case::FaultKind::NotFound => {}
            Err(fault) => look
                .problems
                .push(format!("{}: {}: {fault}", key.issuer, key.key)),
        }
    }
    looked.extend(
        asked
            .into_iter()
            .map(|issuer| (format!("issuer:{issuer}"), app.now())),
    );
    uses
}
