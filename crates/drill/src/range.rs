//! The range itself: everything started together, asked, and stopped together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::attacker::Attacker;
use crate::aws::{AwsClient, Gatekeeper, KeyPair};
use crate::build::{self, Issuers, Minted};
use crate::config::{HOME_REGION, Network, RangeConfig};
use crate::consumers::{Bases, Loader, Running, Spec};
use crate::error::RangeError;
use crate::faults::Faults;
use crate::http::Served;
use crate::issuers::{IssuedKey, Standing};
use crate::scenario::{IssuerKind, Scenario, Seeded};
use crate::stop::pause;
use crate::truth::ConsumerInfo;

/// A running range. Dropping it stops its tasks too, but only [`Range::stop`] writes the last
/// records.
pub struct Range {
    config: RangeConfig,
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) files: PathBuf,
    pub(crate) gate: Arc<Gatekeeper>,
    pub(crate) issuers: Issuers,
    pub(crate) minted: Vec<Minted>,
    seeded: Seeded,
    listeners: Vec<(Network, Bases)>,
    served: Vec<Served>,
    pub(crate) consumers: Vec<Running>,
    pub(crate) attacker: Arc<Attacker>,
    attack_over: watch::Receiver<bool>,
    attack_done: Mutex<Option<watch::Sender<bool>>>,
    attack_stop: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    delivery: JoinHandle<()>,
}

impl Range {
    /// Builds and starts everything but load and attack. `dir` gets the files of the
    /// scenario (below `files`) and the endpoint's file of keys.
    pub async fn start(
        config: RangeConfig,
        scenario: Scenario,
        dir: &Path,
    ) -> Result<Self, RangeError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(RangeError::NoTlsProvider);
        }
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(10))
            .build()
            .map_err(RangeError::Client)?;
        let scenario = Arc::new(scenario);
        let (stop, stopped) = watch::channel(false);
        let files = dir.join("files");
        let gate = Arc::new(Gatekeeper::new(&config));
        let issuers = Issuers::new(&scenario, &dir.join("endpoint-keys.txt"))?;
        let seeded = crate::scenario::seed(&gate, &scenario).await?;
        let minted = build::mint(&gate, &issuers, &scenario).await?;
        build::place(&gate, &scenario, &minted, &files).await?;
        let (listeners, served) = build::listen(&gate, &issuers, &stopped).await?;
        let bases = |network| of(&listeners, network);
        let mut consumers = Vec::new();
        for spec in specs(
            &config,
            &scenario,
            &gate,
            &http,
            &files,
            &bases(Network::Workload),
        ) {
            consumers.push(Running::start(spec, &config, stopped.clone()).await?);
        }
        let stolen = minted
            .iter()
            .find(|minted| minted.group == scenario.stolen_user)
            .and_then(|minted| minted.pair.clone())
            .ok_or_else(|| RangeError::Unknown {
                what: "user with an access key",
                name: scenario.stolen_user.to_owned(),
            })?;
        let thief = bases(Network::Attacker);
        let client = AwsClient {
            http,
            endpoint: thief.aws.clone(),
            key: stolen,
            region: HOME_REGION.to_owned(),
            user_agent: "python-urllib3/2.0.7".to_owned(),
        };
        let (done, attack_over) = watch::channel(false);
        Ok(Self {
            attacker: Arc::new(Attacker::new(client, thief, Arc::clone(&scenario))),
            attack_over,
            attack_done: Mutex::new(Some(done)),
            attack_stop: watch::channel(false).0,
            delivery: tokio::spawn(deliver(Arc::clone(&gate), config.trail_interval, stopped)),
            config,
            scenario,
            files,
            gate,
            issuers,
            minted,
            seeded,
            listeners,
            served,
            consumers,
            stop,
        })
    }

    /// The cloud's address for callers of a network.
    pub fn aws_endpoint(&self, network: Network) -> String {
        of(&self.listeners, network).aws
    }

    /// OpenAI's address for the responder, without a slash or `/v1` at the end.
    pub fn openai_base(&self) -> String {
        of(&self.listeners, Network::Responder).openai
    }

    /// Anthropic's address for the responder, without a slash or `/v1` at the end.
    pub fn anthropic_base(&self) -> String {
        of(&self.listeners, Network::Responder).anthropic
    }

    /// The self-hosted endpoint's address for the responder, without a slash at the end.
    pub fn custom_base(&self) -> String {
        of(&self.listeners, Network::Responder).custom
    }

    /// OpenAI's admin key.
    pub fn openai_admin_key(&self) -> &str {
        &self.issuers.openai.admin_key
    }

    /// Anthropic's admin key.
    pub fn anthropic_admin_key(&self) -> &str {
        &self.issuers.anthropic.admin_key
    }

    /// The token for the `/admin` routes of the self-hosted endpoint.
    pub fn custom_admin_token(&self) -> &str {
        &self.issuers.custom.admin_token
    }

    /// The responder's access key in the member account: a user who may do everything.
    pub fn responder_credentials(&self) -> &KeyPair {
        &self.seeded.responder
    }

    /// An access key of the management account, for the organization's policies.
    pub fn management_credentials(&self) -> &KeyPair {
        &self.seeded.management
    }

    /// The directory that holds the scenario's files.
    pub fn files(&self) -> &Path {
        &self.files
    }

    /// Makes a key in Anthropic's console, as the person does to whom the task falls.
    pub fn anthropic_console_create(&self, workspace: &str, name: &str) -> IssuedKey {
        self.issuers.anthropic.console_create(workspace, name)
    }

    /// Every consumer.
    pub fn consumers(&self) -> Vec<ConsumerInfo> {
        self.consumers
            .iter()
            .map(|consumer| {
                let spec = consumer.spec();
                ConsumerInfo {
                    name: spec.name.to_owned(),
                    credential: spec.credential.to_owned(),
                    issuer: spec.loader.issuer,
                    place: spec.loader.place,
                    reload_url: format!("{}/reload", consumer.base()),
                    health_url: format!("{}/healthz", consumer.base()),
                }
            })
            .collect()
    }

    /// The faults to put in the responder's way at an issuer; for access keys, at the whole
    /// cloud.
    pub fn faults(&self, issuer: IssuerKind) -> &Faults {
        match self.issuers.faults.get(&issuer) {
            Some(faults) => faults,
            None => &self.gate.faults,
        }
    }

    /// Puts a key at a fake issuer in another standing. Returns false if there is no such key.
    pub fn set_standing(&self, issuer: IssuerKind, key_id: &str, standing: Standing) -> bool {
        let ledger = match issuer {
            IssuerKind::OpenAi => &self.issuers.openai.ledger,
            IssuerKind::Anthropic => &self.issuers.anthropic.ledger,
            IssuerKind::Custom => &self.issuers.custom.ledger,
            IssuerKind::AwsIam => return false,
        };
        ledger
            .change(key_id, |key| key.standing = standing)
            .is_some()
    }

    /// Starts the calls of all consumers.
    pub fn start_load(&self) {
        for consumer in &self.consumers {
            consumer.begin(&self.config, self.stop.subscribe());
        }
    }

    /// Starts the attacker; a second call does nothing.
    pub fn start_attack(&self) {
        let done = self
            .attack_done
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(done) = done {
            let attacker = Arc::clone(&self.attacker);
            let stop = self.attack_stop.subscribe();
            tokio::spawn(attacker.run(self.config.attack_pause, done, stop));
        }
    }

    /// Ends the attack for good.
    pub fn stop_attack(&self) {
        self.attack_stop.send_replace(true);
    }

    /// Waits until the attacker has read what it came for. Returns false if it never will,
    /// because the attack was not started or the range stopped.
    pub async fn first_phase_done(&self) -> bool {
        let started = self
            .attack_done
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none();
        let mut over = self.attack_over.clone();
        started && over.wait_for(|over| *over).await.is_ok()
    }

    /// Stops everything and writes the last records.
    pub async fn stop(self) -> Result<(), RangeError> {
        self.stop_attack();
        self.stop.send_replace(true);
        for consumer in &self.consumers {
            consumer.stop();
        }
        for served in &self.served {
            served.abort();
        }
        self.delivery.abort();
        self.gate.trail.deliver(&self.gate.cloud).await
    }

    /// The moment as the range tells time: the process's clock.
    pub fn now() -> Timestamp {
        Timestamp::now()
    }
}

