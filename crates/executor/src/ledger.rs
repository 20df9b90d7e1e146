//! The journal together with the state it adds up to.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use relatch_case::{Draft, Fact, Journal, JournalError, Lease, Record, State};

use crate::process;

/// How often an append is tried again on a journal that others write to as well.
const TRIES: usize = 16;

/// A journal and its fold, kept in step. Every write goes through here.
pub struct Ledger {
    by: String,
    inner: Mutex<Inner>,
}

struct Inner {
    journal: Box<dyn Journal>,
    state: State,
}

impl Ledger {
    /// Reads the journal, checking its chain. `by` is who will have recorded what is appended.
    pub fn open(journal: Box<dyn Journal>, by: impl Into<String>) -> Result<Self, JournalError> {
        let state = State::fold(&journal.read_after(0)?);
        Ok(Self {
            by: by.into(),
            inner: Mutex::new(Inner { journal, state }),
        })
    }

    /// Looks at the state.
    pub fn with<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock().state)
    }

    /// Reads what others recorded meanwhile.
    pub fn catch_up(&self) -> Result<(), JournalError> {
        self.lock().catch_up()
    }

    /// Every fact, chain checked.
    pub fn records(&self) -> Result<Vec<Record>, JournalError> {
        self.lock().journal.read_after(0)
    }

    /// Records facts, whatever else was recorded meanwhile.
    pub fn record(&self, at: Timestamp, facts: Vec<Fact>) -> Result<(), JournalError> {
        self.append(None, at, facts)
    }

    /// Records facts under a lease, whatever else was recorded meanwhile.
    pub fn record_under(
        &self,
        lease: &Lease,
        at: Timestamp,
        facts: Vec<Fact>,
    ) -> Result<(), JournalError> {
        self.append(Some(lease), at, facts)
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
        let mut inner = self.lock();
        for _ in 0..TRIES {
            if !holds(&inner.state) {
                return Ok(false);
            }
            match inner.append(Some(lease), drafts(&self.by, at, &facts)) {
                Err(JournalError::Moved { .. }) => inner.catch_up()?,
                other => return other.map(|()| true),
            }
        }
        Ok(false)
    }

    /// Takes the lease (law 9); at once if its holder was a process of this machine that
    /// runs no more.
    pub fn acquire(&self, now: Timestamp, ttl_s: u32) -> Result<Lease, JournalError> {
        let me = process::holder(&self.by);
        let journal = &mut self.lock().journal;
        match journal.acquire(&me, now, ttl_s) {
            // For one who is gone the time is up. Who else takes it over first has it until
            // later than this, and is respected.
            Err(JournalError::Held { holder, until }) if process::is_gone(&holder) => {
                let lease = journal.acquire(&me, until, ttl_s)?;
                journal.renew(&lease, now, ttl_s)?;
                Ok(lease)
            }
            other => other,
        }
    }

    /// Extends the lease.
    pub fn renew(&self, lease: &Lease, now: Timestamp, ttl_s: u32) -> Result<(), JournalError> {
        self.lock().journal.renew(lease, now, ttl_s)
    }

    /// Gives the lease back.
    pub fn release(&self, lease: &Lease) -> Result<(), JournalError> {
        self.lock().journal.release(lease)
    }

    fn append(
        &self,
        lease: Option<&Lease>,
        at: Timestamp,
        facts: Vec<Fact>,
    ) -> Result<(), JournalError> {
        let mut inner = self.lock();
        let mut tries = 1;
        loop {
            match inner.append(lease, drafts(&self.by, at, &facts)) {
                Err(JournalError::Moved { .. }) if tries < TRIES => {
                    tries += 1;
                    inner.catch_up()?;
                }
                other => return other,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the lock was held leaves journal and state in step: the state is
        // only advanced by what the journal has already taken.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn append(&mut self, lease: Option<&Lease>, drafts: Vec<Draft>) -> Result<(), JournalError> {
        let records = self.journal.append(self.state.head.seq, lease, drafts)?;
        for record in &records {
            self.state.apply(record);
        }
        Ok(())
    }

    fn catch_up(&mut self) -> Result<(), JournalError> {
        let records = self.journal.read_after(self.state.head.seq)?;
        for record in &records {
            self.state.apply(record);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ledger({})", self.by)
    }
}

fn drafts(by: &str, at: Timestamp, facts: &[Fact]) -> Vec<Draft> {
    facts
        .iter()
        .map(|fact| Draft {
            at,
            by: by.to_string(),
            fact: fact.clone(),
        })
        .collect()
}
