//! A self-hosted endpoint with static keys, as vLLM and its kind: the keys stand in a file,
//! one `name key` a line, which is read again whenever it changes.

use std::fmt::Write as _;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use axum::Json;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::HeaderMap;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{delete, get, post};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::ledger::{Admission, Draft, KeyStatus, Ledger};
use super::wire::{bearer, reply};
use crate::config::Network;
use crate::error::RangeError;
use crate::random;

/// Tokens that one completion costs here.
const COMPLETION_TOKENS: u64 = 20;

/// The endpoint: its file of keys and what was done with them.
pub(crate) struct Custom {
    pub(crate) ledger: Ledger,
    pub(crate) admin_token: String,
    file: PathBuf,
    /// The stamp of the file as it was read last. Also the lock of the file.
    read: Mutex<Option<(SystemTime, u64)>>,
}

type Fake = State<(Arc<Custom>, Network)>;

impl Custom {
    /// An endpoint with no keys; the file is made.
    pub(crate) fn new(file: &FilePath) -> Result<Self, RangeError> {
        let fake = Self {
            ledger: Ledger::default(),
            admin_token: format!("adm-{}", random::alphanumeric(40)),
            file: file.to_owned(),
            read: Mutex::new(None),
        };
        fake.write(&[])?;
        Ok(fake)
    }

    fn failed(&self, source: std::io::Error) -> RangeError {
        RangeError::File {
            path: self.file.clone(),
            source,
        }
    }

    fn lines(&self) -> Result<Vec<(String, String)>, RangeError> {
        let text = std::fs::read_to_string(&self.file).map_err(|error| self.failed(error))?;
        Ok(text
            .lines()
            .filter_map(|line| line.trim().split_once(char::is_whitespace))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect())
    }

    fn write(&self, lines: &[(String, String)]) -> Result<(), RangeError> {
        let mut text = String::new();
        for (name, value) in lines {
            let _ = writeln!(text, "{name} {value}");
        }
        std::fs::write(&self.file, text).map_err(|error| self.failed(error))
    }

    /// Adds a key and returns its value.
    pub(crate) fn add(&self, name: &str, value: Option<&str>) -> Result<String, RangeError> {
        let value = value.map_or_else(random::custom_key, str::to_owned);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = self.lines()?;
        lines.retain(|(known, _)| known != name);
        lines.push((name.to_owned(), value.clone()));
        self.write(&lines)?;
        self.take(&mut read)?;
        Ok(value)
    }

    fn remove(&self, name: &str) -> Result<bool, RangeError> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = self.lines()?;
        let before = lines.len();
        lines.retain(|(known, _)| known != name);
        self.write(&lines)?;
        self.take(&mut read)?;
        Ok(lines.len() < before)
    }

    /// Reads the file if it changed since.
    fn refresh(&self) -> Result<(), RangeError> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if *read == self.stamp() && read.is_some() {
            return Ok(());
        }
        self.take(&mut read)
    }

    fn stamp(&self) -> Option<(SystemTime, u64)> {
        let data = std::fs::metadata(&self.file).ok()?;
        Some((data.modified().ok()?, data.len()))
    }

    fn take(&self, read: &mut Option<(SystemTime, u64)>) -> Result<(), RangeError> {
        *read = self.stamp();
        let lines = self.lines()?;
        for key in self.ledger.listed(|_| true) {
            if !lines.iter().any(|(_, value)| *value == key.value) {
                self.ledger
                    .change(&key.id, |key| key.status = KeyStatus::Deleted);
            }
        }
        for (name, value) in lines {
            let known = self.ledger.listed(|key| key.value == value);
            if known.is_empty() {
                self.ledger.enter(Draft {
                    id: format!("{name}#{}", random::hex(8)),
                    name,
                    value,
                    group: "vllm".to_owned(),
                    owner: String::new(),
                });
            }
        }
        Ok(())
    }

    /// The routes for one network.
    pub(crate) fn router(self: &Arc<Self>, network: Network) -> Router {
        let state = (Arc::clone(self), network);
        let admin = Router::new()
            .route("/admin/reload", post(reload))
            .route("/admin/keys", get(list).post(add))
            .route("/admin/keys/{name}", delete(remove))
            .layer(middleware::from_fn_with_state(state.clone(), require_admin));
        Router::new()
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(complete))
            .merge(admin)
            .with_state(state)
    }
}

