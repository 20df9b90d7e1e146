//! A proxy between us and an emulator that makes things happen at the worst moment: a
//! writer in between, an answer that is lost.

#![allow(dead_code, reason = "each test file uses another part of this")]

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

type Deed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is done to the first request whose head contains a text, once.
pub(crate) enum Meddling {
    /// Something else happens before the request goes on.
    Before(Deed),
    /// The request is carried out and its answer is lost.
    LoseAnswer,
}

type Rules = Arc<Mutex<VecDeque<(&'static str, Meddling)>>>;

/// Starts a proxy to `upstream` (`http://127.0.0.1:port`) and returns its address.
pub(crate) async fn between(upstream: &str, rules: Vec<(&'static str, Meddling)>) -> String {
    let upstream = upstream
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_string();
    let rules: Rules = Arc::new(Mutex::new(rules.into()));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (upstream, rules) = (upstream.clone(), rules.clone());
            tokio::spawn(async move { serve(client, &upstream, &rules).await });
        }
    });
    format!("http://{address}")
}

/// One request for each connection, so that each can be looked at.
async fn serve(mut client: TcpStream, upstream: &str, rules: &Rules) {
    let Some(request) = read_request(&mut client).await else {
        return;
    };
    let head = String::from_utf8_lossy(&request).into_owned();
    let meddling = {
        let mut rules = rules.lock().expect("no panic holds it");
        let at = rules.iter().position(|(text, _)| head.contains(text));
        at.and_then(|at| rules.remove(at))
            .map(|(_, meddling)| meddling)
    };
    let lose = match meddling {
        Some(Meddling::Before(deed)) => {
            deed.await;
            false
        }
        Some(Meddling::LoseAnswer) => true,
        None => false,
    };
    let mut server = TcpStream::connect(upstream)
        .await
        .expect("the emulator runs");
    server.write_all(&closing(&request)).await.expect("sent");
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.expect("answered");
    if !lose {
        client
            .write_all(&closing(&answer))
            .await
            .expect("passed on");
    }
    let _ = client.shutdown().await;
}

/// Head and body of a request with `Content-Length`.
async fn read_request(client: &mut TcpStream) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    let mut buffer = [0u8; 8192];
    loop {
        if let Some(end) = request.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            let length = head.lines().find_map(|l| l.strip_prefix("content-length:"));
            let length: usize = length.map_or(0, |l| l.trim().parse().expect("a number"));
            if request.len() >= end + 4 + length {
                return Some(request);
            }
        }
        match client.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => request.extend_from_slice(&buffer[..n]),
        }
    }
}

/// The message with `Connection: close` as its first header.
fn closing(message: &[u8]) -> Vec<u8> {
    let line = message
        .windows(2)
        .position(|w| w == b"\r\n")
        .map_or(0, |at| at + 2);
    [
        &message[..line],
        b"connection: close\r\n".as_slice(),
        &message[line..],
    ]
    .concat()
}
