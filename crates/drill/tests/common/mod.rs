//! A small range for tests, and clients in it.
#![allow(dead_code, reason = "each test file uses its part")]

use std::time::Duration;

use relatch_drill::{AwsClient, HOME_REGION, KeyPair, Network, Range, RangeConfig, braintrust};
use serde_json::json;
use tempfile::TempDir;

pub(crate) struct Practice {
    pub(crate) range: Range,
    pub(crate) dir: TempDir,
    http: reqwest::Client,
}

/// A range with quick propagation and few consumers.
pub(crate) async fn practice(consumers: usize) -> Practice {
    let config = RangeConfig {
        propagation: Duration::from_millis(100),
        trail_interval: Duration::from_millis(300),
        consumers,
        attack_pause: Duration::from_millis(50),
        ..RangeConfig::standard()
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().expect("a directory");
    let range = Range::start(config, braintrust(), dir.path())
        .await
        .expect("a range");
    let http = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    Practice { range, dir, http }
}

impl Practice {
    pub(crate) fn client(&self, network: Network, key: &KeyPair) -> AwsClient {
        AwsClient {
            http: self.http.clone(),
            endpoint: self.range.aws_endpoint(network),
            key: key.clone(),
            region: HOME_REGION.to_owned(),
            user_agent: "test".to_owned(),
        }
    }

    pub(crate) fn responder(&self) -> AwsClient {
        self.client(Network::Responder, self.range.responder_credentials())
    }

    pub(crate) fn management(&self) -> AwsClient {
        self.client(Network::Responder, self.range.management_credentials())
    }

    /// The key of a seeded IAM user, as someone who has it.
    pub(crate) fn key_of(&self, user: &str) -> KeyPair {
        let truth = self.range.truth();
        let found = truth
            .credentials
            .iter()
            .find(|c| c.group == user)
            .expect("a user");
        KeyPair {
            id: found.issuer_id.clone(),
            secret: found.value.clone(),
            token: None,
        }
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }
}

/// Waits until changes of identities count.
pub(crate) async fn propagate() {
    tokio::time::sleep(Duration::from_millis(160)).await;
}

pub(crate) fn deny_all() -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]})
        .to_string()
}

/// The bytes of an object, through the official SDK.
pub(crate) async fn object(practice: &Practice, bucket: &str, key: &str) -> Vec<u8> {
    let s3 = aws_sdk_s3::Client::from_conf(
        aws_sdk_s3::config::Builder::from(&sdk(practice))
            .force_path_style(true)
            .build(),
    );
    let answer = s3
        .get_object()
        .bucket(bucket)
        .key(key)
        .send()
        .await
        .expect("an object");
    answer.body.collect().await.expect("bytes").to_vec()
}

/// Settings of the official SDK for the responder.
pub(crate) fn sdk(practice: &Practice) -> aws_types::SdkConfig {
    sdk_with(
        practice,
        practice.range.responder_credentials(),
        Network::Responder,
    )
}

/// Settings of the official SDK for any key.
pub(crate) fn sdk_with(
    practice: &Practice,
    key: &KeyPair,
    network: Network,
) -> aws_types::SdkConfig {
    let credentials = aws_credential_types::Credentials::new(
        key.id.clone(),
        key.secret.clone(),
        key.token.clone(),
        None,
        "test",
    );
    let http = aws_smithy_http_client::Builder::new().build_http();
    aws_types::SdkConfig::builder()
        .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
        .region(aws_types::region::Region::new(HOME_REGION))
        .endpoint_url(practice.range.aws_endpoint(network))
        .credentials_provider(
            aws_credential_types::provider::SharedCredentialsProvider::new(credentials),
        )
        .http_client(http)
        .build()
}
