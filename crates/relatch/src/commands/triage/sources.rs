//! Where logs come from: the disk, buckets, CloudTrail's event history.

use std::path::PathBuf;

use jiff::Timestamp;
use relatch_aws::{
    Connection, EventLookup, LookupBy, Options as AwsOptions, TrailBucket, TrailUrl,
};
use relatch_evidence::Source;

use super::args::TriageArgs;
use crate::app::App;
use crate::error::{CommandError, Kind, OfKind};

/// All the logs that were named.
pub(super) async fn sources(app: &App, args: &TriageArgs) -> Result<Vec<Source>, CommandError> {
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

/// A connection to the account that is configured.
pub(crate) async fn connection(app: &App) -> Connection {
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
async fn bucket(
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
