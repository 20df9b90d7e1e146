//! OpenAI's and Anthropic's calls for keys, and a check of presented keys, with state.
//!
//! Written from what the catalog's entries say of the issuers, not from the engine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) const ADMIN: &str = "admin-canary-0123456789";

/// One key.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// A service account at OpenAI, a workspace at Anthropic.
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) status: &'static str,
}

/// What the server knows.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) keys: BTreeMap<String, Key>,
    pub(crate) owners: Vec<String>,
    pub(crate) next: usize,
    /// Whether values that nobody was ever given are accepted.
    pub(crate) is_open: bool,
    /// A folder with one file for each further key that is accepted, its value in it.
    pub(crate) folder: Option<std::path::PathBuf>,
}

impl World {
    /// A new key for an owner. Returns id and value.
    pub(crate) fn mint(&mut self, owner: &str, name: &str) -> (String, String) {
        self.next += 1;
        let id = format!("key_{:06}", self.next);
        let fill = format!("{:0>20}", self.next);
        let value = match owner.strip_prefix("wrkspc") {
            Some(_) => format!("sk-ant-api03-{fill:0>93}AA"),
            None => format!("sk-svcacct-{fill}T3BlbkFJ{fill}"),
        };
        let key = Key {
            owner: owner.into(),
            name: name.into(),
            value: value.clone(),
            status: "active",
        };
        self.keys.insert(id.clone(), key);
        (id, value)
    }

    /// Whether a presented value is accepted.
    fn accepts(&self, value: &str) -> bool {
        let known = self.keys.values().find(|key| key.value == value);
        match known {
            Some(key) => key.status == "active",
            None => self.is_open || self.is_in_folder(value),
        }
    }

    fn is_in_folder(&self, value: &str) -> bool {
        let entries = self
            .folder
            .as_ref()
            .and_then(|path| std::fs::read_dir(path).ok());
        let texts = entries.into_iter().flatten().flatten();
        let mut texts = texts.filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
        texts.any(|text| text.lines().any(|line| line == value))
    }
}

/// A running server.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) address: String,
    pub(crate) world: Arc<Mutex<World>>,
}

type Answer = (u16, Value);

impl Fake {
    /// A server that answers by `rule`, given method, path parts, presented key and body.
    pub(crate) async fn start(rule: fn(&mut World, &Asked) -> Answer) -> Self {
        let world: Arc<Mutex<World>> = Arc::default();
        let known = Arc::clone(&world);
        let app = Router::new().fallback(move |request: Request| {
            let known = Arc::clone(&known);
            async move {
                let asked = Asked::of(request).await;
                let (status, body) = rule(&mut known.lock().expect("not poisoned"), &asked);
                respond(status, body)
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, world }
    }

    pub(crate) fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.world.lock().expect("not poisoned")
    }
}

fn respond(status: u16, body: Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, Json(body)).into_response()
}

/// A request.
pub(crate) struct Asked {
    method: String,
    path: Vec<String>,
    key: String,
    body: Value,
}

impl Asked {
    async fn of(request: Request) -> Self {
        let (parts, body) = request.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
        let path = parts.uri.path().trim_start_matches('/').split('/');
        Self {
            method: parts.method.to_string(),
            path: path.map(str::to_string).collect(),
            key: presented(&parts.headers),
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        }
    }

    fn route(&self) -> (&str, Vec<&str>) {
        (
            self.method.as_str(),
            self.path.iter().map(String::as_str).collect(),
        )
    }
}

fn presented(headers: &HeaderMap) -> String {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let key = text("x-api-key").or(text("authorization"));
    let key = key.unwrap_or_default();
    key.strip_prefix("Bearer ").unwrap_or(key).to_string()
}

fn list(data: Vec<Value>) -> Answer {
    let body = json!({"object": "list", "data": data, "has_more": false, "last_id": null});
    (200, body)
}

fn openai_error(status: u16, code: &str) -> Answer {
    let error = json!({"message": code, "type": "invalid_request_error", "code": code});
    (status, json!({ "error": error }))
}