async fn require_admin(State((fake, _)): Fake, request: Request, next: Next) -> Response {
    if bearer(request.headers()) == fake.admin_token {
        return next.run(request).await;
    }
    unauthorized()
}

fn unauthorized() -> Response {
    reply(401, json!({"error": "Unauthorized"}))
}

fn broken(error: &RangeError) -> Response {
    reply(500, json!({"error": error.to_string()}))
}

fn refuse(state: &(Arc<Custom>, Network), headers: &HeaderMap, tokens: u64) -> Option<Response> {
    let (fake, network) = state;
    if let Err(error) = fake.refresh() {
        return Some(broken(&error));
    }
    match fake.ledger.admit(bearer(headers), *network, tokens, &[]) {
        Admission::Admitted => None,
        _ => Some(unauthorized()),
    }
}

async fn models(State(state): Fake, headers: HeaderMap) -> Response {
    if let Some(refusal) = refuse(&state, &headers, 0) {
        return refusal;
    }
    let model = json!({"id": "braintrust-7b", "object": "model", "created": 1_754_000_000, "owned_by": "vllm"});
    reply(200, json!({"object": "list", "data": [model]}))
}

async fn complete(State(state): Fake, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    if let Some(refusal) = refuse(&state, &headers, COMPLETION_TOKENS) {
        return refusal;
    }
    reply(
        200,
        json!({
            "id": format!("chatcmpl-{}", random::alphanumeric(24)),
            "object": "chat.completion", "created": Timestamp::now().as_second(),
            "model": body["model"],
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 19, "completion_tokens": 1, "total_tokens": COMPLETION_TOKENS},
        }),
    )
}

async fn reload(State((fake, _)): Fake) -> Response {
    let result = {
        let mut read = fake.read.lock().unwrap_or_else(PoisonError::into_inner);
        fake.take(&mut read)
    };
    match result {
        Ok(()) => reply(200, json!({"keys": fake.ledger.listed(|_| true).len()})),
        Err(error) => broken(&error),
    }
}

async fn list(State((fake, _)): Fake) -> Response {
    let keys: Vec<Value> = fake
        .ledger
        .listed(|_| true)
        .iter()
        .map(|key| json!({"name": key.name, "last_used_at": key.last_used.map(|at| at.to_string()), "requests": key.requests}))
        .collect();
    reply(200, json!({ "keys": keys }))
}

async fn add(State((fake, _)): Fake, Json(body): Json<Value>) -> Response {
    let Some(name) = body["name"].as_str().filter(|name| is_name(name)) else {
        return reply(400, json!({"error": "name must be a word"}));
    };
    match fake.add(name, body["value"].as_str()) {
        Ok(value) => reply(200, json!({"name": name, "value": value})),
        Err(error) => broken(&error),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

async fn remove(State((fake, _)): Fake, Path(name): Path<String>) -> Response {
    match fake.remove(&name) {
        Ok(true) => reply(200, json!({"name": name, "deleted": true})),
        Ok(false) => reply(404, json!({"error": "no such key"})),
        Err(error) => broken(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_decides() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("keys.txt");
        let fake = Custom::new(&file).expect("a fake");
        let value = fake.add("one", None).expect("a key");
        let admit = |value: &str| {
            fake.refresh().expect("a file");
            fake.ledger.admit(value, Network::Workload, 0, &[])
        };
        assert!(matches!(admit(&value), Admission::Admitted));
        std::fs::write(&file, "two by-hand-value\n").expect("written");
        assert_eq!(admit(&value), Admission::Unknown);
        assert!(matches!(admit("by-hand-value"), Admission::Admitted));
        assert!(fake.remove("two").expect("removed"));
        assert_eq!(admit("by-hand-value"), Admission::Unknown);
    }
}
