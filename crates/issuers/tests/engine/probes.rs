//! What every recorded answer to a presented key means.

use std::sync::{Arc, Mutex};

use relatch_case::model::{Liveness, Probe};
use relatch_issuers::{CatalogIssuer, Issuer, KeyMaterial};
use relatch_secret::Secret;

use crate::stub::{Reply, Stub, issuer, nobody, raw, silent};

const OPENAI_KEY: &str = "sk-svcacct-thekeythatistried";
const OPENAI_DEAD: &str = r#"{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","code":"invalid_api_key"}}"#;
const ANTHROPIC_DEAD: &str =
    r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#;
const CUSTOM_DEAD: &str = r#"{"error":"Unauthorized"}"#;

/// A server that answers the key and the made-up one as told, and an issuer that asks it.
struct Bench {
    stub: Stub,
    issuer: CatalogIssuer,
    replies: Arc<Mutex<[Reply; 2]>>,
}

impl Bench {
    async fn new(id: &str) -> Self {
        let replies: Arc<Mutex<[Reply; 2]>> = Arc::default();
        let told = Arc::clone(&replies);
        let stub = Stub::start(move |asked| {
            told.lock().expect("not poisoned")[usize::from(asked.key != OPENAI_KEY)].clone()
        })
        .await;
        Self {
            issuer: issuer(id, &stub.address),
            stub,
            replies,
        }
    }

    async fn probe(&self, reply: Reply, control: Reply) -> Probe {
        *self.replies.lock().expect("not poisoned") = [reply, control];
        self.issuer.probe(&key()).await
    }
}

fn key() -> KeyMaterial {
    KeyMaterial {
        id: None,
        secret: Secret::from(OPENAI_KEY),
    }
}

/// Tries a key that is answered so, beside a made-up one that is answered otherwise.
async fn probe(id: &str, reply: Reply, control: Reply) -> Probe {
    Bench::new(id).await.probe(reply, control).await
}

#[tokio::test]
async fn a_well_formed_made_up_key_goes_with_each() {
    let bench = Bench::new("openai").await;
    bench
        .probe((401, OPENAI_DEAD.into()), (401, OPENAI_DEAD.into()))
        .await;
    assert_eq!(bench.stub.lines(), ["GET /v1/models", "GET /v1/models"]);
    let made_up = bench
        .stub
        .asked()
        .into_iter()
        .map(|asked| asked.key)
        .find(|key| key != OPENAI_KEY);
    let made_up = made_up.expect("a control was sent");
    assert!(made_up.starts_with("sk-svcacct-"), "{made_up}");
    assert!(bench.issuer.well_formed(&Secret::from(made_up)));
}

async fn present(id: &str, base: &str) -> Probe {
    issuer(id, base)
        .probe(&KeyMaterial {
            id: None,
            secret: Secret::from(OPENAI_KEY),
        })
        .await
}

fn openai(message: &str, kind: &str, code: &str) -> String {
    let error = serde_json::json!({"message": message, "type": kind, "code": code});
    serde_json::json!({ "error": error }).to_string()
}

fn anthropic(kind: &str, message: &str) -> String {
    serde_json::json!({"type": "error", "error": {"type": kind, "message": message}}).to_string()
}

async fn table(id: &str, dead: &str, cases: Vec<(u16, String, Liveness)>) {
    let bench = Bench::new(id).await;
    for (status, body, expected) in cases {
        let probe = bench
            .probe((status, body.clone()), (401, dead.into()))
            .await;
        assert_eq!(
            probe.liveness, expected,
            "{id} {status} {body}: {}",
            probe.answer
        );
        assert!(
            probe.control && probe.answer.starts_with(&status.to_string()),
            "{}",
            probe.answer
        );
    }
}

/// Answers of something in between, or of a broken server: for any issuer they prove nothing.
fn odd() -> Vec<(u16, String, Liveness)> {
    let html = "<html><body>Access denied invalid_api_key</body></html>";
    let mut cases = Vec::new();
    for status in [
        200, 301, 307, 400, 401, 402, 403, 404, 429, 500, 502, 503, 529,
    ] {
        cases.push((status, html.to_string(), Liveness::Unknown));
        cases.push((status, String::new(), Liveness::Unknown));
        cases.push((
            status,
            "{\"error\":{\"code\":\"invalid_api".to_string(),
            Liveness::Unknown,
        ));
        cases.push((status, "[]".to_string(), Liveness::Unknown));
    }
    cases
}

