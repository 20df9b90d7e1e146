//! Switching keys off and on at Anthropic, and finding what a person pasted.

use relatch_case::FaultKind;
use relatch_case::model::Minting;
use relatch_issuers::{Issuer, MintRequest};
use relatch_secret::Secret;
use serde_json::{Value, json};

use crate::stub::{ADMIN, Asked, Reply, Stub, issuer};

const WORKSPACE: &str = "workspace/wrkspc_1";
const HINT: &str = "sk-ant-api03-R2D...igAA";

fn key(id: &str, status: &str, scope: &Value) -> Value {
    json!({
        "id": id, "name": id, "status": status, "scope": scope, "partial_key_hint": HINT,
        "created_at": "2026-05-01T00:00:00Z", "type": "api_key",
    })
}

fn keys() -> Vec<Value> {
    let one = json!({"type": "workspace", "workspace_id": "wrkspc_1"});
    let mut old = key("apikey_5", "active", &Value::Null);
    old["workspace_id"] = Value::Null;
    let archived = json!({"type": "workspace", "workspace_id": "wrkspc_2"});
    vec![
        key("apikey_1", "active", &one),
        key("apikey_2", "inactive", &one),
        key("apikey_3", "archived", &archived),
        key("apikey_4", "active", &json!({"type": "organization"})),
        old,
    ]
}

fn organization(asked: &Asked) -> Reply {
    assert_eq!(asked.key, ADMIN);
    let data = match asked.target.split('?').next().unwrap_or_default() {
        "/v1/organizations/workspaces" => vec![json!({"id": "wrkspc_3"})],
        "/v1/organizations/api_keys" => keys(),
        _ => {
            return (
                404,
                json!({"error": {"type": "not_found_error"}}).to_string(),
            );
        }
    };
    (200, json!({"data": data, "has_more": false}).to_string())
}

#[tokio::test]
async fn keys_by_workspace() {
    let stub = Stub::start(organization).await;
    let anthropic = issuer("anthropic", &stub.address);
    let listed = anthropic.list_all().await.expect("a list");
    let found: Vec<(String, Vec<bool>)> = listed
        .iter()
        .map(|(p, keys)| (p.to_string(), keys.iter().map(|k| k.active).collect()))
        .collect();
    let expected = [
        ("organization", vec![true]),
        ("workspace/default", vec![true]),
        (WORKSPACE, vec![true, false]),
        ("workspace/wrkspc_2", vec![]),
        ("workspace/wrkspc_3", vec![]),
    ];
    assert_eq!(found, expected.map(|(p, keys)| (p.to_string(), keys)));
    for (known, count) in [
        ("workspace/wrkspc_2", 0),
        ("workspace/wrkspc_3", 0),
        (WORKSPACE, 2),
    ] {
        assert_eq!(
            anthropic.list(&known.into()).await.expect("a list").len(),
            count,
            "{known}"
        );
    }
    let fault = anthropic
        .list(&"workspace/wrkspc_9".into())
        .await
        .expect_err("unknown");
    assert_eq!(fault.kind, FaultKind::NotFound);
}

#[tokio::test]
async fn a_pasted_key_is_found_only_if_one_fits() {
    let stub = Stub::start(organization).await;
    let anthropic = issuer("anthropic", &stub.address);
    let value = Secret::from("sk-ant-api03-R2Dabcdefghigklm-igAA");
    let find = |not_in: &'static [&'static str]| {
        let not_in: Vec<_> = not_in.iter().map(|id| (*id).into()).collect();
        let (anthropic, value) = (&anthropic, &value);
        async move {
            anthropic
                .find_by_value(&WORKSPACE.into(), value, &not_in)
                .await
                .expect("a list")
        }
    };
    // The inactive one shows the same hint, and does not count.
    assert_eq!(find(&[]).await, Some("apikey_1".into()));
    assert_eq!(find(&["apikey_1"]).await, None);
    let two = Stub::start(|_| {
        let scope = json!({"type": "organization"});
        let data = [key("a", "active", &scope), key("b", "active", &scope)];
        (200, json!({"data": data, "has_more": false}).to_string())
    })
    .await;
    let anthropic = issuer("anthropic", &two.address);
    let found = anthropic
        .find_by_value(&"organization".into(), &value, &[])
        .await;
    assert_eq!(found.expect("a list"), None, "two fit");
    let found = anthropic
        .find_by_value(&"organization".into(), &value, &["b".into()])
        .await;
    assert_eq!(found.expect("a list"), Some("a".into()));
}

