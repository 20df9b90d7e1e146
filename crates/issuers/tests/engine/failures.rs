//! Whether something may have happened, when no good answer comes.

use relatch_case::{Fault, FaultKind};
use relatch_issuers::{CatalogIssuer, Issuer, MintRequest, Settings};

use crate::stub::{Stub, entry, issuer, nobody, raw, settings, silent};

const ACCOUNT: &str = "project/p1/service_account/sa1";

async fn mint(openai: &CatalogIssuer) -> Fault {
    let request = MintRequest {
        principal: ACCOUNT.into(),
        name: "n".into(),
        replaces: None,
    };
    openai.mint(&request).await.expect_err("a fault")
}

async fn delete(openai: &CatalogIssuer) -> Fault {
    openai
        .delete(&ACCOUNT.into(), &"k".into())
        .await
        .expect_err("a fault")
}

async fn list(openai: &CatalogIssuer) -> Fault {
    openai.list(&ACCOUNT.into()).await.expect_err("a fault")
}

async fn kinds(base: &str) -> [FaultKind; 3] {
    let openai = issuer("openai", base);
    [
        mint(&openai).await.kind,
        delete(&openai).await.kind,
        list(&openai).await.kind,
    ]
}

#[tokio::test]
async fn nothing_was_sent_where_nobody_listens() {
    assert_eq!(kinds(&nobody().await).await, [FaultKind::Unreachable; 3]);
}

#[tokio::test]
async fn a_lost_answer_to_a_change_is_ambiguous() {
    let expected = [
        FaultKind::Ambiguous,
        FaultKind::Ambiguous,
        FaultKind::Unreachable,
    ];
    assert_eq!(kinds(&silent().await).await, expected);
    let (hung_up, count) = raw(b"").await;
    assert_eq!(kinds(&hung_up).await, expected);
    assert_eq!(
        *count.lock().expect("not poisoned"),
        3,
        "nothing is sent twice"
    );
    let (cut_off, _) = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"id\":\"k\",").await;
    assert_eq!(kinds(&cut_off).await, expected);
    let (garbage, _) = raw(b"not http at all\r\n\r\n").await;
    assert_eq!(kinds(&garbage).await, expected);
}

#[tokio::test]
async fn broken_servers_and_redirects_are_ambiguous() {
    let expected = [
        FaultKind::Ambiguous,
        FaultKind::Ambiguous,
        FaultKind::Unreachable,
    ];
    for status in [302, 307, 408, 500, 502, 503, 504] {
        let stub = Stub::start(move |_| (status, "{}".into())).await;
        assert_eq!(kinds(&stub.address).await, expected, "{status}");
        assert_eq!(
            stub.asked().len(),
            3,
            "{status}: nothing is sent twice or elsewhere"
        );
    }
}

#[tokio::test]
async fn a_mint_that_shows_no_key_is_ambiguous() {
    for body in [
        "<html>",
        "{}",
        r#"{"id":"k"}"#,
        r#"{"id":"k","value":""}"#,
        r#"{"value":"v"}"#,
    ] {
        let stub = Stub::start(move |_| (200, body.into())).await;
        let fault = mint(&issuer("openai", &stub.address)).await;
        assert_eq!(fault.kind, FaultKind::Ambiguous, "{body}: {fault}");
    }
}

#[tokio::test]
async fn refusals_change_nothing() {
    let cases = [
        (400, FaultKind::Invalid),
        (401, FaultKind::Denied),
        (403, FaultKind::Denied),
        (404, FaultKind::NotFound),
        (409, FaultKind::Conflict),
        (422, FaultKind::Invalid),
        (429, FaultKind::Throttled),
    ];
    for (status, expected) in cases {
        let stub = Stub::start(move |_| (status, r#"{"error":{"message":"why"}}"#.into())).await;
        let fault = mint(&issuer("openai", &stub.address)).await;
        assert_eq!(fault.kind, expected, "{status}: {fault}");
        assert!(fault.detail.contains("why"), "{fault}");
    }
}

#[tokio::test]
async fn without_an_admin_key_nobody_is_asked() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let stub = Stub::start(|_| (200, "{}".into())).await;
    let settings = Settings {
        admin_key: None,
        ..settings("openai", &stub.address)
    };
    let openai = CatalogIssuer::new(entry("openai"), settings).expect("an issuer");
    let fault = mint(&openai).await;
    assert_eq!(fault.kind, FaultKind::Denied);
    assert!(fault.detail.contains("OPENAI_ADMIN_KEY"), "{fault}");
    assert!(stub.asked().is_empty());
}
