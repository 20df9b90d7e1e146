//! What many events share, stored once: who called, what was called, where from.

use std::hash::{BuildHasher, Hash};

use relatch_shelf::{List, Table};

use crate::log::texts::Sym;

/// The form of `userIdentity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum IdentityKind {
    User,
    Session,
    Root,
    Service,
    Other,
}

/// Truths about an event that take a bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent columns of a record"
)]
pub(crate) struct Flags {
    pub(crate) read_only: bool,
    pub(crate) data: bool,
    pub(crate) bearer: bool,
    /// An Insight record: counted, but nobody's act.
    pub(crate) insight: bool,
}

/// Who called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Who {
    pub(crate) kind: IdentityKind,
    pub(crate) arn: Sym,
    pub(crate) principal: Sym,
    pub(crate) user: Sym,
    pub(crate) account: Sym,
    pub(crate) key: Sym,
    pub(crate) issuer: Sym,
    pub(crate) source_identity: Sym,
    /// `invokedBy`, empty when the caller called himself.
    pub(crate) invoked_by: Sym,
    /// When the session was made, seconds since 1970, 0 when not told.
    pub(crate) made: i64,
}

/// What was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    pub(crate) source: Sym,
    pub(crate) name: Sym,
    pub(crate) region: Sym,
    pub(crate) error: Sym,
    /// The account that the record was delivered to.
    pub(crate) recipient: Sym,
    pub(crate) flags: Flags,
}

/// Where from, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) address: Sym,
    pub(crate) agent: Sym,
    /// The address is the name of a service, which called on the identity's behalf.
    pub(crate) service: bool,
}

/// What an event tells beyond its columns. `name` and `other` are explained at each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) what: What,
    pub(crate) name: Sym,
    pub(crate) other: Sym,
}

/// The kinds of facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum What {
    /// Session credentials were handed out: `name` the key id, `other` the session's ARN.
    Minted,
    /// A role was asked for: `name` the role's ARN (also when denied).
    RoleAsked,
    /// `name` is the `sourceIdentity` that the caller set for the new session.
    SourceIdentitySet,
    /// A long-lived key was made: `name` the key id, `other` the user.
    KeyMade,
    /// A user was made: `name`.
    UserMade,
    /// A password was set: `name` the user.
    PasswordSet,
    /// A service credential was made: `name` the credential's id, `other` the user.
    ServiceCredentialMade,
    /// A role was made: `name` the role's name, `other` its ARN.
    RoleMade,
    /// A trust policy was changed: `name` the role's name.
    TrustChanged,
    /// A function was made: `name`, `other` its role's ARN.
    FunctionMade,
    /// A function's code or settings were changed: `name`.
    FunctionChanged,
    /// An instance was started: `name` its id.
    InstanceMade,
    /// Anything else that was planted: `name` a description, `other` the thing.
    Planted,
    /// A console session came from another identity: `name` the ARN it switched from.
    SwitchedFrom,
    /// A console login: `name` its result, `other` whether a second factor was used.
    Login,
    /// Something that may hold secrets was read: `name` its id, `other` its kind and a note.
    Read,
    /// A second witness that a secret was read: `name` the full id.
    Witness,
    /// The recording itself was changed: `name` the trail.
    Recording,
    /// A session's AWS-side full name of a secret: `name` ARN. Only to complete short names.
    SecretNamed,
}

/// Something whose texts can be given the numbers of another table.
pub(crate) trait Renumber {
    /// Puts `numbers[n]` in the place of every text `n`.
    fn renumber(&mut self, numbers: &[Sym]);
}

fn renumber_all<const N: usize>(columns: [&mut Sym; N], numbers: &[Sym]) {
    for column in columns {
        *column = numbers[column.0 as usize];
    }
}

impl Renumber for Who {
    fn renumber(&mut self, numbers: &[Sym]) {
        let columns = [
            &mut self.arn,
            &mut self.principal,
            &mut self.user,
            &mut self.account,
            &mut self.key,
            &mut self.issuer,
            &mut self.source_identity,
            &mut self.invoked_by,
        ];
        renumber_all(columns, numbers);
    }
}

impl Renumber for Call {
    fn renumber(&mut self, numbers: &[Sym]) {
        let columns = [
            &mut self.source,
            &mut self.name,
            &mut self.region,
            &mut self.error,
            &mut self.recipient,
        ];
        renumber_all(columns, numbers);
    }
}

impl Renumber for Origin {
    fn renumber(&mut self, numbers: &[Sym]) {
        renumber_all([&mut self.address, &mut self.agent], numbers);
    }
}

impl Renumber for Fact {
    fn renumber(&mut self, numbers: &[Sym]) {
        renumber_all([&mut self.name, &mut self.other], numbers);
    }
}

/// Equal values once, behind numbers.
#[derive(Debug)]
pub(crate) struct Values<T> {
    numbers: Table<u32>,
    all: List<T>,
    hash: foldhash::fast::RandomState,
}

impl<T> Default for Values<T> {
    fn default() -> Self {
        Values {
            numbers: Table::default(),
            all: List::default(),
            hash: foldhash::fast::RandomState::default(),
        }
    }
}

impl<T: Copy + Eq + Hash + Renumber> Values<T> {
    /// The number of a value, new if need be.
    pub(crate) fn put(&mut self, value: T) -> u32 {
        let Values { numbers, all, hash } = self;
        let hashed = hash.hash_one(value);
        if let Some(number) = numbers.find(hashed, |number| all[*number as usize] == value) {
            return *number;
        }
        let number = u32::try_from(all.len()).expect("fewer than 4 G values fit in memory");
        all.push(value);
        let rehash = |number: &u32| hash.hash_one(all[*number as usize]);
        numbers.insert_unique(hashed, number, rehash);
        number
    }

    /// Takes all values of another table, whose texts have these numbers here.
    pub(crate) fn absorb(&mut self, other: &Values<T>, texts: &[Sym]) -> Vec<u32> {
        let renumbered = other.all.iter().map(|value| {
            let mut value = *value;
            value.renumber(texts);
            self.put(value)
        });
        renumbered.collect()
    }

    /// The values in the order of their numbers.
    pub(crate) fn all(&self) -> &[T] {
        &self.all
    }

    /// No more values are put; what only serves that is given up.
    pub(crate) fn close(&mut self) {
        self.numbers = Table::default();
    }
}
