//! What an investigation of a corpus should find.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::spec::Breach;

/// A secret that the attacker read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecretTruth {
    /// `secretsmanager`, `ssm-parameter`, `lambda_environment`, `ecs-task-definition` ...
    pub kind: String,
    /// A secret's whole ARN, a parameter's name, `PATH/*`, a function's name; `*` for all.
    pub id: String,
    /// The calls that name it: those that handed it out, or the decryptions behind them where
    /// these alone tell which one it was.
    pub event_ids: BTreeSet<String>,
}

/// Something the attacker left behind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Planted {
    /// `access_key`, `user`, `login_profile`, `service_credential`, `role`, `trust_policy`,
    /// `function`, `instance`.
    pub kind: String,
    /// A key id or a name.
    pub id: String,
    /// The call that made it.
    pub event_id: String,
}

/// The truth about a corpus.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// The breach as it was asked for.
    pub breach: Option<Breach>,
    /// The leaked access key; the owner's too where there is no breach.
    pub seed_key: String,
    /// Every event of the attacker's, and of what he set going, by time.
    pub tainted_events: Vec<String>,
    /// Acts of services in answer to him; they may be counted as his or not.
    pub either: BTreeSet<String>,
    /// For an event that does not use the leaked key itself: the events of which any one ties it
    /// to the attacker.
    pub linked_by: BTreeMap<String, BTreeSet<String>>,
    /// What he read, each once.
    pub secrets_read: Vec<SecretTruth>,
    /// Access keys that he used, the leaked one included.
    pub keys: BTreeSet<String>,
    /// ARNs of his sessions.
    pub sessions: BTreeSet<String>,
    /// Addresses he called from, with the calls.
    pub addresses: BTreeMap<String, BTreeSet<String>>,
    /// His first call, RFC 3339.
    pub first: Option<String>,
    /// His last call or that of something he set going, RFC 3339.
    pub last: Option<String>,
    /// Events of the owner's with the leaked key, with sessions opened by it, or on its behalf.
    pub legit_same_key_events: BTreeSet<String>,
    /// What he left behind.
    pub planted: Vec<Planted>,
    /// Events of which no whole copy exists: they were in files that were damaged.
    pub in_damaged_files: BTreeSet<String>,
    /// Files that were damaged, by path.
    pub damaged_files: Vec<String>,
    /// Events, each counted once.
    pub events: u64,
    /// Events written, duplicates included.
    pub written: u64,
    /// Bytes of JSON written into log files, before compression.
    pub bytes: u64,
    /// Log files written.
    pub files: u64,
}

impl Truth {
    /// The attacker's events that can be found: they are in whole files, and so is at least one
    /// way that leads to them from the leaked key.
    pub fn findable(&self) -> BTreeSet<&str> {
        let mut found: BTreeSet<&str> = BTreeSet::new();
        loop {
            let more: Vec<&str> = self
                .tainted_events
                .iter()
                .map(String::as_str)
                .filter(|id| !found.contains(id) && !self.in_damaged_files.contains(*id))
                .filter(|id| match self.linked_by.get(*id) {
                    None => true,
                    Some(links) => links.iter().any(|link| found.contains(link.as_str())),
                })
                .collect();
            if more.is_empty() {
                return found;
            }
            found.extend(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_on_a_lost_event_cannot_be_found() {
        let names = |of: &[&str]| of.iter().map(ToString::to_string).collect::<Vec<_>>();
        let truth = Truth {
            tainted_events: names(&["a", "b", "c", "d"]),
            linked_by: BTreeMap::from([
                ("b".into(), names(&["a"]).into_iter().collect()),
                ("c".into(), names(&["b"]).into_iter().collect()),
                ("d".into(), names(&["a", "b"]).into_iter().collect()),
            ]),
            in_damaged_files: names(&["b"]).into_iter().collect(),
            ..Truth::default()
        };
        assert_eq!(truth.findable(), BTreeSet::from(["a", "d"]));
    }
}
