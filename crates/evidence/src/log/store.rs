//! The log in memory: forty bytes an event; what events share is stored once.

use relatch_shelf::List;

use crate::log::columns::{Call, Fact, Flags, IdentityKind, Origin, Renumber, Values, Who};
use crate::log::events::{Columns, Event, NO_TIME, Places};
use crate::log::ids::EventId;
use crate::log::texts::{Sym, Texts};

/// The facts of an event, as a range of all, and the id that ties it to other accounts' copies.
#[derive(Debug, Clone, Copy)]
struct Detail {
    shared: Option<u128>,
    start: usize,
    count: usize,
}

/// Details that say nothing, for most events.
const NO_DETAIL: u32 = 0;
const NOTHING: Detail = Detail {
    shared: None,
    start: 0,
    count: 0,
};

/// Where the parts of one file, and of the whole log, are collected.
#[derive(Debug)]
pub(crate) struct Events {
    pub(crate) texts: Texts,
    whos: Values<Who>,
    calls: Values<Call>,
    origins: Values<Origin>,
    details: List<Detail>,
    facts: List<Fact>,
    events: Columns,
}

impl Default for Events {
    fn default() -> Self {
        Events {
            texts: Texts::default(),
            whos: Values::default(),
            calls: Values::default(),
            origins: Values::default(),
            details: List::of(NOTHING, 1),
            facts: List::default(),
            events: Columns::default(),
        }
    }
}

/// The numbers of an event's parts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts {
    pub(crate) who: u32,
    pub(crate) call: u32,
    pub(crate) origin: u32,
    pub(crate) detail: u32,
}

impl Events {
    /// How many events there are.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// The number of a caller.
    pub(crate) fn who(&mut self, who: Who) -> u32 {
        self.whos.put(who)
    }

    /// The number of a call.
    pub(crate) fn call(&mut self, call: Call) -> u32 {
        self.calls.put(call)
    }

    /// The number of an origin.
    pub(crate) fn origin(&mut self, origin: Origin) -> u32 {
        self.origins.put(origin)
    }

    /// The number of a detail; always a new one unless it says nothing.
    pub(crate) fn detail(&mut self, shared: Option<u128>, facts: &[Fact]) -> u32 {
        if shared.is_none() && facts.is_empty() {
            return NO_DETAIL;
        }
        self.details.push(Detail {
            shared,
            start: self.facts.len(),
            count: facts.len(),
        });
        self.facts.extend_from_slice(facts);
        u32::try_from(self.details.len() - 1).expect("fewer than 4 G details fit in memory")
    }

    /// Adds an event and returns its number; `time` in milliseconds since 1970.
    pub(crate) fn push(&mut self, id: EventId, time: Option<i64>, parts: Parts) -> u32 {
        self.events.push(Event {
            id,
            time: time.unwrap_or(NO_TIME),
            who: parts.who,
            call: parts.call,
            origin: parts.origin,
            detail: parts.detail,
        });
        number(self.events.len() - 1)
    }

    fn facts_of(&self, detail: u32) -> &[Fact] {
        if detail == NO_DETAIL {
            return &[];
        }
        let detail = &self.details[detail as usize];
        &self.facts[detail.start..detail.start + detail.count]
    }

    /// Takes another's parts and returns its events, renumbered.
    fn absorb<'o>(&mut self, other: &'o Events) -> impl Iterator<Item = Event> + 'o {
        let texts = self.texts.absorb(&other.texts);
        let whos = self.whos.absorb(&other.whos, &texts);
        let calls = self.calls.absorb(&other.calls, &texts);
        let origins = self.origins.absorb(&other.origins, &texts);
        let facts = self.facts.len();
        self.facts.extend(other.facts.iter().map(|fact| {
            let mut fact = *fact;
            fact.renumber(&texts);
            fact
        }));
        let details = u32::try_from(self.details.len()).expect("fewer than 4 G fit in memory") - 1;
        self.details
            .extend(other.details[1..].iter().map(|detail| Detail {
                start: detail.start + facts,
                ..*detail
            }));
        let events = (0..other.len()).map(|number| other.events.get(number));
        events.map(move |event| Event {
            id: event
                .id
                .text()
                .map_or(event.id, |text| EventId::other(texts[text.0 as usize])),
            time: event.time,
            who: whos[event.who as usize],
            call: calls[event.call as usize],
            origin: origins[event.origin as usize],
            detail: match event.detail {
                NO_DETAIL => NO_DETAIL,
                detail => detail + details,
            },
        })
    }
}

