//! The log in memory: one small row an event, every text once.

use std::collections::HashMap;
use std::sync::Arc;

/// A text by number; 0 is the empty text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Sym(pub(crate) u32);

impl Sym {
    /// The empty text.
    pub(crate) const NONE: Sym = Sym(0);

    /// Whether there is any text.
    pub(crate) fn some(self) -> bool {
        self != Sym::NONE
    }
}

/// Every text of a log, once.
#[derive(Debug)]
pub(crate) struct Texts {
    numbers: HashMap<Arc<str>, Sym>,
    texts: Vec<Arc<str>>,
}

impl Default for Texts {
    fn default() -> Self {
        let empty: Arc<str> = Arc::from("");
        Texts {
            numbers: HashMap::from([(empty.clone(), Sym::NONE)]),
            texts: vec![empty],
        }
    }
}

impl Texts {
    /// The number of a text, new if need be.
    pub(crate) fn put(&mut self, text: &str) -> Sym {
        if let Some(known) = self.numbers.get(text) {
            return *known;
        }
        let number =
            Sym(u32::try_from(self.texts.len()).expect("fewer than 4 G texts fit in memory"));
        let text: Arc<str> = Arc::from(text);
        self.texts.push(text.clone());
        self.numbers.insert(text, number);
        number
    }

    /// The number of a text that is known already.
    pub(crate) fn find(&self, text: &str) -> Option<Sym> {
        self.numbers.get(text).copied()
    }

    /// The text behind a number.
    pub(crate) fn get(&self, sym: Sym) -> &str {
        &self.texts[sym.0 as usize]
    }

    /// All texts in order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(AsRef::as_ref)
    }
}

/// An event id: a UUID in 16 bytes, or a text of another form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum EventId {
    Uuid(u128),
    Other(Sym),
}

impl EventId {
    /// The short form of an id; only what can be printed again unchanged is taken as a UUID.
    pub(crate) fn new(text: &str, texts: &mut Texts) -> EventId {
        parse_uuid(text).map_or_else(|| EventId::Other(texts.put(text)), EventId::Uuid)
    }
}

/// Reads a lower-case UUID with dashes.
fn parse_uuid(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut number = 0u128;
    for (at, byte) in bytes.iter().enumerate() {
        let dash = matches!(at, 8 | 13 | 18 | 23);
        match byte {
            b'-' if dash => {}
            b'0'..=b'9' if !dash => number = number << 4 | u128::from(byte - b'0'),
            b'a'..=b'f' if !dash => number = number << 4 | u128::from(byte - b'a' + 10),
            _ => return None,
        }
    }
    Some(number)
}

fn show_uuid(number: u128) -> String {
    let hex = format!("{number:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

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
#[derive(Debug, Clone, Copy, Default)]
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

/// One event.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: EventId,
    pub(crate) shared: Option<u128>,
    /// Milliseconds since 1970; `None` when the record's time cannot be read.
    pub(crate) time: Option<i64>,
    /// When the session was made, seconds since 1970, 0 when not told.
    pub(crate) made: i64,
    pub(crate) kind: IdentityKind,
    pub(crate) arn: Sym,
    pub(crate) principal: Sym,
    pub(crate) user: Sym,
    pub(crate) account: Sym,
    pub(crate) recipient: Sym,
    pub(crate) key: Sym,
    pub(crate) issuer: Sym,
    pub(crate) source_identity: Sym,
    pub(crate) invoked_by: Sym,
    pub(crate) address: Sym,
    pub(crate) agent: Sym,
    pub(crate) source: Sym,
    pub(crate) name: Sym,
    pub(crate) region: Sym,
    pub(crate) error: Sym,
    pub(crate) flags: Flags,
    pub(crate) facts: Option<Box<[Fact]>>,
}

impl Row {
    /// The facts of the event.
    pub(crate) fn facts(&self) -> &[Fact] {
        self.facts.as_deref().unwrap_or_default()
    }

    /// Milliseconds since 1970, the beginning of time when unknown.
    pub(crate) fn at(&self) -> i64 {
        self.time.unwrap_or(i64::MIN / 4)
    }

    /// Puts the numbers of another table in the place of this row's own.
    fn renumber(&mut self, numbers: &[Sym]) {
        let columns = [
            &mut self.arn,
            &mut self.principal,
            &mut self.user,
            &mut self.account,
            &mut self.recipient,
            &mut self.key,
            &mut self.issuer,
            &mut self.source_identity,
            &mut self.invoked_by,
            &mut self.address,
            &mut self.agent,
            &mut self.source,
            &mut self.name,
            &mut self.region,
            &mut self.error,
        ];
        for column in columns {
            *column = numbers[column.0 as usize];
        }
        if let EventId::Other(sym) = &mut self.id {
            *sym = numbers[sym.0 as usize];
        }
        for fact in self.facts.as_deref_mut().unwrap_or_default() {
            fact.name = numbers[fact.name.0 as usize];
            fact.other = numbers[fact.other.0 as usize];
        }
    }
}

/// All events, sorted by time and id once [`Log::finish`] was called.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) texts: Texts,
    pub(crate) rows: Vec<Row>,
    /// Events dropped because their id was seen before.
    pub(crate) duplicates: u64,
    seen: std::collections::HashSet<EventId>,
}

impl Log {
    /// The text behind a number.
    pub(crate) fn text(&self, sym: Sym) -> &str {
        self.texts.get(sym)
    }

    /// The event id of a row.
    pub(crate) fn event_id(&self, row: usize) -> String {
        match self.rows[row].id {
            EventId::Uuid(number) => show_uuid(number),
            EventId::Other(sym) => self.text(sym).to_owned(),
        }
    }

    /// Takes the rows of one file, without those whose id is known; returns how many were new.
    pub(crate) fn absorb(&mut self, texts: &Texts, rows: Vec<Row>) -> u64 {
        let numbers: Vec<Sym> = texts.iter().map(|text| self.texts.put(text)).collect();
        let mut new = 0;
        for mut row in rows {
            row.renumber(&numbers);
            if self.seen.insert(row.id) {
                self.rows.push(row);
                new += 1;
            } else {
                self.duplicates += 1;
            }
        }
        new
    }

    /// Sorts the rows by time, then id.
    pub(crate) fn finish(&mut self) {
        self.seen = std::collections::HashSet::new();
        let texts = &self.texts;
        let key = |row: &Row| match row.id {
            EventId::Uuid(number) => (row.time, number, ""),
            EventId::Other(sym) => (row.time, u128::MAX, texts.get(sym)),
        };
        self.rows.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
    }
}

/// A UUID for the columns that only join (`sharedEventID`).
pub(crate) fn join_id(text: &str) -> Option<u128> {
    parse_uuid(&text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_unchanged() {
        let mut texts = Texts::default();
        let uuid = "0e8f2b6c-1111-4222-8333-abcdefabcdef";
        let EventId::Uuid(number) = EventId::new(uuid, &mut texts) else {
            panic!("a UUID")
        };
        assert_eq!(show_uuid(number), uuid);
        assert!(matches!(
            EventId::new(&uuid.to_uppercase(), &mut texts),
            EventId::Other(_)
        ));
        assert!(matches!(EventId::new("gap", &mut texts), EventId::Other(_)));
    }
}
