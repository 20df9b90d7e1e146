//! Facts as a store holds them, and how they become facts again: each checked against its
//! hash over the very text that is stored, a batch at a time, on more than one core.

use std::collections::VecDeque;
use std::thread::ScopedJoinHandle;

use jiff::Timestamp;

use crate::chain::{self, ChainError};
use crate::fact::{Fact, Record};
use crate::journal::{BATCH, Draft, Head, JournalError};
use crate::{stored_plan, stored_steps};

/// Batches that are checked at once while more are read and what was checked is used.
const AT_ONCE: usize = 3;

/// As many while one of them, with a large plan in it, keeps all that follow waiting.
const AT_MOST: usize = 10;

/// Bytes that a batch of rows hardly ever exceeds.
const USUAL: usize = 8 << 20;

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
        self.make_room(row.fact.len());
        let ends = [row.at, row.by, row.prev, row.hash, row.fact].map(|part| {
            self.text.push_str(part);
            self.text.len()
        });
        self.rows.push((row.seq, ends));
    }

    /// Room for most batches at once, or for just this fact: growing step by step would touch
    /// twice the memory, and a fresh page costs more than reading the row.
    fn make_room(&mut self, fact: usize) {
        if self.text.capacity() == 0 {
            self.text.reserve_exact(USUAL);
            self.rows.reserve_exact(BATCH);
        }
        if fact > USUAL {
            self.text.reserve_exact(fact + USUAL);
        }
    }

    /// Forgets all of them; the memory stays, unless a large plan was among them.
    fn clear(&mut self) {
        self.rows.clear();
        self.text.clear();
        self.text.shrink_to(USUAL);
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
    let mut records = Vec::with_capacity(rows.len());
    check_into(&mut records, after, rows)?;
    Ok(records)
}

/// As [`check`], in the memory of facts that are no longer needed.
fn check_into(spent: &mut Vec<Record>, after: &Head, rows: &Rows) -> Result<(), JournalError> {
    let (mut seq, mut prev) = (after.seq, after.hash.as_str());
    spent.truncate(rows.len());
    spent.reserve_exact(rows.len() - spent.len());
    for (n, row) in rows.iter().enumerate() {
        follows(seq, prev, &row)?;
        (seq, prev) = (row.seq, row.hash);
        match spent.get_mut(n) {
            Some(spent) => row.replace(spent)?,
            None => spent.push(row.record()?),
        }
    }
    Ok(())
}

/// Rows and the facts in them. One that was given away is filled again, so that memory is
/// asked for only by the first few.
#[derive(Default)]
struct Batch {
    rows: Rows,
    records: Vec<Record>,
}

impl Batch {
    fn check(mut self, after: &Head) -> Result<Self, JournalError> {
        check_into(&mut self.records, after, &self.rows)?;
        Ok(self)
    }
}

