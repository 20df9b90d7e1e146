//! What becomes of a change whose answer is lost, late, cut or a server error: it is sent
//! once, and nobody claims to know. No emulator fails like that: a stand-in counts requests.

mod support;
mod wire;

use std::time::{Duration, Instant};

use relatch_aws::{Connection, IamIssuer, Options};
use relatch_case::model::Liveness;
use relatch_case::{Fault, FaultKind, KeyId, Principal};
use relatch_issuers::{Issuer, KeyMaterial, MintRequest};
use relatch_secret::Secret;
use wire::{Answer, Wire, created, no_keys, refusal};

const PATIENCE: Duration = Duration::from_millis(700);

async fn issuer(endpoint: &str) -> IamIssuer {
    let options = Options {
        region: Some(support::REGION.into()),
        endpoint: Some(endpoint.into()),
        credentials: Some(("AKIAOWN".into(), Secret::from("own-canary-secret"), None)),
        patience: Some(PATIENCE),
        ..Options::default()
    };
    IamIssuer::new(Connection::open(&options).await)
}

fn user() -> Principal {
    Principal::from("user/app")
}

async fn mint(issuer: &IamIssuer) -> Result<KeyId, Fault> {
    let request = MintRequest {
        principal: user(),
        name: "n".into(),
        replaces: None,
    };
    issuer.mint(&request).await.map(|minted| minted.id)
}

/// Every call that changes something, with how it failed.
async fn changes(issuer: &IamIssuer) -> Vec<Fault> {
    let key = KeyId::from("AKIAOLD");
    let results = [
        mint(issuer).await.map(|_| ()),
        issuer.disable(&user(), &key).await,
        issuer.enable(&user(), &key).await,
        issuer.delete(&user(), &key).await,
        issuer.cut(&user()).await,
        issuer.uncut(&user()).await,
    ];
    results
        .into_iter()
        .map(|result| result.expect_err("it failed"))
        .collect()
}

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

#[tokio::test]
async fn a_refused_connection_changed_nothing() {
    let issuer = issuer(&format!("http://{}", nobody().await)).await;
    for fault in changes(&issuer).await {
        assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
    }
}

#[tokio::test]
async fn a_failed_handshake_changed_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let fault = mint(&issuer(&format!("https://{address}")).await)
        .await
        .expect_err("no TLS there");
    assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
}

#[tokio::test]
async fn a_change_without_a_definite_answer_is_ambiguous_and_sent_once() {
    let failures = [
        ("never", Answer::Never),
        ("hang up", Answer::HangUp),
        ("cut", Answer::Cut),
        (
            "nonsense",
            Answer::Status(200, "<html>welcome</html>".into()),
        ),
        ("500", refusal(500, "InternalFailure")),
        ("500, bare", Answer::Status(500, String::new())),
        ("503", refusal(503, "ServiceUnavailable")),
        ("500 with a client's code", refusal(500, "AccessDenied")),
        ("504", Answer::Status(504, "gateway".into())),
    ];
    for (name, failure) in failures {
        let wire = Wire::new(vec![failure]).await;
        let started = Instant::now();
        let fault = mint(&issuer(&wire.endpoint).await).await.expect_err(name);
        assert_eq!(fault.kind, FaultKind::Ambiguous, "{name}: {fault}");
        assert_eq!(wire.seen(), 1, "{name}");
        assert!(
            started.elapsed() < PATIENCE * 4,
            "{name}: {:?}",
            started.elapsed()
        );
    }
}

#[tokio::test]
async fn no_kind_of_change_is_sent_twice() {
    for failure in [refusal(500, "InternalFailure"), Answer::HangUp] {
        let wire = Wire::new(vec![failure]).await;
        for fault in changes(&issuer(&wire.endpoint).await).await {
            assert_eq!(fault.kind, FaultKind::Ambiguous, "{fault}");
        }
        assert_eq!(wire.seen(), 6);
    }
}

