//! Listing, minting and deleting at OpenAI.

use relatch_case::FaultKind;
use relatch_issuers::{Issuer, MintRequest};
use relatch_secret::Secret;
use serde_json::{Value, json};

use crate::stub::{ADMIN, Asked, Reply, Stub, issuer};

const ACCOUNT: &str = "project/p1/service_account/sa1";
const NOT_FOUND: &str =
    r#"{"error":{"message":"No such key","type":"invalid_request_error","code":"not_found"}}"#;

fn key(id: &str, owner: &Value) -> Value {
    json!({
        "id": id, "name": format!("name of {id}"), "redacted_value": "sk-svcacct-abc...wxyz",
        "created_at": 1_700_000_000, "last_used_at": 1_700_000_500, "owner": owner,
    })
}

fn service(id: &str) -> Value {
    json!({"type": "service_account", "service_account": {"id": id}})
}

/// A page of `all` of one item, after the id in the query.
fn page(asked: &Asked, all: &[Value]) -> Reply {
    let after = asked
        .target
        .split(['?', '&'])
        .find_map(|pair| pair.strip_prefix("after="));
    let start = after.map_or(0, |after| {
        all.iter().position(|i| i["id"] == after).expect("known") + 1
    });
    let data: Vec<&Value> = all.iter().skip(start).take(1).collect();
    let last = data.last().map(|item| item["id"].clone());
    let more = start + 1 < all.len();
    (
        200,
        json!({"object": "list", "data": data, "last_id": last, "has_more": more}).to_string(),
    )
}

/// Two projects; three keys and an account without any in the first.
fn organization(asked: &Asked) -> Reply {
    assert_eq!(asked.key, ADMIN);
    let path = asked.target.split('?').next().unwrap_or_default();
    let user = json!({"type": "user", "user": {"id": "u1"}});
    let keys = [
        key("k1", &service("sa1")),
        key("k2", &user),
        key("k3", &json!({"type": "robot"})),
    ];
    match path {
        "/v1/organization/projects" => page(asked, &[json!({"id": "p1"}), json!({"id": "p2"})]),
        "/v1/organization/projects/p1/api_keys" => page(asked, &keys),
        "/v1/organization/projects/p1/service_accounts" => {
            page(asked, &[json!({"id": "sa1"}), json!({"id": "sa2"})])
        }
        "/v1/organization/projects/p2/api_keys"
        | "/v1/organization/projects/p2/service_accounts" => page(asked, &[]),
        _ => (404, NOT_FOUND.into()),
    }
}

#[tokio::test]
async fn every_page_of_every_project_is_read() {
    let stub = Stub::start(organization).await;
    let listed = issuer("openai", &stub.address)
        .list_all()
        .await
        .expect("a list");
    let found: Vec<(String, Vec<String>)> = listed
        .iter()
        .map(|(p, keys)| {
            (
                p.to_string(),
                keys.iter().map(|k| k.id.to_string()).collect(),
            )
        })
        .collect();
    let expected = [
        (ACCOUNT, vec!["k1"]),
        ("project/p1/service_account/sa2", vec![]),
        ("project/p1/unknown_owner", vec!["k3"]),
        ("project/p1/user/u1", vec!["k2"]),
    ];
    let expected: Vec<(String, Vec<String>)> = expected
        .into_iter()
        .map(|(p, keys)| (p.into(), keys.into_iter().map(str::to_string).collect()))
        .collect();
    assert_eq!(found, expected);
    let key = &listed[0].1[0];
    assert_eq!(
        key.created.map(jiff::Timestamp::as_second),
        Some(1_700_000_000)
    );
    assert_eq!(
        key.last_used.map(jiff::Timestamp::as_second),
        Some(1_700_000_500)
    );
    assert!(key.active && key.hint.as_deref() == Some("sk-svcacct-abc...wxyz"));
    assert!(
        stub.lines()
            .iter()
            .any(|line| line.contains("owner_project_access=any"))
    );
}

#[tokio::test]
async fn a_base_address_with_its_version_is_the_same() {
    let stub = Stub::start(organization).await;
    let listed = issuer("openai", &format!("{}/v1/", stub.address))
        .list_all()
        .await;
    assert_eq!(listed.expect("a list").len(), 4);
}

