//! Who calls from where: what is known of every address from the whole log.

use crate::input::rows::is_caller_address;
use crate::log::tables::{Map, Set};
use crate::log::{IdentityKind, Log, Sym, What};
use crate::taint::actors::{Credential, Index};
use crate::taint::habit::is_habit;

/// So many residents make an address the organisation's: an office, a gateway.
const RESIDENTS: usize = 3;

/// Who used an address first, and whether people do.
struct AddressUse {
    first: u32,
    by: Credential,
    people: bool,
}

/// The addresses of a log.
pub(crate) struct Premises {
    addresses: Map<Sym, AddressUse>,
    /// When the residents of an address first called from there.
    residents: Map<Sym, Vec<i64>>,
}

impl Premises {
    /// Looks over the log once.
    pub(crate) fn new(log: &Log, index: &Index) -> Self {
        Premises {
            addresses: addresses(log),
            residents: residents(log, index),
        }
    }

    /// Whether an address was the organisation's before a time, in milliseconds.
    pub(crate) fn is_shared(&self, address: Sym, before: i64) -> bool {
        let residents = self.residents.get(&address).into_iter().flatten();
        residents.filter(|since| **since < before).count() >= RESIDENTS
    }

    /// The first event from an address that its caller made himself.
    pub(crate) fn first_from(&self, address: Sym) -> Option<u32> {
        self.addresses.get(&address).map(|known| known.first)
    }

    /// Whether a credential was the first to call from an address.
    pub(crate) fn is_first(&self, credential: Credential, address: Sym) -> bool {
        self.addresses
            .get(&address)
            .is_some_and(|known| known.by == credential)
    }

    /// Whether IAM users call from an address.
    pub(crate) fn has_people(&self, address: Sym) -> bool {
        self.addresses
            .get(&address)
            .is_some_and(|known| known.people)
    }
}

/// People and long-lived keys not made in this log, with a habit, by the address of their own
/// first call.
fn residents(log: &Log, index: &Index) -> Map<Sym, Vec<i64>> {
    let made = made(log, index);
    let mut found: Map<Sym, Vec<i64>> = Map::default();
    for (credential, part) in index.by_credential.iter(log) {
        let rows = part.rows();
        let user = log.row(rows[0]).user;
        let is_resident = match credential {
            Credential::Key(key) => !made.contains(&key) && !made.contains(&user),
            Credential::User(_) => !made.contains(&user),
            // What IAM Identity Center names the roles of people.
            Credential::Session(arn) => log.text(arn).contains(":assumed-role/AWSReservedSSO_"),
            _ => false,
        };
        let own = || {
            rows.iter()
                .map(|row| log.row(*row))
                .find(|row| !row.invoked_by.some() && is_caller_address(log.text(row.address)))
        };
        if is_resident
            && is_habit(rows, |row| log.at(row))
            && let Some(row) = own()
        {
            found.entry(row.address).or_default().push(row.at());
        }
    }
    found
}

/// Keys and names of users made in the log.
fn made(log: &Log, index: &Index) -> Set<Sym> {
    let facts = index.telling.iter().flat_map(|row| log.facts(*row));
    facts
        .filter(|fact| matches!(fact.what, What::KeyMade | What::UserMade))
        .map(|fact| fact.name)
        .collect()
}

/// The use of every address by callers themselves.
fn addresses(log: &Log) -> Map<Sym, AddressUse> {
    // First by origin, of which there are few, and where the map need not be asked each time.
    let mut origins: Vec<Option<(u32, bool)>> = vec![None; log.origins().len()];
    for at in log.numbers() {
        let row = log.row(at);
        if !row.invoked_by.some() && row.address.some() {
            let known = &mut origins[log.origin(at) as usize];
            let (_, people) = known.get_or_insert((at, false));
            *people |= row.kind == IdentityKind::User;
        }
    }
    let mut addresses: Map<Sym, AddressUse> = Map::default();
    for (first, people) in origins.into_iter().flatten() {
        let row = log.row(first);
        let by = Credential::of(log, &row);
        let new = AddressUse { first, by, people };
        let known = addresses.entry(row.address).or_insert(AddressUse { ..new });
        known.people |= people;
        if first < known.first {
            (known.first, known.by) = (first, by);
        }
    }
    addresses
}
