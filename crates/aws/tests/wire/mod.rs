//! Stand-ins for a service at its worst: what a write meets at three in the morning.

#![allow(dead_code, reason = "each test file uses another part of this")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What is answered to a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// The request is read, then nothing.
    Never,
    /// The request is read, then the connection is closed.
    HangUp,
    /// The head promises more than the body keeps.
    Cut,
    /// A status and a body.
    Status(u16, String),
}

/// What answers the nth request (from 0), given as text.
type Rule = dyn Fn(usize, &str) -> Answer + Send + Sync;

/// A server that counts whole requests.
pub(crate) struct Wire {
    pub(crate) endpoint: String,
    seen: Arc<AtomicUsize>,
}

impl Wire {
    /// Answers the nth request with the nth answer, and the last one for ever.
    pub(crate) async fn new(answers: Vec<Answer>) -> Self {
        Self::by(move |n, _| {
            answers
                .get(n)
                .or(answers.last())
                .expect("an answer")
                .clone()
        })
        .await
    }

    /// Answers by a rule.
    pub(crate) async fn by(rule: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(AtomicUsize::new(0));
        let (count, rule): (_, Arc<Rule>) = (seen.clone(), Arc::new(rule));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, rule.clone(), count.clone()));
            }
        });
        Self { endpoint, seen }
    }

    /// How many requests came.
    pub(crate) fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

/// An error as the query protocol of IAM and STS words it.
pub(crate) fn refusal(status: u16, code: &str) -> Answer {
    let body = format!(
        "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error>\
         <Type>Sender</Type><Code>{code}</Code><Message>because</Message></Error>\
         <RequestId>r</RequestId></ErrorResponse>"
    );
    Answer::Status(status, body)
}

/// An answer to `CreateAccessKey`.
pub(crate) fn created(id: &str, secret: &str) -> Answer {
    let body = format!(
        "<CreateAccessKeyResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\
         <CreateAccessKeyResult><AccessKey><UserName>u</UserName><AccessKeyId>{id}</AccessKeyId>\
         <Status>Active</Status><SecretAccessKey>{secret}</SecretAccessKey></AccessKey>\
         </CreateAccessKeyResult></CreateAccessKeyResponse>"
    );
    Answer::Status(200, body)
}

/// One page of `ListUsers`, and where the next begins.
pub(crate) fn users(names: &[&str], next: Option<&str>) -> Answer {
    let one = |name: &&str| {
        format!(
            "<member><Path>/</Path><UserName>{name}</UserName><UserId>AIDA</UserId>\
             <Arn>arn:aws:iam::111122223333:user/{name}</Arn>\
             <CreateDate>2026-11-01T00:00:00Z</CreateDate></member>"
        )
    };
    let members: String = names.iter().map(one).collect();
    page("ListUsers", "Users", &members, next)
}

/// One page of `ListAccessKeys`, and where the next begins.
pub(crate) fn keys(ids: &[&str], next: Option<&str>) -> Answer {
    let one = |id: &&str| {
        format!("<member><AccessKeyId>{id}</AccessKeyId><Status>Active</Status></member>")
    };
    let members: String = ids.iter().map(one).collect();
    page("ListAccessKeys", "AccessKeyMetadata", &members, next)
}

fn page(action: &str, list: &str, members: &str, next: Option<&str>) -> Answer {
    let more = next.map_or("<IsTruncated>false</IsTruncated>".to_string(), |marker| {
        format!("<IsTruncated>true</IsTruncated><Marker>{marker}</Marker>")
    });
    let body = format!(
        "<{action}Response xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><{action}Result>\
         <{list}>{members}</{list}>{more}</{action}Result></{action}Response>"
    );
    Answer::Status(200, body)
}

/// An answer to `GetAccessKeyLastUsed`: never.
pub(crate) fn never_used() -> Answer {
    let body = "<GetAccessKeyLastUsedResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\
                <GetAccessKeyLastUsedResult><UserName>u</UserName><AccessKeyLastUsed>\
                <Region>N/A</Region><ServiceName>N/A</ServiceName></AccessKeyLastUsed>\
                </GetAccessKeyLastUsedResult></GetAccessKeyLastUsedResponse>";
    Answer::Status(200, body.into())
}

/// An answer to `ListAccessKeys`: no keys.
pub(crate) fn no_keys() -> Answer {
    keys(&[], None)
}

/// Requests of one connection, one after the other.
async fn serve(mut client: TcpStream, rule: Arc<Rule>, seen: Arc<AtomicUsize>) {
    while let Some(request) = read(&mut client).await {
        let text = match rule(seen.fetch_add(1, Ordering::SeqCst), &request) {
            Answer::Never => std::future::pending().await,
            Answer::HangUp => return,
            Answer::Cut => {
                let _ = client.write_all(&http(200, 5_000, "<CreateAccess")).await;
                return;
            }
            Answer::Status(status, body) => http(status, body.len(), &body),
        };
        if client.write_all(&text).await.is_err() {
            return;
        }
    }
}

fn http(status: u16, length: usize, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} x\r\ncontent-type: text/xml\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Reads one whole request; `None` at the end of the connection.
async fn read(client: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    let mut buffer = [0u8; 4_096];
    loop {
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap_or("0");
            let length = length.split("\r\n").next().unwrap_or("0");
            if request.len() >= end + 4 + length.parse::<usize>().expect("a number") {
                return Some(String::from_utf8_lossy(&request).into_owned());
            }
        }
        match client.read(&mut buffer).await {
            Ok(n) if n > 0 => request.extend_from_slice(&buffer[..n]),
            _ => return None,
        }
    }
}
