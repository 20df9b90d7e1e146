//! Issuers, stores and consumers in memory, which answer after a fixed time.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use relatch_case::model::{
    Consumer, ConsumerKind, Container, IssuedKey, Liveness, Probe, ProbeKind, Sheet, Slot,
};
use relatch_case::{Fault, FaultKind, IssuerId, KeyId, Principal};
use relatch_executor::{Sealed, World};
use relatch_issuers::{Issuer, KeyMaterial, MintRequest, Minted};
use relatch_places::{Document, Health, Roller, Store, Version};
use relatch_secret::{CustodyError, Secret};

use crate::world::{self, Size};

/// Everything outside, filled with the company's keys.
pub(crate) fn outside(size: Size, sheet: &Sheet, latency: Duration) -> World {
    let mut world = World::default();
    let mut issuers: BTreeMap<IssuerId, Keys> = BTreeMap::new();
    let mut stores: BTreeMap<&'static str, Places> = BTreeMap::new();
    for key in world::keys(size) {
        for container in &key.containers {
            let kind = world::KINDS
                .into_iter()
                .find(|kind| *kind == container.kind);
            let content = (1, BTreeMap::from([(world::slot(), key.value.clone())]));
            stores
                .entry(kind.unwrap_or_default())
                .or_default()
                .insert(container.clone(), content);
        }
        let keys = issuers.entry(key.issuer).or_default();
        keys.of.insert(key.principal, vec![listed(&key.id, None)]);
        keys.by_value.insert(key.value, (key.id, true));
    }
    for (id, keys) in issuers {
        let (sheet, keys) = (sheet.clone(), Mutex::new(keys));
        world.add_issuer(Arc::new(MemoryIssuer {
            id,
            sheet,
            latency,
            keys,
        }));
    }
    for (kind, places) in stores {
        let places = Mutex::new(places);
        world.add_store(Arc::new(MemoryStore {
            kind,
            latency,
            places,
        }));
    }
    world.add_roller(Arc::new(MemoryRoller(latency)));
    world
}

