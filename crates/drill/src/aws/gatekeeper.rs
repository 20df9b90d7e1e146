//! The gatekeeper: checks who calls, whether policies let them, records the call, and hands
//! it to the emulator.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::Value;
use winterbaume_core::MockResponse;

use super::authorise::{Caller, Who, authorise};
use super::cloud::{Cloud, xml_text};
use super::directory::{Directory, LastUsed, Session};
use super::lambda::Published;
use super::operation::{Call, Operation};
use super::record::{Ended, record};
use super::refusal::Refusal;
use super::secrets::{Tiers, resolve_secret};
use super::service::Service;
use super::sigv4::{Claim, Signed, claim, is_fresh, verifies};
use super::trail::Trail;
use crate::config::{ACCOUNT, HOME_REGION, Network, RangeConfig, TRAIL_BUCKET};
use crate::error::RangeError;
use crate::faults::{Fault, Faults};
use crate::random;

/// The largest accepted body in bytes.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// The gatekeeper and everything behind it.
pub(crate) struct Gatekeeper {
    pub(crate) cloud: Cloud,
    pub(crate) directory: Directory,
    pub(crate) trail: Trail,
    pub(crate) published: Published,
    pub(super) tiers: Tiers,
    pub(crate) faults: Faults,
    /// Held while one call to a store of secrets is prepared, made and corrected.
    pub(super) writes: tokio::sync::Mutex<()>,
}

impl Gatekeeper {
    pub(crate) fn new(config: &RangeConfig) -> Self {
        Self {
            cloud: Cloud::new(),
            directory: Directory::new(config.propagation),
            trail: Trail::default(),
            published: Published::default(),
            tiers: Tiers::default(),
            faults: Faults::default(),
            writes: tokio::sync::Mutex::default(),
        }
    }

    /// The listener's routes for one network.
    pub(crate) fn router(self: &Arc<Self>, network: Network) -> Router {
        Router::new()
            .fallback(entrance)
            .with_state((Arc::clone(self), network))
    }

