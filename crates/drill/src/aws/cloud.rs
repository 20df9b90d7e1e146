//! The emulated services themselves, reached without the gatekeeper.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use winterbaume_core::{MockRequest, MockResponse, MockService, StatefulService};
use winterbaume_iam::views::IamStateView;
use winterbaume_organizations::views::OrganizationsStateView;

use super::service::Service;
use crate::config::{ACCOUNT, HOME_REGION};
use crate::error::RangeError;

/// Every emulated service of one range. The emulator keeps one account id for the whole
/// process, which is why the range's account is a constant.
pub(crate) struct Cloud {
    pub(crate) iam: winterbaume_iam::IamService,
    /// One change of identities at a time: renaming a new key replaces the whole state.
    changing: tokio::sync::Mutex<()>,
    sts: winterbaume_sts::StsService,
    secrets: winterbaume_secretsmanager::SecretsManagerService,
    ssm: winterbaume_ssm::SsmService,
    lambda: winterbaume_lambda::LambdaService,
    pub(crate) organizations: winterbaume_organizations::OrganizationsService,
    s3: winterbaume_s3::S3Service,
    cloudtrail: winterbaume_cloudtrail::CloudTrailService,
}

impl Cloud {
    pub(crate) fn new() -> Self {
        winterbaume_core::set_default_account_id(ACCOUNT);
        Self {
            iam: winterbaume_iam::IamService::new(),
            changing: tokio::sync::Mutex::default(),
            sts: winterbaume_sts::StsService::new(),
            secrets: winterbaume_secretsmanager::SecretsManagerService::new(),
            ssm: winterbaume_ssm::SsmService::new(),
            lambda: winterbaume_lambda::LambdaService::new(),
            organizations: winterbaume_organizations::OrganizationsService::new(),
            s3: winterbaume_s3::S3Service::new(),
            cloudtrail: winterbaume_cloudtrail::CloudTrailService::new(),
        }
    }

    /// Hands a request to a service, as its own host would receive it.
    pub(crate) async fn handle(
        &self,
        service: Service,
        region: &str,
        method: &str,
        path_and_query: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> MockResponse {
        let region = if service.is_global() {
            HOME_REGION
        } else {
            region
        };
        let request = MockRequest {
            method: method.to_owned(),
            uri: format!(
                "https://{}.{region}.amazonaws.com{path_and_query}",
                service.name()
            ),
            headers,
            body,
        };
        match service {
            Service::Iam => self.identity_call(request).await,
            Service::Sts => self.sts.handle(request).await,
            Service::SecretsManager => self.secrets.handle(request).await,
            Service::Ssm => self.ssm.handle(request).await,
            Service::Lambda => self.lambda.handle(request).await,
            Service::Organizations => self.organizations.handle(request).await,
            Service::S3 => self.s3.handle(request).await,
            Service::CloudTrail => self.cloudtrail.handle(request).await,
        }
    }

    /// A call to IAM. The emulator gives new access keys ids with small letters, which AWS
    /// never does and no detector takes for one: a new key gets an id of AWS's own form.
    async fn identity_call(&self, request: MockRequest) -> MockResponse {
        let _one_at_a_time = self.changing.lock().await;
        let creates = holds_pair(&request.body, b"Action=CreateAccessKey");
        let mut answer = self.iam.handle(request).await;
        if !creates || answer.status != 200 {
            return answer;
        }
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let Some(old) = between(&text, "<AccessKeyId>", "</AccessKeyId>").map(str::to_owned) else {
            return answer;
        };
        let new = crate::random::aws_id("AKIA", 16);
        let mut view = self.iam.snapshot(ACCOUNT, HOME_REGION).await;
        if let Some(mut key) = view.access_keys.remove(&old) {
            key.access_key_id.clone_from(&new);
            view.access_keys.insert(new.clone(), key);
            if self.iam.restore(ACCOUNT, HOME_REGION, view).await.is_ok() {
                answer.body = text.replace(&old, &new).into();
            }
        }
        answer
    }

    /// A JSON call on the admin path.
    pub(crate) async fn json(
        &self,
        service: Service,
        region: &str,
        action: &str,
        body: &Value,
    ) -> Result<Value, RangeError> {
        let mut headers = HeaderMap::new();
        if let Ok(target) = HeaderValue::from_str(&format!("admin.{action}")) {
            headers.insert(HeaderName::from_static("x-amz-target"), target);
        }
        let answer = self
            .handle(
                service,
                region,
                "POST",
                "/",
                headers,
                body.to_string().into(),
            )
            .await;
        accepted(action, &answer)?;
        Ok(serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
    }

    /// A call by path on the admin path.
    pub(crate) async fn rest(
        &self,
        service: Service,
        region: &str,
        method: &str,
        path: &str,
        body: Bytes,
    ) -> Result<Bytes, RangeError> {
        let answer = self
            .handle(service, region, method, path, HeaderMap::new(), body)
            .await;
        accepted(path, &answer)?;
        Ok(answer.body)
    }

    /// Users, roles, keys and policies as they stand now.
    pub(crate) async fn identities(&self) -> IamStateView {
        self.iam.snapshot(ACCOUNT, HOME_REGION).await
    }

    /// The organization as it stands now.
    pub(crate) async fn organization(&self) -> OrganizationsStateView {
        self.organizations.snapshot(ACCOUNT, HOME_REGION).await
    }
}

fn accepted(operation: &str, answer: &MockResponse) -> Result<(), RangeError> {
    if answer.status / 100 == 2 {
        return Ok(());
    }
    Err(RangeError::Seed {
        operation: operation.to_owned(),
        status: answer.status,
        body: String::from_utf8_lossy(&answer.body).into_owned(),
    })
}

/// The text between two marks, for the flat XML answers of the emulator.
pub(crate) fn xml_text<'a>(xml: &'a str, tag: &str) -> Option<&'a str> {
    let open = format!("<{tag}>");
    let start = xml.find(&open)? + open.len();
    let length = xml[start..].find(&format!("</{tag}>"))?;
    Some(&xml[start..start + length])
}

/// Form parameters of a query request.
pub(crate) fn form(body: &[u8]) -> HashMap<String, String> {
    winterbaume_core::parse_query_string(&String::from_utf8_lossy(body))
}

/// Whether a form body holds this pair.
fn holds_pair(body: &[u8], pair: &[u8]) -> bool {
    body.split(|byte| *byte == b'&').any(|found| found == pair)
}

/// The text between two marks.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let start = text.find(from)? + from.len();
    let end = text[start..].find(to)? + start;
    Some(&text[start..end])
}