/// OpenAI: one project `p1`, service accounts, keys that can only be deleted.
pub(crate) fn openai(world: &mut World, asked: &Asked) -> Answer {
    let (method, path) = asked.route();
    if path == ["v1", "models"] {
        return if world.accepts(&asked.key) {
            list(vec![])
        } else {
            openai_error(401, "invalid_api_key")
        };
    }
    if asked.key != ADMIN {
        return openai_error(401, "invalid_api_key");
    }
    match (method, path.as_slice()) {
        ("GET", ["v1", "organization", "projects"]) => list(vec![json!({"id": "p1"})]),
        ("GET", [.., "p1", "service_accounts"]) => {
            list(world.owners.iter().map(|id| json!({ "id": id })).collect())
        }
        ("GET", [.., "p1", "api_keys"]) => list(world.keys.iter().map(openai_key).collect()),
        ("POST", [.., "p1", "service_accounts", owner, "api_keys"]) => {
            openai_mint(world, owner, asked)
        }
        ("DELETE", [.., "p1", "api_keys", id]) => match world.keys.remove(*id) {
            Some(_) => (200, json!({"id": id, "deleted": true})),
            None => openai_error(404, "not_found"),
        },
        _ => openai_error(404, "not_found"),
    }
}

fn openai_mint(world: &mut World, owner: &str, asked: &Asked) -> Answer {
    if !world.owners.iter().any(|known| known == owner) {
        return openai_error(404, "not_found");
    }
    let name = asked.body["name"].as_str().unwrap_or_default();
    let (id, value) = world.mint(owner, name);
    (200, json!({"id": id, "value": value, "name": name}))
}

fn openai_key((id, key): (&String, &Key)) -> Value {
    let owner = json!({"type": "service_account", "service_account": {"id": key.owner}});
    json!({"id": id, "name": key.name, "owner": owner, "created_at": 1_700_000_000})
}

fn anthropic_error(status: u16, kind: &str) -> Answer {
    let error = json!({"type": kind, "message": kind});
    (status, json!({"type": "error", "error": error}))
}

/// Anthropic: workspaces, keys whose status changes; an archived one stays archived.
pub(crate) fn anthropic(world: &mut World, asked: &Asked) -> Answer {
    let (method, path) = asked.route();
    if path == ["v1", "models"] {
        return if world.accepts(&asked.key) {
            list(vec![])
        } else {
            anthropic_error(401, "authentication_error")
        };
    }
    if asked.key != ADMIN {
        return anthropic_error(401, "authentication_error");
    }
    match (method, path.as_slice()) {
        ("GET", [.., "organizations", "workspaces"]) => {
            list(world.owners.iter().map(|id| json!({ "id": id })).collect())
        }
        ("GET", [.., "organizations", "api_keys"]) => {
            list(world.keys.iter().map(anthropic_key).collect())
        }
        ("GET", [.., "api_keys", id]) => match world.keys.get_key_value(*id) {
            Some(found) => (200, anthropic_key(found)),
            None => anthropic_error(404, "not_found_error"),
        },
        ("POST", [.., "api_keys", id]) => anthropic_change(world, id, &asked.body),
        _ => anthropic_error(404, "not_found_error"),
    }
}

fn anthropic_change(world: &mut World, id: &str, body: &Value) -> Answer {
    let Some(key) = world.keys.get_mut(id) else {
        return anthropic_error(404, "not_found_error");
    };
    let wanted = match body["status"].as_str() {
        Some("active") => "active",
        Some("inactive") => "inactive",
        Some("archived") => "archived",
        _ => return anthropic_error(400, "invalid_request_error"),
    };
    if key.status == "archived" {
        return anthropic_error(400, "invalid_request_error");
    }
    key.status = wanted;
    (200, json!({"id": id, "status": wanted}))
}

fn anthropic_key((id, key): (&String, &Key)) -> Value {
    let scope = json!({"type": "workspace", "workspace_id": key.owner});
    json!({"id": id, "name": key.name, "status": key.status, "scope": scope})
}

/// An endpoint of one's own that lists models to those who present a key that it knows.
pub(crate) fn endpoint(world: &mut World, asked: &Asked) -> Answer {
    if world.accepts(&asked.key) {
        list(vec![])
    } else {
        (401, json!({"error": "Unauthorized"}))
    }
}
