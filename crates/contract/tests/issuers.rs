//! The suite of issuers finds what is wrong with a client, and nothing wrong with a good one.
//! The server keeps keys in memory; the client speaks to it over HTTP.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use relatch_case::model::{IssuedKey, Liveness, Minting, Probe, ProbeKind, Sheet};
use relatch_case::{Fault, FaultKind, IssuerId, KeyId, Principal};
use relatch_contract::issuer::{self, Harness, Subject};
use relatch_contract::wire::{ProxyWire, Wire};
use relatch_issuers::{Issuer, KeyMaterial, MintRequest, Minted};
use relatch_secret::Secret;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    SendsAgain,
    LostIsUnreachable,
    BrokenIsInvalid,
    GarbageIsDone,
    AbsentIsNotFound,
    SilenceIsDeath,
    NoControl,
    ForgetsNames,
}

/// Keys by id: whether active, and the name.
type Keys = Arc<Mutex<BTreeMap<String, (bool, String)>>>;

/// `POST /NAME` makes a key, `PUT /ID` and `PATCH /ID` switch it on and off, `DELETE /ID`
/// removes it, `GET /` lists, `GET /ID` presents it.
async fn server() -> (String, Keys) {
    let keys = Keys::default();
    let known = Arc::clone(&keys);
    let app = Router::new().fallback(move |request: Request| {
        let answer = serve(&mut known.lock().expect("not poisoned"), &request);
        async move { answer }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, keys)
}

fn serve(keys: &mut BTreeMap<String, (bool, String)>, request: &Request) -> (StatusCode, String) {
    let name = request.uri().path().trim_start_matches('/').to_string();
    let (ok, no) = (StatusCode::OK, (StatusCode::NOT_FOUND, "gone".to_string()));
    match *request.method() {
        Method::POST => {
            let id = format!("key{:05}", keys.len());
            keys.insert(id.clone(), (true, name));
            (ok, format!("done {id}"))
        }
        Method::GET if name.is_empty() => {
            let line = |(id, (active, name)): (&String, &(bool, String))| {
                format!("\n{id} {active} {name}")
            };
            (
                ok,
                format!("done{}", keys.iter().map(line).collect::<String>()),
            )
        }
        Method::GET if keys.get(&name).is_some_and(|key| key.0) => (ok, "done".into()),
        Method::GET => (StatusCode::UNAUTHORIZED, "refused".into()),
        Method::DELETE => keys.remove(&name).map_or(no, |_| (ok, "done".into())),
        ref other => match keys.get_mut(&name) {
            Some(key) => {
                key.0 = *other == Method::PUT;
                (ok, "done".into())
            }
            None => no,
        },
    }
}

struct Client {
    flaw: Flaw,
    id: IssuerId,
    sheet: Sheet,
    base: String,
    http: reqwest::Client,
}

impl Client {
    fn new(flaw: Flaw, base: &str, patience: Duration) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy();
        let http = http.retry(reqwest::retry::never());
        let http = http.pool_max_idle_per_host(0).timeout(patience);
        Self {
            flaw,
            id: "memory".into(),
            sheet: Sheet {
                minting: Minting::Program,
                named: true,
                lists: true,
                disables: true,
                deletes: true,
                cuts: false,
                last_used: false,
                slots: None,
                propagation_s: 0,
            },
            base: base.into(),
            http: http.build().expect("a client"),
        }
    }

    async fn once(&self, method: &Method, path: &str) -> Result<(u16, String), Fault> {
        let lost = match self.flaw {
            Flaw::LostIsUnreachable => FaultKind::Unreachable,
            _ if *method == Method::GET => FaultKind::Unreachable,
            _ => FaultKind::Ambiguous,
        };
        let request = self
            .http
            .request(method.clone(), format!("{}/{path}", self.base));
        let lost = |_| Fault::new(lost, "lost");
        let answer = request.send().await.map_err(lost)?;
        let status = answer.status().as_u16();
        Ok((status, answer.text().await.map_err(lost)?))
    }

    async fn call(&self, method: Method, path: &str) -> Result<String, Fault> {
        let mut answer = self.once(&method, path).await;
        if answer.is_err() && self.flaw == Flaw::SendsAgain {
            answer = self.once(&method, path).await;
        }
        let (status, text) = answer?;
        let unknown = match method {
            Method::GET => FaultKind::Unreachable,
            _ if self.flaw == Flaw::BrokenIsInvalid => FaultKind::Invalid,
            _ => FaultKind::Ambiguous,
        };
        let kind = match status {
            200 if text.starts_with("done") || self.flaw == Flaw::GarbageIsDone => return Ok(text),
            404 => FaultKind::NotFound,
            429 => FaultKind::Throttled,
            _ => unknown,
        };
        Err(Fault::new(kind, format!("{status}")))
    }

    async fn present(&self, value: &str) -> Liveness {
        match self.once(&Method::GET, value).await {
            Ok((200, text)) if text == "done" => Liveness::Alive,
            Ok((401, text)) if text == "refused" => Liveness::Dead,
            Err(_) if self.flaw == Flaw::SilenceIsDeath => Liveness::Dead,
            _ => Liveness::Unknown,
        }
    }
}

fn issued(line: &str) -> Option<IssuedKey> {
    let mut words = line.split(' ');
    Some(IssuedKey {
        id: KeyId::new(words.next()?),
        active: words.next()? == "true",
        name: words.next().map(str::to_string),
        hint: None,
        created: None,
        last_used: None,
    })
}