#[tokio::test]
async fn one_principal() {
    let stub = Stub::start(organization).await;
    let openai = issuer("openai", &stub.address);
    assert_eq!(openai.list(&ACCOUNT.into()).await.expect("a list").len(), 1);
    let none = openai.list(&"project/p1/service_account/sa2".into()).await;
    assert_eq!(none.expect("known, without keys").len(), 0);
    for unknown in [
        "project/p1/service_account/no",
        "project/no/service_account/sa1",
        "wrong",
    ] {
        let fault = openai.list(&unknown.into()).await.expect_err("unknown");
        assert_eq!(fault.kind, FaultKind::NotFound, "{unknown}: {fault}");
    }
    let used = openai
        .last_used(&ACCOUNT.into(), &"k1".into())
        .await
        .expect("told");
    assert_eq!(used.map(jiff::Timestamp::as_second), Some(1_700_000_500));
}

#[tokio::test]
async fn lists_that_cannot_be_read_whole_are_faults() {
    let circle = r#"{"data":[{"id":"p1"}],"last_id":"p1","has_more":true}"#;
    let bodies = [
        circle,
        r#"{"data":[{"name":"no id"}],"has_more":false}"#,
        r#"{"keys":[]}"#,
    ];
    for body in bodies {
        let stub = Stub::start(move |_| (200, body.into())).await;
        let fault = issuer("openai", &stub.address)
            .list_all()
            .await
            .expect_err("unreadable");
        assert_eq!(fault.kind, FaultKind::Invalid, "{body}: {fault}");
    }
    let stub = Stub::start(|_| (200, "<html>".into())).await;
    let fault = issuer("openai", &stub.address)
        .list_all()
        .await
        .expect_err("unreadable");
    assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
}