#[tokio::test]
async fn a_definite_refusal_is_told_and_not_repeated() {
    for (status, code, kind) in [
        (403, "AccessDenied", FaultKind::Denied),
        (403, "InvalidClientTokenId", FaultKind::Denied),
        (404, "NoSuchEntity", FaultKind::NotFound),
        (409, "LimitExceeded", FaultKind::SlotsFull),
        (409, "EntityTemporarilyUnmodifiable", FaultKind::Conflict),
        (400, "Throttling", FaultKind::Throttled),
        (400, "ValidationError", FaultKind::Invalid),
        (400, "SomethingNew", FaultKind::Ambiguous),
    ] {
        let wire = Wire::new(vec![refusal(status, code)]).await;
        let fault = mint(&issuer(&wire.endpoint).await).await.expect_err(code);
        assert_eq!((fault.kind, wire.seen()), (kind, 1), "{code}");
        assert_eq!(fault.detail, format!("{code}: because"));
    }
}

#[tokio::test]
async fn a_policy_too_many_is_no_want_of_key_slots() {
    let wire = Wire::new(vec![refusal(409, "LimitExceeded")]).await;
    let fault = issuer(&wire.endpoint)
        .await
        .cut(&user())
        .await
        .expect_err("refused");
    assert_eq!(fault.kind, FaultKind::Invalid, "{fault}");
}

#[tokio::test]
async fn a_change_after_another_gets_a_connection_of_its_own() {
    let wire = Wire::new(vec![created("AKIANEW", "secret"), Answer::HangUp]).await;
    let issuer = issuer(&wire.endpoint).await;
    assert_eq!(mint(&issuer).await, Ok(KeyId::from("AKIANEW")));
    assert_eq!(
        mint(&issuer).await.expect_err("lost").kind,
        FaultKind::Ambiguous
    );
    assert_eq!(wire.seen(), 2);
}

#[tokio::test]
async fn reads_are_repeated_when_throttled_or_failed() {
    for passing in [
        refusal(400, "Throttling"),
        refusal(503, "ServiceUnavailable"),
        Answer::HangUp,
    ] {
        let wire = Wire::new(vec![passing.clone(), passing, no_keys()]).await;
        assert_eq!(issuer(&wire.endpoint).await.list(&user()).await, Ok(vec![]));
        assert_eq!(wire.seen(), 3);
    }
}

#[tokio::test]
async fn a_read_that_is_denied_is_not_repeated() {
    let wire = Wire::new(vec![refusal(403, "AccessDenied")]).await;
    let fault = issuer(&wire.endpoint)
        .await
        .list(&user())
        .await
        .expect_err("denied");
    assert_eq!((fault.kind, wire.seen()), (FaultKind::Denied, 1));
}

/// An answer to `GetCallerIdentity`.
fn somebody() -> Answer {
    let body = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                <GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/app</Arn>\
                <Account>111122223333</Account></GetCallerIdentityResult>\
                </GetCallerIdentityResponse>";
    Answer::Status(200, body.into())
}

async fn probe(wire: &Wire) -> relatch_case::model::Probe {
    let key = KeyMaterial {
        id: Some(KeyId::from("AKIAOLDOLDOLDOLDOLDO")),
        secret: Secret::from("old-canary"),
    };
    let probe = issuer(&wire.endpoint).await.probe(&key).await;
    assert!(!format!("{probe:?}").contains("canary"));
    probe
}

#[tokio::test]
async fn a_probe_without_an_answer_of_the_service_is_unknown() {
    let dead = || refusal(403, "InvalidClientTokenId");
    let blocked = Answer::Status(403, "<html>blocked by the proxy</html>".into());
    for last in [Answer::Never, Answer::HangUp, blocked] {
        // Asked in this order: the made-up key, ourselves, the key in question.
        let wire = Wire::new(vec![dead(), somebody(), last.clone()]).await;
        let probe = probe(&wire).await;
        assert_eq!(
            (probe.liveness, probe.control),
            (Liveness::Unknown, true),
            "{last:?}"
        );
        assert_eq!(wire.seen(), 3, "a probe is one request: {last:?}");
    }
}