async fn pause(latency: Duration) {
    if latency.is_zero() {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(latency).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gone() -> Fault {
    Fault::new(FaultKind::NotFound, "it is not there")
}

fn listed(id: &KeyId, name: Option<String>) -> IssuedKey {
    IssuedKey {
        id: id.clone(),
        name,
        hint: None,
        active: true,
        created: Some(world::start()),
        last_used: None,
    }
}

#[derive(Default)]
struct Keys {
    of: HashMap<Principal, Vec<IssuedKey>>,
    /// Whose value it is, and whether it works.
    by_value: HashMap<String, (KeyId, bool)>,
    minted: u64,
}

struct MemoryIssuer {
    id: IssuerId,
    sheet: Sheet,
    latency: Duration,
    keys: Mutex<Keys>,
}

impl MemoryIssuer {
    async fn set(&self, of: &Principal, key: &KeyId, active: bool) -> Result<(), Fault> {
        pause(self.latency).await;
        let mut keys = lock(&self.keys);
        let listed = keys.of.get_mut(of).ok_or_else(gone)?;
        let one = listed.iter_mut().find(|one| &one.id == key);
        one.ok_or_else(gone)?.active = active;
        Ok(())
    }

    /// Whether the list of its principal, which is in its id here, shows a key as usable.
    fn works(&self, value: &str) -> bool {
        let keys = lock(&self.keys);
        keys.by_value.get(value).is_some_and(|(_, works)| *works)
    }

    fn switch(&self, key: &KeyId, value_works: bool) {
        let mut keys = lock(&self.keys);
        let value = value_of(key);
        if let Some((_, works)) = keys.by_value.get_mut(&value) {
            *works = value_works;
        }
    }
}

/// The value of a key, by the way in which keys are made up here.
fn value_of(key: &KeyId) -> String {
    let digits = key.as_str().rsplit('_').next().unwrap_or_default();
    let age = if key.as_str().starts_with("new_") {
        "new"
    } else {
        "old"
    };
    format!("sk-made-up-{age}-{digits:0>32}")
}

#[async_trait]
impl Issuer for MemoryIssuer {
    fn id(&self) -> &IssuerId {
        &self.id
    }

    fn sheet(&self) -> &Sheet {
        &self.sheet
    }

    async fn list_all(&self) -> Result<Vec<(Principal, Vec<IssuedKey>)>, Fault> {
        pause(self.latency).await;
        let keys = lock(&self.keys);
        Ok(keys
            .of
            .iter()
            .map(|(of, keys)| (of.clone(), keys.clone()))
            .collect())
    }

    async fn list(&self, principal: &Principal) -> Result<Vec<IssuedKey>, Fault> {
        pause(self.latency).await;
        lock(&self.keys).of.get(principal).cloned().ok_or_else(gone)
    }

    async fn mint(&self, request: &MintRequest) -> Result<Minted, Fault> {
        pause(self.latency).await;
        let mut keys = lock(&self.keys);
        keys.minted += 1;
        let id = KeyId::new(format!("new_{:016x}", keys.minted));
        let value = value_of(&id);
        let made = listed(&id, Some(request.name.clone()));
        keys.of
            .get_mut(&request.principal)
            .ok_or_else(gone)?
            .push(made);
        keys.by_value.insert(value.clone(), (id.clone(), true));
        let secret = Secret::from(value);
        Ok(Minted { id, secret })
    }

    async fn disable(&self, principal: &Principal, key: &KeyId) -> Result<(), Fault> {
        self.set(principal, key, false).await?;
        self.switch(key, false);
        Ok(())
    }

    async fn enable(&self, principal: &Principal, key: &KeyId) -> Result<(), Fault> {
        self.set(principal, key, true).await?;
        self.switch(key, true);
        Ok(())
    }

    async fn delete(&self, principal: &Principal, key: &KeyId) -> Result<(), Fault> {
        pause(self.latency).await;
        self.switch(key, false);
        let mut keys = lock(&self.keys);
        let listed = keys.of.get_mut(principal).ok_or_else(gone)?;
        listed.retain(|one| &one.id != key);
        Ok(())
    }

    async fn cut(&self, _: &Principal) -> Result<(), Fault> {
        pause(self.latency).await;
        Ok(())
    }

    async fn uncut(&self, _: &Principal) -> Result<(), Fault> {
        pause(self.latency).await;
        Ok(())
    }

    async fn last_used(&self, _: &Principal, _: &KeyId) -> Result<Option<Timestamp>, Fault> {
        pause(self.latency).await;
        Ok(None)
    }

    async fn probe(&self, key: &KeyMaterial) -> Probe {
        pause(self.latency).await;
        let works = self.works(key.secret.expose_str().unwrap_or_default());
        Probe {
            liveness: if works {
                Liveness::Alive
            } else {
                Liveness::Dead
            },
            answer: if works { "200" } else { "401" }.to_string(),
            control: true,
            how: ProbeKind::Presented,
        }
    }

    fn recognises(&self, _: &IssuedKey, _: &Secret) -> bool {
        false
    }
}

type Places = HashMap<Container, (u64, BTreeMap<Slot, String>)>;

struct MemoryStore {
    kind: &'static str,
    latency: Duration,
    places: Mutex<Places>,
}

#[async_trait]
impl Store for MemoryStore {
    fn kind(&self) -> &'static str {
        self.kind
    }

    async fn read(&self, container: &Container) -> Result<Document, Fault> {
        pause(self.latency).await;
        let places = lock(&self.places);
        let (version, slots) = places.get(container).ok_or_else(gone)?;
        let slots = slots
            .iter()
            .map(|(slot, value)| (slot.clone(), Secret::from(value.as_str())));
        Ok(Document {
            version: Version(version.to_string()),
            slots: slots.collect(),
        })
    }

    async fn write(
        &self,
        container: &Container,
        version: &Version,
        changes: &BTreeMap<Slot, Secret>,
    ) -> Result<Version, Fault> {
        pause(self.latency).await;
        let mut places = lock(&self.places);
        let (current, slots) = places.get_mut(container).ok_or_else(gone)?;
        if current.to_string() != version.0 {
            return Err(Fault::new(FaultKind::Conflict, "it was changed meanwhile"));
        }
        *current += 1;
        for (slot, value) in changes {
            slots.insert(
                slot.clone(),
                value.expose_str().unwrap_or_default().to_string(),
            );
        }
        Ok(Version(current.to_string()))
    }
}

struct MemoryRoller(Duration);

#[async_trait]
impl Roller for MemoryRoller {
    fn handles(&self, _: &ConsumerKind) -> bool {
        true
    }

    async fn baseline(&self, _: &Consumer) -> Result<serde_json::Value, Fault> {
        pause(self.0).await;
        Ok(serde_json::json!({"version": "1"}))
    }

    async fn roll(&self, _: &Consumer) -> Result<(), Fault> {
        pause(self.0).await;
        Ok(())
    }

    async fn roll_back(&self, _: &Consumer, _: &serde_json::Value) -> Result<(), Fault> {
        pause(self.0).await;
        Ok(())
    }

    async fn health(&self, _: &Consumer) -> Result<Health, Fault> {
        pause(self.0).await;
        Ok(Health {
            well: true,
            detail: "200".to_string(),
        })
    }

    async fn runs_with(&self, _: &Consumer, _: &Container) -> Result<Option<Document>, Fault> {
        Ok(None)
    }
}

/// Custody that seals nothing: what sealing costs is part of another measurement.
#[derive(Default)]
pub(crate) struct OpenDrawer(Mutex<HashMap<String, Vec<u8>>>);

impl Sealed for OpenDrawer {
    fn seal(&self, values: &[(String, Secret)]) -> Result<(), CustodyError> {
        let values = values.iter();
        let values = values.map(|(name, value)| (name.clone(), value.expose().to_vec()));
        lock(&self.0).extend(values);
        Ok(())
    }

    fn take(&self, name: &str) -> Result<Option<Secret>, CustodyError> {
        Ok(lock(&self.0)
            .get(name)
            .map(|value| Secret::new(value.clone())))
    }

    fn discard(&self, name: &str) -> Result<(), CustodyError> {
        lock(&self.0).remove(name);
        Ok(())
    }
}
