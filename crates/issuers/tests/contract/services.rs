//! OpenAI and Anthropic.

use std::time::Duration;

use async_trait::async_trait;
use relatch_case::Principal;
use relatch_case::model::Probe;
use relatch_contract::issuer::{self, Harness, Subject};
use relatch_contract::proxy::Seen;
use relatch_contract::wire::{ProxyWire, Wire};
use relatch_issuers::{Catalog, CatalogIssuer, Hooks, Issuer, KeyMaterial, Settings, Timeouts};
use relatch_secret::Secret;

use crate::fake::{self, ADMIN, Asked, Fake, World};

/// An issuer of the catalog at an address, with its limit of time.
pub(crate) fn issuer(id: &str, base: &str, total: Duration, hooks: Option<Hooks>) -> CatalogIssuer {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let catalog = Catalog::embedded().expect("the catalog");
    let entry = catalog.get(&id.into()).expect("the entry").clone();
    let settings = Settings {
        id: id.into(),
        base_url: Some(base.into()),
        admin_key: Some(Secret::from(ADMIN)),
        variables: std::collections::BTreeMap::new(),
        hooks,
    };
    let timeouts = Timeouts {
        connect: Duration::from_secs(2),
        total,
    };
    CatalogIssuer::with_timeouts(entry, settings, timeouts).expect("an issuer")
}

pub(crate) const PATIENT: Duration = Duration::from_secs(20);
pub(crate) const IMPATIENT: Duration = Duration::from_millis(250);

struct Service {
    fake: Fake,
    wire: ProxyWire,
    under_test: CatalogIssuer,
    impatient: CatalogIssuer,
    truth: CatalogIssuer,
    /// How owners and principals are called.
    owner: &'static str,
    principal: &'static str,
}

fn is_change(seen: &Seen) -> bool {
    seen.method != "GET"
}

impl Service {
    async fn new(
        id: &str,
        rule: fn(&mut World, &Asked) -> (u16, serde_json::Value),
        (owner, principal): (&'static str, &'static str),
    ) -> Self {
        let fake = Fake::start(rule).await;
        let wire = ProxyWire::to(&fake.address, is_change).await;
        Self {
            under_test: issuer(id, &wire.url(), PATIENT, None),
            impatient: issuer(id, &wire.url(), IMPATIENT, None),
            truth: issuer(id, &fake.address, PATIENT, None),
            fake,
            wire,
            owner,
            principal,
        }
    }
}

#[async_trait]
impl Harness for Service {
    fn under_test(&self) -> &dyn Issuer {
        &self.under_test
    }

    fn impatient(&self) -> &dyn Issuer {
        &self.impatient
    }

    fn truth(&self) -> &dyn Issuer {
        &self.truth
    }

    fn wire(&self) -> &dyn Wire {
        &self.wire
    }

    async fn fresh(&self) -> Subject {
        let mut world = self.fake.world();
        let owner = format!("{}{}", self.owner, world.owners.len());
        world.owners.push(owner.clone());
        let (id, value) = world.mint(&owner, "the old one");
        Subject {
            principal: Principal::new(format!("{}/{owner}", self.principal)),
            id: id.as_str().into(),
            key: KeyMaterial {
                id: Some(id.as_str().into()),
                secret: Secret::from(value),
            },
        }
    }

    async fn probe_without_control(&self, key: &KeyMaterial) -> Option<Probe> {
        // A key that is deleted is not known any more: it is put back as one switched off.
        let value = key.secret.expose_str().expect("text").to_string();
        {
            let mut world = self.fake.world();
            let (id, _) = world.mint("nobody", "refused");
            let refused = world.keys.get_mut(&id).expect("just made");
            (refused.value, refused.status) = (value, "archived");
            world.is_open = true;
        }
        let probe = self.under_test.probe(key).await;
        self.fake.world().is_open = false;
        Some(probe)
    }
}

#[tokio::test]
async fn openai_keeps_its_contract() {
    let names = ("sa", "project/p1/service_account");
    let openai = Service::new("openai", fake::openai, names).await;
    issuer::suite(&openai).await.assert_none();
}

#[tokio::test]
async fn anthropic_keeps_its_contract() {
    let names = ("wrkspc_", "workspace");
    let anthropic = Service::new("anthropic", fake::anthropic, names).await;
    issuer::suite(&anthropic).await.assert_none();
}
