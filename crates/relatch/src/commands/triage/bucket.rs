//! Log files of a bucket, many at a time, copied to the disk so that memory stays small.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use relatch_aws::{Connection, TrailBucket, TrailUrl};
use relatch_case::{Fault, FaultKind};
use relatch_evidence::Source;
use tokio::task::JoinSet;

use super::copies::{Copies, Room, no_room};
use crate::app::App;
use crate::error::{CommandError, Kind, OfKind};

/// How many files are under way at a time.
const AT_ONCE: usize = 16;

/// How often a file is asked for whose bytes break off, and how long is waited in between.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// How often is said how far it is.
const SAY: Duration = Duration::from_secs(5);

/// A file that was asked for by its name, and its copy, or why it could not be had.
type Copied = (String, Result<Room, Fault>);

/// Fetches the log files that can hold events from `since` until `until`. What the bucket does not
/// give, and what is no log, is among the sources as such.
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
    let copies = Copies::new()?;
    let mut progress = Progress::new(app, url);
    let mut under_way: JoinSet<Copied> = JoinSet::new();
    let mut sources = Vec::new();
    while let Some(object) = objects.next().await? {
        if under_way.len() >= AT_ONCE
            && let Some(copied) = under_way.join_next().await
        {
            sources.push(progress.take(copied)?);
        }
        let (bucket, room) = (bucket.clone(), copies.room(object.size));
        let name = format!("{url} {}", object.key);
        under_way.spawn(async move { (name, copy(&bucket, &object.key, room).await) });
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
async fn copy(bucket: &TrailBucket, key: &str, mut room: Room) -> Result<Room, Fault> {
    let mut tried = 1;
    loop {
        room.clear();
        match bucket.copy(key, &mut room).await {
            Err(fault) if fault.kind == FaultKind::Unreachable && tried < TRIES => {
                tried += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(fault) => return Err(fault),
            Ok(bytes) if bytes == room.bytes() => return Ok(room),
            Ok(bytes) => {
                let listed = room.bytes();
                let words = format!("it was listed with {listed} bytes and has {bytes}");
                return Err(Fault::new(FaultKind::Invalid, words));
            }
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
        let (name, copied) = copied.kind(Kind::Failed)?;
        let source = match copied {
            Ok(room) => {
                self.files += 1;
                self.bytes += room.bytes();
                room.source(name)
            }
            Err(fault) if is_gap(fault.kind) => {
                self.unread += 1;
                let why = format!("cannot be fetched: {}", fault.detail);
                Source::Unread { name, why }
            }
            Err(fault) if fault.kind == FaultKind::Local => return Err(no_room(&fault.detail)),
            Err(fault) => return Err(fault.into()),
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
