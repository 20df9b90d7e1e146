//! The keys of one fake issuer and what has been done with them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::config::Network;

/// Whether a key is accepted at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyStatus {
    /// Accepted.
    Active,
    /// Switched off; may be switched on again.
    Inactive,
    /// Switched off for good but still listed.
    Archived,
    /// Gone.
    Deleted,
}

/// Something that makes an active key fail without being dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nothing special.
    Ordinary,
    /// The owner has no credit left.
    OutOfQuota,
    /// The caller's address is not on the allow-list.
    AddressRefused,
}

/// One key at an issuer.
#[derive(Clone)]
pub struct IssuedKey {
    /// The issuer-side id.
    pub id: String,
    /// The name given when it was made.
    pub name: String,
    /// The value.
    pub value: String,
    /// Project or workspace, as the issuer calls it.
    pub group: String,
    /// The owning service account, where the issuer has such.
    pub owner: String,
    /// Whether it is accepted.
    pub status: KeyStatus,
    /// What else may stand in its way.
    pub standing: Standing,
    /// Granted scopes; empty means everything.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Last accepted use.
    pub last_used: Option<Timestamp>,
    /// Accepted calls.
    pub requests: u64,
    /// Refused calls with this value.
    pub refused: u64,
    /// Tokens spent in accepted calls.
    pub tokens: u64,
    /// Accepted calls that came from the attacker's network.
    pub attacker_requests: u64,
    /// Calls from the attacker's network that were refused because the key was not active.
    pub attacker_refused: u64,
}

impl std::fmt::Debug for IssuedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedKey")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("status", &self.status)
            .field("requests", &self.requests)
            .finish_non_exhaustive()
    }
}

impl IssuedKey {
    fn allows(&self, needed: &[&str]) -> bool {
        self.scopes.is_empty()
            || self
                .scopes
                .iter()
                .any(|scope| needed.contains(&scope.as_str()))
    }
}

/// What is needed to enter a key.
pub(crate) struct Draft {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) group: String,
    pub(crate) owner: String,
}

/// What a value is good for at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Admission {
    Admitted,
    MissingScope,
    OutOfQuota,
    AddressRefused,
    Unknown,
}

/// All keys of one issuer, living and dead.
#[derive(Default)]
pub(crate) struct Ledger {
    keys: Mutex<BTreeMap<String, IssuedKey>>,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, IssuedKey>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a new active key and returns it.
    pub(crate) fn enter(&self, draft: Draft) -> IssuedKey {
        let key = IssuedKey {
            id: draft.id,
            name: draft.name,
            value: draft.value,
            group: draft.group,
            owner: draft.owner,
            status: KeyStatus::Active,
            standing: Standing::Ordinary,
            scopes: Vec::new(),
            created: Timestamp::now(),
            last_used: None,
            requests: 0,
            refused: 0,
            tokens: 0,
            attacker_requests: 0,
            attacker_refused: 0,
        };
        self.lock().insert(key.id.clone(), key.clone());
        key
    }

    /// Changes a key that is not deleted; nothing if there is none.
    pub(crate) fn change(&self, id: &str, act: impl FnOnce(&mut IssuedKey)) -> Option<IssuedKey> {
        let mut keys = self.lock();
        let key = keys
            .get_mut(id)
            .filter(|key| key.status != KeyStatus::Deleted)?;
        act(key);
        Some(key.clone())
    }

    /// A key that is not deleted.
    pub(crate) fn get(&self, id: &str) -> Option<IssuedKey> {
        self.change(id, |_| ())
    }

    /// Every key, deleted ones too, oldest first.
    pub(crate) fn all(&self) -> Vec<IssuedKey> {
        let mut keys: Vec<_> = self.lock().values().cloned().collect();
        keys.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        keys
    }

    /// Every key that is not deleted and passes the test, oldest first.
    pub(crate) fn listed(&self, test: impl Fn(&IssuedKey) -> bool) -> Vec<IssuedKey> {
        self.all()
            .into_iter()
            .filter(|key| key.status != KeyStatus::Deleted && test(key))
            .collect()
    }

    /// What the value is good for, counted as a call. `tokens` are spent if it is admitted.
    /// A key with scopes needs one of `needed`.
    pub(crate) fn admit(
        &self,
        value: &str,
        network: Network,
        tokens: u64,
        needed: &[&str],
    ) -> Admission {
        let mut keys = self.lock();
        let Some(key) = keys.values_mut().find(|key| key.value == value) else {
            return Admission::Unknown;
        };
        let attacker = u64::from(network == Network::Attacker);
        if key.status != KeyStatus::Active {
            key.refused += 1;
            key.attacker_refused += attacker;
            return Admission::Unknown;
        }
        match key.standing {
            Standing::OutOfQuota if tokens > 0 => return Admission::OutOfQuota,
            Standing::AddressRefused => return Admission::AddressRefused,
            Standing::OutOfQuota | Standing::Ordinary => {}
        }
        if !key.allows(needed) {
            return Admission::MissingScope;
        }
        key.last_used = Some(Timestamp::now());
        key.requests += 1;
        key.tokens += tokens;
        key.attacker_requests += attacker;
        Admission::Admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        let ledger = Ledger::default();
        ledger.enter(Draft {
            id: "k1".to_owned(),
            name: "one".to_owned(),
            value: "v1".to_owned(),
            group: "g".to_owned(),
            owner: String::new(),
        });
        ledger
    }

    #[test]
    fn counts_who_used_a_key() {
        let ledger = ledger();
        let ok = Admission::Admitted;
        assert_eq!(ledger.admit("v1", Network::Workload, 10, &[]), ok);
        assert_eq!(ledger.admit("v1", Network::Attacker, 10, &[]), ok);
        ledger.change("k1", |key| key.status = KeyStatus::Inactive);
        assert_eq!(
            ledger.admit("v1", Network::Attacker, 10, &[]),
            Admission::Unknown
        );
        let key = ledger.get("k1").expect("the key");
        assert_eq!(
            (key.requests, key.attacker_requests, key.attacker_refused),
            (2, 1, 1)
        );
        assert_eq!(key.tokens, 20);
    }

    #[test]
    fn a_deleted_key_is_gone_but_remembered() {
        let ledger = ledger();
        ledger.change("k1", |key| key.status = KeyStatus::Deleted);
        assert!(ledger.get("k1").is_none());
        assert_eq!(ledger.all().len(), 1);
    }

    #[test]
    fn out_of_quota_is_not_dead() {
        let ledger = ledger();
        ledger.change("k1", |key| key.standing = Standing::OutOfQuota);
        assert_eq!(
            ledger.admit("v1", Network::Workload, 5, &[]),
            Admission::OutOfQuota
        );
        assert!(matches!(
            ledger.admit("v1", Network::Workload, 0, &[]),
            Admission::Admitted
        ));
    }

    #[test]
    fn a_narrowed_key_is_alive_for_less() {
        let ledger = ledger();
        ledger.change("k1", |key| key.scopes = vec!["read".to_owned()]);
        let admit = |needed| ledger.admit("v1", Network::Workload, 0, needed);
        assert_eq!(admit(&["read"]), Admission::Admitted);
        assert_eq!(admit(&["write"]), Admission::MissingScope);
        assert_eq!(ledger.get("k1").map(|key| key.requests), Some(1));
    }
}
