//! One call of a consumer to the issuer of its credential.

use serde_json::json;

use crate::aws::{AwsClient, KeyPair};
use crate::config::HOME_REGION;
use crate::scenario::{DATA_BUCKET, IssuerKind};

/// What a consumer loaded.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    Key(String),
    Pair(KeyPair),
}

impl Secret {
    /// The text that identifies it, for hints and for joining with the truth.
    pub(crate) fn identity(&self) -> &str {
        match self {
            Self::Key(value) => value,
            Self::Pair(pair) => &pair.id,
        }
    }
}

/// Base addresses of the issuers, as one network sees them.
#[derive(Debug, Clone)]
pub(crate) struct Bases {
    pub(crate) openai: String,
    pub(crate) anthropic: String,
    pub(crate) custom: String,
    pub(crate) aws: String,
}

/// Uses a credential once; the text says what went wrong and holds no value.
pub(crate) async fn use_once(
    http: &reqwest::Client,
    bases: &Bases,
    issuer: IssuerKind,
    secret: &Secret,
    round: u64,
) -> Result<(), String> {
    match (issuer, secret) {
        (IssuerKind::AwsIam, Secret::Pair(pair)) => use_pair(http, bases, pair, round).await,
        (_, Secret::Key(key)) => use_key(http, bases, issuer, key).await,
        _ => Err("the credential has the wrong form".to_owned()),
    }
}

async fn use_key(
    http: &reqwest::Client,
    bases: &Bases,
    issuer: IssuerKind,
    key: &str,
) -> Result<(), String> {
    let messages = json!([{"role": "user", "content": "Summarise."}]);
    let request = if issuer == IssuerKind::Anthropic {
        http.post(format!("{}/v1/messages", bases.anthropic))
            .header("x-api-key", key)
            .header("anthropic-version", "2023-06-01")
            .json(&json!({"model": "claude-sonnet-5", "max_tokens": 8, "messages": messages}))
    } else {
        let base = match issuer {
            IssuerKind::OpenAi => &bases.openai,
            _ => &bases.custom,
        };
        http.post(format!("{base}/v1/chat/completions"))
            .bearer_auth(key)
            .json(&json!({"model": "gpt-5-mini", "messages": messages}))
    };
    let answer = request
        .send()
        .await
        .map_err(|error| error.without_url().to_string())?;
    let status = answer.status();
    // Reading the body to its end lets the connection be used again.
    let body = answer.bytes().await;
    if status.is_success() && body.is_ok() {
        return Ok(());
    }
    Err(format!("status {status}"))
}

async fn use_pair(
    http: &reqwest::Client,
    bases: &Bases,
    pair: &KeyPair,
    round: u64,
) -> Result<(), String> {
    let client = AwsClient {
        http: http.clone(),
        endpoint: bases.aws.clone(),
        key: pair.clone(),
        region: HOME_REGION.to_owned(),
        user_agent: "aws-sdk-go-v2/1.39.0 os/linux lang/go#1.25.0".to_owned(),
    };
    let result = if round.is_multiple_of(2) {
        client.query("sts", "GetCallerIdentity", &[]).await
    } else {
        let path = format!("/{DATA_BUCKET}?list-type=2&max-keys=5");
        client.rest("s3", "GET", &path, String::new()).await
    };
    result.map(|_| ()).map_err(|error| error.to_string())
}
