//! `relatch triage`: who, since when, what was read.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use relatch_aws::{
    Connection, EventLookup, LookupBy, Options as AwsOptions, TrailBucket, TrailUrl,
};
use relatch_case::fact::EvidenceFile;
use relatch_case::model::{Container, ExposureLevel};
use relatch_case::{Fact, IssuerId, KeyId};
use relatch_evidence::{Options, Seeds, Source, Triage, Verdict, summary, triage_sources};

use crate::app::App;
use crate::error::{CommandError, Kind, OfKind};
use crate::workspace::OpenCase;

/// Options of `triage`.
#[derive(Debug, Args)]
pub(crate) struct TriageArgs {
    /// CloudTrail logs: files, folders, globs, `s3://bucket/prefix`
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// An access key known to be the thief's; may be repeated
    #[arg(long = "key", value_name = "KEY ID")]
    keys: Vec<String>,
    /// An identity known to be the thief's, as ARN; may be repeated
    #[arg(long = "arn", value_name = "ARN")]
    arns: Vec<String>,
    /// An address known to be the thief's; may be repeated
    #[arg(long = "address", value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// The attack did not begin before
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// The attack was over by then
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Also ask CloudTrail's event history (LookupEvents) for the given keys
    #[arg(long)]
    lookup: bool,
    /// Record the findings in the open case
    #[arg(long)]
    record: bool,
}

pub(crate) async fn run(app: &App, args: TriageArgs) -> Result<(), CommandError> {
    let case = if args.record {
        Some(app.open_case()?)
    } else {
        None
    };
    let sources = sources(app, &args).await?;
    if sources.is_empty() {
        return Err(CommandError::new(Kind::Usage, "no log was named")
            .hint("relatch triage FILE|FOLDER|GLOB|s3://bucket/prefix, or --lookup --key AKIA…"));
    }
    let seeds = Seeds {
        access_keys: args.keys.into_iter().collect(),
        arns: args.arns.into_iter().collect(),
        addresses: args.addresses.into_iter().collect(),
        since: args.since,
        until: args.until,
        ..Seeds::default()
    };
    let triage = triage_sources(&sources, &Options::with_seeds(seeds))?;
    if let Some(case) = &case {
        record(app, case, &triage)?;
    }
    app.printer.result(&triage, summary);
    if triage.problems.is_empty() {
        return Ok(());
    }
    let words = format!(
        "{} inputs could not be read whole: see problems",
        triage.problems.len()
    );
    Err(CommandError::new(Kind::Incomplete, words))
}

async fn sources(app: &App, args: &TriageArgs) -> Result<Vec<Source>, CommandError> {
    let mut sources = Vec::new();
    for path in &args.paths {
        if path.starts_with("s3://") {
            sources.extend(bucket(app, path, args.since, args.until).await?);
        } else {
            sources.push(Source::Path(PathBuf::from(path)));
        }
    }
    if args.lookup {
        sources.extend(history(app, args).await?);
    }
    Ok(sources)
}

async fn connection(app: &App) -> Connection {
    let config = &app.config.aws;
    Connection::open(&AwsOptions {
        profile: config.profile.clone(),
        region: config.regions.first().cloned(),
        endpoint: config.endpoint.clone(),
        ..AwsOptions::default()
    })
    .await
}