#[async_trait]
impl Issuer for Client {
    fn id(&self) -> &IssuerId {
        &self.id
    }

    fn sheet(&self) -> &Sheet {
        &self.sheet
    }

    async fn list_all(&self) -> Result<Vec<(Principal, Vec<IssuedKey>)>, Fault> {
        Ok(vec![("all".into(), self.list(&"all".into()).await?)])
    }

    async fn list(&self, principal: &Principal) -> Result<Vec<IssuedKey>, Fault> {
        if principal.as_str() != "all" {
            return Err(Fault::new(FaultKind::NotFound, "nobody"));
        }
        let text = self.call(Method::GET, "").await?;
        Ok(text.lines().skip(1).filter_map(issued).collect())
    }

    async fn mint(&self, request: &MintRequest) -> Result<Minted, Fault> {
        let name = match self.flaw {
            Flaw::ForgetsNames => "unnamed",
            _ => &request.name,
        };
        let text = self.call(Method::POST, name).await?;
        let id = text.trim_start_matches("done ");
        Ok(Minted {
            id: id.into(),
            secret: Secret::from(id),
        })
    }

    async fn disable(&self, _: &Principal, key: &KeyId) -> Result<(), Fault> {
        self.call(Method::PATCH, key.as_str()).await.map(drop)
    }

    async fn enable(&self, _: &Principal, key: &KeyId) -> Result<(), Fault> {
        self.call(Method::PUT, key.as_str()).await.map(drop)
    }

    async fn delete(&self, _: &Principal, key: &KeyId) -> Result<(), Fault> {
        match self.call(Method::DELETE, key.as_str()).await {
            Err(fault)
                if fault.kind == FaultKind::NotFound && self.flaw != Flaw::AbsentIsNotFound =>
            {
                Ok(())
            }
            outcome => outcome.map(drop),
        }
    }

    async fn cut(&self, _: &Principal) -> Result<(), Fault> {
        Err(Fault::new(FaultKind::Invalid, "not here"))
    }

    async fn uncut(&self, _: &Principal) -> Result<(), Fault> {
        Err(Fault::new(FaultKind::Invalid, "not here"))
    }

    async fn last_used(&self, _: &Principal, _: &KeyId) -> Result<Option<jiff::Timestamp>, Fault> {
        Ok(None)
    }

    async fn probe(&self, key: &KeyMaterial) -> Probe {
        let value = key.secret.expose_str().expect("text");
        let control = self.present("made-up").await == Liveness::Dead;
        let mut liveness = self.present(value).await;
        if !control && liveness == Liveness::Dead && self.flaw != Flaw::NoControl {
            liveness = Liveness::Unknown;
        }
        Probe {
            liveness,
            answer: String::new(),
            control,
            how: ProbeKind::Presented,
        }
    }

    fn recognises(&self, _: &IssuedKey, _: &Secret) -> bool {
        false
    }
}

struct Bench {
    keys: Keys,
    wire: ProxyWire,
    under_test: Client,
    impatient: Client,
    truth: Client,
}

impl Bench {
    async fn new(flaw: Flaw) -> Self {
        let (address, keys) = server().await;
        let wire = ProxyWire::to(&address, |seen| seen.method != "GET").await;
        let (long, short) = (Duration::from_secs(10), Duration::from_millis(60));
        Self {
            under_test: Client::new(flaw, &wire.url(), long),
            impatient: Client::new(flaw, &wire.url(), short),
            truth: Client::new(Flaw::None, &address, long),
            wire,
            keys,
        }
    }
}

#[async_trait]
impl Harness for Bench {
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
        let request = MintRequest {
            principal: "all".into(),
            name: "old".into(),
            replaces: None,
        };
        let minted = self.truth.mint(&request).await.expect("a key");
        Subject {
            principal: "all".into(),
            id: minted.id,
            key: KeyMaterial {
                id: None,
                secret: minted.secret,
            },
        }
    }

    async fn probe_without_control(&self, key: &KeyMaterial) -> Option<Probe> {
        let made_up = ("made-up".to_string(), (true, String::new()));
        self.keys.lock().expect("not poisoned").extend([made_up]);
        let probe = self.under_test.probe(key).await;
        self.keys.lock().expect("not poisoned").remove("made-up");
        Some(probe)
    }
}

async fn breaches(flaw: Flaw) -> Vec<String> {
    let bench = Bench::new(flaw).await;
    issuer::suite(&bench).await.breaches().to_vec()
}

#[tokio::test]
async fn a_good_client_passes() {
    assert_eq!(breaches(Flaw::None).await, Vec::<String>::new());
}

#[tokio::test]
async fn every_flaw_is_found() {
    let mut tasks = tokio::task::JoinSet::new();
    for flaw in [
        Flaw::SendsAgain,
        Flaw::LostIsUnreachable,
        Flaw::BrokenIsInvalid,
        Flaw::GarbageIsDone,
        Flaw::AbsentIsNotFound,
        Flaw::SilenceIsDeath,
        Flaw::NoControl,
        Flaw::ForgetsNames,
    ] {
        tasks.spawn(async move { (flaw, breaches(flaw).await) });
    }
    while let Some(found) = tasks.join_next().await {
        let (flaw, breaches) = found.expect("no panic");
        assert!(!breaches.is_empty(), "{flaw:?} passes");
    }
}
