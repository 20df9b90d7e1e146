//! Services that live on keys: they hold the values that they read last, ask their issuers
//! with them again and again, past the tool and its faults, and read again when told to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use relatch_aws::Connection;
use relatch_secret::Secret;
use tokio::task::JoinHandle;

use super::openai::{OpenAi, OpenAiKey};
use super::peers::{self, Peer, REGION};
use super::places;
use super::template::{self, Values};

/// Between two requests of a service.
const PAUSE: Duration = Duration::from_millis(400);

/// The running services. Dropping them stops them.
pub(crate) struct Services {
    pub(super) base: String,
    all: Arc<BTreeMap<&'static str, Service>>,
    tasks: Vec<JoinHandle<()>>,
}

struct Service {
    place: Place,
    endpoint: String,
    openai: OpenAiKey,
    running: Mutex<Option<Running>>,
    /// Ill on any other values than these.
    well_on: Mutex<Option<Values>>,
    asked: AtomicU64,
    failures: Mutex<Vec<String>>,
}

enum Place {
    File(PathBuf),
    Parameter(Box<Connection>),
}

/// What a service runs with.
#[derive(Clone)]
struct Running {
    values: Values,
    aws: Connection,
}

impl Services {
    pub(super) async fn start(
        dotenv: PathBuf,
        aws: &Peer,
        root: &Connection,
        openai: &OpenAi,
    ) -> Self {
        let service = |place| Service {
            place,
            endpoint: aws.endpoint(),
            openai: openai.key(),
            running: Mutex::default(),
            well_on: Mutex::default(),
            asked: AtomicU64::default(),
            failures: Mutex::default(),
        };
        let all = Arc::new(BTreeMap::from([
            ("web", service(Place::File(dotenv))),
            ("batch", service(Place::Parameter(Box::new(root.clone())))),
        ]));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let app = Router::new()
            .route("/{service}/reload", post(reload))
            .route("/{service}/health", get(health))
            .with_state(Arc::clone(&all));
        let serving =
            tokio::spawn(async move { axum::serve(listener, app).await.expect("served") });
        Self {
            base,
            tasks: vec![serving],
            all,
        }
    }

    /// All read their places.
    pub(super) async fn reload_all(&self) {
        for service in self.all.values() {
            service.reload().await;
        }
    }

    /// They work from now on.
    pub(crate) fn work(&mut self) {
        for name in self.all.keys().copied() {
            let all = Arc::clone(&self.all);
            self.tasks.push(tokio::spawn(async move {
                loop {
                    all[name].ask().await;
                    tokio::time::sleep(PAUSE).await;
                }
            }));
        }
    }

    /// They are well on these values only.
    pub(super) fn sicken(&self, old: &Values) {
        for service in self.all.values() {
            *lock(&service.well_on) = Some(old.clone());
        }
    }

    /// They are well whatever they run with.
    pub(crate) fn mend(&self) {
        for service in self.all.values() {
            *lock(&service.well_on) = None;
        }
    }

    /// The values with which each runs are those that stand in the places.
    pub(crate) fn assert_run_with(&self, values: &Values) {
        for (name, service) in &*self.all {
            let running = lock(&service.running).clone().expect("running");
            let same = |(key, value): (&String, &String)| values.get(key) == Some(value);
            assert!(running.values.iter().all(same), "{name} runs with others");
        }
    }

    pub(super) fn asked(&self) -> u64 {
        let asked = |service: &Service| service.asked.load(Ordering::SeqCst);
        self.all.values().map(asked).sum()
    }

    pub(super) fn failures(&self) -> Vec<String> {
        let failures = |service: &Service| lock(&service.failures).clone();
        self.all.values().flat_map(failures).collect()
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Service {
    async fn reload(&self) {
        let mut values = Values::new();
        match &self.place {
            Place::File(path) => {
                let text = std::fs::read_to_string(path).expect(".env");
                template::read(places::DOTENV, &text, &mut values);
            }
            Place::Parameter(root) => {
                let text = parameter(root).await;
                template::read(places::PARAMETER, &text, &mut values);
            }
        }
        let (id, secret) = pair(&values);
        let aws = peers::connection_as(&self.endpoint, id, &Secret::from(secret), None).await;
        *lock(&self.running) = Some(Running { values, aws });
    }

    /// One request to each issuer.
    async fn ask(&self) {
        let running = lock(&self.running).clone().expect("running");
        if let Err(fault) = running.aws.identity().await {
            self.failed(&running, "aws", &fault.to_string());
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        if let Some(key) = running.values.get("chat") {
            if !self.openai.works(key).await {
                self.failed(&running, "openai", "refused");
            }
            self.asked.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn failed(&self, running: &Running, issuer: &str, why: &str) {
        let (id, _) = pair(&running.values);
        let failure = format!("{issuer} with the keys beside {id}: {why}");
        lock(&self.failures).push(failure);
    }

    fn is_well(&self) -> bool {
        let well_on = lock(&self.well_on).clone();
        let running = lock(&self.running).clone().expect("running");
        well_on.is_none_or(|well| {
            let mut values = running.values.iter();
            values.all(|(name, value)| well.get(name) == Some(value))
        })
    }
}

async fn parameter(root: &Connection) -> String {
    let client = aws_sdk_ssm::Client::new(&root.write_config(REGION));
    let found = client.get_parameter().name("/prod/batch");
    let found = found.with_decryption(true).send().await.expect("parameter");
    found.parameter.and_then(|p| p.value).expect("text")
}

/// The access key among a service's values.
fn pair(values: &Values) -> (&str, &str) {
    let of = |end: &str| {
        let found = values.iter().find(|(name, _)| name.ends_with(end));
        found.map(|(_, value)| value.as_str()).expect("a key")
    };
    (of(".id"), of(".secret"))
}

type All = State<Arc<BTreeMap<&'static str, Service>>>;

async fn reload(State(all): All, Path(name): Path<String>) -> StatusCode {
    all[name.as_str()].reload().await;
    StatusCode::OK
}

async fn health(State(all): All, Path(name): Path<String>) -> StatusCode {
    if all[name.as_str()].is_well() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
