//! Faults that a drill puts in the responder's way: refused calls and lost answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::json;

/// Faults of one issuer. They hit only changing calls from the responder's network.
#[derive(Debug, Default)]
pub struct Faults {
    refusals: AtomicU32,
    losses: AtomicU32,
}

/// What befalls a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is refused with 503 and does nothing.
    Refused,
    /// It is carried out, but the answer is an error that does not say so.
    Lost,
}

impl Faults {
    /// Refuses the next `calls` with 503; they do nothing.
    pub fn refuse(&self, calls: u32) {
        self.refusals.store(calls, Ordering::SeqCst);
    }

    /// Carries out the next `calls`, but answers 500 as if they had been lost.
    pub fn lose(&self, calls: u32) {
        self.losses.store(calls, Ordering::SeqCst);
    }

    /// The fault of the next call, used up.
    pub(crate) fn next(&self) -> Option<Fault> {
        if take(&self.refusals) {
            return Some(Fault::Refused);
        }
        take(&self.losses).then_some(Fault::Lost)
    }
}

fn take(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
        left.checked_sub(1)
    })
    .is_ok()
}

/// The router with faults in front of its changing administration calls.
pub(crate) fn troubled(router: Router, faults: &Arc<Faults>) -> Router {
    router.layer(middleware::from_fn_with_state(Arc::clone(faults), trouble))
}

async fn trouble(State(faults): State<Arc<Faults>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let administers = path.starts_with("/v1/organization") || path.starts_with("/admin/");
    let fault = Some(request.method())
        .filter(|method| administers && *method != Method::GET)
        .and_then(|_| faults.next());
    if fault == Some(Fault::Refused) {
        return failed(StatusCode::SERVICE_UNAVAILABLE);
    }
    let answer = next.run(request).await;
    match fault {
        Some(_) => failed(StatusCode::INTERNAL_SERVER_ERROR),
        None => answer,
    }
}

fn failed(status: StatusCode) -> Response {
    let error = json!({"message": "The server had an error.", "type": "server_error"});
    (status, Json(json!({ "error": error }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_used_up() {
        let faults = Faults::default();
        faults.refuse(1);
        faults.lose(1);
        let seen = [faults.next(), faults.next(), faults.next()];
        assert_eq!(seen, [Some(Fault::Refused), Some(Fault::Lost), None]);
    }
}