#[tokio::test]
async fn openai_answers() {
    use Liveness::{Alive, Dead, OutOfQuota, Restricted, Unknown};
    let request = "invalid_request_error";
    let member = "You must be a member of an organization to use the API.";
    let cases = vec![
        (200, r#"{"object":"list","data":[]}"#.into(), Alive),
        (200, r#"{"hello":"world"}"#.into(), Unknown),
        (401, OPENAI_DEAD.into(), Dead),
        (
            401,
            openai("Your IP is refused: IP not authorized", request, "other"),
            Restricted,
        ),
        (401, openai("x", request, "ip_not_authorized"), Restricted),
        (
            401,
            openai("IP not authorized", request, "invalid_api_key"),
            Restricted,
        ),
        (401, openai(member, request, "no_organization"), Unknown),
        (
            401,
            openai("something new", request, "something_new"),
            Unknown,
        ),
        (
            403,
            openai("Missing scopes", request, "missing_scope"),
            Restricted,
        ),
        (
            403,
            openai("Country", request, "unsupported_country_region_territory"),
            Restricted,
        ),
        (
            429,
            openai("quota", "insufficient_quota", "insufficient_quota"),
            OutOfQuota,
        ),
        (
            429,
            openai("credit", "billing", "credit_balance_exhausted"),
            OutOfQuota,
        ),
        (
            429,
            openai("slow", "requests", "rate_limit_exceeded"),
            Alive,
        ),
        (429, openai("slow", "requests", "slow_down"), Alive),
        (
            500,
            openai("server", "server_error", "invalid_api_key"),
            Unknown,
        ),
        (503, openai("engine", "server_error", "overloaded"), Unknown),
        (404, openai("no", request, "not_found"), Unknown),
    ];
    table("openai", OPENAI_DEAD, cases).await;
}

#[tokio::test]
async fn anthropic_answers() {
    use Liveness::{Alive, Dead, OutOfQuota, Restricted, Unknown};
    let credit = "Your credit balance is too low to access the API";
    let cases = vec![
        (200, r#"{"data":[],"has_more":false}"#.into(), Alive),
        (401, ANTHROPIC_DEAD.into(), Dead),
        (401, anthropic("something_new", "x"), Unknown),
        (403, anthropic("permission_error", "no"), Restricted),
        (404, anthropic("not_found_error", "no"), Unknown),
        (400, anthropic("invalid_request_error", credit), OutOfQuota),
        (400, anthropic("invalid_request_error", "other"), Unknown),
        (402, anthropic("billing_error", "pay"), OutOfQuota),
        (429, anthropic("rate_limit_error", "slow"), Alive),
        (500, anthropic("api_error", "x"), Unknown),
        (529, anthropic("overloaded_error", "x"), Unknown),
        (503, anthropic("authentication_error", "x"), Unknown),
    ];
    table("anthropic", ANTHROPIC_DEAD, cases).await;
}

#[tokio::test]
async fn custom_answers() {
    use Liveness::{Alive, Dead, Restricted, Unknown};
    let cases = vec![
        (200, r#"{"object":"list","data":[]}"#.into(), Alive),
        (401, CUSTOM_DEAD.into(), Dead),
        (401, OPENAI_DEAD.into(), Dead),
        (401, openai("Key is blocked", "auth_error", "401"), Unknown),
        (
            403,
            openai("model", "key_model_access_denied", "x"),
            Restricted,
        ),
        (429, openai("slow", "x", "y"), Alive),
    ];
    table("openai-compatible", CUSTOM_DEAD, cases).await;
}

#[tokio::test]
async fn odd_answers_prove_nothing() {
    table("openai", OPENAI_DEAD, odd()).await;
    table("anthropic", ANTHROPIC_DEAD, odd()).await;
    table("openai-compatible", CUSTOM_DEAD, odd()).await;
}

#[tokio::test]
async fn a_huge_answer_proves_nothing() {
    let huge = format!(r#"{{"pad":"{}",{}"#, "x".repeat(5 << 20), &OPENAI_DEAD[1..]);
    let probe = probe("openai", (401, huge), (401, OPENAI_DEAD.into())).await;
    assert_eq!(probe.liveness, Liveness::Unknown, "{}", probe.answer);
    assert!(probe.answer.contains("longer than"), "{}", probe.answer);
}

#[tokio::test]
async fn an_open_endpoint_tells_nothing_of_a_key() {
    let list = r#"{"object":"list","data":[]}"#;
    let probe = probe("openai-compatible", (200, list.into()), (200, list.into())).await;
    assert_eq!((probe.liveness, probe.control), (Liveness::Unknown, false));
    assert!(
        probe.answer.contains("does not tell keys apart"),
        "{}",
        probe.answer
    );
}

#[tokio::test]
async fn a_dead_key_needs_a_refused_control() {
    let busy = openai("slow", "requests", "slow_down");
    for (status, body) in [(500, String::new()), (429, busy)] {
        let probe = probe("openai", (401, OPENAI_DEAD.into()), (status, body)).await;
        assert_eq!((probe.liveness, probe.control), (Liveness::Unknown, false));
    }
}

#[tokio::test]
async fn no_answer_proves_nothing() {
    let cut = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 500\r\n\r\n{\"error\":{\"code\":\"invalid_api_key\"}";
    let (hung_up, _) = raw(b"").await;
    let (cut_off, _) = raw(cut).await;
    for base in [nobody().await, silent().await, hung_up, cut_off] {
        let probe = present("openai", &base).await;
        assert_eq!(
            (probe.liveness, probe.control),
            (Liveness::Unknown, false),
            "{}",
            probe.answer
        );
        assert!(probe.answer.starts_with("no answer: "), "{}", probe.answer);
    }
}

#[tokio::test]
async fn a_value_that_no_header_carries_proves_nothing() {
    let stub = Stub::start(|_| (401, OPENAI_DEAD.into())).await;
    let key = KeyMaterial {
        id: None,
        secret: Secret::from("sk-two\nlines"),
    };
    let probe = issuer("openai", &stub.address).probe(&key).await;
    assert_eq!(probe.liveness, Liveness::Unknown, "{}", probe.answer);
}
