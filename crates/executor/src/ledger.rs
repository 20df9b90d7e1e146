//! The journal together with the state it adds up to.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use relatch_case::{Draft, Fact, Journal, JournalError, Lease, Record, State};
use relatch_rotation::Touched;

use crate::gather::Gather;
use crate::{disk, process};

/// How often an append is tried again on a journal that others write to as well.
const TRIES: usize = 16;

/// A journal and its fold, kept in step. Every write goes through here.
///
/// Two locks, always taken in this order: the journal's, held while it writes to disk, and the
/// state's, held for moments only. Only who holds the journal's advances the state.
pub struct Ledger {
    by: String,
    journal: Mutex<Box<dyn Journal>>,
    known: Mutex<Known>,
    /// Facts of steps that wait to be written together.
    pending: Gather<Pending, Result<bool, JournalError>>,
}

struct Known {
    state: State,
    /// What facts have changed since somebody asked; `None` while nobody does.
    touched: Option<Vec<Touched>>,
}

/// Facts that are to be recorded under a lease if the state allows it.
struct Pending {
    lease: Lease,
    drafts: Vec<Draft>,
    holds: Box<dyn Fn(&State) -> bool + Send>,
}

impl Ledger {
    /// Reads the journal, checking its chain. `by` is who will have recorded what is appended.
    pub fn open(journal: Box<dyn Journal>, by: impl Into<String>) -> Result<Self, JournalError> {
        let mut state = State::default();
        journal.for_each_after(0, &mut |record| state.apply(record))?;
        Ok(Self {
            by: by.into(),
            journal: Mutex::new(journal),
            known: Mutex::new(Known {
                state,
                touched: None,
            }),
            pending: Gather::default(),
        })
    }

