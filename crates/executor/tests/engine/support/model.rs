//! What is outside: keys, places, consumers; what goes wrong there; and the laws it watches.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use relatch_case::model::{Container, IssuedKey, Slot};
use relatch_case::{ConsumerId, Fault, FaultKind, KeyId, Principal};
use relatch_executor::Clock;
use tokio::time::Instant;

/// Time as the runtime sees it: it jumps when everybody waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VirtualClock(Instant);

impl VirtualClock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        let passed = SignedDuration::try_from(self.0.elapsed()).expect("short");
        start + passed
    }
}

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Refused before anything happened.
    Refused(FaultKind),
    /// It happened and the answer was lost.
    AnswerLost,
    /// Nothing happened and nobody knows.
    RequestLost,
    /// It happens, after so many seconds.
    Slow(u32),
}

/// A key at its issuer.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) principal: Principal,
    pub(crate) value: String,
    pub(crate) active: bool,
    pub(crate) name: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) last_used: Option<Timestamp>,
    pub(crate) minted: bool,
}

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) keys: BTreeMap<KeyId, Key>,
    pub(crate) places: BTreeMap<Container, (u64, BTreeMap<Slot, String>)>,
    /// What each consumer runs with, by container.
    pub(crate) running: BTreeMap<ConsumerId, BTreeMap<Container, BTreeMap<Slot, String>>>,
    /// Consumers that say that they are ill, whatever they run with.
    pub(crate) ill: BTreeSet<ConsumerId>,
    /// Values that somebody else wrote.
    foreign: BTreeSet<String>,
    troubles: BTreeMap<&'static str, VecDeque<Trouble>>,
    /// How many calls of a kind are under way, and were at most.
    asked: BTreeMap<&'static str, (usize, usize)>,
    /// Every effect, in order.
    pub(crate) effects: Vec<String>,
    violations: Vec<String>,
    /// Old keys may die under their consumers (hot).
    pub(crate) outage_accepted: bool,
    minted: u32,
}

/// The world outside.
pub(crate) struct Model {
    clock: VirtualClock,
    /// How long until a new key shows in lists, in seconds.
    pub(crate) list_lag_s: u32,
    inner: Mutex<Inner>,
}

impl Model {
    pub(crate) fn new(clock: VirtualClock, list_lag_s: u32) -> Arc<Self> {
        Arc::new(Self {
            clock,
            list_lag_s,
            inner: Mutex::new(Inner::default()),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no test panics with it held")
    }

    /// The next calls of `what` go wrong like this, one after the other.
    pub(crate) fn trouble(&self, what: &'static str, troubles: &[Trouble]) {
        self.lock()
            .troubles
            .entry(what)
            .or_default()
            .extend(troubles);
    }

    /// A call to the outside: a while on the way, the effect, a while back.
    pub(crate) async fn call<T>(
        &self,
        what: &'static str,
        effect: impl FnOnce(&mut Inner) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let _asked = Asked::begin(self, what);
        tokio::time::sleep(Duration::from_millis(20)).await;
        let trouble = self
            .lock()
            .troubles
            .get_mut(what)
            .and_then(VecDeque::pop_front);
        match trouble {
            Some(Trouble::Refused(kind)) => return Err(Fault::new(kind, "refused as tested")),
            Some(Trouble::RequestLost) => return Err(lost()),
            Some(Trouble::Slow(seconds)) => {
                tokio::time::sleep(Duration::from_secs(u64::from(seconds))).await;
            }
            Some(Trouble::AnswerLost) | None => {}
        }
        let answer = effect(&mut self.lock());
        tokio::time::sleep(Duration::from_millis(20)).await;
        if trouble == Some(Trouble::AnswerLost) {
            return Err(lost());
        }
        answer
    }

    /// A key that was there before us, or that a person makes at the console.
    pub(crate) fn add_key(&self, principal: &str, id: &str) -> String {
        let value = format!("canary-{id}-value-{}", id.len());
        let key = Key {
            principal: principal.into(),
            value: value.clone(),
            active: true,
            name: None,
            created: self.now(),
            last_used: None,
            minted: false,
        };
        self.lock().keys.insert(id.into(), key);
        value
    }

    /// Somebody else writes into a place.
    pub(crate) fn write_by_another(&self, container: &Container, slot: &Slot) {
        let mut inner = self.lock();
        inner.foreign.insert("somebody-elses".to_string());
        let (version, slots) = inner.places.get_mut(container).expect("a place");
        *version += 1;
        slots.insert(slot.clone(), "somebody-elses".to_string());
    }

    pub(crate) fn value_at(&self, container: &Container, slot: &Slot) -> String {
        self.lock().places[container].1[slot].clone()
    }

    pub(crate) fn running_with(&self, consumer: &str, name: &str, slot: &str) -> String {
        let inner = self.lock();
        let loaded = &inner.running[&ConsumerId::from(consumer)];
        loaded[&super::container(name)][&super::slot(slot)].clone()
    }

    pub(crate) fn effects(&self, verb: &str) -> usize {
        let inner = self.lock();
        inner.effects.iter().filter(|e| e.starts_with(verb)).count()
    }

    /// How many calls of a kind were under way at once, at most.
    pub(crate) fn most_at_once(&self, what: &str) -> usize {
        self.lock().asked.get(what).map_or(0, |(_, most)| *most)
    }

    /// Every value that must never be seen anywhere.
    pub(crate) fn values(&self) -> BTreeSet<String> {
        self.lock().keys.values().map(|k| k.value.clone()).collect()
    }

    /// The laws that must hold at any moment.
    pub(crate) fn assert_no_violation(&self) {
        assert_eq!(self.lock().violations, [""; 0], "laws were broken");
    }

    /// The laws that must hold at the end: every place holds a live key that this case
    /// minted, the consumers run with what stands there, and no other key is alive.
    pub(crate) fn assert_all_is_well(&self) {
        self.assert_no_violation();
        let inner = self.lock();
        let live: BTreeSet<&str> = inner
            .keys
            .values()
            .filter(|key| key.active)
            .map(|key| key.value.as_str())
            .collect();
        let mut placed = BTreeSet::new();
        for (container, (_, slots)) in &inner.places {
            for (slot, value) in slots {
                if let Some(key) = inner.keys.get(&KeyId::from(value.as_str())) {
                    // The other half: it must be the id of the key whose value is beside it.
                    assert!(
                        slots.values().any(|other| *other == key.value),
                        "{container}#{} goes with another value",
                        slot.0
                    );
                    continue;
                }
                assert!(
                    live.contains(value.as_str()),
                    "{container}#{} holds no live key: a key was lost",
                    slot.0
                );
                placed.insert(value.as_str());
            }
        }
        assert_eq!(live, placed, "live keys that no place holds: orphans");
        assert!(
            inner.keys.values().all(|key| !key.active || key.minted),
            "an old key is still alive"
        );
        for (consumer, containers) in &inner.running {
            for (container, slots) in containers {
                assert_eq!(slots, &inner.places[container].1, "{consumer} is behind");
            }
        }
    }
}

/// A call that is under way.
struct Asked<'a> {
    model: &'a Model,
    what: &'static str,
}

impl<'a> Asked<'a> {
    fn begin(model: &'a Model, what: &'static str) -> Self {
        let mut inner = model.lock();
        let (now, most) = inner.asked.entry(what).or_default();
        *now += 1;
        *most = (*most).max(*now);
        drop(inner);
        Self { model, what }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if let Some((now, _)) = self.model.lock().asked.get_mut(self.what) {
            *now -= 1;
        }
    }
}

fn lost() -> Fault {
    Fault::new(FaultKind::Ambiguous, "the connection was cut")
}

impl Inner {
    pub(crate) fn mint(
        &mut self,
        now: Timestamp,
        principal: &Principal,
        name: Option<String>,
    ) -> KeyId {
        self.minted += 1;
        let id = KeyId::new(format!("new{}", self.minted));
        let key = Key {
            principal: principal.clone(),
            value: format!("canary-fresh-{}-value", self.minted),
            active: true,
            name,
            created: now,
            last_used: None,
            minted: true,
        };
        self.keys.insert(id.clone(), key);
        self.effects.push(format!("mint {id}"));
        id
    }