/// Reads batch after batch with `read`, which gets the last fact read so far and adds none at
/// the end, checks them on other threads and gives them to `each` in order.
pub(crate) fn stream(
    mut after: Head,
    mut read: impl FnMut(&Head, &mut Rows) -> Result<(), JournalError>,
    each: &mut dyn FnMut(&Record),
) -> Result<(), JournalError> {
    std::thread::scope(|scope| {
        let mut checking = VecDeque::new();
        let mut next = |checking: &mut VecDeque<Checking<'_>>| {
            let batch = checking.pop_front().map(given).transpose()?;
            let records = batch.iter().flat_map(|batch| &batch.records);
            records.for_each(&mut *each);
            Ok::<_, JournalError>(batch)
        };
        let ended = loop {
            let mut batch = Batch::default();
            while checking.len() >= AT_MOST || checking.len() >= AT_ONCE && is_first_done(&checking)
            {
                batch = next(&mut checking)?.unwrap_or_default();
            }
            batch.rows.clear();
            if let Err(error) = read(&after, &mut batch.rows) {
                break Err(error);
            }
            let is_last = batch.rows.len() < BATCH;
            if let Some(last) = batch.rows.last() {
                let from = std::mem::replace(&mut after, last);
                checking.push_back(scope.spawn(move || batch.check(&from)));
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

type Checking<'scope> = ScopedJoinHandle<'scope, Result<Batch, JournalError>>;

fn is_first_done(checking: &VecDeque<Checking<'_>>) -> bool {
    checking.front().is_some_and(ScopedJoinHandle::is_finished)
}

fn given(batch: Checking<'_>) -> Result<Batch, JournalError> {
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
    fn record(&self) -> Result<Record, JournalError> {
        Ok(Record {
            seq: self.seq,
            at: self.time()?,
            by: self.by.to_string(),
            prev: self.prev.to_string(),
            hash: self.hash.to_string(),
            fact: self.fact()?,
        })
    }

    /// Puts this fact in the place of another.
    fn replace(&self, spent: &mut Record) -> Result<(), JournalError> {
        spent.seq = self.seq;
        spent.at = self.time()?;
        self.by.clone_into(&mut spent.by);
        self.prev.clone_into(&mut spent.prev);
        self.hash.clone_into(&mut spent.hash);
        spent.fact = self.fact()?;
        Ok(())
    }

    fn time(&self) -> Result<Timestamp, JournalError> {
        let seq = self.seq;
        Ok(self.at.parse().map_err(|_| ChainError::Altered { seq })?)
    }

    fn fact(&self) -> Result<Fact, JournalError> {
        let seq = self.seq;
        parse(self.fact).map_err(|source| JournalError::Unreadable { seq, source })
    }
}

/// The fact with this text. Refuses one that says more than this version understands.
fn parse(text: &str) -> Result<Fact, serde_json::Error> {
    if let Some(fact) = stored_steps::parse(text).or_else(|| stored_plan::parse(text)) {
        return Ok(fact);
    }
    let fact = serde_json::from_str(text)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(head: &Head, facts: Vec<Fact>) -> (Vec<Record>, Rows) {
        let draft = |fact| Draft {
            at: Timestamp::UNIX_EPOCH,
            by: "oncall".to_string(),
            fact,
        };
        let drafts = facts.into_iter().map(draft).collect();
        let (records, texts) = chained(head, drafts).expect("facts");
        let mut rows = Rows::default();
        for (record, text) in records.iter().zip(&texts) {
            rows.push(Stored {
                seq: record.seq,
                at: &record.at.to_string(),
                by: &record.by,
                prev: &record.prev,
                hash: &record.hash,
                fact: text,
            });
        }
        (records, rows)
    }

    fn retried(step: &str) -> Fact {
        let step = step.into();
        Fact::StepRetried { step }
    }

    fn intended(step: &str) -> Fact {
        Fact::StepIntended {
            step: step.into(),
            attempt: 1,
            baseline: serde_json::json!({"version": "17"}).into(),
        }
    }

    #[test]
    fn facts_in_the_place_of_others_are_those_of_their_rows() {
        let facts = [
            vec![intended("a"), retried("b"), Fact::CustodyShredded],
            vec![retried("c")],
            vec![
                Fact::CustodyShredded,
                intended("d"),
                intended("e"),
                retried("f"),
            ],
        ];
        let (mut head, mut batch) = (Head::genesis(), Batch::default());
        for facts in facts {
            let (records, rows) = chain(&head, facts);
            batch.rows = rows;
            batch = batch.check(&head).expect("sound");
            assert_eq!(batch.records, records);
            head = batch.rows.last().expect("a fact");
        }
    }

    #[test]
    fn rows_that_were_cleared_hold_only_what_is_added() {
        let (_, mut rows) = chain(&Head::genesis(), vec![intended("a"), retried("b")]);
        let (records, others) = chain(&Head::genesis(), vec![retried("c")]);
        rows.clear();
        assert_eq!((rows.len(), rows.last()), (0, None));
        for row in others.iter() {
            rows.push(row);
        }
        assert_eq!(check(&Head::genesis(), &rows).expect("sound"), records);
    }
}
