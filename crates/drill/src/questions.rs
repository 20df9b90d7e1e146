//! What a range can be asked for scoring: truth, counters, keys, records.

use serde_json::Value;

use crate::attacker::Misuse;
use crate::aws::Service;
use crate::build;
use crate::config::Network;
use crate::consumers::{ConsumerStats, Running};
use crate::error::RangeError;
use crate::issuers::{IssuedKey, KeyStatus};
use crate::range::Range;
use crate::scenario::{IssuerKind, Place, Store};
use crate::truth::{LiveKey, Stats, Truth, TruthCredential};

impl Range {
    /// What is true about the range. Values are canaries of the exercise.
    pub fn truth(&self) -> Truth {
        let diary = self.attacker.diary();
        let credentials = self
            .scenario
            .credentials
            .iter()
            .zip(&self.minted)
            .map(|(credential, minted)| TruthCredential {
                name: credential.name.to_owned(),
                issuer: credential.issuer,
                issuer_id: minted.id.clone(),
                group: credential.group.to_owned(),
                places: credential.places.clone(),
                consumers: self.users_of(credential.name, credential.issuer),
                // Listing functions gives out the environment of each, so every one counts.
                read_by_attacker: credential
                    .places
                    .iter()
                    .any(|place| place.store == Store::Lambda || self.scenario.reads(place)),
                out_of_quota: credential.out_of_quota,
                value: minted.value.clone(),
            })
            .collect();
        Truth {
            credentials,
            stolen_key: self.stolen_key().to_owned(),
            stolen_user: self.scenario.stolen_user.to_owned(),
            planted_key: diary.planted.as_ref().map(|pair| pair.id.clone()),
            planted_user: self.scenario.planted_user.to_owned(),
            session_key: diary.session.as_ref().map(|pair| pair.id.clone()),
            role: self.scenario.role.to_owned(),
            attacker_addresses: vec![Network::Attacker.address().to_owned()],
            containers_read: diary.read.clone(),
        }
    }

    fn users_of(&self, credential: &str, issuer: IssuerKind) -> Vec<String> {
        self.consumers
            .iter()
            .filter(|consumer| {
                let spec = consumer.spec();
                spec.credential == credential && spec.loader.issuer == issuer
            })
            .map(|consumer| consumer.spec().name.to_owned())
            .collect()
    }

    fn stolen_key(&self) -> &str {
        self.minted
            .iter()
            .find(|minted| minted.group == self.scenario.stolen_user)
            .map_or("", |minted| &minted.id)
    }

    /// What consumers and attacker have done so far.
    pub fn stats(&self) -> Stats {
        let consumers: Vec<ConsumerStats> = self.consumers.iter().map(Running::stats).collect();
        Stats {
            consumer_requests: consumers.iter().map(|consumer| consumer.requests).sum(),
            consumer_failures: consumers.iter().map(|consumer| consumer.failures).sum(),
            consumers,
            attacker: self.attacker.diary().misuse.clone(),
        }
    }

    /// What the attacker did with one credential: an access key id or a value.
    pub fn misuse_of(&self, identity: &str) -> Misuse {
        let diary = self.attacker.diary();
        diary.misuse.get(identity).cloned().unwrap_or_default()
    }

    /// The identity a consumer has loaded: an access key id or a value.
    pub fn held_by(&self, consumer: &str) -> Option<String> {
        self.consumers
            .iter()
            .find(|running| running.spec().name == consumer)
            .map(Running::holds)
    }

    /// Every key that is not deleted, at every issuer.
    pub async fn keys_at_issuers(&self) -> Vec<LiveKey> {
        let mut keys = Vec::new();
        for (issuer, listed) in self.issued() {
            keys.extend(
                listed
                    .into_iter()
                    .filter(|key| key.status != KeyStatus::Deleted)
                    .map(|key| LiveKey::of_issuer(issuer, key)),
            );
        }
        let iam = self.gate.cloud.identities().await;
        let mut pairs: Vec<_> = iam.access_keys.into_values().collect();
        pairs.sort_by(|a, b| a.access_key_id.cmp(&b.access_key_id));
        keys.extend(pairs.into_iter().map(|pair| {
            let last_used = self.gate.directory.last_used(&pair.access_key_id);
            LiveKey::of_user(pair, last_used.map(|used| used.at))
        }));
        keys
    }

    /// The ledgers of the fake issuers, deleted keys too.
    pub fn issued(&self) -> Vec<(IssuerKind, Vec<IssuedKey>)> {
        vec![
            (IssuerKind::OpenAi, self.issuers.openai.ledger.all()),
            (IssuerKind::Anthropic, self.issuers.anthropic.ledger.all()),
            (IssuerKind::Custom, self.issuers.custom.ledger.all()),
        ]
    }

    /// Writes all waiting records to the trail's bucket.
    pub async fn flush(&self) -> Result<(), RangeError> {
        self.gate.trail.deliver(&self.gate.cloud).await
    }

    /// A copy of every record so far.
    pub fn records(&self) -> Vec<Value> {
        self.gate.trail.records()
    }

    /// An operation on the admin path of a JSON service (`secretsmanager`, `ssm`,
    /// `organizations`): no signature, no permission, no record.
    pub async fn admin_json(
        &self,
        service: &str,
        region: &str,
        action: &str,
        input: &Value,
    ) -> Result<Value, RangeError> {
        let unknown = || RangeError::Unknown {
            what: "service",
            name: service.to_owned(),
        };
        let service = Service::from_scope(service).ok_or_else(unknown)?;
        let text = self
            .gate
            .admin(
                service,
                region,
                "POST",
                "/",
                Some(action),
                input.to_string(),
            )
            .await?;
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// The current value of a place, if it can be read.
    pub async fn value_at(&self, place: Place, issuer: IssuerKind) -> Option<String> {
        build::value_at(&self.gate, &self.files, place, issuer).await
    }
}
