//! Which uses of keys are hits.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use relatch_case::state::TripwireHit;
use relatch_case::{CredentialId, Fact, IssuerId, KeyId};
use relatch_secret::redact;
use serde::{Deserialize, Serialize};

use crate::retired::Retired;

/// One use of a key as a log shows it. Texts are the caller's and need not be clean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUse {
    /// The event.
    pub event_id: String,
    /// When. `None`: the event does not say, or not readably.
    pub time: Option<Timestamp>,
    /// The key used.
    pub key_id: KeyId,
    /// The service called.
    pub event_source: String,
    /// The call.
    pub event_name: String,
    /// Where from.
    pub address: String,
    /// By which client.
    pub user_agent: String,
    /// The error code, if the call failed.
    pub error_code: Option<String>,
}

/// When an issuer says a key was last used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUse {
    /// The key.
    pub key: KeyId,
    /// When.
    pub at: Timestamp,
}

/// A use of a retired key that was not told before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// The key.
    pub key: KeyId,
    /// Its issuer.
    pub issuer: IssuerId,
    /// The credential it was the old key of.
    pub credential: CredentialId,
    /// Whether the thief made it.
    pub planted: bool,
    /// The event, or `last-used:<key>:<time>`.
    pub event_id: String,
    /// When.
    pub at: Timestamp,
    /// What was seen: call, address, client, answer. Cleaned.
    pub seen: String,
    /// Whether the call was refused; `None` when the source does not tell. A call that was
    /// not refused means that the key is not dead.
    pub refused: Option<bool>,
}

impl Hit {
    /// The fact to record.
    pub fn fact(&self) -> Fact {
        Fact::TripwireHit {
            key: self.key.clone(),
            event_id: self.event_id.clone(),
            at: self.at,
            seen: self.seen.clone(),
        }
    }
}

/// What sifting found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sifted {
    /// New hits, by time.
    pub hits: Vec<Hit>,
    /// Uses of retired keys whose time is not known: they may be from before or after. To be
    /// shown to a person, never dropped.
    pub undated: Vec<KeyUse>,
}

/// Finds the uses of retired keys at or after their retirement, whether they succeeded or
/// failed. Events in `known`, or given twice, are told once; `known` are the case's hits.
pub fn sift(uses: &[KeyUse], retired: &[Retired], known: &[TripwireHit]) -> Sifted {
    let keys = by_key(retired);
    let mut told = told(known);
    let mut sifted = Sifted::default();
    for key_use in uses {
        let Some(key) = keys.get(&key_use.key_id) else {
            continue;
        };
        if told.contains(&key_use.event_id) {
            continue;
        }
        match key_use.time {
            None => sifted.undated.push(key_use.clone()),
            Some(at) if at >= key.since => sifted.hits.push(of_use(key, key_use, at)),
            Some(_) => continue,
        }
        told.insert(key_use.event_id.clone());
    }
    sort(&mut sifted.hits);
    sifted
}

/// Finds issuers' words that a retired key was used after its retirement. Some calls are in
/// no log, so this catches what [`sift`] cannot.
pub fn sift_last_uses(uses: &[LastUse], retired: &[Retired], known: &[TripwireHit]) -> Vec<Hit> {
    let keys = by_key(retired);
    let mut told = told(known);
    let mut hits = Vec::new();
    for last in uses {
        let event_id = format!("last-used:{}:{}", last.key, last.at);
        let Some(key) = keys.get(&last.key).filter(|key| last.at > key.since) else {
            continue;
        };
        if told.insert(event_id.clone()) {
            let seen = format!("{} says that it was last used then", key.issuer);
            hits.push(hit(key, event_id, last.at, &seen, None));
        }
    }
    sort(&mut hits);
    hits
}

fn by_key(retired: &[Retired]) -> BTreeMap<&KeyId, &Retired> {
    retired.iter().map(|key| (&key.key, key)).collect()
}

fn told(known: &[TripwireHit]) -> BTreeSet<String> {
    known.iter().map(|hit| hit.event_id.clone()).collect()
}

fn sort(hits: &mut [Hit]) {
    hits.sort_by(|a, b| (a.at, &a.event_id).cmp(&(b.at, &b.event_id)));
}

fn of_use(key: &Retired, key_use: &KeyUse, at: Timestamp) -> Hit {
    let service = key_use.event_source.trim_end_matches(".amazonaws.com");
    let answer = match &key_use.error_code {
        Some(code) => format!("answered {code}"),
        None => "no error".to_string(),
    };
    let seen = format!(
        "{service}:{} from {} by {}, {answer}",
        key_use.event_name,
        or_unknown(&key_use.address),
        or_unknown(&key_use.user_agent)
    );
    let refused = Some(key_use.error_code.as_deref().is_some_and(is_refusal));
    hit(key, key_use.event_id.clone(), at, &seen, refused)
}

/// Error codes, or parts of them, that say no to the caller itself.
/// Source: the lists of common errors in the AWS service API references.
const REFUSALS: [&str; 9] = [
    "AccessDenied",
    "AuthFailure",
    "ExpiredToken",
    "Forbidden",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "Unauthorized",
    "UnrecognizedClient",
];

/// Whether an error code says that the caller may not. Any other error (a wrong argument, a
/// dry run, too many requests) shows a key that was let in.
fn is_refusal(code: &str) -> bool {
    REFUSALS.iter().any(|refusal| code.contains(refusal))
}

fn hit(key: &Retired, event_id: String, at: Timestamp, seen: &str, refused: Option<bool>) -> Hit {
    Hit {
        key: key.key.clone(),
        issuer: key.issuer.clone(),
        credential: key.credential.clone(),
        planted: key.planted,
        event_id,
        at,
        seen: redact::outside(seen),
        refused,
    }
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}
