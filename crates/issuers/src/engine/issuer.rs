//! A catalog entry at work.

use async_trait::async_trait;
use jiff::Timestamp;
use relatch_case::model::{IssuedKey, Minting, Probe, Sheet};
use relatch_case::{Fault, FaultKind, IssuerId, KeyId, Principal};
use relatch_secret::Secret;

use super::call::Caller;
use super::hook::Runner;
use super::settings::{Hooks, Settings, SettingsError};
use super::{change, hint, list, mint, principal, probe};
use crate::catalog::{Change, Entry, PrincipalKind};
use crate::http::Timeouts;
use crate::port::{Issuer, KeyMaterial, MintRequest, Minted};
use crate::template::Variables;

/// The principal that hooks list keys for, where the command says nothing else.
const ENDPOINT: &str = "endpoint";

/// An issuer made of a catalog entry and a user's settings.
///
/// The process must have a TLS provider installed (`rustls`' `install_default`).
#[derive(Debug)]
pub struct CatalogIssuer {
    id: IssuerId,
    sheet: Sheet,
    entry: Entry,
    caller: Caller,
    hooks: Option<Runner>,
}

impl CatalogIssuer {
    /// Makes the issuer. Nobody is asked anything yet.
    pub fn new(entry: Entry, settings: Settings) -> Result<Self, SettingsError> {
        Self::with_timeouts(entry, settings, Timeouts::USUAL)
    }

    /// The same, with other time limits.
    pub fn with_timeouts(
        entry: Entry,
        settings: Settings,
        timeouts: Timeouts,
    ) -> Result<Self, SettingsError> {
        let mut sheet = entry.sheet();
        if let Some(hooks) = &settings.hooks {
            check_hooks(&entry, &settings.id, hooks)?;
            extend(&mut sheet, hooks);
        }
        let caller = Caller::new(&entry, &settings, timeouts)?;
        let hooks = settings
            .hooks
            .map(|hooks| Runner::new(settings.id.clone(), hooks));
        Ok(Self {
            id: settings.id,
            sheet,
            entry,
            caller,
            hooks,
        })
    }

    /// The entry it is made of: formats, console address, names of environment variables.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    fn hook(&self, pick: fn(&Hooks) -> Option<&Vec<String>>) -> Option<(&Runner, &[String])> {
        let runner = self.hooks.as_ref()?;
        Some((runner, pick(&runner.hooks)?.as_slice()))
    }

    fn kind_of(&self, principal: &Principal) -> Result<(&PrincipalKind, Variables), Fault> {
        principal::kind_of(&self.entry.principals, principal)
            .ok_or_else(|| self.fault(FaultKind::NotFound, &format!("no {principal}")))
    }

    fn fault(&self, kind: FaultKind, what: &str) -> Fault {
        Fault::new(kind, format!("{}: {what}", self.caller.name))
    }

    fn cannot(&self, what: &str) -> Fault {
        self.fault(FaultKind::Invalid, &format!("{what} is not possible here"))
    }

    fn cannot_mint(&self) -> Fault {
        let why = match &self.sheet.minting {
            Minting::Person { console, .. } => format!("a person makes keys, at {console}"),
            Minting::Impossible { because } => format!("no key can be made: {because}"),
            Minting::Program => "making keys is not described".into(),
        };
        self.fault(FaultKind::Invalid, &why)
    }

    async fn change(
        &self,
        spec: Option<&Change>,
        what: &str,
        principal: &Principal,
        key: &KeyId,
    ) -> Result<(), Fault> {
        let spec = spec.ok_or_else(|| self.cannot(what))?;
        let (_, mut variables) = self.kind_of(principal)?;
        variables.insert("key".into(), key.to_string());
        change::change(&self.caller, spec, &variables).await
    }
}

#[async_trait]
impl Issuer for CatalogIssuer {
    fn id(&self) -> &IssuerId {
        &self.id
    }

    fn sheet(&self) -> &Sheet {
        &self.sheet
    }

    async fn list_all(&self) -> Result<Vec<(Principal, Vec<IssuedKey>)>, Fault> {
        if let Some((runner, argv)) = self.hook(|hooks| hooks.list.as_ref()) {
            return Ok(vec![(ENDPOINT.into(), runner.list(argv).await?)]);
        }
        let list = self
            .entry
            .list
            .as_ref()
            .ok_or_else(|| self.cannot("listing keys"))?;
        Ok(list::all(&self.caller, list).await?.into_iter().collect())
    }

