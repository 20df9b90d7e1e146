//! The event history. No emulator here filters `LookupEvents` by access key or pages it, so
//! a stand-in answers in the service's wire format (AWS JSON 1.1).

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use relatch_aws::{EventLookup, LookupBy};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

type Seen = Arc<Mutex<Vec<(Instant, Value)>>>;

/// Answers each request with the next of `pages`; keeps what was asked and when.
async fn history(pages: Vec<(u16, Value)>) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let seen = Seen::default();
    let kept = seen.clone();
    tokio::spawn(async move {
        for (status, page) in pages {
            let (mut client, _) = listener.accept().await.expect("a client");
            let asked = read(&mut client).await;
            kept.lock()
                .expect("no panic holds it")
                .push((Instant::now(), asked));
            let body = page.to_string();
            let head = format!(
                "HTTP/1.1 {status} x\r\ncontent-type: application/x-amz-json-1.1\r\n\
                 connection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            client
                .write_all((head + &body).as_bytes())
                .await
                .expect("answered");
        }
    });
    (format!("http://{address}"), seen)
}

async fn read(client: &mut TcpStream) -> Value {
    let mut request = Vec::new();
    let mut buffer = [0u8; 4096];
    loop {
        let n = client.read(&mut buffer).await.expect("readable");
        request.extend_from_slice(&buffer[..n]);
        if let Some(end) = request.windows(4).position(|w| w == b"\r\n\r\n")
            && let Ok(body) = serde_json::from_slice(&request[end + 4..])
        {
            return body;
        }
    }
}

fn event(id: &str) -> Value {
    json!({ "EventId": id, "CloudTrailEvent": json!({ "eventID": id }).to_string() })
}

async fn lookup(endpoint: &str) -> EventLookup {
    let connection = support::connection_to(endpoint).await;
    let by = LookupBy::AccessKeyId("AKIAIOSFODNN7EXAMPLE".into());
    let (start, end) = ("2026-11-01T00:00:00Z", "2026-11-20T00:00:00Z");
    let at = |text: &str| text.parse().expect("a timestamp");
    EventLookup::new(&connection, "us-east-1", &by, at(start), at(end)).expect("a look-up")
}

#[tokio::test]
async fn all_pages_come_at_two_requests_a_second_and_losses_are_counted() {
    let (endpoint, seen) = history(vec![
        (
            200,
            json!({ "Events": [event("1"), event("2")], "NextToken": "page-2" }),
        ),
        (
            200,
            json!({ "Events": [{ "EventId": "no record" }], "NextToken": "page-3" }),
        ),
        (200, json!({ "Events": [event("3")] })),
    ])
    .await;
    let mut lookup = lookup(&endpoint).await;
    let mut records = Vec::new();
    while let Some(page) = lookup.next_page().await.expect("a page") {
        records.extend(page);
    }
    assert_eq!(
        records,
        [
            r#"{"eventID":"1"}"#,
            r#"{"eventID":"2"}"#,
            r#"{"eventID":"3"}"#
        ]
    );
    assert_eq!(lookup.without_record(), 1);
    assert!(lookup.next_page().await.expect("the end").is_none());

    let seen = seen.lock().expect("no panic holds it");
    let tokens: Vec<_> = seen
        .iter()
        .map(|(_, asked)| asked["NextToken"].as_str())
        .collect();
    assert_eq!(tokens, [None, Some("page-2"), Some("page-3")]);
    let attribute = json!([{
        "AttributeKey": "AccessKeyId", "AttributeValue": "AKIAIOSFODNN7EXAMPLE"
    }]);
    assert!(
        seen.iter()
            .all(|(_, asked)| asked["LookupAttributes"] == attribute)
    );
    assert_eq!(seen[0].1["StartTime"].as_f64(), Some(1_793_491_200.0));
    let pauses = seen.windows(2).map(|pair| pair[1].0 - pair[0].0);
    assert!(
        pauses
            .into_iter()
            .all(|pause| pause >= Duration::from_millis(450))
    );
}

#[tokio::test]
async fn a_refusal_names_the_region_and_the_page_can_be_asked_for_again() {
    let refusal = json!({ "__type": "AccessDeniedException", "message": "not for you" });
    let (endpoint, _) = history(vec![
        (400, refusal),
        (200, json!({ "Events": [event("1")] })),
    ])
    .await;
    let mut lookup = lookup(&endpoint).await;
    let fault = lookup.next_page().await.expect_err("refused");
    assert_eq!(fault.kind, relatch_case::FaultKind::Denied);
    assert!(fault.detail.contains("us-east-1"), "{fault}");
    assert_eq!(
        lookup
            .next_page()
            .await
            .expect("a page")
            .expect("one")
            .len(),
        1
    );
}
