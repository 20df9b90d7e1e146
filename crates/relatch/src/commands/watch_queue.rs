//! `relatch watch --queue`: log files and events while they arrive.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use relatch_aws::{Connection, Message, Notice, Queue, TrailBucket, TrailUrl, notices};
use relatch_case::{Fact, Fault};
use relatch_evidence::{Source, uses_of_keys};
use relatch_watch::{Hit, KeyUse, QueueLook, Windowing, is_last_receipt, retired_keys_ever, sift};

use super::watch::{Look, converted};
use crate::app::App;
use crate::error::CommandError;
use crate::workspace::OpenCase;

/// Seconds for which an empty queue is waited at.
pub(crate) const WAIT_S: u8 = 10;
/// Receipts of one look; what is left waits for the next.
const MOST_RECEIPTS: usize = 200;
/// Endings of files that may hold logs.
const LOGS: [&str; 5] = [".json.gz", ".json", ".json.zst", ".jsonl", ".gz"];

/// A queue under way.
struct Tail<'a> {
    app: &'a App,
    case: &'a OpenCase,
    connection: &'a Connection,
    queue: Queue,
    url: &'a str,
    buckets: BTreeMap<String, TrailBucket>,
    /// After how many receipts a message goes to the dead-letter queue.
    most_receipts: Option<u32>,
    left: u64,
}

/// Looks through a queue until it is empty, and says up to when it was looked through if nothing
/// stayed behind. A message is taken away when what it showed is durable, never before. What
/// fails outside is a problem of the look; an error is one of the journal.
pub(crate) async fn look_through(
    app: &App,
    case: &OpenCase,
    connection: &Connection,
    url: &str,
    since: Timestamp,
    look: &mut Look,
) -> Result<Option<Timestamp>, CommandError> {
    let began = app.now();
    let queue = match Queue::open(connection, url) {
        Ok(queue) => queue,
        Err(fault) => return Ok(failed(look, &fault)),
    };
    let mut tail = Tail {
        app,
        case,
        connection,
        queue,
        url,
        buckets: BTreeMap::new(),
        most_receipts: None,
        left: 0,
    };
    match tail.queue.standing().await {
        Ok(standing) => tail.most_receipts = standing.most_receipts,
        Err(fault) => drop(failed(look, &fault)),
    }
    let Some(drained) = tail.drain(look).await? else {
        return Ok(None);
    };
    let standing = match tail.queue.standing().await {
        Ok(standing) => standing,
        // Without it nobody knows what is still under way. Mostly it is told above already.
        Err(fault) if look.problems.contains(&fault.to_string()) => return Ok(None),
        Err(fault) => return Ok(failed(look, &fault)),
    };
    let ended = QueueLook {
        drained,
        left: tail.left,
        waiting: standing.waiting,
        in_flight: standing.in_flight,
    };
    // What somebody received and left comes again: silence until then says nothing.
    look.more |= !ended.is_whole();
    let before = case.ledger.with(|state| state.watched.get(url).copied());
    let window = Windowing::default().next(before, since, began);
    Ok(ended.is_whole().then_some(window.through))
}

fn failed(look: &mut Look, fault: &Fault) -> Option<Timestamp> {
    look.problems.push(fault.to_string());
    None
}

