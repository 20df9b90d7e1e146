//! Answers: the emulator's, corrected where it differs from AWS in ways that matter to a
//! response.

use axum::body::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use winterbaume_core::MockResponse;

use super::authorise::{Caller, Who};
use super::chunked::unchunk;
use super::cloud::xml_text;
use super::directory::{LastUsed, Session};
use super::gatekeeper::Gatekeeper;
use super::operation::{Call, Operation};
use super::policy;
use super::refusal::Refusal;
use super::secrets;
use super::service::Service;
use super::sigv4::encode;
use crate::random;

/// IAM operations that act on the caller when they name nobody.
const SELF_SERVICE: [&str; 5] = [
    "CreateAccessKey",
    "DeleteAccessKey",
    "GetUser",
    "ListAccessKeys",
    "UpdateAccessKey",
];

impl Gatekeeper {
    /// Carries out an operation that was let through. `caller` is absent on the admin path.
    pub(super) async fn respond(
        &self,
        caller: Option<&Caller>,
        op: &Operation,
        call: Call,
    ) -> Result<MockResponse, Refusal> {
        match op.service {
            Service::Iam => self.respond_iam(caller, op, call).await,
            Service::Sts => self.respond_sts(caller, op, call).await,
            Service::SecretsManager => {
                let _one_writer = self.writes.lock().await;
                let (input, ready) = secrets::before_secret(&self.cloud, op).await?;
                match ready {
                    Some(answer) => Ok(MockResponse::json(200, answer.to_string())),
                    None => Ok(self.pass(op, with_body(call, &input)).await),
                }
            }
            Service::Ssm => {
                let _one_writer = self.writes.lock().await;
                let input = secrets::before_parameter(&self.cloud, &self.tiers, op).await?;
                let answer = self.pass(op, with_body(call, &input)).await;
                secrets::after_parameter(&self.cloud, &self.tiers, op, answer).await
            }
            Service::Lambda => {
                let _one_writer = self.writes.lock().await;
                if let Some(answer) = self.published.before(&self.cloud, op).await? {
                    return Ok(answer);
                }
                let answer = self.pass(op, call).await;
                Ok(self.published.after(&self.cloud, op, answer).await)
            }
            Service::Organizations => {
                if matches!(op.name.as_str(), "CreatePolicy" | "UpdatePolicy")
                    && let Some(document) = op.text("Content")
                {
                    check_document(document, "MalformedPolicyDocumentException")?;
                }
                Ok(self.pass(op, call).await)
            }
            Service::S3 => Ok(self.pass(op, dechunk(call)).await),
            Service::CloudTrail if op.name == "LookupEvents" => {
                let found = self.trail.lookup(&op.region, &op.input);
                Ok(MockResponse::json(200, found.to_string()))
            }
            Service::CloudTrail => Ok(self.pass(op, call).await),
        }
    }

    async fn pass(&self, op: &Operation, call: Call) -> MockResponse {
        let target = if call.query.is_empty() {
            call.path.clone()
        } else {
            format!("{}?{}", call.path, call.query)
        };
        self.cloud
            .handle(
                op.service,
                &op.region,
                &call.method,
                &target,
                call.headers,
                call.body,
            )
            .await
    }

    async fn respond_iam(
        &self,
        caller: Option<&Caller>,
        op: &Operation,
        mut call: Call,
    ) -> Result<MockResponse, Refusal> {
        for member in ["PolicyDocument", "AssumeRolePolicyDocument"] {
            if let Some(document) = op.text(member).filter(|_| !op.read_only)
                && member == "PolicyDocument"
            {
                check_document(document, "MalformedPolicyDocument")?;
            }
        }
        if op.name == "GetAccessKeyLastUsed" {
            return self.key_last_used(op);
        }
        if SELF_SERVICE.contains(&op.name.as_str())
            && op.text("UserName").is_none()
            && let Some(Who::User { name, .. }) = caller.map(|caller| &caller.who)
        {
            let body = String::from_utf8_lossy(&call.body).into_owned();
            call.body = format!("{body}&UserName={}", encode(name, true)).into();
        }
        let answer = self.pass(op, call).await;
        Ok(encode_documents(answer))
    }

