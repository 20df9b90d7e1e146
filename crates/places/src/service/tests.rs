use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::{get, post};
use relatch_case::model::Known;

use super::*;

fn roller(limits: HookLimits) -> ServiceRoller {
    // Fails when another test was first, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    ServiceRoller::new(limits).expect("client")
}

fn usual() -> ServiceRoller {
    roller(HookLimits::USUAL)
}

fn sh(script: &str) -> Hook {
    Hook::Command {
        argv: ["sh", "-c", script].map(String::from).to_vec(),
    }
}

fn consumer(reload: Hook, health: Hook) -> Consumer {
    Consumer {
        id: "service:billing".into(),
        kind: ConsumerKind::Service { reload, health },
        reads: Vec::new(),
        known: Known::Declared,
    }
}

fn both(hook: Hook) -> Consumer {
    consumer(hook.clone(), hook)
}

#[tokio::test]
async fn exit_codes_decide() {
    let roller = usual();
    let well = both(sh("echo fine"));
    roller.roll(&well).await.expect("roll");
    let health = roller.health(&well).await.expect("health");
    assert_eq!(
        health,
        Health {
            well: true,
            detail: "it succeeded: fine".into()
        }
    );

    let ill = both(sh("echo broken >&2; exit 3"));
    let fault = roller.roll(&ill).await.expect_err("fail");
    assert_eq!(fault.kind, FaultKind::Invalid);
    assert_eq!(fault.detail, "exit status: 3: broken");
    assert!(!roller.health(&ill).await.expect("health").well);

    let killed = both(sh("kill -9 $$"));
    assert_eq!(
        roller.roll(&killed).await.expect_err("killed").kind,
        FaultKind::Ambiguous
    );
}

#[tokio::test]
async fn the_environment_is_empty_but_for_three_names_and_the_input_is_closed() {
    let health = usual().health(&both(sh("cat; env"))).await.expect("health");
    let names: Vec<&str> = health
        .detail
        .split(['·', ' '])
        .filter_map(|pair| Some(pair.split_once('=')?.0))
        .collect();
    assert!(names.contains(&"PATH"));
    let shell = ["PWD", "OLDPWD", "SHLVL", "_"];
    for name in names {
        assert!(
            ["PATH", "HOME", "LANG"].contains(&name) || shell.contains(&name),
            "{name}"
        );
    }
}

#[tokio::test]
async fn output_is_cleaned_and_capped() {
    let script = "printf 'key sk-svcacct-abcdefghijklmnopqrst \\033[31m'; head -c 300000 /dev/zero";
    let detail = usual()
        .health(&both(sh(script)))
        .await
        .expect("health")
        .detail;
    assert!(
        detail.starts_with("it succeeded: key [redacted] ·[31m"),
        "{detail}"
    );
    assert!(detail.chars().count() < 700 && !detail.chars().any(char::is_control));
}