    /// Looks at the state.
    pub fn with<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&lock(&self.known).state)
    }

    /// Reads what others recorded meanwhile.
    pub fn catch_up(&self) -> Result<(), JournalError> {
        self.read_on(&**lock(&self.journal))
    }

    /// What facts have changed since this was last asked; the first time, nothing.
    pub(crate) fn touched(&self) -> Vec<Touched> {
        lock(&self.known)
            .touched
            .replace(Vec::new())
            .unwrap_or_default()
    }

    /// Every fact, chain checked. Holds them all at once; see [`Ledger::for_each`].
    pub fn records(&self) -> Result<Vec<Record>, JournalError> {
        let mut records = Vec::new();
        self.for_each(&mut |record| records.push(record.clone()))?;
        Ok(records)
    }

    /// Gives every fact to `each`, in order, chain checked.
    pub fn for_each(&self, each: &mut dyn FnMut(&Record)) -> Result<(), JournalError> {
        lock(&self.journal).for_each_after(0, each)
    }

    /// Records facts, whatever else was recorded meanwhile.
    pub fn record(&self, at: Timestamp, facts: Vec<Fact>) -> Result<(), JournalError> {
        self.append(None, &drafts(&self.by, at, facts), &|_| true)?;
        Ok(())
    }

    /// Records facts under a lease only if `holds` of the state on which they are appended;
    /// says whether they were.
    pub fn record_if(
        &self,
        lease: &Lease,
        at: Timestamp,
        facts: Vec<Fact>,
        holds: impl Fn(&State) -> bool,
    ) -> Result<bool, JournalError> {
        self.append(Some(lease), &drafts(&self.by, at, facts), &holds)
    }

    /// As [`Ledger::record_if`], together with what other steps have to record at the same
    /// time: one write to disk for all of them. None of them may depend on another.
    pub(crate) async fn commit(
        &self,
        lease: &Lease,
        at: Timestamp,
        facts: Vec<Fact>,
        holds: impl Fn(&State) -> bool + Send + 'static,
    ) -> Result<bool, JournalError> {
        let pending = Pending {
            lease: lease.clone(),
            drafts: drafts(&self.by, at, facts),
            holds: Box::new(holds),
        };
        let written = self
            .pending
            .write(pending, |queue| self.write_queue(&queue));
        written.await.unwrap_or(Ok(false))
    }

    fn write_queue(&self, queue: &[Pending]) -> Vec<Result<bool, JournalError>> {
        if queue.len() > 1 && self.write_together(queue).is_ok_and(|written| written) {
            return queue.iter().map(|_| Ok(true)).collect();
        }
        let alone = |one: &Pending| self.append(Some(&one.lease), &one.drafts, &one.holds);
        queue.iter().map(alone).collect()
    }

    /// Writes all of it or nothing.
    fn write_together(&self, queue: &[Pending]) -> Result<bool, JournalError> {
        let lease = &queue[0].lease;
        let drafts: Vec<Draft> = queue.iter().flat_map(|p| p.drafts.clone()).collect();
        let same = queue.iter().all(|pending| &pending.lease == lease);
        let all = |state: &State| queue.iter().all(|pending| (pending.holds)(state));
        Ok(same && self.append(Some(lease), &drafts, &all)?)
    }

    /// Takes the lease (law 9); at once if its holder was a process of this machine that
    /// runs no more.
    pub fn acquire(&self, now: Timestamp, ttl_s: u32) -> Result<Lease, JournalError> {
        let me = process::holder(&self.by);
        let mut journal = lock(&self.journal);
        let mut lease = match journal.acquire(&me, now, ttl_s) {
            // For one who is gone the time is up. Who else takes it over first has it until
            // later than this, and is respected.
            Err(JournalError::Held { holder, until }) if process::is_gone(&holder) => {
                let lease = journal.acquire(&me, until, ttl_s)?;
                journal.renew(&lease, now, ttl_s)?;
                lease
            }
            other => other?,
        };
        // Who is gone is not stalled, and does nothing any more.
        lease.lapsed = lease.lapsed.filter(|holder| !process::is_gone(holder));
        Ok(lease)
    }

    /// Makes sure that nobody took the lease over.
    pub(crate) fn must_hold(&self, lease: &Lease) -> Result<(), JournalError> {
        disk::wait_for(|| lock(&self.journal).must_hold(lease))
    }

    /// Extends the lease.
    pub fn renew(&self, lease: &Lease, now: Timestamp, ttl_s: u32) -> Result<(), JournalError> {
        lock(&self.journal).renew(lease, now, ttl_s)
    }

    /// Gives the lease back.
    pub fn release(&self, lease: &Lease) -> Result<(), JournalError> {
        lock(&self.journal).release(lease)
    }

    fn append(
        &self,
        lease: Option<&Lease>,
        drafts: &[Draft],
        holds: &dyn Fn(&State) -> bool,
    ) -> Result<bool, JournalError> {
        let mut journal = lock(&self.journal);
        let mut tries = 1;
        loop {
            let (allowed, expected) = self.with(|state| (holds(state), state.head.seq));
            if !allowed {
                return Ok(false);
            }
            match journal.append(expected, lease, drafts.to_vec()) {
                Err(JournalError::Moved { .. }) if tries < TRIES => {
                    tries += 1;
                    self.read_on(&**journal)?;
                }
                Err(error) => return Err(error),
                Ok(records) => {
                    let mut known = lock(&self.known);
                    for record in &records {
                        known.take_in(record);
                    }
                    return Ok(true);
                }
            }
        }
    }

    fn read_on(&self, journal: &dyn Journal) -> Result<(), JournalError> {
        let seen = self.with(|state| state.head.seq);
        journal.for_each_after(seen, &mut |record| lock(&self.known).take_in(record))
    }
}

impl Known {
    fn take_in(&mut self, record: &Record) {
        self.state.apply(record);
        if let Some(touched) = &mut self.touched {
            touched.extend(Touched::by(&record.fact));
        }
    }
}

