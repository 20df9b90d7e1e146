//! An issuer of the model.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use relatch_case::model::{IssuedKey, Liveness, Probe, ProbeKind, Sheet};
use relatch_case::{CredentialId, Fault, FaultKind, IssuerId, KeyId, Principal};
use relatch_issuers::{Issuer, KeyMaterial, MintRequest, Minted};
use relatch_secret::Secret;

use super::{Act, Inner, Key, Ms, Origin, Port, Status};
use crate::dice::Kind;

/// Longest that the engine assumes a list to lag.
const LIST_LAG_S: u32 = 10;

pub(crate) struct ModelIssuer {
    pub(crate) id: IssuerId,
    pub(crate) sheet: Sheet,
    pub(crate) port: Port,
}

impl ModelIssuer {
    fn lists(&self, inner: &mut Inner, of: Option<&Principal>) -> Vec<(Principal, IssuedKey)> {
        let lag = Ms::from(self.sheet.propagation_s.min(LIST_LAG_S)) * 1000;
        let stale = lag > 0 && inner.dice.strike(Kind::Stale, self.id.as_str()).is_some();
        let at = inner.now.saturating_sub(if stale { lag } else { 0 });
        inner.list(&self.id, of, at)
    }

    fn changed(&self, inner: &mut Inner, key: &KeyId, status: Status) -> Result<(), Fault> {
        let now = inner.now;
        let reach = Ms::from(self.sheet.propagation_s) * 1000;
        let lags = inner.dice.strike(Kind::Propagation, self.id.as_str());
        let accepted = now + lags.map_or(0, |mut luck| luck.below(reach));
        let Some(known) = inner
            .keys
            .get_mut(key)
            .filter(|key| key.status() != Status::Deleted)
        else {
            return if status == Status::Deleted {
                Ok(())
            } else {
                Err(Fault::new(FaultKind::NotFound, "no such key"))
            };
        };
        if status == Status::Active {
            known.become_(now, status);
            return Ok(());
        }
        if known.is_active() {
            known.accepted_until = accepted;
        }
        known.become_(now, status);
        Ok(())
    }
}

impl Inner {
    /// What an issuer lists, as it was at a time.
    pub(crate) fn list(
        &self,
        issuer: &IssuerId,
        of: Option<&Principal>,
        at: Ms,
    ) -> Vec<(Principal, IssuedKey)> {
        self.keys
            .iter()
            .filter(|(_, key)| &key.issuer == issuer && of.is_none_or(|of| &key.principal == of))
            .filter_map(|(id, key)| {
                let status = key.status_at(at)?;
                let shown = status != Status::Deleted;
                shown.then(|| (key.principal.clone(), self.listed(id, key, status)))
            })
            .collect()
    }

    fn listed(&self, id: &KeyId, key: &Key, status: Status) -> IssuedKey {
        let hint = key.value.get(key.value.len().saturating_sub(6)..);
        IssuedKey {
            id: id.clone(),
            name: key.name.clone(),
            hint: hint.map(str::to_string),
            active: status == Status::Active,
            created: Some(self.time(key.created)),
            last_used: key.last_used.map(|at| self.time(at)),
        }
    }

    /// When a key was last used, in truth: whoever runs with it uses it all the time.
    pub(crate) fn used(&mut self, id: &KeyId) -> Option<Ms> {
        let now = self.now;
        let key = self.keys.get_mut(id)?;
        let works = key.may_work(now);
        let in_use = self
            .readers
            .values()
            .any(|reader| reader.runs_with(&key.value));
        if in_use && works {
            key.last_used = Some(now);
        }
        key.last_used
    }
}

