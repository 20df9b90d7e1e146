//! Where logs come from: the disk, buckets, CloudTrail's event history.

use std::path::PathBuf;

use jiff::Timestamp;
use relatch_aws::{Connection, EventLookup, LookupBy, Options as AwsOptions};
use relatch_evidence::Source;

use super::args::TriageArgs;
use super::bucket::fetch;
use crate::app::App;
use crate::error::{CommandError, Kind};

/// So many days before the attack can have begun are read too: what was usual then shows what
/// is not. As many as of a table.
const DAYS_BEFORE: i64 = 7;

/// All the logs that were named; those of a bucket are copied.
pub(super) async fn sources(app: &App, args: &TriageArgs) -> Result<Vec<Source>, CommandError> {
    let mut sources = Vec::new();
    let since = args.since.map(|since| days_before(since, DAYS_BEFORE));
    for path in &args.paths {
        if path.starts_with("s3://") {
            let connection = connection(app).await;
            sources.extend(fetch(app, &connection, path, since, args.until).await?);
        } else {
            sources.push(Source::Path(PathBuf::from(path)));
        }
    }
    if args.lookup {
        sources.extend(history(app, args, since).await?);
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

async fn history(
    app: &App,
    args: &TriageArgs,
    since: Option<Timestamp>,
) -> Result<Vec<Source>, CommandError> {
    if args.keys.is_empty() {
        return Err(CommandError::new(
            Kind::Usage,
            "--lookup needs --key: the event history is asked by key",
        ));
    }
    let connection = connection(app).await;
    let end = args.until.unwrap_or_else(|| app.now());
    let start = since.unwrap_or_else(|| days_before(end, 90));
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
