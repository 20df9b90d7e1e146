//! Where facts are kept: the port.

use jiff::Timestamp;

use crate::chain::{CanonicalError, ChainError, GENESIS};
use crate::fact::{Fact, Record};

/// A fact that is not recorded yet.
#[derive(Debug, Clone)]
pub struct Draft {
    /// When it happened.
    pub at: Timestamp,
    /// Who says so.
    pub by: String,
    /// What.
    pub fact: Fact,
}

/// The number and hash of the last fact.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Head {
    /// Number; 0 for an empty journal.
    pub seq: u64,
    /// Hash; [`crate::chain::GENESIS`] for an empty journal.
    pub hash: String,
}

impl Head {
    /// The head of an empty journal.
    pub(crate) fn genesis() -> Self {
        Self {
            seq: 0,
            hash: GENESIS.to_string(),
        }
    }

    /// This head, read from the facts, if it is also the one that was `recorded` last.
    pub(crate) fn must_be(self, recorded: &Self) -> Result<Self, ChainError> {
        if self == *recorded {
            return Ok(self);
        }
        if self.seq == recorded.seq {
            return Err(ChainError::Altered { seq: self.seq });
        }
        Err(ChainError::Short {
            last: self.seq,
            head: recorded.seq,
        })
    }
}

/// Who let a lease run out, if somebody did; refuses one that is held until later than `now`.
/// One that was given back has no holder.
pub(crate) fn must_be_free(
    holder: String,
    expires: &str,
    now: Timestamp,
) -> Result<Option<String>, JournalError> {
    let until: Timestamp = expires.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    if holder.is_empty() {
        return Ok(None);
    }
    if until > now {
        return Err(JournalError::Held { holder, until });
    }
    Ok(Some(holder))
}

/// Refuses a lease whose number is not the `current` one.
pub(crate) fn must_be_current(lease: &Lease, current: u64) -> Result<(), JournalError> {
    let ours = lease.fence;
    if ours == current {
        return Ok(());
    }
    Err(JournalError::Fenced { ours, current })
}

/// When a lease of `ttl_s` seconds ends, as it is stored.
pub(crate) fn expiry(now: Timestamp, ttl_s: u32) -> String {
    let ttl = jiff::SignedDuration::from_secs(i64::from(ttl_s));
    now.checked_add(ttl).unwrap_or(Timestamp::MAX).to_string()
}

/// The right to act, until another takes it: each one that is given out has a higher fence,
/// and the journal refuses step facts that carry an old one (law 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Its number.
    pub fence: u64,
    /// Who holds it.
    pub holder: String,
    /// Who held it before and let it run out instead of giving it back: stalled, or dead.
    pub lapsed: Option<String>,
}

/// A journal that cannot do what is asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Somebody else recorded something meanwhile: read on and decide again.
    #[error("the journal moved on: expected {expected} facts, it has {found}")]
    Moved {
        /// What was expected.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// The lease was taken over; this executor must stop.
    #[error("another executor took over: fence {ours} is no longer valid (now {current})")]
    Fenced {
        /// The fence we hold.
        ours: u64,
        /// The fence that counts.
        current: u64,
    },
    /// A step fact without a lease.
    #[error("a step fact needs a lease")]
    NoLease,
    /// The lease is held by another executor that is still alive.
    #[error("{holder} is at work on this case until {until}; wait, or stop it first")]
    Held {
        /// By whom.
        holder: String,
        /// Until when, unless renewed.
        until: Timestamp,
    },
    /// The chain does not hold. Nothing is repaired; see the message.
    #[error("the journal is damaged; keep the file, restore a copy, compare")]
    Chain(#[from] ChainError),
    /// A stored fact cannot be read by this version.
    #[error("fact {seq} cannot be read by this version of relatch")]
    Unreadable {
        /// Its number.
        seq: u64,
        /// Why.
        source: serde_json::Error,
    },
    /// Not a fact that can be stored.
    #[error("a fact cannot be stored")]
    Canonical(#[from] CanonicalError),
    /// The journal was written by a newer version.
    #[error(
        "the journal has schema {found}, this version of relatch knows up to {known}: use a newer one"
    )]
    Newer {
        /// Its schema.
        found: u32,
        /// The newest one known.
        known: u32,
    },
    /// Not an address of a store.
    #[error("not an address of a PostgreSQL database: write postgresql://user@host:5432/database")]
    Address,
    /// The store failed.
    #[error("cannot use the journal {store}: {advice}")]
    Store {
        /// The file, or the server's address without its password.
        store: String,
        /// What to do next.
        advice: &'static str,
        /// What the store said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// How many facts are read at once by [`Journal::for_each_after`].
pub const BATCH: usize = 10_000;

/// The journal of one case.
///
/// Contract, which the contract tests check on every implementation: an append names the
/// number of facts it builds on and is durable when it returns; two appends on the same
/// number never both succeed; what was recorded never changes; a crash at any moment leaves
/// a whole number of facts.
pub trait Journal: Send {
    /// The last fact's number and hash.
    fn head(&self) -> Result<Head, JournalError>;

    /// At most `limit` facts after number `seq`, in order, chain checked; fewer than `limit`
    /// only if there are no more.
    fn read_after(&self, seq: u64, limit: usize) -> Result<Vec<Record>, JournalError>;

    /// Gives every fact after number `seq` to `each`, in order, chain checked, holding no more
    /// than a few times [`BATCH`] of them at once. On an error the facts given so far are sound.
    fn for_each_after(&self, seq: u64, each: &mut dyn FnMut(&Record)) -> Result<(), JournalError> {
        let mut last = seq;
        loop {
            let batch = self.read_after(last, BATCH)?;
            let is_last = batch.len() < BATCH;
            last = batch.last().map_or(last, |record| record.seq);
            batch.iter().for_each(&mut *each);
            if is_last {
                return Ok(());
            }
        }
    }

    /// Appends all of `drafts` or none, after exactly `expected` facts.
    fn append(
        &mut self,
        expected: u64,
        lease: Option<&Lease>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Record>, JournalError>;

    /// Takes the lease for `ttl_s` seconds. Refused while one that was not given back has not
    /// expired, whoever holds it: names tell machines and containers apart badly.
    fn acquire(&mut self, holder: &str, now: Timestamp, ttl_s: u32) -> Result<Lease, JournalError>;

    /// Makes sure that nobody took `lease` over; [`JournalError::Fenced`] if somebody did. It
    /// may have run out.
    fn must_hold(&self, lease: &Lease) -> Result<(), JournalError>;

    /// Extends the lease.
    fn renew(&mut self, lease: &Lease, now: Timestamp, ttl_s: u32) -> Result<(), JournalError>;

    /// Gives the lease back. A lease that was taken over meanwhile is left alone.
    fn release(&mut self, lease: &Lease) -> Result<(), JournalError>;
}