    /// An operation on the admin path: no signature, no permission, no record, and changes
    /// of identities count at once. `path` may carry a query.
    pub(crate) async fn admin(
        &self,
        service: Service,
        region: &str,
        method: &str,
        path: &str,
        target: Option<&str>,
        body: String,
    ) -> Result<String, RangeError> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut headers = HeaderMap::new();
        if let Some(Ok(value)) = target.map(|name| HeaderValue::from_str(&format!("admin.{name}")))
        {
            headers.insert(HeaderName::from_static("x-amz-target"), value);
        }
        let call = Call {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body: body.into(),
        };
        let seed = |status, body| RangeError::Seed {
            operation: target.unwrap_or(path).to_owned(),
            status,
            body,
        };
        let op = Operation::parse(service, region, &call)
            .ok_or_else(|| seed(400, "not an operation".to_owned()))?;
        let answer = match self.respond(None, &op, call).await {
            Ok(answer) => answer,
            Err(refusal) => refusal.answer(service, "admin"),
        };
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.status / 100 != 2 {
            return Err(seed(answer.status, text));
        }
        if !op.read_only && matches!(service, Service::Iam | Service::Organizations) {
            self.directory.note_now(&self.cloud).await;
        }
        Ok(text)
    }

    /// Hands out a session of a role as a metadata service does, with no call recorded.
    pub(crate) fn issue_session(&self, role: &str, name: &str) -> super::client::KeyPair {
        let id = random::aws_id("ASIA", 16);
        let session = Session {
            secret: random::alphanumeric(40),
            token: random::alphanumeric(200),
            role: role.to_owned(),
            name: name.to_owned(),
            issued: Timestamp::now(),
            expires: Timestamp::now() + std::time::Duration::from_hours(1),
        };
        let pair = super::client::KeyPair {
            id: id.clone(),
            secret: session.secret.clone(),
            token: Some(session.token.clone()),
        };
        self.directory.add_session(&id, session);
        pair
    }

    async fn answer(&self, network: Network, call: Call) -> Answer {
        let request_id = random::uuid();
        let Some(claim) = claim(&call.headers) else {
            let service = Service::Sts;
            return Answer::refused(service, &Refusal::MissingToken, request_id);
        };
        let Some(service) = Service::from_scope(&claim.service) else {
            let refusal = Refusal::Denied(format!("The range has no service {}.", claim.service));
            return Answer::refused(Service::Sts, &refusal, request_id);
        };
        let caller = match self.authenticate(&claim, &call) {
            Ok(caller) => caller,
            Err(refusal) => return Answer::refused(service, &refusal, request_id),
        };
        let Some(mut op) = Operation::parse(service, &claim.region, &call) else {
            let refusal = Refusal::Invalid {
                status: 400,
                code: "SerializationException",
                message: "The request cannot be read.".to_owned(),
            };
            return Answer::refused(service, &refusal, request_id);
        };
        self.complete(&mut op, &caller).await;
        self.note_use(&caller, &op);
        let user_agent = agent(&call.headers);
        let fault = Some(network)
            .filter(|network| *network == Network::Responder && !op.read_only)
            .and_then(|_| self.faults.next());
        if fault == Some(Fault::Refused) {
            return Answer::refused(service, &Refusal::Unavailable, request_id);
        }
        let result = match authorise(&caller, &op, network, &self.directory.current()) {
            Ok(()) => self.respond(Some(&caller), &op, call).await,
            Err(refusal) => Err(refusal),
        };
        let answer = result.unwrap_or_else(|refusal| refusal.answer(service, &request_id));
        if answer.status / 100 == 2
            && !op.read_only
            && matches!(service, Service::Iam | Service::Organizations)
        {
            self.directory.note_change(&self.cloud).await;
        }
        let ended = Ended {
            error: error_of(&answer),
            body: &answer.body,
        };
        if !is_own_delivery(&op) {
            let record = record(&caller, &op, network, &user_agent, &request_id, &ended);
            self.trail.add(record);
        }
        if fault == Some(Fault::Lost) {
            return Answer::refused(service, &Refusal::Lost, request_id);
        }
        Answer { answer, request_id }
    }

    /// Fills in what the request leaves to the service: the secret's ARN, the caller's name.
    async fn complete(&self, op: &mut Operation, caller: &Caller) {
        if op.service == Service::SecretsManager
            && let Some(arn) = resolve_secret(&self.cloud, op).await
        {
            for (_, resource) in &mut op.needs {
                resource.clone_from(&arn);
            }
        }
        let is_key_operation = op.service == Service::Iam && op.name.contains("AccessKey");
        if is_key_operation && op.text("UserName").is_none() && op.name != "GetAccessKeyLastUsed" {
            for (_, resource) in &mut op.needs {
                *resource = caller.arn();
            }
        }
    }

    fn authenticate(&self, claim: &Claim, call: &Call) -> Result<Caller, Refusal> {
        let now = Timestamp::now();
        let signed = Signed {
            method: &call.method,
            path: &call.path,
            query: &call.query,
            headers: &call.headers,
            body: &call.body,
        };
        let (caller, secret) = self.caller(claim, &call.headers, now)?;
        if !is_fresh(&call.headers, now) {
            return Err(Refusal::Stale);
        }
        if !verifies(claim, &signed, &secret) {
            return Err(Refusal::WrongSignature);
        }
        Ok(caller)
    }

    fn caller(
        &self,
        claim: &Claim,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<(Caller, String), Refusal> {
        let id = &claim.key_id;
        let snapshot = self.directory.current();
        if let Some(session) = self.directory.session(id) {
            let token = headers
                .get("x-amz-security-token")
                .map(HeaderValue::as_bytes);
            if token != Some(session.token.as_bytes()) {
                return Err(Refusal::UnknownKey);
            }
            if session.expires <= now {
                return Err(Refusal::Expired);
            }
            let caller = Caller::of_session(id, &session, &snapshot).ok_or(Refusal::UnknownKey)?;
            return Ok((caller, session.secret));
        }
        if let Some(foreigner) = self.directory.foreigner(id) {
            let secret = foreigner.secret.clone();
            let caller = Caller {
                key_id: id.clone(),
                account: foreigner.account,
                who: Who::Foreigner(foreigner),
            };
            return Ok((caller, secret));
        }
        let key = snapshot
            .iam
            .access_keys
            .get(id)
            .filter(|key| key.status == "Active")
            .ok_or(Refusal::UnknownKey)?;
        let user = snapshot
            .iam
            .users
            .get(&key.user_name)
            .ok_or(Refusal::UnknownKey)?;
        let caller = Caller {
            key_id: id.clone(),
            account: ACCOUNT,
            who: Who::User {
                name: user.name.clone(),
                id: user.user_id.clone(),
            },
        };
        Ok((caller, key.secret_access_key.clone()))
    }

    fn note_use(&self, caller: &Caller, op: &Operation) {
        let region = match op.service {
            Service::Iam => HOME_REGION,
            _ => &op.region,
        };
        let used = LastUsed {
            at: Timestamp::now(),
            service: op.service.name(),
            region: region.to_owned(),
        };
        self.directory.note_use(&caller.key_id, used);
    }
}

/// The trail leaves out reads of its own bucket, as a sane selector does.
fn is_own_delivery(op: &Operation) -> bool {
    op.service == Service::S3 && !op.management && op.text("bucketName") == Some(TRAIL_BUCKET)
}

fn agent(headers: &HeaderMap) -> String {
    headers
        .get("user-agent")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}

/// Error code and message of an answer, whatever its format; nothing for a success.
fn error_of(answer: &MockResponse) -> Option<(String, String)> {
    if answer.status / 100 == 2 {
        return None;
    }
    let text = String::from_utf8_lossy(&answer.body);
    let json: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    let named = answer
        .headers
        .get("x-amzn-errortype")
        .and_then(|value| value.to_str().ok());
    let code = named
        .or_else(|| json["__type"].as_str())
        .or_else(|| xml_text(&text, "Code"))
        .unwrap_or("InternalFailure");
    let message = json["message"]
        .as_str()
        .or_else(|| json["Message"].as_str())
        .or_else(|| xml_text(&text, "Message"))
        .unwrap_or_default();
    Some((code.to_owned(), message.to_owned()))
}

struct Answer {
    answer: MockResponse,
    request_id: String,
}

impl Answer {
    fn refused(service: Service, refusal: &Refusal, request_id: String) -> Self {
        Self {
            answer: refusal.answer(service, &request_id),
            request_id,
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.answer.body));
        *response.status_mut() =
            StatusCode::from_u16(self.answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = self.answer.headers;
        if let Ok(id) = HeaderValue::from_str(&self.request_id) {
            response.headers_mut().insert("x-amzn-requestid", id);
        }
        response
    }
}

async fn entrance(
    State((gate, network)): State<(Arc<Gatekeeper>, Network)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let call = Call {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
    };
    gate.answer(network, call).await.into_response()
}
