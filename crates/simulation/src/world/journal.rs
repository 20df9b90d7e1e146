//! The journal in memory: expected numbers, leases and fences as the port's contract says;
//! its chain is made of cheap hashes.

use jiff::{SignedDuration, Timestamp};
use relatch_case::journal::Head;
use relatch_case::{Draft, Journal, JournalError, Lease, Record, State};

use super::{Inner, Port};
use crate::dice::{Kind, fnv};

/// What is written.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) records: Vec<Record>,
    /// The highest fence given out.
    pub(crate) fence: u64,
    holder: String,
    until: Option<Timestamp>,
    /// What it adds up to.
    pub(crate) state: State,
}

impl Book {
    fn append(
        &mut self,
        expected: u64,
        lease: Option<&Lease>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Record>, JournalError> {
        let found = self.records.len() as u64;
        if found != expected {
            return Err(JournalError::Moved { expected, found });
        }
        for draft in &drafts {
            match lease {
                None if draft.fact.needs_lease() => return Err(JournalError::NoLease),
                Some(lease) => self.must_hold(lease)?,
                None => {}
            }
        }
        Ok(self.chain(drafts))
    }

    fn chain(&self, drafts: Vec<Draft>) -> Vec<Record> {
        let mut head = self.head();
        let link = |draft: Draft| {
            let seq = head.seq + 1;
            let hash = format!("{:016x}", fnv(head.hash.as_bytes()) ^ seq);
            let prev = std::mem::replace(&mut head.hash, hash.clone());
            head.seq = seq;
            Record {
                seq,
                at: draft.at,
                by: draft.by,
                prev,
                hash,
                fact: draft.fact,
            }
        };
        drafts.into_iter().map(link).collect()
    }

    fn head(&self) -> Head {
        self.records.last().map_or_else(
            || Head {
                seq: 0,
                hash: relatch_case::chain::GENESIS.to_string(),
            },
            |last| Head {
                seq: last.seq,
                hash: last.hash.clone(),
            },
        )
    }

    fn acquire(&mut self, holder: &str, now: Timestamp, ttl_s: u32) -> Result<Lease, JournalError> {
        let lapsed = match (self.holder.is_empty(), self.until) {
            (false, Some(until)) if until > now => {
                return Err(JournalError::Held {
                    holder: self.holder.clone(),
                    until,
                });
            }
            (false, _) => Some(self.holder.clone()),
            (true, _) => None,
        };
        self.fence += 1;
        self.holder = holder.to_string();
        self.until = end(now, ttl_s);
        Ok(Lease {
            fence: self.fence,
            holder: self.holder.clone(),
            lapsed,
        })
    }

    fn must_hold(&self, lease: &Lease) -> Result<(), JournalError> {
        let (ours, current) = (lease.fence, self.fence);
        if ours == current {
            return Ok(());
        }
        Err(JournalError::Fenced { ours, current })
    }

    fn renew(&mut self, lease: &Lease, now: Timestamp, ttl_s: u32) -> Result<(), JournalError> {
        self.must_hold(lease)?;
        self.until = end(now, ttl_s);
        Ok(())
    }

    fn release(&mut self, lease: &Lease) {
        if lease.fence == self.fence {
            self.holder.clear();
            self.until = None;
        }
    }
}

impl Book {
    /// Whoever holds the lease is a process of this machine that runs no more.
    pub(crate) fn holder_is_gone(&mut self) {
        if let Some((_, machine)) = self.holder.rsplit_once(", on ") {
            self.holder = format!("gone (process {}, started 1, on {machine}", u32::MAX);
        }
    }

    /// Until when the lease is held.
    pub(crate) fn held_until(&self) -> Option<Timestamp> {
        self.until.filter(|_| !self.holder.is_empty())
    }
}

fn end(now: Timestamp, ttl_s: u32) -> Option<Timestamp> {
    now.checked_add(SignedDuration::from_secs(i64::from(ttl_s)))
        .ok()
}

/// The journal as one process has it.
pub(crate) struct ModelJournal {
    pub(crate) port: Port,
    /// Whether it fails and kills at times; people's does not.
    pub(crate) under_fire: bool,
}

impl ModelJournal {
    fn alive(&self) -> Result<(), JournalError> {
        if self.port.process.is_dead() {
            return Err(broken());
        }
        Ok(())
    }

    /// Whether the process dies, or the store fails, at this moment.
    fn struck(&self, inner: &mut Inner, crash: Kind, failure: Kind) -> bool {
        if !self.under_fire {
            return false;
        }
        if inner.dice.strike(crash, "append").is_some() {
            inner.tell(&self.port.process.name, || {
                format!("is killed ({})", crash.name())
            });
            self.port.process.kill();
            return true;
        }
        if inner.dice.strike(failure, "append").is_some() {
            inner.tell("fault", || format!("the journal: {}", failure.name()));
            return true;
        }
        false
    }
}

impl Journal for ModelJournal {
    fn head(&self) -> Result<Head, JournalError> {
        Ok(self.port.model.lock().book.head())
    }

    fn read_after(&self, seq: u64, limit: usize) -> Result<Vec<Record>, JournalError> {
        self.alive()?;
        let inner = self.port.model.lock();
        let from = usize::try_from(seq).unwrap_or(usize::MAX);
        let rest = inner.book.records.get(from..).unwrap_or_default();
        Ok(rest.iter().take(limit).cloned().collect())
    }

    fn append(
        &mut self,
        expected: u64,
        lease: Option<&Lease>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Record>, JournalError> {
        self.alive()?;
        let mut inner = self.port.model.lock();
        if self.struck(&mut inner, Kind::CrashBefore, Kind::JournalFails) {
            return Err(broken());
        }
        let records = inner.book.append(expected, lease, drafts)?;
        let by = self.port.process.clone();
        for record in &records {
            inner.recorded(&by, lease, record);
        }
        if self.struck(&mut inner, Kind::CrashAfter, Kind::JournalLies) {
            return Err(broken());
        }
        Ok(records)
    }

    fn acquire(&mut self, holder: &str, now: Timestamp, ttl_s: u32) -> Result<Lease, JournalError> {
        self.alive()?;
        let lease = self.port.model.lock().book.acquire(holder, now, ttl_s)?;
        self.port.process.holds(lease.fence);
        Ok(lease)
    }

    fn must_hold(&self, lease: &Lease) -> Result<(), JournalError> {
        self.alive()?;
        self.port.model.lock().book.must_hold(lease)
    }

    fn renew(&mut self, lease: &Lease, now: Timestamp, ttl_s: u32) -> Result<(), JournalError> {
        self.alive()?;
        self.port.model.lock().book.renew(lease, now, ttl_s)
    }

    fn release(&mut self, lease: &Lease) -> Result<(), JournalError> {
        self.alive()?;
        self.port.model.lock().book.release(lease);
        Ok(())
    }
}

fn broken() -> JournalError {
    JournalError::Store {
        store: "memory".to_string(),
        advice: "try again",
        source: "the dice say so".into(),
    }
}
