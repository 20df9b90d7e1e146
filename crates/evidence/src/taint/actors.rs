//! Who acted: credentials as the log shows them, and what each did.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;

use crate::log::tables::{Map, Numbers};
use crate::log::{IdentityKind, Log, Row, Sym, Who};
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
    pub(crate) fn of(log: &Log, row: &Row<'_>) -> Credential {
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

/// Numbers of events, or of whatever else, by a small number: one allocation for all.
struct Groups {
    starts: Vec<u32>,
    members: Vec<u32>,
}

impl Groups {
    /// Groups the events of a log by `group`, which is below `count`.
    fn new(log: &Log, count: usize, group: impl Fn(u32) -> u32) -> Self {
        let mut starts = vec![0u32; count + 1];
        for row in log.numbers() {
            starts[group(row) as usize + 1] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        let mut members = vec![0u32; log.len()];
        for row in log.numbers() {
            let at = &mut next[group(row) as usize];
            members[*at as usize] = row;
            *at += 1;
        }
        Groups { starts, members }
    }

    fn get(&self, group: u32) -> &[u32] {
        let (from, to) = (self.starts[group as usize], self.starts[group as usize + 1]);
        &self.members[from as usize..to as usize]
    }

    /// The members of several groups, in order.
    fn all(&self, groups: impl ExactSizeIterator<Item = u32>) -> Vec<u32> {
        let several = groups.len() > 1;
        let mut all: Vec<u32> = Vec::new();
        for group in groups {
            all.extend_from_slice(self.get(group));
        }
        if several {
            all.sort_unstable();
        }
        all
    }
}

/// Where to find events by what they carry. All lists are in the order of time.
pub(crate) struct Index {
    pub(crate) by_credential: BTreeMap<Credential, Vec<u32>>,
    pub(crate) by_shared: Map<u128, Vec<u32>>,
    /// Events with facts.
    pub(crate) telling: Vec<u32>,
    by_who: Groups,
    by_origin: Groups,
    keys: Numbers<Sym>,
    arns: Numbers<Sym>,
    users: Numbers<(Sym, Sym)>,
    issuers: Numbers<Sym>,
    source_identities: Numbers<Sym>,
    /// Callers that are sessions, by the hash of the last part of the session's ARN.
    session_names: Numbers<u64>,
    hash: foldhash::fast::RandomState,
    addresses: Numbers<Sym>,
}

impl Index {
    /// Reads the log once.
    pub(crate) fn new(log: &Log) -> Self {
        let by_who = Groups::new(log, log.whos().len(), |row| log.who(row));
        let mut telling: Vec<u32> = log.numbers().filter(|row| log.is_telling(*row)).collect();
        let mut by_shared: Map<u128, Vec<u32>> = Map::default();
        for row in &telling {
            if let Some(shared) = log.row(*row).shared() {
                by_shared.entry(shared).or_default().push(*row);
            }
        }
        telling.retain(|row| !log.facts(*row).is_empty());
        let whos = || (0u32..).zip(log.whos());
        let column = |column: fn(&Who) -> Sym| {
            let pairs = whos().map(|(number, who)| (column(who), number));
            Numbers::new(pairs.filter(|(text, _)| text.some()))
        };
        let users = whos().filter(|(_, who)| who.user.some());
        let sessions = whos().filter(|(_, who)| who.kind == IdentityKind::Session);
        let origins = (0u32..).zip(log.origins());
        let hash = foldhash::fast::RandomState::default();
        Index {
            by_credential: by_credential(log, &by_who),
            by_shared,
            telling,
            by_who,
            by_origin: Groups::new(log, log.origins().len(), |row| log.origin(row)),
            keys: column(|who| who.key),
            arns: column(|who| who.arn),
            users: Numbers::new(users.map(|(number, who)| ((who.account, who.user), number))),
            issuers: column(|who| who.issuer),
            source_identities: column(|who| who.source_identity),
            session_names: Numbers::new(
                sessions.map(|(number, who)| (hash.hash_one(session_name(log, who)), number)),
            ),
            hash,
            addresses: Numbers::new(
                origins
                    .map(|(number, origin)| (origin.address, number))
                    .filter(|(address, _)| address.some()),
            ),
        }
    }

    /// Events by access key id.
    pub(crate) fn by_key(&self, key: Sym) -> Vec<u32> {
        self.by_who.all(self.keys.get(key))
    }

    /// Events by the caller's whole ARN.
    pub(crate) fn by_arn(&self, arn: Sym) -> Vec<u32> {
        self.by_who.all(self.arns.get(arn))
    }

    /// Events by account and user name.
    pub(crate) fn by_user(&self, account: Sym, user: Sym) -> Vec<u32> {
        self.by_who.all(self.users.get((account, user)))
    }

    /// Events of sessions by the ARN of their role.
    pub(crate) fn by_issuer(&self, issuer: Sym) -> Vec<u32> {
        self.by_who.all(self.issuers.get(issuer))
    }

    /// The roles that sessions were issued for.
    pub(crate) fn issuers(&self) -> impl Iterator<Item = Sym> {
        self.issuers.keys()
    }

    /// Events by source identity.
    pub(crate) fn by_source_identity(&self, identity: Sym) -> Vec<u32> {
        self.by_who.all(self.source_identities.get(identity))
    }

    /// Events of sessions by the last part of the session's ARN.
    pub(crate) fn by_session_name(&self, log: &Log, name: &str) -> Vec<u32> {
        let alike = self.session_names.get(self.hash.hash_one(name));
        let is_it = |who: &u32| session_name(log, &log.whos()[*who as usize]) == name;
        let named: Vec<u32> = alike.filter(is_it).collect();
        self.by_who.all(named.into_iter())
    }

    /// Events by source address.
    pub(crate) fn by_address(&self, address: Sym) -> Vec<u32> {
        self.by_origin.all(self.addresses.get(address))
    }
}

/// The last part of a session's ARN.
fn session_name<'l>(log: &'l Log, who: &Who) -> &'l str {
    log.text(who.arn).rsplit('/').next().unwrap_or_default()
}

