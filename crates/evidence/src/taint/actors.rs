//! Who acted: credentials as the log shows them, and what each did.

use std::hash::BuildHasher;

use relatch_shelf::List;

use crate::log::tables::Numbers;
use crate::log::{IdentityKind, Log, Row, Sym, Who};
use crate::taint::by_credential::ByCredential;
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
pub(crate) struct Groups {
    starts: List<u32>,
    members: List<u32>,
}

impl Groups {
    /// Groups the events of a log by `group`, which is below `count`.
    pub(crate) fn new(log: &Log, count: usize, group: impl Fn(u32) -> u32) -> Self {
        let mut starts = List::of(0u32, count + 1);
        for row in log.numbers() {
            starts[group(row) as usize + 1] += 1;
        }
        let mut sum = 0;
        for start in starts.iter_mut() {
            sum += *start;
            *start = sum;
        }
        let mut next: List<u32> = starts.iter().copied().collect();
        let mut members = List::of(0u32, log.len());
        for row in log.numbers() {
            let at = &mut next[group(row) as usize];
            members[*at as usize] = row;
            *at += 1;
        }
        Groups { starts, members }
    }

    /// The members of a group.
    pub(crate) fn get(&self, group: u32) -> &[u32] {
        &self.members[self.range(group)]
    }

    /// Where the members of a group are among those of all.
    pub(crate) fn range(&self, group: u32) -> std::ops::Range<usize> {
        let (from, to) = (self.starts[group as usize], self.starts[group as usize + 1]);
        from as usize..to as usize
    }

    /// The members of all groups, one after the other.
    pub(crate) fn members(&self) -> &[u32] {
        &self.members
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
    pub(crate) by_credential: ByCredential,
    /// Events by what ties them to the copies that other accounts got of them.
    pub(crate) by_shared: Numbers<u128>,
    /// Events with facts.
    pub(crate) telling: List<u32>,
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
        let mut telling: List<u32> = log.numbers().filter(|row| log.is_telling(*row)).collect();
        let shared = |row: &u32| log.row(*row).shared().map(|shared| (shared, *row));
        let by_shared = Numbers::new(telling.iter().filter_map(shared));
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
            by_credential: ByCredential::new(log, &by_who),
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
