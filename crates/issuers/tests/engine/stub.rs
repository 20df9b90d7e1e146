//! A server that answers as a test says, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use relatch_issuers::{Catalog, CatalogIssuer, Entry, Hooks, Settings, Timeouts};
use relatch_secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

pub(crate) const ADMIN: &str = "adm-canary-9f8e7d6c5b4a";

/// What came in.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// What stood in `authorization` or `x-api-key`.
    pub(crate) key: String,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// Status and body of an answer.
pub(crate) type Reply = (u16, String);

pub(crate) struct Stub {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Stub {
    /// A server on a port of its own.
    pub(crate) async fn start<F>(answer: F) -> Self
    where
        F: Fn(&Asked) -> Reply + Send + Sync + 'static,
    {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (seen, answer) = (Arc::clone(&asked), Arc::new(answer));
        let app = Router::new().fallback(move |request: Request| {
            let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
            async move {
                let asked = take(request).await;
                let (status, body) = answer(&asked);
                seen.lock().expect("not poisoned").push(asked);
                respond(status, body)
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("not poisoned").clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }
}

fn respond(status: u16, body: String) -> Response {
    let response = Response::builder().status(status);
    let response = match status {
        429 => response.header("retry-after", "17"),
        307 => response.header("location", "/elsewhere"),
        _ => response,
    };
    response.body(Body::from(body)).expect("a response")
}

async fn take(request: Request) -> Asked {
    let (parts, body) = request.into_parts();
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let key = header("x-api-key")
        .or(header("authorization"))
        .unwrap_or_default();
    let bytes: Bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    Asked {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        key: key.trim_start_matches("Bearer ").to_string(),
        body: String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// A server that reads a request and then answers with raw bytes, or nothing, and hangs up.
/// Returns its address and how many requests came.
pub(crate) async fn raw(answer: &'static [u8]) -> (String, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let count: Arc<Mutex<usize>> = Arc::default();
    let seen = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap_or(0);
            *seen.lock().expect("not poisoned") += usize::from(read > 0);
            let _ = stream.write_all(answer).await;
        }
    });
    (address, count)
}

/// A server that takes a request and never answers.
pub(crate) async fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
        }
    });
    address
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

pub(crate) fn entry(id: &str) -> Entry {
    Catalog::embedded()
        .expect("the catalog")
        .get(&id.into())
        .expect("the entry")
        .clone()
}

pub(crate) fn settings(id: &str, base: &str) -> Settings {
    Settings {
        id: id.into(),
        base_url: Some(base.to_string()),
        admin_key: Some(Secret::from(ADMIN)),
        variables: std::collections::BTreeMap::new(),
        hooks: None,
    }
}

pub(crate) fn issuer(id: &str, base: &str) -> CatalogIssuer {
    build(id, settings(id, base))
}

pub(crate) fn with_hooks(base: &str, hooks: Hooks) -> CatalogIssuer {
    let settings = Settings {
        hooks: Some(hooks),
        ..settings("openai-compatible", base)
    };
    build("openai-compatible", settings)
}

fn build(id: &str, settings: Settings) -> CatalogIssuer {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let timeouts = Timeouts {
        connect: std::time::Duration::from_secs(2),
        total: std::time::Duration::from_millis(1500),
    };
    CatalogIssuer::with_timeouts(entry(id), settings, timeouts).expect("an issuer")
}
