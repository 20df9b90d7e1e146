//! The administration of the fake OpenAI: projects, service accounts, keys, usage.

use std::sync::{Arc, PoisonError};

use axum::extract::{Path, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{delete, get};
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::ledger::KeyStatus;
use super::openai::{COMPLETION_TOKENS, OpenAi, error, wrong_key};
use super::wire::{PageQuery, bearer, page, reply};
use crate::config::Network;

type Fake = State<(Arc<OpenAi>, Network)>;

/// The routes; all need the admin key.
pub(super) fn router(state: (Arc<OpenAi>, Network)) -> Router<(Arc<OpenAi>, Network)> {
    let keys = "/v1/organization/projects/{project}/api_keys";
    let accounts = "/v1/organization/projects/{project}/service_accounts";
    Router::new()
        .route("/v1/organization/projects", get(list_projects))
        .route(keys, get(list_keys))
        .route(
            &format!("{keys}/{{key}}"),
            get(read_key).post(update_key).delete(delete_key),
        )
        .route(accounts, get(list_accounts).post(create_account))
        .route(&format!("{accounts}/{{account}}"), delete(delete_account))
        .route(
            &format!("{accounts}/{{account}}/api_keys"),
            get(list_account_keys).post(create_key),
        )
        .route("/v1/organization/usage/completions", get(usage))
        .layer(middleware::from_fn_with_state(state, require_admin))
}

async fn require_admin(State((fake, _)): Fake, request: Request, next: Next) -> Response {
    if bearer(request.headers()) == fake.admin_key {
        return next.run(request).await;
    }
    wrong_key(bearer(request.headers()))
}

fn not_found() -> Response {
    error(404, "No such object.", "invalid_request_error", "not_found")
}

fn list(items: Vec<Value>, query: &PageQuery) -> Response {
    let (data, has_more) = page(items, query, 20);
    let id = |item: Option<&Value>| item.map(|item| item["id"].clone());
    let (first, last) = (id(data.first()), id(data.last()));
    reply(
        200,
        json!({"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": has_more}),
    )
}

async fn list_projects(State((fake, _)): Fake, Query(query): Query<PageQuery>) -> Response {
    let project = |(id, name): &(String, String)| {
        json!({
            "id": id, "object": "organization.project", "name": name,
            "created_at": 1_754_000_000, "archived_at": null, "status": "active",
        })
    };
    list(fake.projects.iter().map(project).collect(), &query)
}

async fn list_keys(
    State((fake, _)): Fake,
    Path(project): Path<String>,
    Query(query): Query<PageQuery>,
) -> Response {
    let keys = fake.ledger.listed(|key| key.group == project);
    list(keys.iter().map(|key| fake.key_json(key)).collect(), &query)
}

async fn read_key(State((fake, _)): Fake, Path((_, key)): Path<(String, String)>) -> Response {
    match fake.ledger.get(&key) {
        Some(key) => reply(200, fake.key_json(&key)),
        None => not_found(),
    }
}

async fn update_key(
    State((fake, _)): Fake,
    Path((_, key)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Response {
    let scopes: Vec<String> = serde_json::from_value(body["scopes"].clone()).unwrap_or_default();
    match fake.ledger.change(&key, |key| key.scopes = scopes) {
        Some(key) => reply(200, fake.key_json(&key)),
        None => not_found(),
    }
}

async fn delete_key(State((fake, _)): Fake, Path((_, key)): Path<(String, String)>) -> Response {
    match fake
        .ledger
        .change(&key, |key| key.status = KeyStatus::Deleted)
    {
        Some(key) => reply(
            200,
            json!({"object": "organization.project.api_key.deleted", "id": key.id, "deleted": true}),
        ),
        None => not_found(),
    }
}

fn account_json(id: &str, name: &str) -> Value {
    json!({
        "object": "organization.project.service_account", "id": id, "name": name,
        "role": "member", "created_at": Timestamp::now().as_second(),
    })
}

async fn list_accounts(
    State((fake, _)): Fake,
    Path(project): Path<String>,
    Query(query): Query<PageQuery>,
) -> Response {
    let items = {
        let accounts = fake.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts
            .iter()
            .filter(|(_, (at, _))| *at == project)
            .map(|(id, (_, name))| account_json(id, name))
            .collect()
    };
    list(items, &query)
}

async fn create_account(
    State((fake, _)): Fake,
    Path(project): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let name = body["name"].as_str().unwrap_or("unnamed");
    let account = fake.open_account(&project, name);
    let mut answer = account_json(&account, name);
    if body["create_service_account_only"] != true {
        let key = fake.mint(&project, &account, "Secret Key");
        answer["api_key"] = json!({
            "object": "organization.project.service_account.api_key",
            "id": key.id, "name": key.name, "value": key.value,
            "created_at": key.created.as_second(),
        });
    }
    reply(200, answer)
}

async fn delete_account(
    State((fake, _)): Fake,
    Path((_, account)): Path<(String, String)>,
) -> Response {
    let known = {
        let mut accounts = fake.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.remove(&account).is_some()
    };
    if !known {
        return not_found();
    }
    for key in fake.ledger.listed(|key| key.owner == account) {
        fake.ledger
            .change(&key.id, |key| key.status = KeyStatus::Deleted);
    }
    reply(
        200,
        json!({"object": "organization.project.service_account.deleted", "id": account, "deleted": true}),
    )
}

async fn list_account_keys(
    State((fake, _)): Fake,
    Path((_, account)): Path<(String, String)>,
    Query(query): Query<PageQuery>,
) -> Response {
    let keys = fake.ledger.listed(|key| key.owner == account);
    list(keys.iter().map(|key| fake.key_json(key)).collect(), &query)
}

async fn create_key(
    State((fake, _)): Fake,
    Path((project, account)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Response {
    if fake.account(&account).is_none_or(|(at, _)| at != project) {
        return not_found();
    }
    let name = body["name"].as_str().unwrap_or("Secret Key");
    let key = fake.mint(&project, &account, name);
    let scopes: Vec<String> = serde_json::from_value(body["scopes"].clone()).unwrap_or_default();
    let key = fake
        .ledger
        .change(&key.id, |key| key.scopes = scopes)
        .unwrap_or(key);
    let mut answer = fake.key_json(&key);
    answer["value"] = key.value.into();
    reply(200, answer)
}

async fn usage(State((fake, _)): Fake) -> Response {
    let now = Timestamp::now().as_second();
    let results: Vec<Value> = fake
        .ledger
        .all()
        .iter()
        .filter(|key| key.tokens > 0)
        .map(|key| {
            json!({
                "object": "organization.usage.completions.result",
                "input_tokens": key.tokens * 40 / COMPLETION_TOKENS,
                "output_tokens": key.tokens * 2 / COMPLETION_TOKENS,
                "num_model_requests": key.tokens / COMPLETION_TOKENS,
                "project_id": key.group, "api_key_id": key.id,
                "user_id": null, "model": null,
            })
        })
        .collect();
    let bucket =
        json!({"object": "bucket", "start_time": now - 60, "end_time": now, "results": results});
    reply(
        200,
        json!({"object": "page", "data": [bucket], "has_more": false, "next_page": null}),
    )
}
