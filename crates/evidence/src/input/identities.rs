//! Who called: the `userIdentity` element of a record, parsed once for records that repeat it.

use std::borrow::Cow;
use std::hash::BuildHasher;

use hashbrown::HashTable;

use crate::input::record::{Identity, Record, parse_time};
use crate::log::{Events, IdentityKind, Sym, Texts, Who};

/// Most elements kept by their text; a file seldom has more callers.
const MOST: usize = 4096;

/// Longest text kept, in bytes.
const LONGEST: usize = 4096;

/// Elements found by their beginning; a file's callers take turns.
const SLOTS: u16 = 4096;

/// The bytes of an element that tell one caller from the next, as far as its first closing brace:
/// the session's name and the key are among them, and what follows a short element is not.
const TELLING: std::ops::Range<usize> = 32..320;

/// A caller, in numbers of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The number of who it is.
    pub(crate) who: u32,
    /// The number of the element's text; `None` for one that is not kept.
    pub(crate) text: Option<u32>,
}

/// The fields of an element that rules ask for again and again: the type, the key, the ARN, the
/// user's name and the calling service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Names(pub(crate) [Name; 5]);

/// A field of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// Not there, or null.
    Absent,
    /// Plain text.
    Plain(Sym),
    /// Anything else: whoever wants it has to read it.
    Odd,
}

impl Names {
    /// Nothing is known.
    pub(crate) const ODD: Names = Names([Name::Odd; 5]);

    fn of(identity: &Identity<'_>, texts: &mut Texts) -> Self {
        let fields = [
            &identity.kind,
            &identity.access_key_id,
            &identity.arn,
            &identity.user_name,
            &identity.invoked_by,
        ];
        Names(fields.map(|field| match &field.0 {
            None => Name::Absent,
            // Truth values are texts here too, and are not taken for such by rules.
            Some(Cow::Borrowed(text)) if !matches!(*text, "true" | "false") => {
                Name::Plain(texts.put(text))
            }
            Some(_) => Name::Odd,
        }))
    }
}

/// An element seen before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// The caller.
    pub(crate) caller: Caller,
    /// The element's length in bytes.
    pub(crate) bytes: usize,
    /// Newlines in it.
    pub(crate) lines: u64,
}

/// An element that is kept: where its text begins among all, and the hash of it.
#[derive(Debug, Clone, Copy)]
struct Kept {
    start: usize,
    hash: u64,
    known: Known,
}

/// The elements seen lately: all by their text, and the last of each beginning.
#[derive(Debug)]
pub(crate) struct Identities {
    /// The texts, end to end.
    texts: String,
    kept: Vec<Kept>,
    /// Numbers of those kept, by text.
    numbers: HashTable<u32>,
    /// Numbers of those kept, by what they begin with.
    lately: Vec<Option<u32>>,
    /// The fields of each text that has a number.
    names: Vec<Names>,
    /// An element could not be read; whoever looks puts it back.
    pub(crate) unread: bool,
    hash: foldhash::fast::RandomState,
}

impl Default for Identities {
    fn default() -> Self {
        Identities {
            texts: String::new(),
            kept: Vec::new(),
            numbers: HashTable::new(),
            lately: vec![None; usize::from(SLOTS)],
            names: Vec::new(),
            unread: false,
            hash: foldhash::fast::RandomState::default(),
        }
    }
}

