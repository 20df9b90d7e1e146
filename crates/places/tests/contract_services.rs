//! The contract of rollers, kept by services with hooks: requests over a wire that fails, and
//! commands that fail.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use relatch_case::model::{Consumer, ConsumerKind, Hook, Known};
use relatch_contract::proxy::{Deed, WireFault};
use relatch_contract::roller::{self, Harness};
use relatch_contract::wire::{On, ProxyWire, Wire};
use relatch_places::{HookLimits, Roller, ServiceRoller};
use tempfile::TempDir;

fn rollers() -> (ServiceRoller, ServiceRoller) {
    // Fails when another test was first, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let soon = HookLimits {
        command: Duration::from_millis(700),
        http: Duration::from_millis(250),
    };
    let make = |limits| ServiceRoller::new(limits).expect("a roller");
    (make(HookLimits::USUAL), make(soon))
}

fn consumer(id: String, reload: Hook, health: Hook) -> Consumer {
    Consumer {
        id: id.as_str().into(),
        kind: ConsumerKind::Service { reload, health },
        reads: Vec::new(),
        known: Known::Declared,
    }
}

/// What stands in the place of a service, and what it has loaded.
#[derive(Debug, Clone)]
struct Service {
    place: &'static str,
    loaded: &'static str,
}

type Services = Arc<Mutex<BTreeMap<String, Service>>>;

/// Services that are told to reload by a request.
struct Requests {
    services: Services,
    wire: ProxyWire,
    under_test: ServiceRoller,
    impatient: ServiceRoller,
}

async fn reload(State(services): State<Services>, Path(id): Path<String>) -> StatusCode {
    match services.lock().expect("not poisoned").get_mut(&id) {
        Some(service) => {
            service.loaded = service.place;
            StatusCode::OK
        }
        None => StatusCode::NOT_FOUND,
    }
}

impl Requests {
    async fn new() -> Self {
        let services = Services::default();
        let app = Router::new()
            .route("/{id}/reload", post(reload))
            .route("/{id}/health", get(|| async { "all is well here" }))
            .with_state(Arc::clone(&services));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let upstream = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let (under_test, impatient) = rollers();
        Self {
            services,
            wire: ProxyWire::to(&upstream, |seen| seen.method == "POST").await,
            under_test,
            impatient,
        }
    }

    fn with<T>(&self, consumer: &Consumer, act: impl FnOnce(&mut Service) -> T) -> T {
        let mut services = self.services.lock().expect("not poisoned");
        act(services.get_mut(consumer.id.as_str()).expect("made before"))
    }
}

#[async_trait]
impl Harness for Requests {
    fn under_test(&self) -> &dyn Roller {
        &self.under_test
    }

    fn impatient(&self) -> &dyn Roller {
        &self.impatient
    }

    fn wire(&self) -> &dyn Wire {
        &self.wire
    }

    async fn fresh(&self) -> Consumer {
        let mut services = self.services.lock().expect("not poisoned");
        let id = services.len().to_string();
        let service = Service {
            place: "new",
            loaded: "old",
        };
        services.insert(id.clone(), service);
        let hook = |what| Hook::Http {
            url: format!("{}/{id}/{what}", self.wire.url()),
        };
        let (reload, health) = (hook("reload"), hook("health"));
        consumer(id, reload, health)
    }

    async fn serving(&self, consumer: &Consumer) -> String {
        self.with(consumer, |service| service.loaded.to_string())
    }

    async fn put_back(&self, consumer: &Consumer) {
        self.with(consumer, |service| service.place = "old");
    }

    fn changes(&self) -> usize {
        1
    }

    /// A health hook says yes by its status alone, so a 200 of something in between is a yes.
    fn sees_through(&self, fault: &WireFault) -> bool {
        *fault != WireFault::Garbage
    }
}

#[tokio::test]
async fn services_with_requests_keep_their_contract() {
    let requests = Requests::new().await;
    let mut findings = roller::suite(&requests).await;
    for fault in WireFault::before().into_iter().chain(WireFault::after()) {
        findings.extend(roller::never_well(&requests, &fault).await);
    }
    findings.assert_none();
}

/// Loads the place, or says how it is doing; and fails as the file `fault` tells it to.
const SCRIPT: &str = r#"
folder=$1; verb=$2; service=$3
[ "$verb" = reload ] && echo "$verb $service" >> "$folder/sent"
fault=
if [ -f "$folder/fault" ]; then
    read -r whom how < "$folder/fault"
    if [ "$whom" = every ] || [ "$verb" = reload ]; then
        fault=$how
        [ "$whom" = every ] || rm "$folder/fault"
        : > "$folder/met"
    fi
