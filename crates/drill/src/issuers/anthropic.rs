//! A fake Anthropic: the calls of a key, the administration of keys, and the console in
//! which alone keys are made.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::HeaderMap;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::ledger::{Admission, Draft, IssuedKey, KeyStatus, Ledger};
use super::wire::{PageQuery, header, hint, page, reply};
use crate::config::Network;
use crate::random;

/// Tokens that one message costs here.
const MESSAGE_TOKENS: u64 = 33;

/// The issuer: its keys and workspaces.
pub(crate) struct Anthropic {
    pub(crate) ledger: Ledger,
    pub(crate) admin_key: String,
    organization: String,
    workspaces: Vec<(String, String)>,
}

type Fake = State<(Arc<Anthropic>, Network)>;

impl Anthropic {
    pub(crate) fn new(workspaces: &[&str]) -> Self {
        Self {
            ledger: Ledger::default(),
            admin_key: random::anthropic_admin_key(),
            organization: random::uuid(),
            workspaces: workspaces
                .iter()
                .map(|name| {
                    (
                        format!("wrkspc_{}", random::alphanumeric(24)),
                        (*name).to_owned(),
                    )
                })
                .collect(),
        }
    }

    /// Makes a key as a person does in the console. An unknown workspace name stands for
    /// the first workspace.
    pub(crate) fn console_create(&self, workspace: &str, name: &str) -> IssuedKey {
        let group = self
            .workspaces
            .iter()
            .find(|(id, known)| known == workspace || id == workspace)
            .or(self.workspaces.first())
            .map_or(String::new(), |(id, _)| id.clone());
        self.ledger.enter(Draft {
            id: format!("apikey_{}", random::alphanumeric(24)),
            name: name.to_owned(),
            value: random::anthropic_key(),
            group,
            owner: String::new(),
        })
    }

    /// The routes for one network.
    pub(crate) fn router(self: &Arc<Self>, network: Network) -> Router {
        let state = (Arc::clone(self), network);
        let admin = Router::new()
            .route("/v1/organizations/me", get(me))
            .route("/v1/organizations/workspaces", get(list_workspaces))
            .route("/v1/organizations/api_keys", get(list_keys))
            .route(
                "/v1/organizations/api_keys/{key}",
                get(read_key).post(update_key),
            )
            .route("/v1/organizations/usage_report/messages", get(usage))
            .layer(middleware::from_fn_with_state(state.clone(), require_admin));
        Router::new()
            .route("/v1/models", get(models))
            .route("/v1/messages", post(message))
            .merge(admin)
            .with_state(state)
    }
}

async fn require_admin(State((fake, _)): Fake, request: Request, next: Next) -> Response {
    if header(request.headers(), "x-api-key") == fake.admin_key {
        return next.run(request).await;
    }
    wrong_key()
}

fn error(status: u16, kind: &str, message: &str) -> Response {
    reply(
        status,
        json!({
            "type": "error",
            "error": {"type": kind, "message": message},
            "request_id": format!("req_{}", random::alphanumeric(24)),
        }),
    )
}

fn wrong_key() -> Response {
    error(401, "authentication_error", "invalid x-api-key")
}

fn not_found() -> Response {
    error(404, "not_found_error", "Not found")
}

fn refuse(
    (fake, network): &(Arc<Anthropic>, Network),
    headers: &HeaderMap,
    tokens: u64,
) -> Option<Response> {
    match fake
        .ledger
        .admit(header(headers, "x-api-key"), *network, tokens, &[])
    {
        Admission::Admitted => None,
        Admission::OutOfQuota => Some(error(
            400,
            "invalid_request_error",
            "Your credit balance is too low to access the Anthropic API.",
        )),
        Admission::AddressRefused => Some(error(
            403,
            "permission_error",
            "Your IP address is not allowed by this organization.",
        )),
        Admission::Unknown | Admission::MissingScope => Some(wrong_key()),
    }
}

async fn models(State(state): Fake, headers: HeaderMap) -> Response {
    if let Some(refusal) = refuse(&state, &headers, 0) {
        return refusal;
    }
    let id = "claude-sonnet-5";
    let model = json!({"type": "model", "id": id, "display_name": "Claude Sonnet 5", "created_at": "2026-05-01T00:00:00Z"});
    reply(
        200,
        json!({"data": [model], "has_more": false, "first_id": id, "last_id": id}),
    )
}