/// A panic while a lock was held leaves journal and state in step: the state is only advanced
/// by what the journal has already taken.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ledger({})", self.by)
    }
}

fn drafts(by: &str, at: Timestamp, facts: Vec<Fact>) -> Vec<Draft> {
    facts
        .into_iter()
        .map(|fact| Draft {
            at,
            by: by.to_string(),
            fact,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use relatch_case::journal::Head;
    use relatch_case::sqlite::SqliteJournal;
    use relatch_case::{StepBaseline, StepId};

    use super::*;

    /// A journal that counts how often it is written to.
    struct Counted(SqliteJournal, Arc<AtomicUsize>);

    impl Journal for Counted {
        fn head(&self) -> Result<Head, JournalError> {
            self.0.head()
        }

        fn read_after(&self, seq: u64, limit: usize) -> Result<Vec<Record>, JournalError> {
            self.0.read_after(seq, limit)
        }

        fn append(
            &mut self,
            expected: u64,
            lease: Option<&Lease>,
            drafts: Vec<Draft>,
        ) -> Result<Vec<Record>, JournalError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.append(expected, lease, drafts)
        }

        fn acquire(
            &mut self,
            holder: &str,
            now: Timestamp,
            ttl_s: u32,
        ) -> Result<Lease, JournalError> {
            self.0.acquire(holder, now, ttl_s)
        }

        fn must_hold(&self, lease: &Lease) -> Result<(), JournalError> {
            self.0.must_hold(lease)
        }

        fn renew(&mut self, lease: &Lease, now: Timestamp, ttl_s: u32) -> Result<(), JournalError> {
            self.0.renew(lease, now, ttl_s)
        }

        fn release(&mut self, lease: &Lease) -> Result<(), JournalError> {
            self.0.release(lease)
        }
    }

    fn intended(step: usize) -> Vec<Fact> {
        vec![Fact::StepIntended {
            step: step.to_string().as_str().into(),
            attempt: 1,
            baseline: StepBaseline::default(),
        }]
    }

    /// So many steps at work at once, each of which records so many facts, one after the other.
    /// Says how often was written; every fact is there before its step goes on.
    async fn writes_of(at_once: usize, facts: usize) -> usize {
        let folder = tempfile::tempdir().expect("folder");
        let journal = SqliteJournal::open(&folder.path().join("journal.db")).expect("journal");
        let writes = Arc::new(AtomicUsize::new(0));
        let journal = Box::new(Counted(journal, Arc::clone(&writes)));
        let ledger = Arc::new(Ledger::open(journal, "ada").expect("ledger"));
        let now = Timestamp::UNIX_EPOCH;
        let lease = ledger.acquire(now, 60).expect("lease");
        let works = (0..at_once).map(|step| {
            let (ledger, lease) = (Arc::clone(&ledger), lease.clone());
            tokio::spawn(async move {
                for n in 0..facts {
                    let id = step * facts + n;
                    let done = ledger.commit(&lease, now, intended(id), |_| true);
                    assert!(done.await.expect("written"));
                    let is_known =
                        |state: &State| state.steps.contains_key(&StepId::new(id.to_string()));
                    assert!(ledger.with(is_known), "{id} is known");
                }
            })
        });
        for work in works.collect::<Vec<_>>() {
            work.await.expect("no panic");
        }
        let seq = ledger.with(|state| state.head.seq);
        assert_eq!(seq, (at_once * facts) as u64);
        writes.load(Ordering::Relaxed)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_steps_at_work_share_writes() {
        let writes = writes_of(16, 20).await;
        assert!(writes < 16 * 20 / 4, "{writes} writes");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_step_alone_waits_for_nobody() {
        assert_eq!(writes_of(1, 20).await, 20);
    }

    #[tokio::test(start_paused = true)]
    async fn on_one_thread_no_time_passes() {
        let began = tokio::time::Instant::now();
        writes_of(16, 20).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
