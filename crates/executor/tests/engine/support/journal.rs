//! A journal whose process is killed at a chosen append.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use relatch_case::journal::Head;
use relatch_case::sqlite::SqliteJournal;
use relatch_case::{Draft, Journal, JournalError, Lease, Record};
use tokio::sync::Notify;

/// On which side of the append the process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Nothing was written.
    Before,
    /// It was written, and nobody was told.
    After,
}

/// When the process is killed, and whether it was.
#[derive(Debug)]
pub(crate) struct Kill {
    at: usize,
    moment: Moment,
    appends: AtomicUsize,
    pub(crate) killed: Notify,
}

impl Kill {
    /// At append number `at`, from 1.
    pub(crate) fn at(at: usize, moment: Moment) -> Arc<Self> {
        Arc::new(Self {
            at,
            moment,
            appends: AtomicUsize::new(0),
            killed: Notify::new(),
        })
    }

    /// Never; counts the appends.
    pub(crate) fn never() -> Arc<Self> {
        Self::at(usize::MAX, Moment::Before)
    }

    pub(crate) fn appends(&self) -> usize {
        self.appends.load(Ordering::SeqCst)
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.appends() >= self.at
    }
}

pub(crate) struct Mortal {
    pub(crate) journal: SqliteJournal,
    pub(crate) kill: Arc<Kill>,
}

impl Mortal {
    fn alive(&self) -> Result<(), JournalError> {
        if self.kill.is_dead() {
            return Err(JournalError::NoLease);
        }
        Ok(())
    }
}

impl Journal for Mortal {
    fn head(&self) -> Result<Head, JournalError> {
        self.journal.head()
    }

    fn read_after(&self, seq: u64, limit: usize) -> Result<Vec<Record>, JournalError> {
        self.alive()?;
        self.journal.read_after(seq, limit)
    }

    fn append(
        &mut self,
        expected: u64,
        lease: Option<&Lease>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Record>, JournalError> {
        self.alive()?;
        let now = self.kill.appends.fetch_add(1, Ordering::SeqCst) + 1;
        if now < self.kill.at {
            return self.journal.append(expected, lease, drafts);
        }
        if self.kill.moment == Moment::After {
            self.journal.append(expected, lease, drafts)?;
        }
        self.kill.killed.notify_one();
        self.alive()?;
        unreachable!("it is dead")
    }

    fn acquire(&mut self, holder: &str, now: Timestamp, ttl_s: u32) -> Result<Lease, JournalError> {
        self.journal.acquire(holder, now, ttl_s)
    }

    fn must_hold(&self, lease: &Lease) -> Result<(), JournalError> {
        self.alive()?;
        self.journal.must_hold(lease)
    }

    fn renew(&mut self, lease: &Lease, now: Timestamp, ttl_s: u32) -> Result<(), JournalError> {
        self.alive()?;
        self.journal.renew(lease, now, ttl_s)
    }

    fn release(&mut self, lease: &Lease) -> Result<(), JournalError> {
        self.alive()?;
        self.journal.release(lease)
    }
}
