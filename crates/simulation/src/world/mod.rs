//! The modelled world: issuers, places, consumers, custody, the journal, and its truth.
//!
//! Everything is in one [`Inner`] behind one lock. A call of a port is a request on its way:
//! its effect lands at a time of its own, whether or not its caller still lives by then.

mod call;
mod clock;
mod consumer;
mod custody;
mod issuer;
mod journal;
mod key;
mod place;
mod process;
mod roller;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use relatch_case::model::{Container, Sheet};
use relatch_case::{ConsumerId, IssuerId, KeyId, Principal};
use tokio::time::Instant;

use crate::dice::Dice;
use crate::laws::Laws;
use crate::story::Story;

pub(crate) use call::{Act, Port};
pub(crate) use clock::WallClock;
pub(crate) use consumer::Reader;
pub(crate) use custody::ModelCustody;
pub(crate) use issuer::ModelIssuer;
pub(crate) use journal::{Book, ModelJournal};
pub(crate) use key::{Key, Origin, Status};
pub(crate) use place::{Place, Text};
pub(crate) use process::Process;
pub(crate) use roller::ModelRoller;
pub(crate) use store::ModelStore;

/// Milliseconds since the schedule began.
pub(crate) type Ms = u64;

/// What every value in the model begins with.
pub(crate) const CANARY: &str = "canary-";

/// The kind of every container.
pub(crate) const KIND: &str = "model";

type Landing = Box<dyn FnOnce(&mut Inner) + Send>;

/// The world, shared by everybody in it.
pub(crate) struct Model {
    start: Instant,
    inner: Mutex<Inner>,
}

impl Model {
    pub(crate) fn new(inner: Inner) -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            inner: Mutex::new(inner),
        })
    }

    pub(crate) fn ms(&self) -> Ms {
        Ms::try_from(self.start.elapsed().as_millis()).unwrap_or(Ms::MAX)
    }

    /// The world as it is now: whatever was under way and has landed by now has its effect.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.settle(self.ms());
        inner
    }
}

/// Everything there is.
pub(crate) struct Inner {
    pub(crate) now: Ms,
    /// How far the wall clock is ahead of the truth.
    pub(crate) offset_ms: i64,
    /// How far it ever was ahead.
    pub(crate) ahead_ms: Ms,
    /// Whether it was ever set.
    pub(crate) clock_was_set: bool,
    pub(crate) dice: Dice,
    pub(crate) story: Story,
    pub(crate) laws: Laws,
    pub(crate) sheets: BTreeMap<IssuerId, Sheet>,
    pub(crate) keys: BTreeMap<KeyId, Key>,
    pub(crate) by_value: BTreeMap<Text, KeyId>,
    pub(crate) cut: BTreeSet<(IssuerId, Principal)>,
    pub(crate) places: BTreeMap<Container, Place>,
    pub(crate) readers: BTreeMap<ConsumerId, Reader>,
    pub(crate) custody: BTreeMap<String, Vec<u8>>,
    pub(crate) book: Book,
    /// Until when a service is out, slow to take more, or refusing everybody.
    pub(crate) out_until: BTreeMap<String, Ms>,
    pub(crate) busy_until: BTreeMap<String, Ms>,
    pub(crate) dead_until: BTreeMap<IssuerId, Ms>,
    /// Values that a third party wrote.
    pub(crate) foreign: BTreeSet<Text>,
    landings: BTreeMap<(Ms, u64), Landing>,
    landed: u64,
    minted: u32,
}

impl Inner {
    pub(crate) fn new(dice: Dice, story: Story) -> Self {
        Self {
            now: 0,
            offset_ms: 0,
            ahead_ms: 0,
            clock_was_set: false,
            dice,
            story,
            laws: Laws::default(),
            sheets: BTreeMap::new(),
            keys: BTreeMap::new(),
            by_value: BTreeMap::new(),
            cut: BTreeSet::new(),
            places: BTreeMap::new(),
            readers: BTreeMap::new(),
            custody: BTreeMap::new(),
            book: Book::default(),
            out_until: BTreeMap::new(),
            busy_until: BTreeMap::new(),
            dead_until: BTreeMap::new(),
            foreign: BTreeSet::new(),
            landings: BTreeMap::new(),
            landed: 0,
            minted: 0,
        }
    }

    /// Lets everything land that is due.
    fn settle(&mut self, now: Ms) {
        while let Some(entry) = self.landings.first_entry()
            && entry.key().0 <= now
        {
            let ((at, _), landing) = entry.remove_entry();
            self.now = at;
            landing(self);
        }
        self.now = now;
    }

    /// Something has its effect at a time to come.
    pub(crate) fn land(&mut self, at: Ms, landing: impl FnOnce(&mut Self) + Send + 'static) {
        self.landed += 1;
        self.landings.insert((at, self.landed), Box::new(landing));
    }

    pub(crate) fn tell(&mut self, who: &str, what: impl FnOnce() -> String) {
        self.story.add(self.now, who, what);
    }

    /// The time as it truly is: issuers' clocks.
    #[expect(clippy::unused_self, reason = "the time is the world's")]
    pub(crate) fn time(&self, ms: Ms) -> Timestamp {
        let start = Timestamp::from_second(1_795_230_000).unwrap_or(Timestamp::UNIX_EPOCH);
        let passed = SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
        start.checked_add(passed).unwrap_or(Timestamp::MAX)
    }

    /// The time as the machine's clock shows it.
    pub(crate) fn wall(&self) -> Timestamp {
        let off = SignedDuration::from_millis(self.offset_ms);
        self.time(self.now)
            .checked_add(off)
            .unwrap_or(Timestamp::MAX)
    }

    /// A new key at an issuer.
    pub(crate) fn make_key(
        &mut self,
        issuer: &IssuerId,
        principal: &Principal,
        name: Option<String>,
        origin: Origin,
    ) -> KeyId {
        self.minted += 1;
        let id = KeyId::new(format!("KEY{:03}", self.minted));
        let value: Text = format!("{CANARY}{}-{:08x}", self.minted, self.minted * 2_654_435).into();
        self.by_value.insert(Arc::clone(&value), id.clone());
        let key = Key::new(self.now, issuer, principal, value, name, origin);
        self.keys.insert(id.clone(), key);
        id
    }

    pub(crate) fn is_cut(&self, key: &Key) -> bool {
        self.cut
            .contains(&(key.issuer.clone(), key.principal.clone()))
    }

    /// The key with this value.
    pub(crate) fn key_of(&self, value: &str) -> Option<(&KeyId, &Key)> {
        let id = self.by_value.get(value)?;
        Some((id, self.keys.get(id)?))
    }
}
