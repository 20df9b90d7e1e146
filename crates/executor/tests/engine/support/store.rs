//! The places and consumers of the model.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use relatch_case::model::{Consumer, ConsumerKind, Container, Slot};
use relatch_case::{Fault, FaultKind};
use relatch_places::{Document, Health, Roller, Store, Version};
use relatch_secret::Secret;
use serde_json::Value;

use super::model::Model;

pub(crate) struct ModelStore(pub(crate) Arc<Model>);

fn document(version: u64, slots: &BTreeMap<Slot, String>) -> Document {
    Document {
        version: Version(version.to_string()),
        slots: slots
            .iter()
            .map(|(slot, value)| (slot.clone(), Secret::from(value.as_str())))
            .collect(),
    }
}

#[async_trait]
impl Store for ModelStore {
    fn kind(&self) -> &'static str {
        "model"
    }

    async fn read(&self, container: &Container) -> Result<Document, Fault> {
        self.0
            .call("read", |inner| {
                let gone = || Fault::new(FaultKind::NotFound, "no such place");
                let (version, slots) = inner.places.get(container).ok_or_else(gone)?;
                Ok(document(*version, slots))
            })
            .await
    }

    async fn write(
        &self,
        container: &Container,
        version: &Version,
        changes: &BTreeMap<Slot, Secret>,
    ) -> Result<Version, Fault> {
        self.0
            .call("write", |inner| {
                let gone = || Fault::new(FaultKind::NotFound, "no such place");
                let stands = inner.places.get_mut(container).ok_or_else(gone)?;
                if stands.0.to_string() != version.0 {
                    return Err(Fault::new(FaultKind::Conflict, "it was changed meanwhile"));
                }
                stands.0 += 1;
                let version = Version(stands.0.to_string());
                for (slot, value) in changes {
                    let value = value.expose_str().expect("text").to_string();
                    inner.put(container, slot, value);
                }
                Ok(version)
            })
            .await
    }
}

pub(crate) struct ModelRoller(pub(crate) Arc<Model>);

#[async_trait]
impl Roller for ModelRoller {
    fn handles(&self, _: &ConsumerKind) -> bool {
        true
    }

    async fn baseline(&self, _: &Consumer) -> Result<Value, Fault> {
        self.0.call("baseline", |_| Ok(Value::Null)).await
    }

    async fn roll(&self, consumer: &Consumer) -> Result<(), Fault> {
        self.0
            .call("roll", |inner| {
                inner.roll(&consumer.id, &consumer.reads);
                Ok(())
            })
            .await
    }

    async fn roll_back(&self, consumer: &Consumer, _: &Value) -> Result<(), Fault> {
        self.0
            .call("roll_back", |inner| {
                inner.roll(&consumer.id, &consumer.reads);
                Ok(())
            })
            .await
    }

    async fn health(&self, consumer: &Consumer) -> Result<Health, Fault> {
        self.0
            .call("health", |inner| {
                let well = inner.is_well(&consumer.id);
                let detail = if well { "200" } else { "503" }.to_string();
                Ok(Health { well, detail })
            })
            .await
    }

    async fn runs_with(
        &self,
        consumer: &Consumer,
        container: &Container,
    ) -> Result<Option<Document>, Fault> {
        self.0
            .call("runs_with", |inner| {
                let running = inner.running.get(&consumer.id);
                Ok(running
                    .and_then(|containers| containers.get(container))
                    .map(|slots| document(0, slots)))
            })
            .await
    }
}
