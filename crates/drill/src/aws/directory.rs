//! Who exists and what they may do, as the gatekeeper believes at this moment.
//!
//! A change shows only after the propagation delay, as in real IAM: the newest snapshot
//! that is old enough is the one that counts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use winterbaume_iam::views::IamStateView;
use winterbaume_organizations::views::OrganizationsStateView;

use super::cloud::Cloud;

/// Identities and organization at one moment.
#[derive(Default)]
pub(crate) struct Snapshot {
    pub(crate) iam: IamStateView,
    pub(crate) organization: OrganizationsStateView,
}

/// A temporary credential that was handed out.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) secret: String,
    pub(crate) token: String,
    pub(crate) role: String,
    pub(crate) name: String,
    pub(crate) issued: Timestamp,
    pub(crate) expires: Timestamp,
}

/// A user of another account than the emulated one, with a policy of its own.
#[derive(Clone)]
pub(crate) struct Foreigner {
    pub(crate) account: &'static str,
    pub(crate) user: String,
    pub(crate) user_id: String,
    pub(crate) secret: String,
    pub(crate) policy: String,
}

/// The last authenticated use of an access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastUsed {
    pub(crate) at: Timestamp,
    pub(crate) service: &'static str,
    pub(crate) region: String,
}

/// The gatekeeper's memory of identities. Its locks are never held across an await.
pub(crate) struct Directory {
    propagation: Duration,
    snapshots: Mutex<VecDeque<(Instant, Arc<Snapshot>)>>,
    /// Held while the state is viewed and entered.
    viewing: tokio::sync::Mutex<()>,
    sessions: Mutex<BTreeMap<String, Session>>,
    foreigners: Mutex<BTreeMap<String, Foreigner>>,
    last_used: Mutex<BTreeMap<String, LastUsed>>,
}

impl Directory {
    pub(crate) fn new(propagation: Duration) -> Self {
        Self {
            propagation,
            snapshots: Mutex::default(),
            viewing: tokio::sync::Mutex::default(),
            sessions: Mutex::default(),
            foreigners: Mutex::default(),
            last_used: Mutex::default(),
        }
    }

    /// Takes note of a change: it counts after the propagation delay.
    pub(crate) async fn note_change(&self, cloud: &Cloud) {
        self.push(cloud, self.propagation).await;
    }

    /// Takes note of a change that counts at once (seeding).
    pub(crate) async fn note_now(&self, cloud: &Cloud) {
        self.push(cloud, Duration::ZERO).await;
    }

    async fn push(&self, cloud: &Cloud, delay: Duration) {
        // One at a time, or an older view could be entered behind a newer one.
        let _one_viewer = self.viewing.lock().await;
        let snapshot = Arc::new(Snapshot {
            iam: cloud.identities().await,
            organization: cloud.organization().await,
        });
        lock(&self.snapshots).push_back((Instant::now() + delay, snapshot));
    }

    /// What counts now.
    pub(crate) fn current(&self) -> Arc<Snapshot> {
        let mut snapshots = lock(&self.snapshots);
        let now = Instant::now();
        // The newest view that counts hides all older ones, even those still under way.
        if let Some(newest) = snapshots.iter().rposition(|(from, _)| *from <= now) {
            snapshots.drain(..newest);
        }
        snapshots
            .front()
            .map(|(_, snapshot)| Arc::clone(snapshot))
            .unwrap_or_default()
    }

    pub(crate) fn add_session(&self, key_id: &str, session: Session) {
        lock(&self.sessions).insert(key_id.to_owned(), session);
    }

    pub(crate) fn session(&self, key_id: &str) -> Option<Session> {
        lock(&self.sessions).get(key_id).cloned()
    }

    pub(crate) fn add_foreigner(&self, key_id: &str, foreigner: Foreigner) {
        lock(&self.foreigners).insert(key_id.to_owned(), foreigner);
    }

    pub(crate) fn foreigner(&self, key_id: &str) -> Option<Foreigner> {
        lock(&self.foreigners).get(key_id).cloned()
    }

    pub(crate) fn note_use(&self, key_id: &str, used: LastUsed) {
        lock(&self.last_used).insert(key_id.to_owned(), used);
    }

    pub(crate) fn last_used(&self, key_id: &str) -> Option<LastUsed> {
        lock(&self.last_used).get(key_id).cloned()
    }
}

/// Locks, and goes on if another task panicked: the data is plain and stays whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