    async fn list(&self, principal: &Principal) -> Result<Vec<IssuedKey>, Fault> {
        self.kind_of(principal)?;
        if let Some((runner, argv)) = self.hook(|hooks| hooks.list.as_ref()) {
            return runner.list(argv).await;
        }
        let list = self
            .entry
            .list
            .as_ref()
            .ok_or_else(|| self.cannot("listing keys"))?;
        list::one(&self.caller, &self.entry, list, principal).await
    }

    async fn mint(&self, request: &MintRequest) -> Result<Minted, Fault> {
        let (kind, variables) = self.kind_of(&request.principal)?;
        if let Some(why) = &kind.mint_refusal {
            return Err(self.fault(FaultKind::Invalid, why));
        }
        if let Some((runner, argv)) = self.hook(|hooks| hooks.mint.as_ref()) {
            return runner.mint(argv, request).await;
        }
        let spec = self.entry.mint.as_ref().ok_or_else(|| self.cannot_mint())?;
        mint::mint(&self.caller, spec, request, variables).await
    }

    async fn disable(&self, principal: &Principal, key: &KeyId) -> Result<(), Fault> {
        self.change(
            self.entry.disable.as_ref(),
            "switching a key off",
            principal,
            key,
        )
        .await
    }

    async fn enable(&self, principal: &Principal, key: &KeyId) -> Result<(), Fault> {
        self.change(
            self.entry.enable.as_ref(),
            "switching a key on",
            principal,
            key,
        )
        .await
    }

    async fn delete(&self, principal: &Principal, key: &KeyId) -> Result<(), Fault> {
        if let Some((runner, argv)) = self.hook(|hooks| hooks.delete.as_ref()) {
            self.kind_of(principal)?;
            return runner.delete(argv, principal, key).await;
        }
        self.change(self.entry.delete.as_ref(), "removing a key", principal, key)
            .await
    }

    async fn cut(&self, _: &Principal) -> Result<(), Fault> {
        Err(self.cannot("cutting a principal off"))
    }

    async fn uncut(&self, _: &Principal) -> Result<(), Fault> {
        Err(self.cannot("cutting a principal off"))
    }

    async fn last_used(
        &self,
        principal: &Principal,
        key: &KeyId,
    ) -> Result<Option<Timestamp>, Fault> {
        if !self.sheet.last_used {
            return Ok(None);
        }
        let keys = self.list(principal).await?;
        let found = keys.into_iter().find(|listed| listed.id == *key);
        let found =
            found.ok_or_else(|| self.fault(FaultKind::NotFound, &format!("no key {key}")))?;
        Ok(found.last_used)
    }

    async fn probe(&self, key: &KeyMaterial) -> Probe {
        probe::probe(&self.caller, &self.entry, &key.secret).await
    }

    fn recognises(&self, listed: &IssuedKey, secret: &Secret) -> bool {
        let shared: Vec<&str> = self
            .entry
            .formats
            .iter()
            .map(|f| f.prefix.as_str())
            .collect();
        listed
            .hint
            .as_deref()
            .is_some_and(|hint| hint::fits(hint, secret, &shared))
    }

    fn well_formed(&self, secret: &Secret) -> bool {
        self.entry.well_formed(secret)
    }
}

fn check_hooks(entry: &Entry, id: &IssuerId, hooks: &Hooks) -> Result<(), SettingsError> {
    let wrong = |problem: String| SettingsError::Hooks {
        issuer: id.clone(),
        problem,
    };
    if !entry.hooks {
        return Err(wrong(format!(
            "{} takes none, as it is called directly",
            entry.name
        )));
    }
    let all = [
        ("mint", &hooks.mint),
        ("delete", &hooks.delete),
        ("list", &hooks.list),
    ];
    for (verb, argv) in all {
        let program = argv
            .as_ref()
            .map(|argv| argv.first().is_some_and(|p| !p.is_empty()));
        if program == Some(false) {
            return Err(wrong(format!("`{verb}` names no program")));
        }
    }
    Ok(())
}

/// Adds to a sheet what hooks can do. Keys that a hook both makes and lists carry our name.
fn extend(sheet: &mut Sheet, hooks: &Hooks) {
    if hooks.mint.is_some() {
        sheet.minting = Minting::Program;
    }
    sheet.lists |= hooks.list.is_some();
    sheet.deletes |= hooks.delete.is_some();
    sheet.named |= hooks.mint.is_some() && hooks.list.is_some();
}
