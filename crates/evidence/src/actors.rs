//! Who acted: credentials as the log shows them, and what each did.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::log::{IdentityKind, Log, Row, Sym};
use crate::text::is_long_lived;

/// An identity in the log, as narrow as can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Credential {
    /// A long-lived access key, by its id.
    Key(Sym),
    /// A role or federation session, by its whole ARN.
    Session(Sym),
    /// A user without a long-lived key: console, session token. By ARN.
    User(Sym),
    /// The root user, by account.
    Root(Sym),
    /// A service acting for itself.
    Service(Sym),
    /// Anyone else: another account, a web identity, nobody.
    Other(Sym),
}

impl Credential {
    /// The credential behind an event.
    pub(crate) fn of(log: &Log, row: &Row) -> Credential {
        match row.kind {
            IdentityKind::Root => Credential::Root(row.account),
            IdentityKind::Service => Credential::Service(if row.invoked_by.some() {
                row.invoked_by
            } else {
                row.source
            }),
            IdentityKind::Session if row.arn.some() => Credential::Session(row.arn),
            _ if is_long_lived(log.text(row.key)) => Credential::Key(row.key),
            _ if row.arn.some() => Credential::User(row.arn),
            _ if row.key.some() => Credential::Key(row.key),
            _ => Credential::Other(
                [row.user, row.principal, row.account]
                    .into_iter()
                    .find(|sym| sym.some())
                    .unwrap_or(row.source),
            ),
        }
    }

    /// The word for its kind in the output.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Credential::Key(_) => "access_key",
            Credential::Session(_) => "session",
            Credential::User(_) => "user",
            Credential::Root(_) => "root",
            Credential::Service(_) => "service",
            Credential::Other(_) => "other",
        }
    }

    /// The text that names it.
    pub(crate) fn name(self) -> Sym {
        match self {
            Credential::Key(sym)
            | Credential::Session(sym)
            | Credential::User(sym)
            | Credential::Root(sym)
            | Credential::Service(sym)
            | Credential::Other(sym) => sym,
        }
    }
}

/// Where to find events by what they carry.
pub(crate) struct Index {
    pub(crate) by_credential: BTreeMap<Credential, Vec<u32>>,
    pub(crate) by_key: HashMap<Sym, Vec<u32>>,
    pub(crate) by_arn: HashMap<Sym, Vec<u32>>,
    pub(crate) by_user: HashMap<(Sym, Sym), Vec<u32>>,
    pub(crate) by_shared: HashMap<u128, Vec<u32>>,
    pub(crate) by_address: HashMap<Sym, Vec<u32>>,
    pub(crate) by_issuer: HashMap<Sym, Vec<u32>>,
    pub(crate) by_source_identity: HashMap<Sym, Vec<u32>>,
    /// Rows of sessions, by the last part of the session's ARN.
    pub(crate) by_session_name: HashMap<String, Vec<u32>>,
    /// Events with facts.
    pub(crate) telling: Vec<u32>,
}

impl Index {
    /// Reads the log once. All lists are in the order of time.
    pub(crate) fn new(log: &Log) -> Self {
        let mut index = Index {
            by_credential: BTreeMap::new(),
            by_key: HashMap::new(),
            by_arn: HashMap::new(),
            by_user: HashMap::new(),
            by_shared: HashMap::new(),
            by_address: HashMap::new(),
            by_issuer: HashMap::new(),
            by_source_identity: HashMap::new(),
            by_session_name: HashMap::new(),
            telling: Vec::new(),
        };
        for (at, row) in (0u32..).zip(&log.rows) {
            index.add(log, at, row);
        }
        index
    }

    fn add(&mut self, log: &Log, at: u32, row: &Row) {
        self.by_credential
            .entry(Credential::of(log, row))
            .or_default()
            .push(at);
        for (column, map) in [
            (row.key, &mut self.by_key),
            (row.arn, &mut self.by_arn),
            (row.address, &mut self.by_address),
            (row.issuer, &mut self.by_issuer),
            (row.source_identity, &mut self.by_source_identity),
        ] {
            if column.some() {
                map.entry(column).or_default().push(at);
            }
        }
        if row.user.some() {
            self.by_user
                .entry((row.account, row.user))
                .or_default()
                .push(at);
        }
        if let Some(shared) = row.shared {
            self.by_shared.entry(shared).or_default().push(at);
        }
        if row.kind == IdentityKind::Session {
            let name = log.text(row.arn).rsplit('/').next().unwrap_or_default();
            match self.by_session_name.get_mut(name) {
                Some(rows) => rows.push(at),
                None => drop(self.by_session_name.insert(name.to_owned(), vec![at])),
            }
        }
        if !row.facts().is_empty() {
            self.telling.push(at);
        }
    }
}

/// Counts over an actor's events, with texts in the place of numbers.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) addresses: BTreeSet<String>,
    pub(crate) clients: BTreeSet<String>,
    pub(crate) regions: BTreeSet<String>,
    pub(crate) keys: BTreeSet<String>,
    pub(crate) calls: BTreeMap<String, u64>,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) arn: Option<String>,
    pub(crate) first: Option<i64>,
    pub(crate) last: Option<i64>,
}

/// Tallies events.
pub(crate) fn tally(log: &Log, rows: &[u32]) -> Tally {
    let mut tally = Tally::default();
    let mut calls: HashMap<(Sym, Sym), u64> = HashMap::new();
    for row in rows.iter().map(|row| &log.rows[*row as usize]) {
        for (column, set) in [
            (row.address, &mut tally.addresses),
            (row.agent, &mut tally.clients),
            (row.region, &mut tally.regions),
            (row.key, &mut tally.keys),
        ] {
            if column.some() && !set.contains(log.text(column)) {
                set.insert(log.text(column).to_owned());
            }
        }
        *calls.entry((row.source, row.name)).or_default() += 1;
        if row.error.some() {
            *tally
                .errors
                .entry(log.text(row.error).to_owned())
                .or_default() += 1;
        }
        if tally.arn.is_none() && row.arn.some() {
            tally.arn = Some(log.text(row.arn).to_owned());
        }
        tally.first = tally.first.or(row.time);
        tally.last = row.time.or(tally.last);
    }
    tally.calls = calls
        .into_iter()
        .map(|((source, name), count)| (format!("{}:{}", log.text(source), log.text(name)), count))
        .collect();
    tally
}