    fn key_last_used(&self, op: &Operation) -> Result<MockResponse, Refusal> {
        let id = op.text("AccessKeyId").unwrap_or_default();
        let snapshot = self.directory.current();
        let key = snapshot
            .iam
            .access_keys
            .get(id)
            .ok_or_else(|| Refusal::Invalid {
                status: 404,
                code: "NoSuchEntity",
                message: format!("The Access Key with id {id} cannot be found."),
            })?;
        let used = match self.directory.last_used(id) {
            Some(LastUsed {
                at,
                service,
                region,
            }) => format!(
                "<LastUsedDate>{}</LastUsedDate><ServiceName>{service}</ServiceName><Region>{region}</Region>",
                at.strftime("%Y-%m-%dT%H:%M:%SZ")
            ),
            None => "<ServiceName>N/A</ServiceName><Region>N/A</Region>".to_owned(),
        };
        let body = format!(
            "<GetAccessKeyLastUsedResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\
             <GetAccessKeyLastUsedResult><UserName>{}</UserName><AccessKeyLastUsed>{used}</AccessKeyLastUsed>\
             </GetAccessKeyLastUsedResult><ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata>\
             </GetAccessKeyLastUsedResponse>",
            key.user_name,
            random::uuid()
        );
        Ok(MockResponse::xml(200, body))
    }

    async fn respond_sts(
        &self,
        caller: Option<&Caller>,
        op: &Operation,
        call: Call,
    ) -> Result<MockResponse, Refusal> {
        match (op.name.as_str(), caller) {
            ("GetCallerIdentity", Some(caller)) => Ok(who_am_i(caller)),
            ("AssumeRole", _) => {
                let answer = self.pass(op, call).await;
                Ok(self.keep_session(op, answer))
            }
            ("GetSessionToken" | "GetFederationToken", _) => Err(Refusal::Invalid {
                status: 501,
                code: "NotImplemented",
                message: format!("The range does not hand out sessions by {}.", op.name),
            }),
            _ => Ok(self.pass(op, call).await),
        }
    }

    /// Remembers a session that was handed out, and puts the role's own id in the answer.
    fn keep_session(&self, op: &Operation, answer: MockResponse) -> MockResponse {
        let xml = String::from_utf8_lossy(&answer.body).into_owned();
        let text = |tag: &str| xml_text(&xml, tag).map(str::to_owned);
        let role = op.text("RoleArn").and_then(|arn| arn.rsplit('/').next());
        let (Some(id), Some(secret), Some(token), Some(role)) = (
            text("AccessKeyId"),
            text("SecretAccessKey"),
            text("SessionToken"),
            role,
        ) else {
            return answer;
        };
        let expires = text("Expiration")
            .and_then(|time| time.parse().ok())
            .unwrap_or(Timestamp::MAX);
        let name = op.text("RoleSessionName").unwrap_or_default();
        let session = Session {
            secret,
            token,
            role: role.to_owned(),
            name: name.to_owned(),
            issued: Timestamp::now(),
            expires,
        };
        self.directory.add_session(&id, session);
        let role_id = self
            .directory
            .current()
            .iam
            .roles
            .get(role)
            .map(|role| role.role_id.clone());
        let body = match (role_id, text("AssumedRoleId")) {
            (Some(role_id), Some(shown)) => xml.replace(&shown, &format!("{role_id}:{name}")),
            _ => xml,
        };
        MockResponse::xml(answer.status, body)
    }
}

fn who_am_i(caller: &Caller) -> MockResponse {
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <GetCallerIdentityResult><Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account>\
         </GetCallerIdentityResult><ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata>\
         </GetCallerIdentityResponse>",
        caller.arn(),
        caller.user_id(),
        caller.account,
        random::uuid()
    );
    MockResponse::xml(200, body)
}

fn check_document(document: &str, code: &'static str) -> Result<(), Refusal> {
    policy::check(document).map_err(|error| Refusal::Invalid {
        status: 400,
        code,
        message: error.to_string(),
    })
}

fn with_body(mut call: Call, input: &Value) -> Call {
    call.body = input.to_string().into();
    call
}

fn dechunk(mut call: Call) -> Call {
    let chunked = call
        .headers
        .get("x-amz-content-sha256")
        .is_some_and(|value| value.as_bytes().starts_with(b"STREAMING-"));
    if chunked && let Some(body) = unchunk(&call.body) {
        call.body = body;
        call.headers.remove("content-encoding");
    }
    call
}

/// IAM hands policy documents out percent-encoded; the emulator does not.
fn encode_documents(answer: MockResponse) -> MockResponse {
    const TAGS: [&str; 3] = ["PolicyDocument", "AssumeRolePolicyDocument", "Document"];
    let mut xml = String::from_utf8_lossy(&answer.body).into_owned();
    let mut changed = false;
    for tag in TAGS {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        let mut from = 0;
        while let Some(start) = xml[from..].find(&open).map(|at| from + at + open.len()) {
            let Some(end) = xml[start..].find(&close).map(|at| start + at) else {
                break;
            };
            let encoded = encode(&unescape(&xml[start..end]), true);
            xml.replace_range(start..end, &encoded);
            from = start + encoded.len();
            changed = true;
        }
    }
    if !changed {
        return answer;
    }
    MockResponse {
        body: Bytes::from(xml),
        ..answer
    }
}

fn unescape(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&#34;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}