#[tokio::test]
async fn pages_go_on_where_the_answer_does_not_say() {
    let stub = Stub::start(|asked| {
        if asked.target.contains("/p1/") {
            return (200, r#"{"data":[],"has_more":false}"#.into());
        }
        let more = !asked.target.contains("after=");
        (
            200,
            if more {
                r#"{"data":[{"id":"p1"}]}"#
            } else {
                r#"{"data":[]}"#
            }
            .into(),
        )
    })
    .await;
    issuer("openai", &stub.address)
        .list_all()
        .await
        .expect("a list");
    assert!(stub.lines()[1].contains("after=p1"), "{:?}", stub.lines());
}

fn request(replaces: Option<&str>) -> MintRequest {
    MintRequest {
        principal: ACCOUNT.into(),
        name: "relatch \"step\" 1".into(),
        replaces: replaces.map(Into::into),
    }
}

/// Mints, with what reading the old key is answered; returns what was sent.
async fn minted_body(old: Reply) -> Value {
    let stub = Stub::start(move |asked| match asked.method.as_str() {
        "GET" => old.clone(),
        _ => (
            200,
            r#"{"id":"key_new","value":"sk-svcacct-new-value"}"#.into(),
        ),
    })
    .await;
    let minted = issuer("openai", &stub.address)
        .mint(&request(Some("k1")))
        .await
        .expect("a key");
    assert_eq!(minted.id.as_str(), "key_new");
    assert_eq!(minted.secret.expose(), b"sk-svcacct-new-value");
    let asked = stub.asked();
    assert_eq!(
        asked[0].line(),
        "GET /v1/organization/projects/p1/api_keys/k1"
    );
    let path = "POST /v1/organization/projects/p1/service_accounts/sa1/api_keys";
    assert_eq!((asked.len(), asked[1].line().as_str()), (2, path));
    serde_json::from_str(&asked[1].body).expect("json")
}

#[tokio::test]
async fn a_new_key_gets_the_limits_of_the_old_one() {
    let scoped = json!({"id": "k1", "scopes": ["model.read"]}).to_string();
    let name = "relatch \"step\" 1";
    assert_eq!(
        minted_body((200, scoped)).await,
        json!({"name": name, "scopes": ["model.read"]})
    );
    // Empty means all permissions: it is never sent.
    for untold in [
        r#"{"id":"k1","scopes":[]}"#,
        r#"{"id":"k1","scopes":null}"#,
        r#"{"id":"k1"}"#,
    ] {
        assert_eq!(
            minted_body((200, untold.into())).await,
            json!({ "name": name })
        );
    }
    assert_eq!(
        minted_body((404, NOT_FOUND.into())).await,
        json!({ "name": name })
    );
}

#[tokio::test]
async fn nothing_is_minted_while_the_old_limits_cannot_be_read() {
    for (status, kind) in [(500, FaultKind::Unreachable), (403, FaultKind::Denied)] {
        let stub = Stub::start(move |_| (status, r#"{"error":{"message":"x"}}"#.into())).await;
        let fault = issuer("openai", &stub.address)
            .mint(&request(Some("k1")))
            .await;
        assert_eq!(fault.expect_err("a fault").kind, kind);
        assert!(stub.asked().iter().all(|asked| asked.method == "GET"));
    }
}

#[tokio::test]
async fn no_key_is_minted_for_users() {
    let stub = Stub::start(|_| (200, "{}".into())).await;
    let request = MintRequest {
        principal: "project/p1/user/u1".into(),
        ..request(None)
    };
    let fault = issuer("openai", &stub.address)
        .mint(&request)
        .await
        .expect_err("refused");
    assert_eq!(fault.kind, FaultKind::Invalid);
    assert!(fault.detail.contains("service account"), "{fault}");
    assert!(stub.asked().is_empty());
}

#[tokio::test]
async fn deleting() {
    let deleted = r#"{"id":"k1","deleted":true}"#;
    let refused = r#"{"error":{"message":"service account keys cannot be deleted"}}"#;
    let cases = [
        (200, deleted, None),
        (404, NOT_FOUND, None),
        (404, "<html>not here</html>", Some(FaultKind::Invalid)),
        (200, "<html>welcome</html>", Some(FaultKind::Ambiguous)),
        (200, r#"{"id":"k1"}"#, Some(FaultKind::Ambiguous)),
        (400, refused, Some(FaultKind::Invalid)),
        (307, "", Some(FaultKind::Ambiguous)),
    ];
    for (status, body, expected) in cases {
        let stub = Stub::start(move |_| (status, body.into())).await;
        let done = issuer("openai", &stub.address)
            .delete(&ACCOUNT.into(), &"k1".into())
            .await;
        assert_eq!(
            done.as_ref().err().map(|fault| fault.kind),
            expected,
            "{status} {body}: {done:?}"
        );
        assert_eq!(
            stub.lines(),
            ["DELETE /v1/organization/projects/p1/api_keys/k1"]
        );
    }
}

#[tokio::test]
async fn a_hostile_id_stays_in_its_segment() {
    let stub = Stub::start(|_| (404, NOT_FOUND.into())).await;
    let openai = issuer("openai", &stub.address);
    openai
        .delete(&ACCOUNT.into(), &"../../x?y#z".into())
        .await
        .expect("gone");
    let line = "DELETE /v1/organization/projects/p1/api_keys/..%2F..%2Fx%3Fy%23z";
    assert_eq!(stub.lines(), [line]);
    let fault = openai
        .delete(&ACCOUNT.into(), &"..".into())
        .await
        .expect_err("no id");
    assert_eq!(fault.kind, FaultKind::Invalid);
    assert_eq!(stub.asked().len(), 1);
}

#[tokio::test]
async fn keys_cannot_be_switched_off() {
    let stub = Stub::start(|_| (200, "{}".into())).await;
    let openai = issuer("openai", &stub.address);
    assert!(!openai.sheet().disables);
    let fault = openai
        .disable(&ACCOUNT.into(), &"k1".into())
        .await
        .expect_err("impossible");
    assert_eq!(fault.kind, FaultKind::Invalid);
    assert!(openai.cut(&ACCOUNT.into()).await.is_err());
    assert!(stub.asked().is_empty());
}

#[tokio::test]
async fn a_value_is_found_by_its_hint() {
    let stub = Stub::start(organization).await;
    let openai = issuer("openai", &stub.address);
    let find = |value: &'static str, not_in: Vec<relatch_case::KeyId>| {
        let openai = &openai;
        async move {
            let secret = Secret::from(value);
            openai
                .find_by_value(&ACCOUNT.into(), &secret, &not_in)
                .await
                .expect("a list")
        }
    };
    assert_eq!(
        find("sk-svcacct-abc-something-wxyz", vec![]).await,
        Some("k1".into())
    );
    assert_eq!(
        find("sk-svcacct-abc-something-wxyz", vec!["k1".into()]).await,
        None
    );
    assert_eq!(find("sk-svcacct-abd-something-wxyz", vec![]).await, None);
}
