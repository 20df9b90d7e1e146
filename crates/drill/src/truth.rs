//! What is true about a range, for scoring a drill.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use winterbaume_iam::views::AccessKeyView;

use crate::attacker::Misuse;
use crate::consumers::ConsumerStats;
use crate::issuers::{IssuedKey, KeyStatus};
use crate::scenario::{IssuerKind, Place};

/// One credential as it was seeded.
#[derive(Clone, PartialEq, Eq)]
pub struct TruthCredential {
    /// Its name at the issuer; unique per issuer.
    pub name: String,
    /// Who minted it.
    pub issuer: IssuerKind,
    /// Its id at the issuer: key id, access key id, or name.
    pub issuer_id: String,
    /// Project, workspace or IAM user.
    pub group: String,
    /// Where its copies lie.
    pub places: Vec<Place>,
    /// The running consumers that use it.
    pub consumers: Vec<String>,
    /// Whether the attacker's first phase reads it.
    pub read_by_attacker: bool,
    /// Whether its issuer says it has no credit left; it is alive all the same.
    pub out_of_quota: bool,
    /// The seeded value (of an access key the secret half): a canary, for leak checks.
    pub value: String,
}

impl std::fmt::Debug for TruthCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TruthCredential")
            .field("name", &self.name)
            .field("issuer", &self.issuer)
            .field("issuer_id", &self.issuer_id)
            .field("read_by_attacker", &self.read_by_attacker)
            .finish_non_exhaustive()
    }
}

/// Everything that is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// Every seeded credential.
    pub credentials: Vec<TruthCredential>,
    /// The access key id that was stolen.
    pub stolen_key: String,
    /// Its user.
    pub stolen_user: String,
    /// The access key id the attacker planted, once it has.
    pub planted_key: Option<String>,
    /// The user it was planted on.
    pub planted_user: String,
    /// The access key id of the attacker's session, once it has one.
    pub session_key: Option<String>,
    /// The role of that session.
    pub role: String,
    /// The addresses that records show for the attacker.
    pub attacker_addresses: Vec<String>,
    /// Containers the attacker has read in its first phase.
    pub containers_read: Vec<Place>,
}

impl Truth {
    /// The credential of an issuer by name.
    pub fn credential(&self, issuer: IssuerKind, name: &str) -> Option<&TruthCredential> {
        self.credentials
            .iter()
            .find(|credential| credential.issuer == issuer && credential.name == name)
    }
}

/// A consumer and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsumerInfo {
    /// Its name.
    pub name: String,
    /// The name of its credential.
    pub credential: String,
    /// The issuer of its credential.
    pub issuer: IssuerKind,
    /// The place it loads from.
    pub place: Place,
    /// `POST` here makes it read its place again.
    pub reload_url: String,
    /// `GET` here says how it fares.
    pub health_url: String,
}

/// What happened so far.
#[derive(Clone, PartialEq, Eq)]
pub struct Stats {
    /// Calls of all consumers.
    pub consumer_requests: u64,
    /// Failed calls of all consumers.
    pub consumer_failures: u64,
    /// Each consumer.
    pub consumers: Vec<ConsumerStats>,
    /// The attacker's calls, by access key id or value. The keys are secret values.
    pub attacker: BTreeMap<String, Misuse>,
}

impl std::fmt::Debug for Stats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stats")
            .field("consumers", &self.consumers)
            .field("attacker_credentials", &self.attacker.len())
            .finish_non_exhaustive()
    }
}

impl Stats {
    /// The attacker's successful calls with one credential after a moment.
    pub fn attacker_successes_after(&self, identity: &str, moment: Timestamp) -> usize {
        self.attacker
            .get(identity)
            .map_or(0, |misuse| misuse.successes_after(moment))
    }
}

/// A key that its issuer still lists.
#[derive(Clone, PartialEq, Eq)]
pub struct LiveKey {
    /// The issuer.
    pub issuer: IssuerKind,
    /// The id at the issuer.
    pub id: String,
    /// The name, or of access keys the user.
    pub name: String,
    /// Project, workspace or user.
    pub group: String,
    /// Whether it is accepted.
    pub active: bool,
    /// The value, or of access keys the secret half.
    pub value: String,
    /// Last accepted use.
    pub last_used: Option<Timestamp>,
}

impl LiveKey {
    pub(crate) fn of_issuer(issuer: IssuerKind, key: IssuedKey) -> Self {
        Self {
            issuer,
            id: key.id,
            name: key.name,
            group: key.group,
            active: key.status == KeyStatus::Active,
            value: key.value,
            last_used: key.last_used,
        }
    }

    pub(crate) fn of_user(key: AccessKeyView, last_used: Option<Timestamp>) -> Self {
        Self {
            issuer: IssuerKind::AwsIam,
            id: key.access_key_id,
            name: key.user_name.clone(),
            group: key.user_name,
            active: key.status == "Active",
            value: key.secret_access_key,
            last_used,
        }
    }
}

impl std::fmt::Debug for LiveKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveKey")
            .field("issuer", &self.issuer)
            .field("id", &self.id)
            .field("name", &self.name)
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}