/// One event with all its columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
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
    pub(crate) source_identity: Sym,
    /// The service that called on the identity's behalf, if one did.
    pub(crate) invoked_by: Sym,
    pub(crate) address: Sym,
    pub(crate) agent: Sym,
    pub(crate) source: Sym,
    pub(crate) name: Sym,
    pub(crate) region: Sym,
    pub(crate) error: Sym,
    pub(crate) flags: Flags,
    detail: u32,
    all: &'a Events,
}

impl<'a> Row<'a> {
    /// The facts of the event.
    pub(crate) fn facts(&self) -> &'a [Fact] {
        self.all.facts_of(self.detail)
    }

    /// What ties the event to the copies that other accounts got of it.
    pub(crate) fn shared(&self) -> Option<u128> {
        self.all.details[self.detail as usize].shared
    }

    /// Milliseconds since 1970, the beginning of time when unknown.
    pub(crate) fn at(&self) -> i64 {
        at(self.time.unwrap_or(NO_TIME))
    }
}

/// See [`Row::at`].
pub(crate) fn at(time: i64) -> i64 {
    if time == NO_TIME { i64::MIN / 4 } else { time }
}

/// All events, sorted by time and id once [`Log::finish`] was called.
#[derive(Debug, Default)]
pub(crate) struct Log {
    all: Events,
    /// Events dropped because their id was seen before.
    pub(crate) duplicates: u64,
    /// How many events there are of each kind of call.
    counts: Vec<u32>,
}

impl Log {
    /// How many events there are.
    pub(crate) fn len(&self) -> usize {
        self.all.events.len()
    }

    /// The numbers of all events.
    pub(crate) fn numbers(&self) -> std::ops::Range<u32> {
        0..u32::try_from(self.len()).expect("fewer than 4 G events fit in memory")
    }