impl std::fmt::Debug for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Range")
            .field("scenario", &self.scenario.name)
            .field("consumers", &self.consumers.len())
            .finish_non_exhaustive()
    }
}

fn of(listeners: &[(Network, Bases)], network: Network) -> Bases {
    listeners
        .iter()
        .find(|(known, _)| *known == network)
        .map(|(_, bases)| bases.clone())
        .expect("the range listens on every network")
}

fn specs(
    config: &RangeConfig,
    scenario: &Scenario,
    gate: &Arc<Gatekeeper>,
    http: &reqwest::Client,
    files: &Path,
    bases: &Bases,
) -> Vec<Spec> {
    let mut rank = BTreeMap::<IssuerKind, usize>::new();
    let mut all = Vec::new();
    for credential in &scenario.credentials {
        for consumer in &credential.consumers {
            let rank = rank.entry(credential.issuer).or_default();
            *rank += 1;
            all.push((*rank, credential, consumer));
        }
    }
    // One of each issuer in turn, so that a small range is as mixed as a large one.
    all.sort_by_key(|(rank, credential, _)| (*rank, credential.issuer));
    all.into_iter()
        .take(config.consumers)
        .map(|(_, credential, consumer)| Spec {
            name: consumer.name,
            credential: credential.name,
            loader: Loader {
                name: consumer.name.to_owned(),
                place: credential.places[consumer.place],
                issuer: credential.issuer,
                gate: Arc::clone(gate),
                endpoint: bases.aws.clone(),
                http: http.clone(),
                files: files.to_owned(),
            },
            bases: bases.clone(),
        })
        .collect()
}

async fn deliver(gate: Arc<Gatekeeper>, interval: Duration, mut stop: watch::Receiver<bool>) {
    while pause(interval, &mut stop).await {
        if let Err(error) = gate.trail.deliver(&gate.cloud).await {
            tracing::warn!(%error, "records were not delivered");
        }
    }
}
