//! A small client for the emulated cloud, used by everything in the range that is not the
//! tool: consumers and the attacker.

use std::fmt::Write as _;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use serde_json::Value;

use super::cloud::xml_text;
use super::sigv4::encode;

/// An access key with its secret, and the token if it is a session's.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// The access key id.
    pub id: String,
    /// The secret access key.
    pub secret: String,
    /// The session token of temporary credentials.
    pub token: Option<String>,
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyPair")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Why a call of [`AwsClient`] failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The service answered with an error.
    #[error("refused with status {status} and code {code}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The service's error code.
        code: String,
        /// The service's message.
        message: String,
    },
    /// No answer came.
    #[error("no answer")]
    Transport(#[source] reqwest::Error),
    /// The request could not be signed.
    #[error("the request cannot be signed")]
    Signing(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl CallError {
    /// The service's error code, if it answered.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::Transport(_) | Self::Signing(_) => None,
        }
    }
}

/// A client with one key at one endpoint.
#[derive(Clone, Debug)]
pub struct AwsClient {
    /// The HTTP client.
    pub http: reqwest::Client,
    /// Base address of the endpoint.
    pub endpoint: String,
    /// The key that signs.
    pub key: KeyPair,
    /// The region in the scope.
    pub region: String,
    /// What the records show as user agent.
    pub user_agent: String,
}

impl AwsClient {
    /// The same client in another region.
    #[must_use]
    pub fn in_region(&self, region: &str) -> Self {
        Self {
            region: region.to_owned(),
            ..self.clone()
        }
    }

    /// The same client with another key.
    #[must_use]
    pub fn with_key(&self, key: KeyPair) -> Self {
        Self {
            key,
            ..self.clone()
        }
    }

    /// A form call (IAM, STS); the answer is XML.
    pub async fn query(
        &self,
        service: &str,
        action: &str,
        params: &[(&str, &str)],
    ) -> Result<String, CallError> {
        let mut body = format!("Action={action}&Version=2011-06-15");
        for (name, value) in params {
            let _ = write!(body, "&{}={}", encode(name, true), encode(value, true));
        }
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send(service, "POST", "/", &headers, body).await
    }

    /// A JSON call (Secrets Manager, SSM, Organizations, CloudTrail).
    pub async fn json(
        &self,
        service: &str,
        action: &str,
        input: &Value,
    ) -> Result<Value, CallError> {
        let target = format!("{service}.{action}");
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", target.as_str()),
        ];
        let text = self
            .send(service, "POST", "/", &headers, input.to_string())
            .await?;
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// A call by path (Lambda, S3). The path is already encoded and may carry a query.
    pub async fn rest(
        &self,
        service: &str,
        method: &str,
        path: &str,
        body: String,
    ) -> Result<String, CallError> {
        self.send(service, method, path, &[], body).await
    }

    async fn send(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<String, CallError> {
        let url = format!("{}{path}", self.endpoint);
        let host = self.endpoint.trim_start_matches("http://");
        let mut all = vec![("host", host), ("user-agent", self.user_agent.as_str())];
        all.extend_from_slice(headers);
        let signed = self.sign(service, method, &url, &all[..], body.as_bytes())?;
        let method = reqwest::Method::from_bytes(method.as_bytes())
            .map_err(|error| CallError::Signing(error.into()))?;
        let mut request = self.http.request(method, &url).body(body);
        for (name, value) in all.iter().skip(1) {
            request = request.header(*name, *value);
        }
        for (name, value) in signed {
            request = request.header(name, value);
        }
        read(request.send().await.map_err(CallError::Transport)?).await
    }

    fn sign(
        &self,
        service: &str,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Vec<(String, String)>, CallError> {
        let identity = Credentials::new(
            self.key.id.clone(),
            self.key.secret.clone(),
            self.key.token.clone(),
            None,
            "range",
        )
        .into();
        let mut settings = SigningSettings::default();
        if service == "s3" {
            settings.percent_encoding_mode = aws_sigv4::http_request::PercentEncodingMode::Single;
            settings.payload_checksum_kind =
                aws_sigv4::http_request::PayloadChecksumKind::XAmzSha256;
        }
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|error| CallError::Signing(error.into()))?
            .into();
        // The user agent may be changed on the way, so it is not signed.
        let signable = headers
            .iter()
            .filter(|(name, _)| *name != "user-agent")
            .copied();
        let request = SignableRequest::new(method, url, signable, SignableBody::Bytes(body))
            .map_err(|error| CallError::Signing(error.into()))?;
        let (instructions, _) = sign(request, &params)
            .map_err(|error| CallError::Signing(error.into()))?
            .into_parts();
        Ok(instructions
            .headers()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }
}

async fn read(response: reqwest::Response) -> Result<String, CallError> {
    let status = response.status();
    let named = response
        .headers()
        .get("x-amzn-errortype")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let text = response.text().await.map_err(CallError::Transport)?;
    if status.is_success() {
        return Ok(text);
    }
    let json: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    let code = named
        .or_else(|| json["__type"].as_str().map(str::to_owned))
        .or_else(|| xml_text(&text, "Code").map(str::to_owned))
        .unwrap_or_default();
    let message = json["message"]
        .as_str()
        .or_else(|| json["Message"].as_str())
        .or_else(|| xml_text(&text, "Message"))
        .unwrap_or_default()
        .to_owned();
    Err(CallError::Refused {
        status: status.as_u16(),
        code,
        message,
    })
}
