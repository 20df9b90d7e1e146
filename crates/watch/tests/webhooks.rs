//! Webhooks against a small server on loopback.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use relatch_case::{CaseId, FaultKind};
use relatch_secret::Secret;
use relatch_watch::{Alert, Dialect, Pace, Webhook, notify_all};
use serde_json::Value;

const TOKEN: &str = "T00000000-B00000000-canarycanarycanary";

/// A receiver that answers each try with the next status; the last one for ever.
struct Receiver {
    answers: Vec<u16>,
    tries: AtomicUsize,
    seen: Mutex<Vec<(String, Value)>>,
}

async fn receive(
    State(receiver): State<Arc<Receiver>>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let n = receiver.tries.fetch_add(1, Ordering::SeqCst);
    let key = headers["idempotency-key"].to_str().unwrap().to_string();
    let body = serde_json::from_slice(&body).unwrap();
    receiver.seen.lock().unwrap().push((key, body));
    let status = receiver.answers[n.min(receiver.answers.len() - 1)];
    if status == 0 {
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    let status = StatusCode::from_u16(status.max(200)).unwrap();
    (status, [(header::LOCATION, "http://127.0.0.1:1/")], TOKEN)
}

async fn serve(answers: &[u16]) -> (Arc<Receiver>, String) {
    let receiver = Arc::new(Receiver {
        answers: answers.to_vec(),
        tries: AtomicUsize::new(0),
        seen: Mutex::new(Vec::new()),
    });
    let router = Router::new()
        .route("/{*path}", post(receive))
        .with_state(receiver.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/{TOKEN}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (receiver, address)
}

fn webhook(name: &str, address: &str, dialect: Dialect) -> Webhook {
    // Fails when another test was first, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let pace = Pace {
        timeout: Duration::from_millis(500),
        tries: 3,
        pause: Duration::from_millis(10),
    };
    Webhook::new(name, Secret::from(address), dialect, pace).unwrap()
}

fn alert() -> Alert {
    Alert {
        title: "case-1: retired key AKIAOLD1 was tried".into(),
        text: "by <!channel> & co".into(),
        case: CaseId::from("case-1"),
        hits: vec![],
    }
}

#[tokio::test]
async fn a_generic_receiver_gets_the_whole_alert() {
    let (receiver, address) = serve(&[200]).await;
    let hook = webhook("ops", &address, Dialect::Generic);
    hook.send(&alert()).await.unwrap();
    let seen = receiver.seen.lock().unwrap();
    assert_eq!(
        serde_json::from_value::<Alert>(seen[0].1.clone()).unwrap(),
        alert()
    );
    assert_eq!(seen[0].0, alert().idempotency_key().unwrap());
}

#[tokio::test]
async fn slack_gets_escaped_text() {
    let (receiver, address) = serve(&[200]).await;
    let hook = webhook("slack", &address, Dialect::Slack);
    hook.send(&alert()).await.unwrap();
    let body = receiver.seen.lock().unwrap()[0].1.clone();
    assert_eq!(
        body,
        serde_json::json!({
            "text": "case-1: retired key AKIAOLD1 was tried\nby &lt;!channel&gt; &amp; co"
        })
    );
}

#[tokio::test]
async fn passing_failures_are_tried_again_with_the_same_key() {
    let (receiver, address) = serve(&[503, 429, 200]).await;
    let hook = webhook("ops", &address, Dialect::Generic);
    hook.send(&alert()).await.unwrap();
    let seen = receiver.seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|(key, _)| key == &seen[0].0));
}

#[tokio::test]
async fn lasting_failures_are_faults_without_the_address() {
    let table = [
        (403, FaultKind::Denied, 1),
        (404, FaultKind::NotFound, 1),
        (400, FaultKind::Invalid, 1),
        (302, FaultKind::Invalid, 1),
        (429, FaultKind::Throttled, 3),
        (500, FaultKind::Ambiguous, 3),
        (0, FaultKind::Ambiguous, 3),
    ];
    for (status, kind, tries) in table {
        let (receiver, address) = serve(&[status]).await;
        let hook = webhook("ops", &address, Dialect::Generic);
        let fault = hook.send(&alert()).await.unwrap_err();
        assert_eq!(fault.kind, kind, "{status}");
        assert_eq!(receiver.tries.load(Ordering::SeqCst), tries, "{status}");
        let shown = format!("{fault:?} {fault} {hook:?}");
        assert!(
            !shown.contains("canary") && !shown.contains("127.0.0.1"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_named_and_the_others_are_told() {
    let (receiver, address) = serve(&[200]).await;
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/{TOKEN}", listener.local_addr().unwrap())
    };
    let (_, slow) = serve(&[0]).await;
    let hooks = [
        webhook("slow", &slow, Dialect::Generic),
        webhook("gone", &gone, Dialect::Slack),
        webhook("ops", &address, Dialect::Generic),
    ];
    let began = Instant::now();
    let undelivered = notify_all(&hooks, &alert()).await;
    assert!(began.elapsed() < Duration::from_secs(20));
    let names: Vec<&str> = undelivered.iter().map(|u| u.name.as_str()).collect();
    assert_eq!(names, ["gone", "slow"]);
    assert_eq!(undelivered[0].fault.kind, FaultKind::Unreachable);
    assert_eq!(receiver.tries.load(Ordering::SeqCst), 1);
    assert!(!format!("{undelivered:?}").contains("canary"));
}

#[tokio::test]
async fn nobody_to_tell_is_no_failure() {
    assert!(notify_all(&[], &alert()).await.is_empty());
}

#[test]
fn an_address_that_is_none_is_refused_without_being_repeated() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    for address in ["http://hooks.example.com/canary", "canary"] {
        let secret = Secret::from(address);
        let error = Webhook::new("ops", secret, Dialect::Slack, Pace::default()).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("canary"));
    }
}
