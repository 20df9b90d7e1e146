//! Holding the lease: by our own clock, which nobody can set.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use relatch_case::{JournalError, Lease};
use tokio::time::Instant;

use crate::Ledger;

/// How long a lease lasts without being renewed, in seconds: how long the case stays locked
/// after a crash on another machine.
pub(crate) const LEASE_S: u32 = 30;

/// How often it is renewed.
pub(crate) const RENEWAL: Duration = Duration::from_secs(10);

/// Longest that a request takes from being sent to having acted, in seconds: clients give up
/// before, and an issuer does not act on what nobody waits for any more.
pub(crate) const REQUEST_S: u32 = 60;

/// One run's hold on the case.
#[derive(Debug)]
pub(crate) struct Tenure {
    pub(crate) lease: Lease,
    /// When a holder before us, who may be stalled and not dead, can no longer have a request
    /// under way. `None`: he gave the lease back, or is known to be gone.
    pub(crate) haunted_until: Option<Instant>,
    renewed: Mutex<Instant>,
}

impl Tenure {
    /// Takes the lease.
    pub(crate) fn begin(ledger: &Ledger, now: Timestamp) -> Result<Self, JournalError> {
        let renewed = Instant::now();
        let lease = ledger.acquire(now, LEASE_S)?;
        let last_request = renewed + Duration::from_secs(u64::from(REQUEST_S));
        Ok(Self {
            haunted_until: lease.lapsed.is_some().then_some(last_request),
            lease,
            renewed: Mutex::new(renewed),
        })
    }

    /// Extends it.
    pub(crate) fn renew(&self, ledger: &Ledger, now: Timestamp) -> Result<(), JournalError> {
        let renewed = Instant::now();
        ledger.renew(&self.lease, now, LEASE_S)?;
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = renewed;
        Ok(())
    }

    /// Makes sure, right before something outside is touched, that the lease is still ours: a
    /// process that was stalled may wake up in another's tenure, and a machine whose clock is
    /// ahead takes a lease that others think is fresh.
    pub(crate) fn assure(&self, ledger: &Ledger, now: Timestamp) -> Result<(), JournalError> {
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        if renewed.elapsed() < RENEWAL * 2 {
            return ledger.must_hold(&self.lease);
        }
        self.renew(ledger, now)
    }
}