#[tokio::test]
async fn formats_are_checked() {
    let anthropic = issuer("anthropic", "http://127.0.0.1:1");
    let good = format!("sk-ant-api03-{}AA", "a".repeat(93));
    assert!(anthropic.well_formed(&Secret::from(good.as_str())));
    for wrong in [
        "",
        "sk-ant-api03-short",
        &good[1..],
        &format!("{good} "),
        &format!("{good}\n"),
    ] {
        assert!(!anthropic.well_formed(&Secret::from(wrong)), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_person_mints() {
    let anthropic = issuer("anthropic", "http://127.0.0.1:1");
    let Minting::Person {
        console,
        instructions,
    } = &anthropic.sheet().minting
    else {
        panic!("not a person");
    };
    assert!(console.starts_with("https://") && instructions.contains("Create Key"));
    let request = MintRequest {
        principal: WORKSPACE.into(),
        name: "n".into(),
        replaces: None,
    };
    let fault = anthropic.mint(&request).await.expect_err("impossible");
    assert_eq!(fault.kind, FaultKind::Invalid);
}

#[tokio::test]
async fn status_is_changed_once() {
    let stub = Stub::start(|asked| (200, asked.body.clone())).await;
    let anthropic = issuer("anthropic", &stub.address);
    anthropic
        .disable(&WORKSPACE.into(), &"k".into())
        .await
        .expect("off");
    anthropic
        .enable(&WORKSPACE.into(), &"k".into())
        .await
        .expect("on");
    anthropic
        .delete(&WORKSPACE.into(), &"k".into())
        .await
        .expect("archived");
    let bodies: Vec<String> = stub.asked().into_iter().map(|asked| asked.body).collect();
    let expected = [
        r#"{"status":"inactive"}"#,
        r#"{"status":"active"}"#,
        r#"{"status":"archived"}"#,
    ];
    assert_eq!(bodies, expected);
    assert!(
        stub.lines()
            .iter()
            .all(|line| line == "POST /v1/organizations/api_keys/k")
    );
}

#[tokio::test]
async fn a_refusal_of_what_is_done_already_is_success() {
    let refusal = json!({"error": {"type": "invalid_request_error", "message": "archived"}});
    let answer = move |asked: &Asked| match asked.method.as_str() {
        "GET" => (200, key("k", "archived", &Value::Null).to_string()),
        _ => (400, refusal.to_string()),
    };
    let stub = Stub::start(answer).await;
    let anthropic = issuer("anthropic", &stub.address);
    anthropic
        .delete(&WORKSPACE.into(), &"k".into())
        .await
        .expect("archived before");
    anthropic
        .disable(&WORKSPACE.into(), &"k".into())
        .await
        .expect("off for good");
    let fault = anthropic
        .enable(&WORKSPACE.into(), &"k".into())
        .await
        .expect_err("archived");
    assert_eq!(fault.kind, FaultKind::Invalid);
    let posts = stub
        .asked()
        .iter()
        .filter(|asked| asked.method == "POST")
        .count();
    assert_eq!(posts, 3);
}

#[tokio::test]
async fn refusals_have_meanings() {
    let cases = [
        (404, "not_found_error", "x", FaultKind::NotFound),
        (401, "authentication_error", "x", FaultKind::Denied),
        (403, "permission_error", "x", FaultKind::Denied),
        (429, "rate_limit_error", "x", FaultKind::Throttled),
        (
            400,
            "invalid_request_error",
            "org_api_key_limit_exceeded",
            FaultKind::SlotsFull,
        ),
        (529, "overloaded_error", "x", FaultKind::Ambiguous),
    ];
    for (status, kind, message, expected) in cases {
        let body = json!({"error": {"type": kind, "message": message}}).to_string();
        let stub = Stub::start(move |_| (status, body.clone())).await;
        let anthropic = issuer("anthropic", &stub.address);
        let fault = anthropic
            .enable(&WORKSPACE.into(), &"k".into())
            .await
            .expect_err("refused");
        assert_eq!(fault.kind, expected, "{fault}");
        assert!(fault.detail.contains(kind), "{fault}");
        if status == 429 {
            assert!(fault.detail.contains("retry after 17"), "{fault}");
        }
    }
}
