//! Log files of a bucket, many at a time, copied to the disk so that memory stays small.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use relatch_aws::{Connection, TrailBucket, TrailUrl};
use relatch_case::{Fault, FaultKind};
use relatch_evidence::Source;
use tokio::task::JoinSet;

use super::copies::{Copies, no_room};
use crate::app::App;
use crate::error::{CommandError, Kind, OfKind};

/// How many files are under way at a time.
const AT_ONCE: usize = 16;

/// How often a file is asked for whose bytes break off, and how long is waited in between.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// How often is said how far it is.
const SAY: Duration = Duration::from_secs(5);

/// A file that was asked for, and how many bytes it has, or why it could not be had.
type Copied = (Source, Result<u64, Fault>);

/// Adds the log files that can hold events from `since` until `until` to `copies`. What the bucket
/// does not give, and what is no log, is among the sources as such.
pub(crate) async fn fetch(
    app: &App,
    connection: &Connection,
    url: &str,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    copies: &Copies,
) -> Result<Vec<Source>, CommandError> {
    let parsed = TrailUrl::parse(url).kind(Kind::Usage)?;
    let bucket = TrailBucket::open(connection, &connection.region(), parsed).await?;
    let mut objects = bucket.objects(since, until);
    let mut progress = Progress::new(app, url);
    let mut under_way: JoinSet<Copied> = JoinSet::new();
    let mut sources = Vec::new();
    while let Some(object) = objects.next().await? {
        if under_way.len() >= AT_ONCE
            && let Some(copied) = under_way.join_next().await
        {
            sources.push(progress.take(copied)?);
        }
        let (bucket, path) = (bucket.clone(), copies.one_more()?);
        let name = format!("{url} {}", object.key);
        under_way.spawn(async move {
            let copied = copy(&bucket, &object.key, &path).await;
            (Source::File { name, path }, copied)
        });
    }
    while let Some(copied) = under_way.join_next().await {
        sources.push(progress.take(copied)?);
    }
    progress.say();
    sources.extend(objects.skipped().map(|key| Source::Skipped {
        name: format!("{url} {key}"),
        why: "not a log by its name".to_string(),
    }));
    Ok(sources)
}

/// Copies a file, anew if its bytes break off, as they do once in thousands of files.
async fn copy(bucket: &TrailBucket, key: &str, path: &Path) -> Result<u64, Fault> {
    let local = |error: std::io::Error| Fault::new(FaultKind::Local, error.to_string());
    let mut tried = 1;
    loop {
        let mut file = File::create(path).map_err(local)?;
        match bucket.copy(key, &mut file).await {
            Err(fault) if fault.kind == FaultKind::Unreachable && tried < TRIES => {
                tried += 1;
                tokio::time::sleep(PAUSE).await;
            }
            copied => return copied,
        }
    }
}

/// What was copied so far.
struct Progress<'a> {
    app: &'a App,
    url: &'a str,
    files: usize,
    bytes: u64,
    unread: usize,
    said: Instant,
}

impl<'a> Progress<'a> {
    fn new(app: &'a App, url: &'a str) -> Self {
        Self {
            app,
            url,
            files: 0,
            bytes: 0,
            unread: 0,
            said: Instant::now(),
        }
    }

    /// Takes one file. One that the bucket refuses or does not have any more is a gap; where
    /// nothing can be reached or written, nothing goes on.
    fn take(
        &mut self,
        copied: Result<Copied, tokio::task::JoinError>,
    ) -> Result<Source, CommandError> {
        let (source, copied) = copied.kind(Kind::Failed)?;
        let source = match (copied, source) {
            (Ok(bytes), source) => {
                self.files += 1;
                self.bytes += bytes;
                source
            }
            (Err(fault), Source::File { name, .. }) if is_gap(fault.kind) => {
                self.unread += 1;
                let why = format!("cannot be fetched: {}", fault.detail);
                Source::Unread { name, why }
            }
            (Err(fault), _) if fault.kind == FaultKind::Local => {
                return Err(no_room(&fault.detail));
            }
            (Err(fault), _) => return Err(fault.into()),
        };
        if self.said.elapsed() >= SAY {
            self.say();
        }
        Ok(source)
    }

    fn say(&mut self) {
        self.said = Instant::now();
        let Self { url, files, .. } = self;
        let mb = self.bytes.div_ceil(1_000_000);
        let unread = match self.unread {
            0 => String::new(),
            unread => format!(", {unread} could not be fetched"),
        };
        let words = format!("{url}: {files} log files, {mb} MB{unread}");
        self.app.printer.note(&words);
    }
}

/// Whether a failure is about the one file.
fn is_gap(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::Denied | FaultKind::NotFound | FaultKind::Invalid
    )
}
