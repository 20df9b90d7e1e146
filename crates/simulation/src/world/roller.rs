//! Rolls the consumers of the model.

use async_trait::async_trait;
use relatch_case::Fault;
use relatch_case::model::{Consumer, ConsumerKind, Container};
use relatch_places::{Document, Health, Roller};
use serde_json::{Value, json};

use super::store::document;
use super::{Act, Inner, Port};
use crate::dice::Kind;

pub(crate) struct ModelRoller(pub(crate) Port);

#[async_trait]
impl Roller for ModelRoller {
    fn handles(&self, _: &ConsumerKind) -> bool {
        true
    }

    async fn baseline(&self, consumer: &Consumer) -> Result<Value, Fault> {
        let seen = self.0.ask(consumer.id.as_str(), "baseline", |inner| {
            let since = inner.readers.get(&consumer.id).map(|reader| reader.since);
            Ok(json!({ "since": since }))
        });
        seen.await
    }

    async fn roll(&self, consumer: &Consumer) -> Result<(), Fault> {
        let id = consumer.id.clone();
        let effect = move |inner: &mut Inner| {
            inner.restart(&id);
            Ok(())
        };
        self.0
            .act(consumer.id.as_str(), Act::Roll(consumer.id.clone()), effect)
            .await
    }

    async fn roll_back(&self, consumer: &Consumer, _: &Value) -> Result<(), Fault> {
        self.roll(consumer).await
    }

    async fn health(&self, consumer: &Consumer) -> Result<Health, Fault> {
        let asked = self.0.ask(consumer.id.as_str(), "health", |inner| {
            if let Some(mut luck) = inner.dice.strike(Kind::Illness, consumer.id.as_str()) {
                let until = inner.now + luck.between(1000, 60_000);
                if let Some(reader) = inner.readers.get_mut(&consumer.id) {
                    reader.ill_until = until;
                }
                inner.tell("fault", || format!("{} is ill", consumer.id));
            }
            let ails = inner.ails(&consumer.id);
            Ok(Health {
                well: ails.is_none(),
                detail: ails.unwrap_or_else(|| "200".to_string()),
            })
        });
        asked.await
    }

    async fn runs_with(
        &self,
        consumer: &Consumer,
        container: &Container,
    ) -> Result<Option<Document>, Fault> {
        let seen = self.0.ask(consumer.id.as_str(), "runs-with", |inner| {
            let reader = inner
                .readers
                .get(&consumer.id)
                .filter(|reader| reader.is_open);
            let slots = reader.and_then(|reader| reader.running.get(container));
            Ok(slots.map(|slots| document(0, slots)))
        });
        seen.await
    }
}