    /// An issuer kills a key. Nobody may still run with it.
    pub(crate) fn kill(&mut self, verb: &str, id: &KeyId) {
        self.effects.push(format!("{verb} {id}"));
        let Some(key) = self.keys.get(id).cloned() else {
            return;
        };
        let in_place = self
            .places
            .values()
            .any(|(_, slots)| slots.values().any(|value| *value == key.value));
        let running = self.running.iter().find(|(_, containers)| {
            containers
                .values()
                .any(|slots| slots.values().any(|value| *value == key.value))
        });
        if let Some((consumer, _)) = running
            && !self.outage_accepted
        {
            let words = format!("{verb} {id}: {consumer} still runs with it");
            self.violations.push(words);
        }
        if in_place && (key.minted || !self.outage_accepted) {
            self.violations
                .push(format!("{verb} {id}: a place still holds it"));
        }
    }

    /// A place is written. What somebody else wrote there must stay.
    pub(crate) fn put(&mut self, container: &Container, slot: &Slot, value: String) {
        self.effects.push(format!("write {container}#{}", slot.0));
        let slots = &mut self.places.get_mut(container).expect("a place").1;
        if let Some(old) = slots.insert(slot.clone(), value)
            && self.foreign.contains(&old)
        {
            self.violations
                .push(format!("{container}#{} was clobbered", slot.0));
        }
    }

    pub(crate) fn roll(&mut self, consumer: &ConsumerId, reads: &[Container]) {
        self.effects.push(format!("roll {consumer}"));
        let loaded = reads
            .iter()
            .map(|container| (container.clone(), self.places[container].1.clone()))
            .collect();
        self.running.insert(consumer.clone(), loaded);
    }

    /// Whether everything that a consumer runs with works.
    pub(crate) fn is_well(&self, consumer: &ConsumerId) -> bool {
        let works = |value: &String| {
            let dead = |key: &Key| key.value == *value && !key.active;
            let gone =
                value.starts_with("canary-") && !self.keys.values().any(|key| key.value == *value);
            !gone && !self.keys.values().any(dead)
        };
        !self.ill.contains(consumer)
            && self
                .running
                .get(consumer)
                .into_iter()
                .flatten()
                .flat_map(|(_, slots)| slots.values())
                .all(works)
    }
}

impl Key {
    pub(crate) fn listed(&self, id: &KeyId) -> IssuedKey {
        IssuedKey {
            id: id.clone(),
            name: self.name.clone(),
            hint: Some(self.value[self.value.len() - 12..].to_string()),
            active: self.active,
            created: Some(self.created),
            last_used: self.last_used,
        }
    }
}