#[tokio::test]
async fn a_command_that_hangs_is_killed_and_its_outcome_is_not_known() {
    let roller = roller(HookLimits {
        command: Duration::from_millis(200),
        ..HookLimits::USUAL
    });
    let started = Instant::now();
    let fault = roller
        .roll(&both(sh("exec sleep 30")))
        .await
        .expect_err("hang");
    assert_eq!(fault.kind, FaultKind::Ambiguous);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_daemon_that_keeps_the_output_open_does_not_hold_up() {
    let started = Instant::now();
    usual()
        .roll(&both(sh("sleep 20 & echo started")))
        .await
        .expect("roll");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn what_cannot_start_is_told() {
    let missing = Hook::Command {
        argv: vec!["/no/such/program".into()],
    };
    let none = Hook::Command { argv: Vec::new() };
    for (hook, kind) in [(missing, FaultKind::NotFound), (none, FaultKind::Invalid)] {
        let consumer = both(hook);
        assert_eq!(
            usual().roll(&consumer).await.expect_err("refuse").kind,
            kind
        );
        assert_eq!(
            usual().health(&consumer).await.expect_err("refuse").kind,
            kind
        );
    }
}

/// A server on loopback that counts reloads.
async fn server() -> (String, Arc<AtomicUsize>) {
    let reloads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reloads);
    let app = Router::new()
        .route(
            "/reload",
            post(async move || {
                counted.fetch_add(1, Ordering::SeqCst);
                "reloaded"
            }),
        )
        .route("/health", get(|| async { "well" }))
        .route(
            "/moved",
            get(|| async { Redirect::to("/health") }).post(|| async { Redirect::to("/health") }),
        )
        .route("/denied", post(|| async { StatusCode::FORBIDDEN }))
        .route(
            "/broken",
            get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "db") })
                .post(|| async { StatusCode::BAD_GATEWAY }),
        )
        .route(
            "/slow",
            post(|| async { tokio::time::sleep(Duration::from_secs(30)).await }),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("bind");
    let base = format!("http://{}", listener.local_addr().expect("address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (base, reloads)
}

fn at(base: &str, path: &str) -> Hook {
    Hook::Http {
        url: format!("{base}{path}"),
    }
}

#[tokio::test]
async fn a_reload_is_posted_and_health_is_got() {
    let (base, reloads) = server().await;
    let consumer = consumer(at(&base, "/reload"), at(&base, "/health"));
    let roller = usual();
    roller.roll(&consumer).await.expect("roll");
    let baseline = roller.baseline(&consumer).await.expect("baseline");
    assert!(baseline.is_null());
    roller
        .roll_back(&consumer, &baseline)
        .await
        .expect("roll back");
    assert_eq!(reloads.load(Ordering::SeqCst), 2);
    let health = roller.health(&consumer).await.expect("health");
    assert_eq!(
        health,
        Health {
            well: true,
            detail: "it answered 200: well".into()
        }
    );
}

#[tokio::test]
async fn answers_other_than_2xx_are_faults_or_ill_health() {
    let (base, _) = server().await;
    let roller = roller(HookLimits {
        http: Duration::from_millis(500),
        ..HookLimits::USUAL
    });
    for (path, kind) in [
        ("/moved", FaultKind::Invalid),
        ("/denied", FaultKind::Denied),
        ("/none", FaultKind::NotFound),
        ("/broken", FaultKind::Ambiguous),
        ("/slow", FaultKind::Ambiguous),
    ] {
        let fault = roller.roll(&both(at(&base, path))).await.expect_err(path);
        assert_eq!(fault.kind, kind, "{path}: {fault}");
    }
    let ill = roller
        .health(&both(at(&base, "/broken")))
        .await
        .expect("health");
    assert_eq!(
        ill,
        Health {
            well: false,
            detail: "it answered 503: db".into()
        }
    );
}

#[tokio::test]
async fn a_service_that_is_not_there_is_ill_and_its_address_is_not_shown() {
    // Bound and closed again: nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = listener.local_addr().expect("address").port();
    drop(listener);
    let gone = both(Hook::Http {
        url: format!("http://user:canary@127.0.0.1:{port}/"),
    });
    let fault = usual().roll(&gone).await.expect_err("gone");
    assert_eq!(fault.kind, FaultKind::Unreachable);
    let health = usual().health(&gone).await.expect("health");
    assert!(!health.well);
    assert!(!format!("{fault:?} {health:?}").contains("canary"));
    let wrong = both(Hook::Http {
        url: "file:///etc/passwd".into(),
    });
    assert_eq!(
        usual().roll(&wrong).await.expect_err("wrong").kind,
        FaultKind::Invalid
    );
}

#[tokio::test]
async fn only_services_are_handled() {
    let kind = ConsumerKind::Lambda {
        region: "us-east-1".into(),
        function: "checkout".into(),
        alias: None,
    };
    let roller = usual();
    assert!(!roller.handles(&kind) && roller.handles(&both(sh("true")).kind));
    let lambda = Consumer {
        kind,
        ..both(sh("true"))
    };
    assert_eq!(
        roller.roll(&lambda).await.expect_err("refuse").kind,
        FaultKind::Invalid
    );
}