impl Tail<'_> {
    /// Whether the queue gave all it had; `None` if it could not be asked.
    async fn drain(&mut self, look: &mut Look) -> Result<Option<bool>, CommandError> {
        let mut wait = WAIT_S;
        for _ in 0..MOST_RECEIPTS {
            let messages = match self.queue.receive(wait).await {
                Ok(messages) => messages,
                Err(fault) => {
                    failed(look, &fault);
                    return Ok(None);
                }
            };
            if messages.is_empty() {
                return Ok(Some(true));
            }
            self.take(&messages, look).await?;
            wait = 1;
        }
        Ok(Some(false))
    }

    /// Reads some messages, records what they show, and only then takes them away.
    async fn take(&mut self, messages: &[Message], look: &mut Look) -> Result<(), CommandError> {
        // Keys that were retired while the queue was waited at count.
        self.case.ledger.catch_up()?;
        let retired = retired_keys_ever(&self.case.ledger.records()?);
        let keys: BTreeSet<String> = retired.iter().map(|key| key.key.to_string()).collect();
        let (mut uses, mut done, mut facts) = (Vec::new(), Vec::new(), Vec::new());
        for message in messages {
            let (found, read) = self.read(message, &keys, look).await;
            uses.extend(found);
            match read {
                Ok(()) => done.push(message),
                Err(why) => facts.extend(self.stays(message, &why, look)),
            }
        }
        let known = self.case.ledger.with(|state| state.tripwires.clone());
        let sifted = sift(&uses, &retired, &known);
        facts.extend(sifted.hits.iter().map(Hit::fact));
        if !facts.is_empty() {
            self.case.ledger.record(self.app.now(), facts)?;
        }
        look.hits.extend(sifted.hits);
        look.undated.extend(sifted.undated);
        self.take_away(&done, look).await;
        Ok(())
    }

    /// What a message shows, and why it cannot be taken away, if it cannot. What is found in one
    /// that stays counts all the same.
    async fn read(
        &mut self,
        message: &Message,
        keys: &BTreeSet<String>,
        look: &mut Look,
    ) -> (Vec<KeyUse>, Result<(), String>) {
        let said = match notices(&message.body) {
            Ok(said) => said,
            Err(error) => return (Vec::new(), Err(error.to_string())),
        };
        let (mut uses, mut outcome) = (Vec::new(), Ok(()));
        for notice in said {
            let source = match self.source(message, notice, look).await {
                Ok(Some(source)) => source,
                Ok(None) => continue,
                Err(fault) => {
                    outcome = Err(fault.to_string());
                    continue;
                }
            };
            let found = uses_of_keys(&[source], keys);
            uses.extend(found.uses.into_iter().map(converted));
            if let Some(problem) = found.problems.first() {
                outcome = Err(format!("{} {}", problem.file, problem.what));
            }
        }
        (uses, outcome)
    }

    async fn source(
        &mut self,
        message: &Message,
        notice: Notice,
        look: &mut Look,
    ) -> Result<Option<Source>, Fault> {
        match notice {
            Notice::Record(record) => Ok(Some(Source::Bytes {
                name: format!("{} message {}", self.url, message.id),
                bytes: record.into_bytes(),
            })),
            Notice::Written { bucket, key } if is_log(&key) => {
                let bytes = self.bucket(&bucket).await?.get(&key).await?;
                let name = format!("s3://{bucket}/{key}");
                Ok(Some(Source::Bytes { name, bytes }))
            }
            Notice::Written { bucket, key } => {
                look.passed_over.push(format!("s3://{bucket}/{key}"));
                Ok(None)
            }
            Notice::Removed { bucket, key, how } => {
                if is_log(&key) && !how.to_lowercase().contains("lifecycle") {
                    let words = format!("s3://{bucket}/{key}: somebody removed it ({how})");
                    look.problems.push(words);
                }
                Ok(None)
            }
            Notice::Nothing { .. } => Ok(None),
        }
    }

    async fn bucket(&mut self, name: &str) -> Result<&TrailBucket, Fault> {
        if !self.buckets.contains_key(name) {
            let url = TrailUrl {
                bucket: name.to_string(),
                prefix: String::new(),
            };
            let region = self.connection.region();
            let opened = TrailBucket::open(self.connection, &region, url).await?;
            self.buckets.insert(name.to_string(), opened);
        }
        Ok(&self.buckets[name])
    }

    /// Tells of a message that stays. When it may not be seen again, that is a blind spot.
    fn stays(&mut self, message: &Message, why: &str, look: &mut Look) -> Option<Fact> {
        self.left += 1;
        let (url, id) = (self.url, &message.id);
        look.problems.push(format!(
            "{url}: message {id} stays in the queue, received {} times so far: {why}",
            message.received
        ));
        let what = format!("message {id} of {url}");
        let told = self
            .case
            .ledger
            .with(|state| state.blind_spots.iter().any(|spot| spot.what == what));
        let last = is_last_receipt(message.received, self.most_receipts);
        (last && !told).then(|| Fact::BlindSpotFound {
            what,
            why: why.to_string(),
            hides: "uses of retired keys in the log that it told of".to_string(),
        })
    }

    /// Takes away what is durable. A message that stays comes again, and tells nothing new then.
    async fn take_away(&self, done: &[&Message], look: &mut Look) {
        match self.queue.delete(done).await {
            Ok(stay) => look.problems.extend(
                stay.into_iter()
                    .map(|why| format!("{}: a message could not be taken away: {why}", self.url)),
            ),
            Err(fault) => drop(failed(look, &fault)),
        }
    }
}

/// Whether a file may hold a log, by its name. Digests hold none.
fn is_log(key: &str) -> bool {
    LOGS.iter().any(|ending| key.ends_with(ending)) && !key.contains("CloudTrail-Digest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_known_by_their_names() {
        for key in ["AWSLogs/1/CloudTrail/x.json.gz", "export/a.json"] {
            assert!(is_log(key), "{key}");
        }
        for key in [
            "AWSLogs/1/CloudTrail-Digest/x.json.gz",
            "notes.txt",
            "folder/",
        ] {
            assert!(!is_log(key), "{key}");
        }
    }
}
