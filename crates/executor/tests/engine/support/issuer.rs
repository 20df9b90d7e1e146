//! An issuer of the model.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use relatch_case::model::{IssuedKey, Liveness, Probe, ProbeKind, Sheet};
use relatch_case::{Fault, FaultKind, IssuerId, KeyId, Principal};
use relatch_issuers::{Issuer, KeyMaterial, MintRequest, Minted};
use relatch_secret::Secret;

use super::model::{Inner, Model};

pub(crate) struct ModelIssuer {
    pub(crate) id: IssuerId,
    pub(crate) sheet: Sheet,
    pub(crate) model: Arc<Model>,
}

impl ModelIssuer {
    /// What a list shows now: a new key only after a while.
    fn visible(&self, inner: &Inner) -> Vec<(Principal, IssuedKey)> {
        let lag = SignedDuration::from_secs(i64::from(self.model.list_lag_s));
        let now = self.model.now();
        inner
            .keys
            .iter()
            .filter(|(_, key)| !key.minted || key.created + lag <= now)
            .map(|(id, key)| (key.principal.clone(), key.listed(id)))
            .collect()
    }
}

#[async_trait]
impl Issuer for ModelIssuer {
    fn id(&self) -> &IssuerId {
        &self.id
    }

    fn sheet(&self) -> &Sheet {
        &self.sheet
    }

    async fn list_all(&self) -> Result<Vec<(Principal, Vec<IssuedKey>)>, Fault> {
        self.model
            .call("list", |inner| {
                let mut lists: BTreeMap<Principal, Vec<IssuedKey>> = BTreeMap::new();
                for (principal, key) in self.visible(inner) {
                    lists.entry(principal).or_default().push(key);
                }
                Ok(lists.into_iter().collect())
            })
            .await
    }

    async fn list(&self, principal: &Principal) -> Result<Vec<IssuedKey>, Fault> {
        self.model
            .call("list", |inner| {
                let all = self.visible(inner).into_iter();
                let of = all.filter(|(owner, _)| owner == principal);
                Ok(of.map(|(_, key)| key).collect())
            })
            .await
    }

    async fn mint(&self, request: &MintRequest) -> Result<Minted, Fault> {
        let now = self.model.now();
        self.model
            .call("mint", |inner| {
                let of = |key: &&super::model::Key| key.principal == request.principal;
                let held = inner.keys.values().filter(of).count();
                if self.sheet.slots.is_some_and(|slots| held >= slots as usize) {
                    return Err(Fault::new(FaultKind::SlotsFull, "no room"));
                }
                let name = self.sheet.named.then(|| request.name.clone());
                let id = inner.mint(now, &request.principal, name);
                let secret = Secret::from(inner.keys[&id].value.as_str());
                Ok(Minted { id, secret })
            })
            .await
    }

    async fn disable(&self, _: &Principal, key: &KeyId) -> Result<(), Fault> {
        assert!(self.sheet.disables, "the sheet says that it cannot");
        self.model
            .call("disable", |inner| {
                inner.kill("disable", key);
                if let Some(key) = inner.keys.get_mut(key) {
                    key.active = false;
                }
                Ok(())
            })
            .await
    }

    async fn enable(&self, _: &Principal, key: &KeyId) -> Result<(), Fault> {
        self.model
            .call("enable", |inner| {
                let gone = || Fault::new(FaultKind::NotFound, "no such key");
                inner.keys.get_mut(key).ok_or_else(gone)?.active = true;
                Ok(())
            })
            .await
    }

    async fn delete(&self, _: &Principal, key: &KeyId) -> Result<(), Fault> {
        assert!(self.sheet.deletes, "the sheet says that it cannot");
        self.model
            .call("delete", |inner| {
                inner.kill("delete", key);
                inner.keys.remove(key);
                Ok(())
            })
            .await
    }

    async fn cut(&self, principal: &Principal) -> Result<(), Fault> {
        self.model
            .call("cut", |inner| {
                inner.effects.push(format!("cut {principal}"));
                Ok(())
            })
            .await
    }

    async fn uncut(&self, _: &Principal) -> Result<(), Fault> {
        self.model.call("uncut", |_| Ok(())).await
    }

    async fn last_used(&self, _: &Principal, key: &KeyId) -> Result<Option<Timestamp>, Fault> {
        self.model
            .call("last_used", |inner| {
                Ok(inner.keys.get(key).and_then(|key| key.last_used))
            })
            .await
    }

    async fn probe(&self, key: &KeyMaterial) -> Probe {
        let value = key.secret.expose_str().unwrap_or_default().to_string();
        let asked = self
            .model
            .call("probe", |inner| {
                let works = |key: &super::model::Key| key.active && key.value == value;
                Ok(inner.keys.values().any(works))
            })
            .await;
        let (liveness, answer) = match asked {
            Ok(true) => (Liveness::Alive, "200"),
            Ok(false) => (Liveness::Dead, "401 invalid_api_key"),
            Err(_) => (Liveness::Unknown, "no answer"),
        };
        Probe {
            liveness,
            answer: answer.to_string(),
            control: liveness != Liveness::Unknown,
            how: ProbeKind::Presented,
        }
    }

    fn recognises(&self, listed: &IssuedKey, secret: &Secret) -> bool {
        let hint = listed.hint.as_deref().unwrap_or_default();
        secret
            .expose_str()
            .is_some_and(|value| value.ends_with(hint))
    }
}
