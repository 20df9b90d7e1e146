//! Facts as a store holds them, and how they become facts again: each checked against its
//! hash over the very text that is stored, a batch at a time, on more than one core.

use std::collections::VecDeque;

use crate::chain::{self, ChainError};
use crate::fact::{Fact, Record};
use crate::journal::{BATCH, Draft, Head, JournalError};
use crate::stored_steps as steps;

/// Batches that are checked at once while more are read and what was checked is used.
const AT_ONCE: usize = 3;

/// Rows of a store, in one piece of memory.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    text: String,
    /// The numbers, and where `at`, `by`, `prev`, `hash` and `fact` end in the text.
    rows: Vec<(u64, [usize; 5])>,
}

/// A row of a store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub(crate) seq: u64,
    pub(crate) at: &'a str,
    pub(crate) by: &'a str,
    pub(crate) prev: &'a str,
    pub(crate) hash: &'a str,
    /// Canonical JSON.
    pub(crate) fact: &'a str,
}

impl Rows {
    /// Adds a row at the end.
    pub(crate) fn push(&mut self, row: Stored<'_>) {
        let ends = [row.at, row.by, row.prev, row.hash, row.fact].map(|part| {
            self.text.push_str(part);
            self.text.len()
        });
        self.rows.push((row.seq, ends));
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The number and hash of the last one.
    pub(crate) fn last(&self) -> Option<Head> {
        let row = self.iter().next_back()?;
        Some(Head {
            seq: row.seq,
            hash: row.hash.to_string(),
        })
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = Stored<'_>> {
        (0..self.rows.len()).map(|n| {
            let (seq, ends) = self.rows[n];
            let start = n.checked_sub(1).map_or(0, |before| self.rows[before].1[4]);
            let part = |from: usize, to: usize| &self.text[from..to];
            Stored {
                seq,
                at: part(start, ends[0]),
                by: part(ends[0], ends[1]),
                prev: part(ends[1], ends[2]),
                hash: part(ends[2], ends[3]),
                fact: part(ends[3], ends[4]),
            }
        })
    }
}

/// Drafts as they follow `head`: the facts and the texts to be stored for them.
pub(crate) fn chained(
    head: &Head,
    drafts: Vec<Draft>,
) -> Result<(Vec<Record>, Vec<String>), JournalError> {
    let mut head = head.clone();
    let mut records = Vec::with_capacity(drafts.len());
    let mut texts = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let text = String::from_utf8_lossy(&chain::canonical(&draft.fact)?).into_owned();
        let (seq, at) = (head.seq + 1, draft.at.to_string());
        let hash = chain::hash_of_text(seq, &at, &draft.by, &head.hash, text.as_bytes())
            .map_err(chain::CanonicalError::from)?;
        let record = Record {
            seq,
            at: draft.at,
            by: draft.by,
            prev: head.hash,
            hash: hash.clone(),
            fact: draft.fact,
        };
        head = Head { seq, hash };
        records.push(record);
        texts.push(text);
    }
    Ok((records, texts))
}

/// The facts in `rows`, which have to follow `after`.
pub(crate) fn check(after: &Head, rows: &Rows) -> Result<Vec<Record>, JournalError> {
    let (mut seq, mut prev) = (after.seq, after.hash.as_str());
    let mut records = Vec::with_capacity(rows.len());
    for row in rows.iter() {
        follows(seq, prev, &row)?;
        (seq, prev) = (row.seq, row.hash);
        records.push(row.record()?);
    }
    Ok(records)
}

/// Reads batch after batch with `read`, which gets the last fact read so far and answers with
/// none at the end, checks them on other threads and gives them to `each` in order.
pub(crate) fn stream(
    mut after: Head,
    mut read: impl FnMut(&Head) -> Result<Rows, JournalError>,
    each: &mut dyn FnMut(&Record),
) -> Result<(), JournalError> {
    std::thread::scope(|scope| {
        let mut checking = VecDeque::new();
        // Given and no longer needed; what checks the next ones tidies up, too.
        let mut spent = Vec::new();
        let mut next = |checking: &mut VecDeque<Checking<'_>>| {
            let batch = checking.pop_front().map(given);
            let records = batch.transpose()?;
            records.iter().flatten().for_each(&mut *each);
            Ok::<_, JournalError>(records)
        };
        let ended = loop {
            if checking.len() >= AT_ONCE {
                spent = next(&mut checking)?.unwrap_or_default();
            }
            let batch = match read(&after) {
                Ok(batch) => batch,
                Err(error) => break Err(error),
            };
            let is_last = batch.len() < BATCH;
            if let Some(last) = batch.last() {
                let from = std::mem::replace(&mut after, last);
                let spent = std::mem::take(&mut spent);
                checking.push_back(scope.spawn(move || {
                    drop(spent);
                    check(&from, &batch)
                }));
            }
            if is_last {
                break Ok(());
            }
        };
        // What is wrong with a fact says more than that later ones could not be read.
        while next(&mut checking)?.is_some() {}
        ended
    })
}

type Checking<'scope> = std::thread::ScopedJoinHandle<'scope, Result<Vec<Record>, JournalError>>;

fn given(batch: Checking<'_>) -> Result<Vec<Record>, JournalError> {
    batch
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn follows(seq: u64, prev: &str, row: &Stored<'_>) -> Result<(), ChainError> {
    if row.seq != seq + 1 {
        return Err(ChainError::Gap {
            expected: seq + 1,
            found: row.seq,
        });
    }
    if row.prev != prev {
        return Err(ChainError::Broken { seq: row.seq });
    }
    match chain::hash_of_text(row.seq, row.at, row.by, row.prev, row.fact.as_bytes()) {
        Ok(hash) if hash == row.hash => Ok(()),
        _ => Err(ChainError::Altered { seq: row.seq }),
    }
}

impl Stored<'_> {
    fn record(self) -> Result<Record, JournalError> {
        let seq = self.seq;
        let at = self.at.parse().map_err(|_| ChainError::Altered { seq })?;
        let fact = parse(self.fact).map_err(|source| JournalError::Unreadable { seq, source })?;
        Ok(Record {
            seq,
            at,
            by: self.by.to_string(),
            prev: self.prev.to_string(),
            hash: self.hash.to_string(),
            fact,
        })
    }
}

/// The fact with this text. Refuses one that says more than this version understands.
fn parse(text: &str) -> Result<Fact, serde_json::Error> {
    if let Some(fact) = steps::parse(text) {
        return Ok(fact);
    }
    let fact = match steps::parse_plan(text) {
        Some(fact) => fact,
        None => serde_json::from_str(text)?,
    };
    if says_more(text, &fact)? {
        let message = "it says more than this version understands";
        return Err(serde::de::Error::custom(message));
    }
    Ok(fact)
}

/// Whether `text` holds something that `fact` does not: serde drops names it does not know.
fn says_more(text: &str, fact: &Fact) -> Result<bool, serde_json::Error> {
    let mut length = Length(0);
    serde_json::to_writer(&mut length, fact)?;
    if length.0 >= text.len() {
        return Ok(false);
    }
    // Some numbers are longer in canonical JSON.
    Ok(crate::canonical::to_vec(fact)?.len() < text.len())
}

struct Length(usize);

impl std::io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
