//! Putting a range together: issuers, values, places, listeners.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::aws::{Gatekeeper, KeyPair, Service};
use crate::config::Network;
use crate::consumers::Bases;
use crate::error::RangeError;
use crate::faults::{Faults, troubled};
use crate::http::Served;
use crate::issuers::{Anthropic, Custom, OpenAi, Standing};
use crate::scenario::{
    Contents, Credential, IssuerKind, Place, Scenario, Store, fill, put, read_field, workload_user,
};

/// The three fake issuers.
pub(crate) struct Issuers {
    pub(crate) faults: BTreeMap<IssuerKind, Arc<Faults>>,
    pub(crate) openai: Arc<OpenAi>,
    pub(crate) anthropic: Arc<Anthropic>,
    pub(crate) custom: Arc<Custom>,
}

impl Issuers {
    /// Issuers with the scenario's projects and workspaces.
    pub(crate) fn new(scenario: &Scenario, keys_file: &Path) -> Result<Self, RangeError> {
        let groups = |issuer| {
            let mut groups: Vec<&str> = scenario
                .credentials
                .iter()
                .filter(|credential| credential.issuer == issuer)
                .map(|credential| credential.group)
                .collect();
            groups.dedup();
            groups
        };
        if let Some(folder) = keys_file.parent() {
            std::fs::create_dir_all(folder).map_err(|source| RangeError::File {
                path: folder.to_owned(),
                source,
            })?;
        }
        let kinds = [
            IssuerKind::OpenAi,
            IssuerKind::Anthropic,
            IssuerKind::Custom,
        ];
        Ok(Self {
            faults: kinds.map(|kind| (kind, Arc::default())).into(),
            openai: Arc::new(OpenAi::new(&groups(IssuerKind::OpenAi))),
            anthropic: Arc::new(Anthropic::new(&groups(IssuerKind::Anthropic))),
            custom: Arc::new(Custom::new(keys_file)?),
        })
    }
}

/// A credential's value and its id at the issuer.
pub(crate) struct Minted {
    pub(crate) id: String,
    pub(crate) group: &'static str,
    /// The value; of an access key the secret half.
    pub(crate) value: String,
    pub(crate) pair: Option<KeyPair>,
}

/// Mints every credential, in the scenario's order.
pub(crate) async fn mint(
    gate: &Gatekeeper,
    issuers: &Issuers,
    scenario: &Scenario,
) -> Result<Vec<Minted>, RangeError> {
    let mut all = Vec::with_capacity(scenario.credentials.len());
    for credential in &scenario.credentials {
        all.push(mint_one(gate, issuers, scenario, credential).await?);
    }
    Ok(all)
}

async fn mint_one(
    gate: &Gatekeeper,
    issuers: &Issuers,
    scenario: &Scenario,
    credential: &Credential,
) -> Result<Minted, RangeError> {
    let plain = |id, value| Minted {
        id,
        group: credential.group,
        value,
        pair: None,
    };
    Ok(match credential.issuer {
        IssuerKind::OpenAi => {
            let project = issuers.openai.project(credential.group);
            let key = issuers.openai.create(project, credential.name);
            if credential.out_of_quota {
                let ledger = &issuers.openai.ledger;
                ledger.change(&key.id, |key| key.standing = Standing::OutOfQuota);
            }
            plain(key.id, key.value)
        }
        IssuerKind::Anthropic => {
            let key = issuers
                .anthropic
                .console_create(credential.group, credential.name);
            plain(key.id, key.value)
        }
        IssuerKind::Custom => {
            let value = issuers.custom.add(credential.name, None)?;
            plain(credential.name.to_owned(), value)
        }
        IssuerKind::AwsIam => {
            let pair = workload_user(gate, scenario, credential.group).await?;
            Minted {
                id: pair.id.clone(),
                group: credential.group,
                value: pair.secret.clone(),
                pair: Some(pair),
            }
        }
    })
}

/// Puts every value into its places.
pub(crate) async fn place(
    gate: &Gatekeeper,
    scenario: &Scenario,
    minted: &[Minted],
    files: &Path,
) -> Result<(), RangeError> {
    let mut contents = Contents::new();
    for (credential, minted) in scenario.credentials.iter().zip(minted) {
        let values = match &minted.pair {
            Some(pair) => vec![pair.id.clone(), pair.secret.clone()],
            None => vec![minted.value.clone()],
        };
        for place in &credential.places {
            let fields = place
                .fields(credential.issuer)
                .into_iter()
                .zip(values.clone());
            put(&mut contents, place, fields.collect());
        }
    }
    fill(gate, scenario, &contents, files).await
}

/// Opens every listener: four for each network.
pub(crate) async fn listen(
    gate: &Arc<Gatekeeper>,
    issuers: &Issuers,
    stop: &watch::Receiver<bool>,
) -> Result<(Vec<(Network, Bases)>, Vec<Served>), RangeError> {
    let mut listeners = Vec::new();
    let mut all = Vec::new();
    for network in Network::ALL {
        let mut bases = Vec::new();
        let troubled = |kind, router| match issuers.faults.get(&kind) {
            Some(faults) if network == Network::Responder => troubled(router, faults),
            _ => router,
        };
        for (what, router) in [
            ("the cloud", gate.router(network)),
            (
                "OpenAI",
                troubled(IssuerKind::OpenAi, issuers.openai.router(network)),
            ),
            (
                "Anthropic",
                troubled(IssuerKind::Anthropic, issuers.anthropic.router(network)),
            ),
            (
                "the endpoint",
                troubled(IssuerKind::Custom, issuers.custom.router(network)),
            ),
        ] {
            let served = Served::start(what, router, stop.clone()).await?;
            bases.push(served.base());
            all.push(served);
        }
        let mut bases = bases.into_iter();
        let mut next = || bases.next().unwrap_or_default();
        let (aws, openai, anthropic, custom) = (next(), next(), next(), next());
        let bases = Bases {
            openai,
            anthropic,
            custom,
            aws,
        };
        listeners.push((network, bases));
    }
    Ok((listeners, all))
}

/// The identity that a place holds now: an access key id or a value. Asked on the admin path,
/// so it leaves no record.
pub(crate) async fn value_at(
    gate: &Arc<Gatekeeper>,
    files: &Path,
    place: Place,
    issuer: IssuerKind,
) -> Option<String> {
    let field = place.fields(issuer).into_iter().next()?;
    let text = match place.store {
        Store::File => return read_field(&files.join(place.container), &field),
        Store::Lambda => {
            let (published, cloud) = (&gate.published, &gate.cloud);
            let mut found = published
                .live_environment(cloud, place.region, place.container)
                .await?;
            return found.remove(&field);
        }
        Store::SecretsManager => {
            let input = json!({"SecretId": place.container});
            let service = Service::SecretsManager;
            let answer = gate
                .cloud
                .json(service, place.region, "GetSecretValue", &input)
                .await;
            answer.ok()?["SecretString"].as_str()?.to_owned()
        }
        Store::ParameterStore => {
            let input = json!({"Name": place.container});
            let answer = gate
                .cloud
                .json(Service::Ssm, place.region, "GetParameter", &input)
                .await;
            answer.ok()?["Parameter"]["Value"].as_str()?.to_owned()
        }
    };
    if field.is_empty() {
        return Some(text);
    }
    let body: Value = serde_json::from_str(&text).ok()?;
    body[&field].as_str().map(str::to_owned)
}