async fn message(State(state): Fake, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    if let Some(refusal) = refuse(&state, &headers, MESSAGE_TOKENS) {
        return refusal;
    }
    reply(
        200,
        json!({
            "id": format!("msg_{}", random::alphanumeric(24)),
            "type": "message", "role": "assistant", "model": body["model"],
            "content": [{"type": "text", "text": "Understood."}],
            "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": 31, "output_tokens": 2},
        }),
    )
}

async fn me(State((fake, _)): Fake) -> Response {
    reply(
        200,
        json!({"id": fake.organization, "type": "organization", "name": "Braintrust drill"}),
    )
}

fn status_name(status: KeyStatus) -> &'static str {
    match status {
        KeyStatus::Active => "active",
        KeyStatus::Inactive => "inactive",
        KeyStatus::Archived | KeyStatus::Deleted => "archived",
    }
}

fn key_json(key: &IssuedKey) -> Value {
    json!({
        "id": key.id, "type": "api_key", "name": key.name,
        "workspace_id": key.group,
        "created_at": key.created.to_string(),
        "created_by": {"id": "user_drill", "type": "user"},
        "partial_key_hint": hint(&key.value, 16),
        "status": status_name(key.status),
        "expires_at": null,
    })
}

fn list(items: Vec<Value>, query: &PageQuery) -> Response {
    let (data, has_more) = page(items, query, 20);
    let id = |item: Option<&Value>| item.map(|item| item["id"].clone());
    let (first, last) = (id(data.first()), id(data.last()));
    reply(
        200,
        json!({"data": data, "first_id": first, "last_id": last, "has_more": has_more}),
    )
}

async fn list_workspaces(State((fake, _)): Fake, Query(query): Query<PageQuery>) -> Response {
    let workspace = |(id, name): &(String, String)| json!({"id": id, "type": "workspace", "name": name, "created_at": "2026-01-05T00:00:00Z", "archived_at": null});
    list(fake.workspaces.iter().map(workspace).collect(), &query)
}

async fn list_keys(State((fake, _)): Fake, Query(query): Query<PageQuery>) -> Response {
    let keys = fake.ledger.listed(|key| {
        let status = query.status.as_deref();
        let workspace = query.workspace_id.as_deref();
        status.is_none_or(|status| status_name(key.status) == status)
            && workspace.is_none_or(|workspace| key.group == workspace)
    });
    list(keys.iter().map(key_json).collect(), &query)
}

async fn read_key(State((fake, _)): Fake, Path(key): Path<String>) -> Response {
    fake.ledger
        .get(&key)
        .map_or_else(not_found, |key| reply(200, key_json(&key)))
}

async fn update_key(
    State((fake, _)): Fake,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let status = match body["status"].as_str() {
        Some("active") => Some(KeyStatus::Active),
        Some("inactive") => Some(KeyStatus::Inactive),
        Some("archived") => Some(KeyStatus::Archived),
        None => None,
        Some(_) => return error(400, "invalid_request_error", "status: unknown value"),
    };
    let Some(key) = fake.ledger.get(&id) else {
        return not_found();
    };
    if key.status == KeyStatus::Archived && status.is_some_and(|to| to != KeyStatus::Archived) {
        return error(
            400,
            "invalid_request_error",
            "An archived key cannot be changed.",
        );
    }
    let changed = fake.ledger.change(&id, |key| {
        key.status = status.unwrap_or(key.status);
        if let Some(name) = body["name"].as_str() {
            name.clone_into(&mut key.name);
        }
    });
    changed.map_or_else(not_found, |key| reply(200, key_json(&key)))
}

async fn usage(State((fake, _)): Fake) -> Response {
    let now = Timestamp::now();
    let results: Vec<Value> = fake
        .ledger
        .all()
        .iter()
        .filter(|key| key.tokens > 0)
        .map(|key| {
            json!({
                "api_key_id": key.id, "workspace_id": key.group,
                "uncached_input_tokens": key.tokens * 31 / MESSAGE_TOKENS,
                "output_tokens": key.tokens * 2 / MESSAGE_TOKENS,
                "model": null,
            })
        })
        .collect();
    let bucket = json!({
        "starting_at": (now - std::time::Duration::from_mins(1)).to_string(),
        "ending_at": now.to_string(),
        "results": results,
    });
    reply(
        200,
        json!({"data": [bucket], "has_more": false, "next_page": null}),
    )
}