    /// An event.
    #[expect(
        clippy::inline_always,
        reason = "callers want few of the columns; the others are then not even looked up"
    )]
    #[inline(always)]
    pub(crate) fn row(&self, row: u32) -> Row<'_> {
        let who = &self.whos()[self.who(row) as usize];
        let call = &self.calls()[self.call(row) as usize];
        let origin = &self.origins()[self.origin(row) as usize];
        Row {
            time: self.time(row),
            made: who.made,
            kind: who.kind,
            arn: who.arn,
            principal: who.principal,
            user: who.user,
            account: who.account,
            recipient: call.recipient,
            key: who.key,
            source_identity: who.source_identity,
            invoked_by: if who.invoked_by.some() || !origin.service {
                who.invoked_by
            } else {
                origin.address
            },
            address: origin.address,
            agent: origin.agent,
            source: call.source,
            name: call.name,
            region: call.region,
            error: call.error,
            flags: call.flags,
            detail: self.all.events.details[row as usize],
            all: &self.all,
        }
    }

    /// The columns of some events, in the order of `rows`; their ids are not among them.
    pub(crate) fn columns_of(&self, rows: &[u32]) -> Columns {
        self.all.events.gathered(rows)
    }

    /// The facts behind the number of a detail.
    pub(crate) fn facts_of(&self, detail: u32) -> &[Fact] {
        self.all.facts_of(detail)
    }

    /// When an event was, as [`Row::at`].
    pub(crate) fn at(&self, row: u32) -> i64 {
        at(self.all.events.times[row as usize])
    }

    /// When an event was, in milliseconds since 1970; `None` when that cannot be read.
    pub(crate) fn time(&self, row: u32) -> Option<i64> {
        Some(self.all.events.times[row as usize]).filter(|time| *time != NO_TIME)
    }

    /// The facts of an event.
    pub(crate) fn facts(&self, row: u32) -> &[Fact] {
        self.all.facts_of(self.all.events.details[row as usize])
    }

    /// The source address of an event.
    pub(crate) fn address(&self, row: u32) -> Sym {
        self.origins()[self.origin(row) as usize].address
    }

    /// The error code of an event.
    pub(crate) fn error(&self, row: u32) -> Sym {
        self.calls()[self.call(row) as usize].error
    }

    /// The number of an event's caller, below [`Log::whos`]`.len()`.
    pub(crate) fn who(&self, row: u32) -> u32 {
        self.all.events.whos[row as usize]
    }

    /// The number of an event's call, below [`Log::calls`]`.len()`.
    pub(crate) fn call(&self, row: u32) -> u32 {
        self.all.events.calls[row as usize]
    }

    /// The number of an event's origin, below [`Log::origins`]`.len()`.
    pub(crate) fn origin(&self, row: u32) -> u32 {
        self.all.events.origins[row as usize]
    }

    /// Whether an event has details: facts, or a copy in another account.
    pub(crate) fn is_telling(&self, row: u32) -> bool {
        self.all.events.details[row as usize] != NO_DETAIL
    }

    /// All times that can be read, in order; milliseconds since 1970.
    pub(crate) fn times(&self) -> &[i64] {
        let times = &self.all.events.times;
        &times[times.partition_point(|time| *time == NO_TIME)..]
    }

    /// All callers.
    pub(crate) fn whos(&self) -> &[Who] {
        self.all.whos.all()
    }

    /// The kinds of calls with how often each was made.
    pub(crate) fn calls_made(&self) -> impl Iterator<Item = (&Call, u32)> {
        let counts = self.counts.iter().copied();
        self.calls()
            .iter()
            .zip(counts)
            .filter(|(_, count)| *count > 0)
    }

    /// All kinds of calls.
    pub(crate) fn calls(&self) -> &[Call] {
        self.all.calls.all()
    }

    /// All origins.
    pub(crate) fn origins(&self) -> &[Origin] {
        self.all.origins.all()
    }

    /// How many texts there are.
    pub(crate) fn texts(&self) -> usize {
        self.all.texts.len()
    }

    /// The text behind a number.
    pub(crate) fn text(&self, sym: Sym) -> &str {
        self.all.texts.get(sym)
    }

    /// The number of a text that stands somewhere in the log.
    pub(crate) fn find(&self, text: &str) -> Option<Sym> {
        self.all.texts.find(text)
    }

    /// The event id of a row.
    pub(crate) fn event_id(&self, row: u32) -> String {
        self.all.events.ids[row as usize].show(&self.all.texts)
    }

    /// Takes the events of one file. Returns the number that the first of them has until
    /// [`Log::finish`].
    pub(crate) fn absorb(&mut self, file: &Events) -> u32 {
        let first = number(self.len());
        for event in self.all.absorb(file) {
            self.all.events.push(event);
        }
        number(self.len());
        first
    }

    /// Sorts the events by time, then id, and drops those whose id is another's.
    pub(crate) fn finish(&mut self) -> Places {
        self.all.whos.close();
        self.all.calls.close();
        self.all.origins.close();
        let before = self.len();
        let places = self.all.events.sort(&self.all.texts);
        self.duplicates = (before - self.len()) as u64;
        self.counts = vec![0; self.all.calls.all().len()];
        for call in &self.all.events.calls {
            self.counts[*call as usize] += 1;
        }
        places
    }
}

fn number(at: usize) -> u32 {
    u32::try_from(at).expect("fewer than 4 G events fit in memory")
}
