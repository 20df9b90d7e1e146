//! The use of single keys, found without parsing what cannot hold them.

use std::collections::BTreeSet;

use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};

use crate::input::frames::is_frame;
use crate::input::reader::{Limits, Problem, Source, read};
use crate::input::record::show_time;
use crate::input::unpack::is_packed;
use crate::text::sanitize;

/// One use of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyUse {
    /// When, RFC 3339.
    pub time: Option<String>,
    /// The event.
    pub event_id: String,
    /// The key used.
    pub key_id: String,
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

/// The uses found, and what could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUses {
    /// By time, then event id; each event once.
    pub uses: Vec<KeyUse>,
    /// Documents or records that could not be read: the keys may have been used there.
    pub problems: Vec<Problem>,
}

/// Every use of the given keys in the documents.
///
/// A document in memory that is not compressed and names none of the keys is not parsed.
pub fn uses_of_keys(documents: &[Source], key_ids: &BTreeSet<String>) -> KeyUses {
    let finders: Vec<Finder<'_>> = key_ids
        .iter()
        .filter(|key| !key.is_empty())
        .map(|key| Finder::new(key.as_bytes()))
        .collect();
    let may_hold = |bytes: &[u8]| {
        is_packed(bytes)
            || is_frame(bytes)
            || finders.iter().any(|finder| finder.find(bytes).is_some())
    };
    let worth: Vec<Source> = documents
        .iter()
        .filter(|source| match source {
            Source::Bytes { bytes, .. } => may_hold(bytes),
            _ => true,
        })
        .cloned()
        .collect();
    let taken = read(&worth, &Limits::STANDARD, None);
    let log = &taken.log;
    let keys: BTreeSet<_> = key_ids
        .iter()
        .filter(|key| !key.is_empty())
        .filter_map(|key| log.find(key))
        .collect();
    let hits = log
        .numbers()
        .map(|at| (at, log.row(at)))
        .filter(|(_, row)| keys.contains(&row.key));
    let uses = hits.map(|(at, row)| KeyUse {
        time: row.time.and_then(show_time),
        event_id: sanitize(&log.event_id(at)),
        key_id: log.text(row.key).to_owned(),
        event_source: sanitize(log.text(row.source)),
        event_name: sanitize(log.text(row.name)),
        address: sanitize(log.text(row.address)),
        user_agent: sanitize(log.text(row.agent)),
        error_code: row.error.some().then(|| sanitize(log.text(row.error))),
    });
    KeyUses {
        uses: uses.collect(),
        problems: taken.problems,
    }
}
