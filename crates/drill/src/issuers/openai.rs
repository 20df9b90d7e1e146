//! A fake OpenAI: the calls of a key and the administration of projects.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::ledger::{Admission, Draft, IssuedKey, Ledger};
use super::wire::{bearer, hint, reply};
use crate::config::Network;
use crate::random;

/// Tokens that one completion costs here.
pub(super) const COMPLETION_TOKENS: u64 = 42;

/// The issuer: its keys, projects and service accounts.
pub(crate) struct OpenAi {
    pub(crate) ledger: Ledger,
    pub(crate) admin_key: String,
    pub(super) projects: Vec<(String, String)>,
    /// Service account id to project and name.
    pub(super) accounts: Mutex<BTreeMap<String, (String, String)>>,
}

type Fake = State<(Arc<OpenAi>, Network)>;

impl OpenAi {
    pub(crate) fn new(projects: &[&str]) -> Self {
        let id = |_: &&str| format!("proj_{}", random::alphanumeric(24));
        Self {
            ledger: Ledger::default(),
            admin_key: random::openai_admin_key(),
            projects: projects
                .iter()
                .map(|name| (id(name), (*name).to_owned()))
                .collect(),
            accounts: Mutex::default(),
        }
    }

    /// The id of a project by its name, or the first project's.
    pub(crate) fn project(&self, name: &str) -> &str {
        self.projects
            .iter()
            .find(|(_, known)| known == name)
            .or(self.projects.first())
            .map_or("", |(id, _)| id)
    }

    /// Makes a service account with one key, as the scenario's builder.
    pub(crate) fn create(&self, project: &str, name: &str) -> IssuedKey {
        let account = self.open_account(project, name);
        self.mint(project, &account, name)
    }

    pub(super) fn open_account(&self, project: &str, name: &str) -> String {
        let id = format!("svc_acct_{}", random::alphanumeric(24));
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.insert(id.clone(), (project.to_owned(), name.to_owned()));
        id
    }

    pub(super) fn account(&self, id: &str) -> Option<(String, String)> {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.get(id).cloned()
    }

    pub(super) fn mint(&self, project: &str, account: &str, name: &str) -> IssuedKey {
        self.ledger.enter(Draft {
            id: format!("key_{}", random::alphanumeric(16)),
            name: name.to_owned(),
            value: random::openai_key(),
            group: project.to_owned(),
            owner: account.to_owned(),
        })
    }

    pub(super) fn key_json(&self, key: &IssuedKey) -> Value {
        let name = self.account(&key.owner).map(|(_, name)| name);
        json!({
            "object": "organization.project.api_key",
            "id": key.id,
            "name": key.name,
            "redacted_value": hint(&key.value, 14),
            "created_at": key.created.as_second(),
            "last_used_at": key.last_used.map(Timestamp::as_second),
            "expires_at": null,
            "scopes": key.scopes,
            "owner_project_access": "active",
            "owner": {
                "type": "service_account",
                "service_account": {
                    "object": "organization.project.service_account",
                    "id": key.owner,
                    "name": name,
                    "role": "member",
                    "created_at": key.created.as_second(),
                },
            },
        })
    }

    /// The routes for one network.
    pub(crate) fn router(self: &Arc<Self>, network: Network) -> Router {
        let state = (Arc::clone(self), network);
        Router::new()
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(complete))
            .merge(super::openai_admin::router(state.clone()))
            .with_state(state)
    }
}

pub(super) fn error(status: u16, message: &str, kind: &str, code: &str) -> Response {
    let error = json!({"message": message, "type": kind, "param": null, "code": code});
    reply(status, json!({ "error": error }))
}

pub(super) fn wrong_key(value: &str) -> Response {
    let message = format!(
        "Incorrect API key provided: {}. You can find your API key at https://platform.openai.com/account/api-keys.",
        hint(value, 8)
    );
    error(401, &message, "invalid_request_error", "invalid_api_key")
}

/// Lets a key do something that needs one of `scopes`, or says why not.
fn refuse(
    (fake, network): &(Arc<OpenAi>, Network),
    headers: &HeaderMap,
    tokens: u64,
    needed: &[&str],
) -> Option<Response> {
    let value = bearer(headers);
    match fake.ledger.admit(value, *network, tokens, needed) {
        Admission::Admitted => None,
        Admission::MissingScope => {
            let message = format!(
                "You have insufficient permissions for this operation. Missing scopes: {}.",
                needed[0]
            );
            let kind = "invalid_request_error";
            Some(error(403, &message, kind, "missing_scope"))
        }
        Admission::OutOfQuota => Some(error(
            429,
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            "insufficient_quota",
        )),
        Admission::AddressRefused => Some(error(
            401,
            "Your IP address is not authorized to access this API: IP not authorized.",
            "invalid_request_error",
            "ip_not_authorized",
        )),
        Admission::Unknown => Some(wrong_key(value)),
    }
}

async fn models(State(state): Fake, headers: HeaderMap) -> Response {
    if let Some(refusal) = refuse(&state, &headers, 0, &["api.model.read", "api.all.read"]) {
        return refusal;
    }
    let model = json!({"id": "gpt-5-mini", "object": "model", "created": 1_754_000_000, "owned_by": "system"});
    reply(200, json!({"object": "list", "data": [model]}))
}

async fn complete(State(state): Fake, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let scopes = ["model.request", "api.model.request", "api.all"];
    if let Some(refusal) = refuse(&state, &headers, COMPLETION_TOKENS, &scopes) {
        return refusal;
    }
    reply(
        200,
        json!({
            "id": format!("chatcmpl-{}", random::alphanumeric(24)),
            "object": "chat.completion",
            "created": Timestamp::now().as_second(),
            "model": body["model"],
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": "Understood."},
                "finish_reason": "stop",
            }],
            "usage": {"prompt_tokens": 40, "completion_tokens": 2, "total_tokens": COMPLETION_TOKENS},
        }),
    )
}
