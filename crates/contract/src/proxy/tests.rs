//! The proxy itself, in front of a small server that counts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::routing::any;

use super::*;

/// A server that answers with the `Host` header, path, query and body that it got.
async fn server() -> (String, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let echo = move |request: Request| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            let host = request.headers()["host"]
                .to_str()
                .expect("text")
                .to_string();
            let line = format!("{host} {} {} ", request.method(), request.uri());
            let body = axum::body::to_bytes(request.into_body(), 1 << 20).await;
            [line.into_bytes(), body.expect("a body").to_vec()].concat()
        }
    };
    let app = Router::new().fallback(any(echo));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    (format!("http://{address}"), count)
}

async fn proxied() -> (Proxy, Arc<AtomicUsize>) {
    let (upstream, count) = server().await;
    (Proxy::start(&upstream).await.expect("a proxy"), count)
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy();
    let client = client.retry(reqwest::retry::never());
    let client = client.timeout(Duration::from_millis(500));
    client.build().expect("a client")
}

async fn post(proxy: &Proxy, path: &str, body: &'static str) -> Result<(u16, String), String> {
    let request = client().post(format!("{}{path}", proxy.url())).body(body);
    let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
    let status = answer.status().as_u16();
    let text = answer.text().await.map_err(|error| format!("{error:?}"))?;
    Ok((status, text))
}

#[tokio::test]
async fn requests_are_passed_on_as_they_came() {
    let (proxy, _) = proxied().await;
    let answer = post(&proxy, "/a%2F..%2Fb//c?x=%20y", "body").await;
    let expected = format!("{} POST /a%2F..%2Fb//c?x=%20y body", proxy.address());
    assert_eq!(answer, Ok((200, expected)));
    assert!(proxy.injected().is_empty());
    let seen = proxy.seen();
    assert_eq!(
        (seen.len(), seen[0].name()),
        (1, "POST /a%2F..%2Fb//c".into())
    );
}

#[tokio::test]
async fn each_fault_is_what_it_says() {
    for fault in WireFault::before().into_iter().chain(WireFault::after()) {
        let (proxy, count) = proxied().await;
        proxy.script(Matching::all(), fault.clone(), Some(1));
        let answer = post(&proxy, "/", "hello").await;
        let reached = usize::from(fault.reaches_server());
        assert_eq!(count.load(Ordering::SeqCst), reached, "{fault:?}");
        assert_eq!(proxy.injected(), BTreeMap::from([(fault.name(), 1)]));
        match &fault {
            WireFault::Status(status, _) | WireFault::StatusAfter(status) => {
                let answer = answer.expect("an answer");
                assert!(
                    answer.0 == *status && !answer.1.contains("hello"),
                    "{answer:?}"
                );
            }
            WireFault::Garbage => {
                let (status, text) = answer.expect("an answer");
                assert_eq!(status, 200);
                assert!(serde_json::from_str::<serde_json::Value>(&text).is_err());
            }
            WireFault::ResetBefore | WireFault::ResetAfter => {
                let error = answer.expect_err("reset");
                assert!(error.contains("ConnectionReset"), "{fault:?}: {error}");
            }
            WireFault::TruncatedBody => {
                let error = answer.expect_err("cut");
                assert!(error.contains("Body"), "{error}");
            }
            _ => assert!(
                answer.expect_err("no answer").contains("TimedOut"),
                "{fault:?}"
            ),
        }
        assert_eq!(post(&proxy, "/", "").await.map(|answer| answer.0), Ok(200));
    }
}

#[tokio::test]
async fn an_answer_can_be_late() {
    let (proxy, _) = proxied().await;
    let late = Duration::from_millis(120);
    proxy.script(Matching::all(), WireFault::Latency(late), Some(1));
    let started = Instant::now();
    assert!(post(&proxy, "/", "").await.is_ok());
    assert!(started.elapsed() >= late);
}

#[tokio::test]
async fn a_script_meets_what_it_matches_as_often_as_it_says() {
    let (proxy, _) = proxied().await;
    let no = WireFault::Status(503, "no".into());
    proxy.script(
        Matching::request("POST", "/keys", "Action=Create"),
        no,
        Some(2),
    );
    let mut answers = Vec::new();
    for (path, body) in [
        ("/other", "Action=Create"),
        ("/keys", "Action=List&x=1"),
        ("/keys", "Action=CreateKey&x=1"),
        ("/keys", "Action=CreateKey"),
        ("/keys", "Action=CreateKey"),
    ] {
        answers.push(post(&proxy, path, body).await.expect("an answer").0);
    }
    assert_eq!(answers, [200, 200, 503, 503, 200]);
    let actions: Vec<_> = proxy.seen().into_iter().map(|seen| seen.name()).collect();
    assert_eq!(
        actions,
        ["Create", "List", "CreateKey", "CreateKey", "CreateKey"]
    );
    assert!(!format!("{:?}", proxy.seen()).contains("x=1"), "no bodies");
}

#[tokio::test]
async fn something_can_happen_in_between() {
    let (proxy, count) = proxied().await;
    let seen = Arc::new(AtomicUsize::new(9));
    let (before, now) = (Arc::clone(&count), Arc::clone(&seen));
    let deed = async move { now.store(before.load(Ordering::SeqCst), Ordering::SeqCst) };
    proxy.before(Matching::all(), Box::pin(deed));
    for _ in 0..2 {
        assert!(post(&proxy, "/", "").await.is_ok());
    }
    assert_eq!(
        seen.load(Ordering::SeqCst),
        0,
        "before the first was passed on"
    );
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_seed_decides_the_fate_of_each_request() {
    let random = |seed| Random {
        seed,
        per_mille: 300,
        faults: vec![
            WireFault::Status(500, String::new()),
            WireFault::StatusAfter(503),
        ],
    };
    let mut runs = Vec::new();
    for seed in [7, 7, 8] {
        let (proxy, _) = proxied().await;
        proxy.randomly(random(seed));
        let mut statuses = Vec::new();
        for _ in 0..40 {
            statuses.push(post(&proxy, "/", "").await.expect("an answer").0);
        }
        let failed = statuses.iter().filter(|status| **status != 200).count();
        let injected: u64 = proxy.injected().values().sum();
        assert_eq!(u64::try_from(failed), Ok(injected));
        assert!((1..40).contains(&failed), "{statuses:?}");
        proxy.calm();
        assert_eq!(post(&proxy, "/", "").await.expect("an answer").0, 200);
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
    let failing = (0..100_000)
        .filter(|n| random(1).fate(*n).is_some())
        .count();
    assert!((29_000..31_000).contains(&failing), "{failing}");
}

#[tokio::test]
async fn nothing_but_this_machine_is_reached() {
    for wrong in [
        "https://127.0.0.1:1",
        "http://10.0.0.1:80",
        "http://example.org:80",
        "http://127.0.0.1",
        "127.0.0.1:80",
        "",
    ] {
        let refused = Proxy::start(wrong).await;
        assert!(matches!(refused, Err(ProxyError::Upstream(_))), "{wrong}");
    }
    let elsewhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let refused = Proxy::listen("http://127.0.0.1:1", elsewhere).await;
    assert!(matches!(refused, Err(ProxyError::Elsewhere(_))));
}