/// Whose mint a name stands for.
fn credential_in(name: &str) -> Option<CredentialId> {
    let (credential, _) = name.strip_prefix("relatch-")?.rsplit_once('-')?;
    Some(CredentialId::from(credential))
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
        let listed = self.port.ask(
            self.id.as_str(),
            "list",
            |inner| Ok(self.lists(inner, None)),
        );
        let mut lists: BTreeMap<Principal, Vec<IssuedKey>> = BTreeMap::new();
        for (principal, key) in listed.await? {
            lists.entry(principal).or_default().push(key);
        }
        Ok(lists.into_iter().collect())
    }

    async fn list(&self, principal: &Principal) -> Result<Vec<IssuedKey>, Fault> {
        let listed = self.port.ask(self.id.as_str(), "list", |inner| {
            Ok(self.lists(inner, Some(principal)))
        });
        Ok(listed.await?.into_iter().map(|(_, key)| key).collect())
    }

    async fn mint(&self, request: &MintRequest) -> Result<Minted, Fault> {
        let credential = credential_in(&request.name);
        let act = Act::Mint {
            principal: request.principal.clone(),
            credential: credential.clone(),
        };
        let (id, sheet, request) = (self.id.clone(), self.sheet.clone(), request.clone());
        let effect = move |inner: &mut Inner| {
            let of = |key: &&Key| {
                key.issuer == id
                    && key.principal == request.principal
                    && key.status() != Status::Deleted
            };
            let held = inner.keys.values().filter(of).count();
            if sheet.slots.is_some_and(|slots| held >= slots as usize) {
                return Err(Fault::new(FaultKind::SlotsFull, "no room for another key"));
            }
            let name = sheet.named.then(|| request.name.clone());
            let origin = Origin::Minted(credential.clone());
            let key = inner.make_key(&id, &request.principal, name, origin);
            let reach = Ms::from(sheet.propagation_s) * 1000;
            let lags = inner.dice.strike(Kind::Propagation, id.as_str());
            let until = inner.now + lags.map_or(0, |mut luck| luck.below(reach));
            let made = inner.keys.get_mut(&key).ok_or_else(gone)?;
            made.refused_until = until;
            let secret = Secret::from(&*made.value);
            Ok((key, secret))
        };
        let (id, secret) = self.port.act(self.id.as_str(), act, effect).await?;
        Ok(Minted { id, secret })
    }

    async fn disable(&self, _: &Principal, key: &KeyId) -> Result<(), Fault> {
        let (issuer, of) = (self.clone_for_effect(), key.clone());
        let effect = move |inner: &mut Inner| {
            if inner
                .dice
                .strike(Kind::LyingDisable, issuer.id.as_str())
                .is_some()
            {
                inner.tell("fault", || {
                    format!("{of} is not disabled, whatever is said")
                });
                return Ok(());
            }
            issuer.changed(inner, &of, Status::Disabled)
        };
        self.port
            .act(self.id.as_str(), Act::Disable(key.clone()), effect)
            .await
    }

    async fn enable(&self, _: &Principal, key: &KeyId) -> Result<(), Fault> {
        let (issuer, of) = (self.clone_for_effect(), key.clone());
        let effect = move |inner: &mut Inner| issuer.changed(inner, &of, Status::Active);
        self.port
            .act(self.id.as_str(), Act::Enable(key.clone()), effect)
            .await
    }

    async fn delete(&self, _: &Principal, key: &KeyId) -> Result<(), Fault> {
        let (issuer, of) = (self.clone_for_effect(), key.clone());
        let effect = move |inner: &mut Inner| issuer.changed(inner, &of, Status::Deleted);
        self.port
            .act(self.id.as_str(), Act::Delete(key.clone()), effect)
            .await
    }

    async fn cut(&self, principal: &Principal) -> Result<(), Fault> {
        let whom = (self.id.clone(), principal.clone());
        let act = Act::Cut(self.id.clone(), principal.clone());
        let effect = move |inner: &mut Inner| {
            inner.cut.insert(whom.clone());
            Ok(())
        };
        self.port.act(self.id.as_str(), act, effect).await
    }

    async fn uncut(&self, principal: &Principal) -> Result<(), Fault> {
        let whom = (self.id.clone(), principal.clone());
        let act = Act::Cut(self.id.clone(), principal.clone());
        let effect = move |inner: &mut Inner| {
            inner.cut.remove(&whom);
            Ok(())
        };
        self.port.act(self.id.as_str(), act, effect).await
    }

    async fn last_used(&self, _: &Principal, key: &KeyId) -> Result<Option<Timestamp>, Fault> {
        let told = self.port.ask(self.id.as_str(), "last-used", |inner| {
            let used = inner.used(key);
            let late = inner.dice.strike(Kind::UseUntold, self.id.as_str());
            let shown = match (used, late) {
                (Some(at), Some(mut luck)) => luck.percent(50).then(|| at.saturating_sub(60_000)),
                (used, _) => used,
            };
            Ok(shown.map(|at| inner.time(at)))
        });
        told.await
    }

    async fn probe(&self, key: &KeyMaterial) -> Probe {
        let value = key.secret.expose_str().unwrap_or_default();
        let asked = self.port.ask(self.id.as_str(), "probe", |inner| {
            Ok(inner.probe(&self.id, value))
        });
        let (liveness, control, answer) =
            asked
                .await
                .unwrap_or((Liveness::Unknown, false, "no answer"));
        Probe {
            liveness,
            answer: answer.to_string(),
            control,
            how: ProbeKind::Presented,
        }
    }

    fn recognises(&self, listed: &IssuedKey, secret: &Secret) -> bool {
        let hint = listed.hint.as_deref().unwrap_or("no hint");
        secret
            .expose_str()
            .is_some_and(|value| value.ends_with(hint))
    }
}

impl ModelIssuer {
    fn clone_for_effect(&self) -> Self {
        Self {
            id: self.id.clone(),
            sheet: self.sheet.clone(),
            port: self.port.clone(),
        }
    }
}

impl Inner {
    /// What an issuer answers to a value.
    fn probe(&mut self, issuer: &IssuerId, value: &str) -> (Liveness, bool, &'static str) {
        let now = self.now;
        if let Some(mut luck) = self.dice.strike(Kind::DeadToAll, issuer.as_str()) {
            let ms = luck.between(1000, 240_000);
            self.dead_until.insert(issuer.clone(), now + ms);
            self.tell("fault", || {
                format!("{issuer} refuses everybody for {ms} ms")
            });
        }
        if self
            .dice
            .strike(Kind::ProbeUnknown, issuer.as_str())
            .is_some()
        {
            return (Liveness::Unknown, false, "503");
        }
        let dead = (Liveness::Dead, true, "401");
        if self
            .dead_until
            .get(issuer)
            .is_some_and(|until| now < *until)
        {
            return dead;
        }
        let mut luck = self.dice.draw(issuer.as_str());
        let Some((_, key)) = self.key_of(value).filter(|(_, key)| &key.issuer == issuer) else {
            return dead;
        };
        let new_here = now < key.refused_until && luck.percent(70);
        let old_here = !key.is_active() && now < key.accepted_until && luck.percent(70);
        if self.is_cut(key) {
            return dead;
        }
        if key.is_active() && !new_here || old_here {
            let liveness = [Liveness::Alive, Liveness::Alive, Liveness::OutOfQuota];
            return (
                *luck.one_of(&liveness).unwrap_or(&Liveness::Alive),
                true,
                "200",
            );
        }
        dead
    }
}

fn gone() -> Fault {
    Fault::new(FaultKind::NotFound, "no such key")
}
