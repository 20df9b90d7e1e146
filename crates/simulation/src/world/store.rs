//! The store of the model.

use std::collections::BTreeMap;

use async_trait::async_trait;
use relatch_case::model::{Container, Slot};
use relatch_case::{Fault, FaultKind};
use relatch_places::{Document, Store, Version};
use relatch_secret::Secret;

use super::place::Slots;
use super::{Act, Inner, KIND, Ms, Port, Text};
use crate::dice::Kind;

/// How far a read may lag.
const READ_LAG_MS: Ms = 2500;

pub(crate) struct ModelStore(pub(crate) Port);

pub(super) fn document(version: usize, slots: &Slots) -> Document {
    Document {
        version: Version(version.to_string()),
        slots: slots
            .iter()
            .map(|(slot, value)| (slot.clone(), Secret::from(&**value)))
            .collect(),
    }
}

fn gone() -> Fault {
    Fault::new(FaultKind::NotFound, "no such container")
}

#[async_trait]
impl Store for ModelStore {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn read(&self, container: &Container) -> Result<Document, Fault> {
        let read = self.0.ask(&container.name, "read", |inner| {
            let stale = inner.dice.strike(Kind::Stale, &container.name);
            let lag = stale.map_or(0, |mut luck| luck.below(READ_LAG_MS));
            let at = inner.now.saturating_sub(lag);
            let place = inner.places.get(container).ok_or_else(gone)?;
            let (version, slots) = place.at(at);
            slots.map(|slots| document(version, slots)).ok_or_else(gone)
        });
        read.await
    }

    async fn write(
        &self,
        container: &Container,
        version: &Version,
        changes: &BTreeMap<Slot, Secret>,
    ) -> Result<Version, Fault> {
        let changes: BTreeMap<Slot, Text> = changes
            .iter()
            .map(|(slot, value)| (slot.clone(), value.expose_str().unwrap_or_default().into()))
            .collect();
        let act = Act::Write(container.clone(), changes.clone());
        let (at, version) = (container.clone(), version.clone());
        let effect = move |inner: &mut Inner| {
            inner.race(&at, changes.keys().next());
            let place = inner.places.get(&at).ok_or_else(gone)?;
            place.slots().ok_or_else(gone)?;
            if place.version().to_string() != version.0 {
                return Err(Fault::new(FaultKind::Conflict, "it was changed meanwhile"));
            }
            inner.check_write(&at, &changes);
            inner.put(&at, changes.clone());
            let version = inner.places.get(&at).map_or(0, super::Place::version);
            Ok(Version(version.to_string()))
        };
        self.0.act(&container.name, act, effect).await
    }
}

impl Inner {
    /// Somebody is faster.
    fn race(&mut self, container: &Container, slot: Option<&Slot>) {
        let Some(mut luck) = self.dice.strike(Kind::Race, &container.name) else {
            return;
        };
        if luck.percent(75) {
            self.change_other(container);
        } else if let Some(slot) = slot.cloned() {
            self.write_foreign(container, &slot);
        }
    }
}