fn by_credential(log: &Log, by_who: &Groups) -> BTreeMap<Credential, Vec<u32>> {
    let mut found: BTreeMap<Credential, (u32, Vec<u32>)> = BTreeMap::new();
    for (number, who) in (0u32..).zip(log.whos()) {
        let rows = by_who.get(number);
        let Some(first) = rows.first() else {
            continue;
        };
        let nobody = [who.arn, who.key, who.user, who.principal, who.account];
        if who.kind == IdentityKind::Service || nobody.into_iter().all(|column| !column.some()) {
            // Which service it is depends on the single event.
            for row in rows {
                let credential = Credential::of(log, &log.row(*row));
                let (parts, all) = found.entry(credential).or_default();
                *parts = 2;
                all.push(*row);
            }
            continue;
        }
        let (parts, all) = found
            .entry(Credential::of(log, &log.row(*first)))
            .or_default();
        *parts += 1;
        all.extend_from_slice(rows);
    }
    let sorted = found.into_iter().map(|(credential, (parts, mut rows))| {
        if parts > 1 {
            rows.sort_unstable();
        }
        (credential, rows)
    });
    sorted.collect()
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
    for row in rows {
        let time = log.time(*row);
        tally.first = tally.first.or(time);
        tally.last = time.or(tally.last);
    }
    let calls = counted(rows.iter().map(|row| log.call(*row)), log.calls().len());
    let whos = counted(rows.iter().map(|row| log.who(*row)), log.whos().len());
    let origins = counted(rows.iter().map(|row| log.origin(*row)), log.origins().len());
    let add = |column: Sym, set: &mut BTreeSet<String>| {
        if column.some() && !set.contains(log.text(column)) {
            set.insert(log.text(column).to_owned());
        }
    };
    for (who, _) in whos {
        add(log.whos()[who as usize].key, &mut tally.keys);
    }
    for (origin, _) in origins {
        let origin = &log.origins()[origin as usize];
        add(origin.address, &mut tally.addresses);
        add(origin.agent, &mut tally.clients);
    }
    for (call, count) in calls {
        let call = &log.calls()[call as usize];
        add(call.region, &mut tally.regions);
        let name = format!("{}:{}", log.text(call.source), log.text(call.name));
        *tally.calls.entry(name).or_default() += count;
        if call.error.some() {
            let error = log.text(call.error).to_owned();
            *tally.errors.entry(error).or_default() += count;
        }
    }
    let named = rows.iter().map(|row| log.row(*row).arn);
    tally.arn = named
        .into_iter()
        .find(|arn| arn.some())
        .map(|arn| log.text(arn).to_owned());
    tally
}

/// Each number once, in order, with how often it is there. `bound` is above all of them.
fn counted(numbers: impl ExactSizeIterator<Item = u32>, bound: usize) -> Vec<(u32, u64)> {
    if numbers.len() < bound {
        let mut all: Vec<u32> = numbers.collect();
        all.sort_unstable();
        let same = all.chunk_by(|a, b| a == b);
        return same.map(|same| (same[0], same.len() as u64)).collect();
    }
    let mut counts = vec![0u64; bound];
    for number in numbers {
        counts[number as usize] += 1;
    }
    let counts = (0u32..).zip(counts);
    counts.filter(|(_, count)| *count > 0).collect()
}
