//! What a probe makes of every kind of answer: only a definite refusal under a control that
//! holds is death. The answers are written out here, as STS words them, because no emulator
//! gives them all.

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use relatch_aws::IamIssuer;
use relatch_case::KeyId;
use relatch_case::model::Liveness;
use relatch_issuers::{Issuer, KeyMaterial};
use relatch_secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Status and error code, `None` for "hang up".
type Answer = Option<(u16, &'static str)>;

const DEAD: Answer = Some((403, "InvalidClientTokenId"));
const ALIVE: Answer = Some((200, ""));
const OURS: &str = "test";
const PROBED: &str = "AKIAPROBEDPROBEDPROB";

/// An STS that answers by the key that signed; everybody else is `others`. Returns its address
/// and how often each key was seen.
async fn sts(
    others: Answer,
    answers: &[(&'static str, Answer)],
) -> (String, Arc<Mutex<BTreeMap<String, usize>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let answers: BTreeMap<&str, Answer> = answers.iter().copied().collect();
    let seen = Arc::new(Mutex::new(BTreeMap::new()));
    let counts = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let Some(key) = signer(&mut client).await else {
                continue;
            };
            *counts
                .lock()
                .expect("no panic holds it")
                .entry(key.clone())
                .or_insert(0) += 1;
            let answer = answers.get(key.as_str()).copied().unwrap_or(others);
            if let Some((status, code)) = answer {
                let _ = client.write_all(http(status, code).as_bytes()).await;
            }
            let _ = client.shutdown().await;
        }
    });
    (format!("http://{address}"), seen)
}

/// The key id in the request's signature.
async fn signer(client: &mut TcpStream) -> Option<String> {
    let (mut request, mut buffer) = (Vec::new(), [0u8; 4096]);
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if text.contains("Action=GetCallerIdentity") {
            let (_, key) = text.split_once("Credential=")?;
            return key.split('/').next().map(str::to_string);
        }
        match client.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => request.extend_from_slice(&buffer[..n]),
        }
    }
}

fn http(status: u16, code: &str) -> String {
    const NAMESPACE: &str = r#"xmlns="https://sts.amazonaws.com/doc/2011-06-15/""#;
    let body = if status == 200 {
        format!(
            "<GetCallerIdentityResponse {NAMESPACE}><GetCallerIdentityResult>\
             <Arn>arn:aws:iam::111122223333:user/ada</Arn><UserId>AIDA</UserId>\
             <Account>111122223333</Account></GetCallerIdentityResult>\
             <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
        )
    } else {
        format!(
            "<ErrorResponse {NAMESPACE}><Error><Type>Sender</Type><Code>{code}</Code>\
             <Message>no</Message></Error><RequestId>1</RequestId></ErrorResponse>"
        )
    };
    format!(
        "HTTP/1.1 {status} X\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

async fn issuer(endpoint: &str) -> IamIssuer {
    IamIssuer::new(support::connection_to(endpoint).await)
}

fn key(id: &str) -> KeyMaterial {
    KeyMaterial {
        id: Some(KeyId::from(id)),
        secret: Secret::from("canary-canary-canary-canary-canary-canar"),
    }
}

#[tokio::test]
async fn only_the_definite_refusal_is_death() {
    for (answer, liveness) in [
        (ALIVE, Liveness::Alive),
        (DEAD, Liveness::Dead),
        (Some((403, "AccessDenied")), Liveness::Restricted),
        (Some((403, "SignatureDoesNotMatch")), Liveness::Unknown),
        (Some((403, "ExpiredToken")), Liveness::Unknown),
        (Some((403, "SomethingNew")), Liveness::Unknown),
        (Some((400, "Throttling")), Liveness::Unknown),
        (Some((429, "TooManyRequestsException")), Liveness::Unknown),
        (Some((402, "PaymentRequired")), Liveness::Unknown),
        (Some((500, "InternalFailure")), Liveness::Unknown),
        (Some((503, "ServiceUnavailable")), Liveness::Unknown),
        (Some((503, "InvalidClientTokenId")), Liveness::Unknown),
        (None, Liveness::Unknown),
    ] {
        let (endpoint, seen) = sts(DEAD, &[(OURS, ALIVE), (PROBED, answer)]).await;
        let probe = issuer(&endpoint).await.probe(&key(PROBED)).await;
        assert_eq!(probe.liveness, liveness, "{answer:?}: {}", probe.answer);
        assert!(probe.control, "{answer:?}");
        assert!(!format!("{probe:?}").contains("canary"));
        assert_eq!(
            seen.lock().expect("counted")[PROBED],
            1,
            "one probe is one request"
        );
    }
}

#[tokio::test]
async fn nobody_is_dead_where_a_made_up_key_lives() {
    let (endpoint, _) = sts(ALIVE, &[(PROBED, DEAD)]).await;
    let probe = issuer(&endpoint).await.probe(&key(PROBED)).await;
    assert_eq!(
        (probe.liveness, probe.control),
        (Liveness::Unknown, false),
        "{}",
        probe.answer
    );
}

#[tokio::test]
async fn nobody_is_dead_where_even_we_are_refused() {
    let (endpoint, _) = sts(DEAD, &[]).await;
    let probe = issuer(&endpoint).await.probe(&key(PROBED)).await;
    assert_eq!(
        (probe.liveness, probe.control),
        (Liveness::Unknown, false),
        "{}",
        probe.answer
    );
}

#[tokio::test]
async fn a_key_that_needs_a_token_is_not_judged_without_it() {
    let (endpoint, _) = sts(DEAD, &[(OURS, ALIVE)]).await;
    let probe = issuer(&endpoint)
        .await
        .probe(&key("ASIAPROBEDPROBEDPROB"))
        .await;
    assert_eq!(probe.liveness, Liveness::Unknown, "{}", probe.answer);
}

#[tokio::test]
async fn an_id_that_was_cut_short_is_not_judged() {
    let (endpoint, _) = sts(DEAD, &[(OURS, ALIVE)]).await;
    for id in [
        "AKIAPROBEDPROBEDPRO",
        "AKIAPROBEDPROBEDPROB ",
        "akiaprobedprobedprob",
        "",
    ] {
        let probe = issuer(&endpoint).await.probe(&key(id)).await;
        assert_eq!(probe.liveness, Liveness::Unknown, "{id}: {}", probe.answer);
    }
}

#[tokio::test]
async fn an_issuer_that_cannot_be_reached_kills_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let probe = issuer(&endpoint).await.probe(&key(PROBED)).await;
    assert_eq!(
        (probe.liveness, probe.control),
        (Liveness::Unknown, false),
        "{}",
        probe.answer
    );
}
