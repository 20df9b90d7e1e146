//! A running consumer: its calls, its counters and its two HTTP routes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::load::{LoadError, Loader};
use super::work::{Bases, Secret, use_once};
use crate::config::RangeConfig;
use crate::error::RangeError;
use crate::http::Served;
use crate::issuers::reply;
use crate::random;
use crate::scenario::{IssuerKind, Store};
use crate::stop::pause as pause_for;

/// How many failures a consumer keeps in words.
const KEPT_FAILURES: usize = 5;
/// Access-key consumers call this much more rarely, because each call is recorded.
const PAIR_SLOWER: u32 = 3;

/// What a consumer is.
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) credential: &'static str,
    pub(crate) loader: Loader,
    pub(crate) bases: Bases,
}

/// What a consumer has done so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsumerStats {
    /// Its name.
    pub name: String,
    /// Calls made.
    pub requests: u64,
    /// Calls that failed, whatever the reason.
    pub failures: u64,
    /// How often it took another value than before.
    pub changes: u64,
    /// When and why the first failures failed; no values.
    pub first_failures: Vec<String>,
}

struct Shared {
    spec: Spec,
    secret: Mutex<Secret>,
    requests: AtomicU64,
    failures: AtomicU64,
    changes: AtomicU64,
    healthy: std::sync::atomic::AtomicBool,
    why: Mutex<Vec<String>>,
}

/// A consumer with its listener.
pub(crate) struct Running {
    shared: Arc<Shared>,
    served: Served,
}

impl Running {
    /// Loads the credential and opens the listener; no calls yet.
    pub(crate) async fn start(
        spec: Spec,
        config: &RangeConfig,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, RangeError> {
        let secret = spec
            .loader
            .load()
            .await
            .map_err(|error| RangeError::Unknown {
                what: "credential for the consumer",
                name: format!("{} ({error})", spec.name),
            })?;
        let name = spec.name;
        let watches = spec.loader.place.store == Store::Lambda;
        let shared = Arc::new(Shared {
            spec,
            secret: Mutex::new(secret),
            requests: AtomicU64::default(),
            failures: AtomicU64::default(),
            changes: AtomicU64::default(),
            healthy: true.into(),
            why: Mutex::default(),
        });
        let router = Router::new()
            .route("/reload", post(reload))
            .route("/healthz", get(healthz))
            .with_state(Arc::clone(&shared));
        let served = Served::start(name, router, stop.clone()).await?;
        if watches {
            tokio::spawn(follow(Arc::clone(&shared), config.function_poll, stop));
        }
        Ok(Self { shared, served })
    }

    /// Begins the endless calls.
    pub(crate) fn begin(&self, config: &RangeConfig, stop: watch::Receiver<bool>) {
        tokio::spawn(call_on(Arc::clone(&self.shared), config.call_pause, stop));
    }

    pub(crate) fn spec(&self) -> &Spec {
        &self.shared.spec
    }

    pub(crate) fn base(&self) -> String {
        self.served.base()
    }

    /// The identity of what is loaded now: an access key id or the value.
    pub(crate) fn holds(&self) -> String {
        self.shared.secret().identity().to_owned()
    }

    pub(crate) fn stats(&self) -> ConsumerStats {
        let shared = &self.shared;
        ConsumerStats {
            name: shared.spec.name.to_owned(),
            requests: shared.requests.load(Ordering::Relaxed),
            failures: shared.failures.load(Ordering::Relaxed),
            changes: shared.changes.load(Ordering::Relaxed),
            first_failures: lock(&shared.why).clone(),
        }
    }

    pub(crate) fn stop(&self) {
        self.served.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn secret(&self) -> Secret {
        lock(&self.secret).clone()
    }

    async fn load(&self) -> Result<(), LoadError> {
        let fresh = self.spec.loader.load().await?;
        let mut secret = lock(&self.secret);
        if *secret != fresh {
            *secret = fresh;
            self.changes.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn call(&self, round: u64) {
        let secret = self.secret();
        let issuer = self.spec.loader.issuer;
        let http = &self.spec.loader.http;
        let result = use_once(http, &self.spec.bases, issuer, &secret, round).await;
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.healthy.store(result.is_ok(), Ordering::Relaxed);
        if let Err(reason) = result {
            self.failures.fetch_add(1, Ordering::Relaxed);
            let mut why = lock(&self.why);
            if why.len() < KEPT_FAILURES {
                why.push(format!("{} {reason}", jiff::Timestamp::now()));
            }
        }
    }

    /// Four digits of a hash: enough to see a change, useless for anything else.
    fn hint(&self) -> String {
        let digest = hex::encode(Sha256::digest(self.secret().identity().as_bytes()));
        digest[digest.len() - 4..].to_owned()
    }

    fn health(&self) -> Value {
        json!({
            "ok": self.healthy.load(Ordering::Relaxed),
            "service": self.spec.name,
            "requests": self.requests.load(Ordering::Relaxed),
            "failures": self.failures.load(Ordering::Relaxed),
            "key_hint": self.hint(),
        })
    }
}

async fn call_on(
    shared: Arc<Shared>,
    pause: (Duration, Duration),
    mut stop: watch::Receiver<bool>,
) {
    let slower = match shared.spec.loader.issuer {
        IssuerKind::AwsIam => PAIR_SLOWER,
        _ => 1,
    };
    for round in 0.. {
        let rest = random::between(pause.0, pause.1) * slower;
        if !pause_for(rest, &mut stop).await {
            return;
        }
        shared.call(round).await;
    }
}

/// What the platform does for a function: when the alias serves another environment, new
/// instances start with it.
async fn follow(shared: Arc<Shared>, poll: Duration, mut stop: watch::Receiver<bool>) {
    while pause_for(poll, &mut stop).await {
        if let Err(error) = shared.load().await {
            tracing::debug!(%error, consumer = shared.spec.name, "no environment");
        }
    }
}

async fn reload(State(shared): State<Arc<Shared>>) -> Response {
    match shared.load().await {
        Ok(()) => reply(200, shared.health()),
        Err(error) => reply(500, json!({"ok": false, "error": error.to_string()})),
    }
}

async fn healthz(State(shared): State<Arc<Shared>>) -> Response {
    reply(200, shared.health())
}