/// Fetches log files of a bucket.
pub(crate) async fn bucket(
    app: &App,
    url: &str,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<Vec<Source>, CommandError> {
    let connection = connection(app).await;
    fetch(app, &connection, url, since, until).await
}

/// Fetches log files of a bucket over a connection.
pub(crate) async fn fetch(
    app: &App,
    connection: &Connection,
    url: &str,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<Vec<Source>, CommandError> {
    let parsed = TrailUrl::parse(url).kind(Kind::Usage)?;
    let bucket = TrailBucket::open(connection, &connection.region(), parsed).await?;
    let mut objects = bucket.objects(since, until);
    let mut sources = Vec::new();
    while let Some(object) = objects.next().await? {
        let bytes = bucket.get(&object.key).await?;
        sources.push(Source::Bytes {
            name: format!("{url} {}", object.key),
            bytes,
        });
    }
    app.printer
        .note(&format!("{url}: {} log files", sources.len()));
    Ok(sources)
}

async fn history(app: &App, args: &TriageArgs) -> Result<Vec<Source>, CommandError> {
    if args.keys.is_empty() {
        return Err(CommandError::new(
            Kind::Usage,
            "--lookup needs --key: the event history is asked by key",
        ));
    }
    let connection = connection(app).await;
    let end = args.until.unwrap_or_else(|| app.now());
    let start = args.since.unwrap_or_else(|| days_before(end, 90));
    let mut sources = Vec::new();
    let regions = app.config.regions(&[]);
    let regions = if regions.is_empty() {
        vec![connection.region()]
    } else {
        regions
    };
    for region in regions {
        for key in &args.keys {
            let by = LookupBy::AccessKeyId(key.clone());
            sources.extend(lookup(&connection, &region, &by, start, end).await?);
        }
    }
    Ok(sources)
}

/// One look-up as documents.
pub(crate) async fn lookup(
    connection: &Connection,
    region: &str,
    by: &LookupBy,
    start: Timestamp,
    end: Timestamp,
) -> Result<Vec<Source>, CommandError> {
    let mut lookup = EventLookup::new(connection, region, by, start, end)?;
    let mut sources = Vec::new();
    let mut page = 0;
    while let Some(events) = lookup.next_page().await? {
        page += 1;
        let name = format!("LookupEvents {region} {by:?} page {page}");
        sources.push(Source::Bytes {
            name,
            bytes: events.join("\n").into_bytes(),
        });
    }
    Ok(sources)
}

fn days_before(at: Timestamp, days: i64) -> Timestamp {
    at.checked_sub(jiff::SignedDuration::from_hours(24 * days))
        .unwrap_or(Timestamp::MIN)
}

/// Records what a triage found.
pub(crate) fn record(app: &App, case: &OpenCase, triage: &Triage) -> Result<(), CommandError> {
    let mut facts = vec![Fact::EvidenceTaken {
        files: triage
            .files
            .iter()
            .map(|file| EvidenceFile {
                path: file.path.clone(),
                sha256: file.sha256.clone(),
                bytes: file.bytes,
            })
            .collect(),
        events: triage.events_read,
    }];
    facts.extend(convicted(triage));
    facts.extend(planted(triage));
    facts.extend(exposed(triage));
    facts.extend(triage.blind_spots.iter().map(|spot| Fact::BlindSpotFound {
        what: "the log".to_string(),
        why: spot.what.clone(),
        hides: spot.hides.clone(),
    }));
    Ok(case.ledger.record(app.now(), facts)?)
}

fn convicted(triage: &Triage) -> impl Iterator<Item = Fact> + '_ {
    triage
        .actors
        .iter()
        .filter(|actor| matches!(actor.verdict, Verdict::Attacker | Verdict::Mixed))
        .map(|actor| Fact::ActorConvicted {
            keys: actor
                .access_keys
                .iter()
                .map(|key| KeyId::new(key.clone()))
                .collect(),
            arns: actor.arn.iter().cloned().collect(),
            addresses: actor.addresses.iter().cloned().collect(),
            first: time(actor.first.as_deref()),
            last: time(actor.last.as_deref()),
            why: actor.reasons.clone(),
        })
}

fn planted(triage: &Triage) -> impl Iterator<Item = Fact> + '_ {
    triage
        .persistence
        .iter()
        .filter(|made| triage.created_keys.contains(&made.id))
        .map(|made| Fact::KeyPlanted {
            issuer: IssuerId::from("aws-iam"),
            key: KeyId::new(made.id.clone()),
            event_id: made.event_id.clone(),
        })
}

fn exposed(triage: &Triage) -> impl Iterator<Item = Fact> + '_ {
    triage.secrets_read.iter().filter_map(|read| {
        Some(Fact::Exposed {
            container: container(
                &read.kind,
                &read.id,
                read.region.as_deref().unwrap_or_default(),
            )?,
            level: ExposureLevel::Read,
            event_ids: read.event_ids.clone(),
        })
    })
}

/// The container that a log calls `id`; `None` for what is no place of credentials.
fn container(kind: &str, id: &str, region: &str) -> Option<Container> {
    let (kind, name, region) = match kind {
        "secretsmanager" => (
            "secretsmanager",
            secret_name(id),
            region_of(id).unwrap_or(region),
        ),
        "ssm-parameter" => ("ssm", parameter_name(id), region_of(id).unwrap_or(region)),
        "lambda_environment" => ("lambda", function_name(id), region_of(id).unwrap_or(region)),
        _ => return None,
    };
    Some(Container {
        kind: kind.to_string(),
        region: region.to_string(),
        name,
    })
}

fn region_of(id: &str) -> Option<&str> {
    id.strip_prefix("arn:")?
        .split(':')
        .nth(2)
        .filter(|region| !region.is_empty())
}

/// A secret's name out of its ARN: without the six random characters that AWS appends.
fn secret_name(id: &str) -> String {
    let Some((_, name)) = id.split_once(":secret:") else {
        return id.to_string();
    };
    match name.rsplit_once('-') {
        Some((name, suffix)) if suffix.len() == 6 => name.to_string(),
        _ => name.to_string(),
    }
}

fn parameter_name(id: &str) -> String {
    id.split_once(":parameter")
        .map_or(id, |(_, name)| name)
        .to_string()
}

fn function_name(id: &str) -> String {
    let name = id.split_once(":function:").map_or(id, |(_, name)| name);
    name.split(':').next().unwrap_or(name).to_string()
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    text.and_then(|text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_and_the_inventory_name_one_container() {
        let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/a-b-AbCdEf";
        let found = container("secretsmanager", arn, "us-east-1").expect("a container");
        assert_eq!(found.to_string(), "secretsmanager:eu-west-1:prod/a-b");
        let found = container(
            "lambda_environment",
            "arn:aws:lambda:us-east-1:1:function:f:live",
            "",
        )
        .expect("a container");
        assert_eq!(found.to_string(), "lambda:us-east-1:f");
        let found = container("ssm-parameter", "/prod/key", "us-east-1").expect("a container");
        assert_eq!(found.to_string(), "ssm:us-east-1:/prod/key");
        assert!(container("s3-object", "s3://b/k", "").is_none());
    }
}