fi
case $fault in
    die_before) kill -9 $$ ;;
    hang_before) exec sleep 30 ;;
esac
[ "$fault" = exit ] && exit 3
[ "$verb" = reload ] && cp "$folder/$service.place" "$folder/$service.loaded"
case $fault in
    die_after) kill -9 $$ ;;
    hang_after) exec sleep 30 ;;
esac
echo "all is well here"
"#;

struct Commands {
    folder: TempDir,
    next: AtomicUsize,
    under_test: ServiceRoller,
    impatient: ServiceRoller,
}

impl Commands {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("hook.sh"), SCRIPT).expect("written");
        let (under_test, impatient) = rollers();
        Self {
            folder,
            next: AtomicUsize::new(0),
            under_test,
            impatient,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    fn sent(&self) -> Vec<String> {
        let sent = std::fs::read_to_string(self.path("sent")).unwrap_or_default();
        sent.lines().map(str::to_string).collect()
    }
}

impl Wire for Commands {
    fn fail(&self, on: On, fault: &WireFault) {
        let how = match fault {
            WireFault::Status(..) => "exit",
            WireFault::ResetBefore => "die_before",
            WireFault::HangBefore => "hang_before",
            WireFault::ResetAfter => "die_after",
            WireFault::HangAfter => "hang_after",
            other => panic!("no command fails with {other:?}"),
        };
        let whom = if on == On::Every { "every" } else { "change" };
        self.write("fault", &format!("{whom} {how}\n"));
    }

    fn before_change(&self, _: Deed) -> bool {
        false
    }

    fn calm(&self) {
        for name in ["fault", "met", "sent"] {
            let _ = std::fs::remove_file(self.path(name));
        }
    }

    fn changes(&self) -> usize {
        self.sent().len()
    }

    fn repeated(&self) -> Vec<String> {
        let mut sent = self.sent();
        sent.sort();
        let again = sent.windows(2).filter(|pair| pair[0] == pair[1]);
        again.map(|pair| pair[0].clone()).collect()
    }

    fn has_failed(&self) -> bool {
        self.path("met").exists()
    }

    fn before(&self) -> Vec<WireFault> {
        let exit = WireFault::Status(3, String::new());
        vec![exit, WireFault::ResetBefore, WireFault::HangBefore]
    }

    /// Not an exit code after the deed: a command says by it that it did nothing, and if it
    /// lies, reloading again is harmless.
    fn after(&self) -> Vec<WireFault> {
        vec![WireFault::ResetAfter, WireFault::HangAfter]
    }
}

#[async_trait]
impl Harness for Commands {
    fn under_test(&self) -> &dyn Roller {
        &self.under_test
    }

    fn impatient(&self) -> &dyn Roller {
        &self.impatient
    }

    fn wire(&self) -> &dyn Wire {
        self
    }

    async fn fresh(&self) -> Consumer {
        let id = self.next.fetch_add(1, Ordering::SeqCst).to_string();
        self.write(&format!("{id}.place"), "new");
        self.write(&format!("{id}.loaded"), "old");
        let hook = |verb: &str| {
            let folder = self.folder.path().display().to_string();
            let script = self.path("hook.sh").display().to_string();
            let argv = ["sh", &script, &folder, verb, &id].map(str::to_string);
            Hook::Command {
                argv: argv.to_vec(),
            }
        };
        let (reload, health) = (hook("reload"), hook("health"));
        consumer(id, reload, health)
    }

    async fn serving(&self, consumer: &Consumer) -> String {
        let loaded = self.path(&format!("{}.loaded", consumer.id));
        std::fs::read_to_string(loaded).expect("read")
    }

    async fn put_back(&self, consumer: &Consumer) {
        self.write(&format!("{}.place", consumer.id), "old");
    }

    fn changes(&self) -> usize {
        1
    }

    fn sees_through(&self, _: &WireFault) -> bool {
        true
    }
}

#[tokio::test]
async fn services_with_commands_keep_their_contract() {
    let commands = Commands::new();
    let mut findings = roller::suite(&commands).await;
    for fault in commands.before().into_iter().chain(commands.after()) {
        findings.extend(roller::never_well(&commands, &fault).await);
    }
    findings.assert_none();
}