impl Identities {
    /// The element that `bytes` begin with, if it is one that was read before.
    ///
    /// An object's text is no beginning of another object's, so that the element ends there.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<Known> {
        let number = self.lately[self.slot(bytes)?]?;
        let kept = &self.kept[number as usize];
        bytes
            .starts_with(self.text(kept).as_bytes())
            .then_some(kept.known)
    }

    fn text(&self, kept: &Kept) -> &str {
        &self.texts[kept.start..kept.start + kept.known.bytes]
    }

    fn slot(&self, bytes: &[u8]) -> Option<usize> {
        let bytes = &bytes[..bytes.len().min(TELLING.end)];
        let end = memchr::memchr(b'}', bytes).unwrap_or(bytes.len());
        let hash = self.hash.hash_one(bytes.get(TELLING.start..end)?);
        usize::try_from(hash % u64::from(SLOTS)).ok()
    }

    /// A record's caller. `events` must be the same in every call.
    pub(crate) fn caller(&mut self, record: &Record<'_>, events: &mut Events) -> Caller {
        if let Some(caller) = record.caller {
            return caller;
        }
        let raw = record.user_identity.unwrap_or_default();
        let hash = self.hash.hash_one(raw);
        let is_it = |number: &u32| {
            let kept = &self.kept[*number as usize];
            kept.hash == hash && self.text(kept) == raw
        };
        if let Some(number) = self.numbers.find(hash, is_it).copied() {
            self.come(raw, number);
            return self.kept[number as usize].known.caller;
        }
        let identity = record.identity();
        self.unread |= identity.is_none();
        let names = identity.as_ref();
        let names = names.map_or(Names::ODD, |one| Names::of(one, &mut events.texts));
        let who = read(&identity.unwrap_or_default(), &mut events.texts);
        let mut caller = Caller {
            who: events.who(who),
            text: None,
        };
        if raw.len() <= LONGEST {
            caller.text = u32::try_from(self.names.len()).ok();
            self.names.push(names);
            self.keep(raw, hash, caller);
        }
        caller
    }

    /// The fields of a caller's element.
    pub(crate) fn names(&self, caller: Caller) -> Names {
        let known = caller.text.and_then(|text| self.names.get(text as usize));
        known.copied().unwrap_or(Names::ODD)
    }

    fn keep(&mut self, text: &str, hash: u64, caller: Caller) {
        if self.kept.len() >= MOST {
            self.texts.clear();
            self.kept.clear();
            self.numbers.clear();
            self.lately.fill(None);
        }
        let Ok(number) = u32::try_from(self.kept.len()) else {
            return;
        };
        self.kept.push(Kept {
            start: self.texts.len(),
            hash,
            known: Known {
                caller,
                bytes: text.len(),
                lines: memchr::memchr_iter(b'\n', text.as_bytes()).count() as u64,
            },
        });
        self.texts.push_str(text);
        let kept = &self.kept;
        self.numbers
            .insert_unique(hash, number, |number| kept[*number as usize].hash);
        self.come(text, number);
    }

    /// An element came: the next that begins like it is likely the same.
    fn come(&mut self, text: &str, number: u32) {
        if let Some(slot) = self.slot(text.as_bytes()).filter(|_| text.starts_with('{')) {
            self.lately[slot] = Some(number);
        }
    }
}

fn read(identity: &Identity<'_>, texts: &mut Texts) -> Who {
    let session = identity.session();
    let issuer = session
        .session_issuer
        .as_ref()
        .map(|issuer| issuer.arn.get())
        .unwrap_or_default();
    let made = session
        .attributes
        .as_ref()
        .and_then(|attributes| parse_time(attributes.creation_date.get()))
        .unwrap_or_default();
    Who {
        kind: kind(identity),
        arn: texts.put(identity.arn.get()),
        principal: texts.put(identity.principal_id.get()),
        user: texts.put(user_name(identity)),
        account: texts.put(account(identity)),
        key: texts.put(identity.access_key_id.get()),
        issuer: texts.put(issuer),
        source_identity: texts.put(session.source_identity.get()),
        invoked_by: texts.put(identity.invoked_by.get()),
        made: made.div_euclid(1000),
    }
}

fn kind(identity: &Identity<'_>) -> IdentityKind {
    match identity.kind.get() {
        "IAMUser" => IdentityKind::User,
        "AssumedRole" | "FederatedUser" => IdentityKind::Session,
        "Root" => IdentityKind::Root,
        "AWSService" => IdentityKind::Service,
        "" if identity.arn.get().contains(":assumed-role/") => IdentityKind::Session,
        "" if identity.arn.get().contains(":user/") => IdentityKind::User,
        "" if !identity.invoked_by.get().is_empty() => IdentityKind::Service,
        _ => IdentityKind::Other,
    }
}

/// The plain user name, from the field or the last part of the ARN.
fn user_name<'t>(identity: &'t Identity<'_>) -> &'t str {
    let named = identity.user_name.get();
    let arn = identity.arn.get();
    if named.is_empty() && arn.contains(":user/") {
        arn.rsplit('/').next().unwrap_or_default()
    } else {
        named
    }
}

fn account<'t>(identity: &'t Identity<'_>) -> &'t str {
    let named = identity.account_id.get();
    if named.is_empty() {
        identity.arn.get().split(':').nth(4).unwrap_or_default()
    } else {
        named
    }
}
