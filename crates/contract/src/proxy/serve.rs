//! Taking requests, passing them on, and failing.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::http1 as client;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderMap};
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::Sender;

use super::WireFault;
use super::body::{Fed, Piece};
use super::rules::{Rules, Seen};

/// Between two pieces of an answer that is to break off or drip, so that they are sent.
const PAUSE: Duration = Duration::from_millis(40);

type Answer = Response<Either<Full<Bytes>, Fed>>;

/// The connection is to be reset.
#[derive(Debug, thiserror::Error)]
#[error("reset")]
struct Reset;

/// Takes connections for ever.
pub(super) async fn run(listener: TcpListener, upstream: SocketAddr, rules: Arc<Mutex<Rules>>) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, upstream, Arc::clone(&rules)));
        }
    }
}

/// Serves one connection; if a request on it asks for it, it ends with a reset.
async fn connection(stream: TcpStream, upstream: SocketAddr, rules: Arc<Mutex<Rules>>) {
    let reset = Arc::new(AtomicBool::new(false));
    let service = service_fn(|request| {
        let (rules, reset) = (Arc::clone(&rules), Arc::clone(&reset));
        Box::pin(async move {
            let answer = answer(request, upstream, &rules, &reset).await;
            if answer.is_err() {
                reset.store(true, Ordering::SeqCst);
            }
            answer
        })
    });
    let mut connection = server::Builder::new().serve_connection(TokioIo::new(stream), service);
    // An error is a client that left or a reset that was asked for.
    let _ = std::future::poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    if reset.load(Ordering::SeqCst) {
        let _ = stream.set_zero_linger();
    }
}

async fn answer(
    request: Request<Incoming>,
    upstream: SocketAddr,
    rules: &Mutex<Rules>,
    reset: &Arc<AtomicBool>,
) -> Result<Answer, Reset> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Reset)?.to_bytes();
    let seen = seen(&parts, &body);
    let fate = {
        let mut rules = rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.meet(seen, parts.uri.query().unwrap_or_default(), &body)
    };
    if let Some(deed) = fate.deed {
        deed.await;
    }
    let request = Request::from_parts(parts, Full::new(body));
    let Some(fault) = fate.fault else {
        return pass(request, upstream).await.map(stream);
    };
    if fault.reaches_server() {
        if let WireFault::Latency(late) = fault {
            tokio::time::sleep(late).await;
        }
        spoilt(pass(request, upstream).await?, &fault, reset).await
    } else {
        instead(&fault).await
    }
}

/// What is answered without asking the server.
async fn instead(fault: &WireFault) -> Result<Answer, Reset> {
    match fault {
        WireFault::Status(status, body) => Ok(own(*status, body.clone())),
        WireFault::HangBefore => std::future::pending().await,
        _ => Err(Reset),
    }
}

/// What becomes of the server's answer.
async fn spoilt(
    response: Response<Incoming>,
    fault: &WireFault,
    reset: &Arc<AtomicBool>,
) -> Result<Answer, Reset> {
    if matches!(fault, WireFault::Latency(_)) {
        return Ok(stream(response));
    }
    // Read to its end, so that the server has done all of it.
    let (mut parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|_| Reset)?.to_bytes();
    match fault {
        WireFault::TruncatedBody => {
            reset.store(true, Ordering::SeqCst);
            parts
                .headers
                .insert(CONTENT_LENGTH, length(body.len().max(2)));
            let half = body.slice(..body.len() / 2);
            Ok(fed(parts, |to| broken_off(to, half)))
        }
        WireFault::Drip => {
            parts
                .headers
                .insert(CONTENT_LENGTH, length(body.len() + 1_000_000));
            Ok(fed(parts, |to| dripping(to, body)))
        }
        WireFault::StatusAfter(status) => Ok(own(*status, "something in between failed".into())),
        WireFault::Garbage => Ok(own(200, "\u{1}\u{2} neither { JSON nor <XML".into())),
        WireFault::HangAfter => std::future::pending().await,
        _ => Err(Reset),
    }
}

fn length(bytes: usize) -> hyper::header::HeaderValue {
    hyper::header::HeaderValue::from(bytes)
}

fn fed<F: Future<Output = ()> + Send + 'static>(
    parts: hyper::http::response::Parts,
    feed: impl FnOnce(Sender<Piece>) -> F,
) -> Answer {
    let (sender, body) = Fed::new();
    tokio::spawn(feed(sender));
    Response::from_parts(parts, Either::Right(body))
}

async fn broken_off(to: Sender<Piece>, half: Bytes) {
    let _ = to.send(Ok(Frame::data(half))).await;
    tokio::time::sleep(PAUSE).await;
    let _ = to.send(Err(io::ErrorKind::ConnectionReset.into())).await;
}

async fn dripping(to: Sender<Piece>, body: Bytes) {
    let mut at = 0;
    loop {
        let byte = body.get(at).copied().unwrap_or(b' ');
        at += 1;
        if to.send(Ok(Frame::data(vec![byte].into()))).await.is_err() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn own(status: u16, body: String) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from(body))));
    *answer.status_mut() = status.try_into().unwrap_or_default();
    answer
}

/// Passes a request on over a connection of its own, once.
async fn pass(
    mut request: Request<Full<Bytes>>,
    upstream: SocketAddr,
) -> Result<Response<Incoming>, Reset> {
    request.headers_mut().remove(CONNECTION);
    let stream = TcpStream::connect(upstream).await.map_err(|_| Reset)?;
    let (mut sender, connection) = client::handshake(TokioIo::new(stream))
        .await
        .map_err(|_| Reset)?;
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(|_| Reset)
}

/// The server's answer, piece by piece.
fn stream(response: Response<Incoming>) -> Answer {
    let (mut parts, mut body) = response.into_parts();
    parts.headers.remove(CONNECTION);
    fed(parts, |to| async move {
        while let Some(frame) = body.frame().await {
            let piece = frame.map_err(io::Error::other);
            if to.send(piece).await.is_err() {
                return;
            }
        }
    })
}

fn seen(parts: &hyper::http::request::Parts, body: &[u8]) -> Seen {
    Seen {
        ordinal: 0,
        method: parts.method.to_string(),
        path: parts.uri.path().to_string(),
        action: action(&parts.headers, body),
        fault: None,
        same: 0,
    }
}

fn action(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    if let Some(target) = headers.get("x-amz-target") {
        return target.to_str().ok().map(str::to_string);
    }
    let form = std::str::from_utf8(body).ok()?;
    let (_, action) = form.split_once("Action=")?;
    let name = action.split('&').next()?;
    name.bytes()
        .all(|b| b.is_ascii_alphanumeric())
        .then(|| name.to_string())
}
