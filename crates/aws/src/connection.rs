//! How AWS is reached: credentials, region, endpoint, retries, and which account it is.

use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_types::SdkConfig;
use relatch_case::Fault;
use relatch_secret::Secret;

use crate::error::fault_of_read;

/// Tries of a read, with growing pauses; a call that changes something has one. Not the SDK's
/// adaptive mode: a single throttled answer would hold up every later read for half a minute.
const READ_ATTEMPTS: u32 = 6;

/// How long one request may take, unless the options say otherwise.
const USUAL_PATIENCE: Duration = Duration::from_secs(20);

/// Where and as whom to connect. Everything left out comes from the usual places: environment,
/// profile, single sign-on, container and instance metadata.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A profile of the shared configuration files.
    pub profile: Option<String>,
    /// The region of calls that name none.
    pub region: Option<String>,
    /// A base address instead of AWS's own, for every service.
    pub endpoint: Option<String>,
    /// Fixed credentials: key id, secret, session token.
    pub credentials: Option<(String, Secret, Option<Secret>)>,
    /// How long one request may take until its answer is there; 20 s if left out.
    pub patience: Option<Duration>,
}

/// Who the calls are made as.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Identity {
    /// The account, 12 digits.
    pub account: String,
    /// The principal.
    pub arn: String,
    /// The region of calls that name none.
    pub region: String,
}

/// A run against the wrong account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "these credentials belong to account {found} ({arn}), the case is about account {expected}"
)]
pub struct WrongAccount {
    /// The case's account.
    pub expected: String,
    /// The account of the credentials.
    pub found: String,
    /// Their principal.
    pub arn: String,
}

/// A connection: cheap to clone; opens no socket until it is used.
#[derive(Debug, Clone)]
pub struct Connection {
    config: SdkConfig,
    /// Without reuse of connections: a change is never the victim of one that went stale.
    changes: SharedHttpClient,
}

impl Connection {
    /// Loads the configuration. Nothing is sent yet.
    pub async fn open(options: &Options) -> Self {
        let local = options.endpoint.as_deref().is_some_and(is_here);
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_attempt_timeout(options.patience.unwrap_or(USUAL_PATIENCE))
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http(local, None))
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(READ_ATTEMPTS))
            .app_name(app_name());
        if let Some(profile) = &options.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &options.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &options.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some((id, secret, token)) = &options.credentials {
            loader = loader.credentials_provider(fixed(id, secret, token.as_ref()));
        }
        Self {
            config: loader.load().await,
            changes: http(local, Some(0)),
        }
    }

    /// The same place as somebody else: for presenting a key to be probed. Reads only, with
    /// no retries, so that one probe is one request. It goes to the region that no account can
    /// switch off: elsewhere the living keys of accounts that did not opt in are refused like
    /// dead ones (IAM user guide, "Managing AWS STS in an AWS Region").
    pub fn as_key(&self, id: &str, secret: &Secret) -> SdkConfig {
        let provider =
            aws_credential_types::provider::SharedCredentialsProvider::new(fixed(id, secret, None));
        self.config
            .clone()
            .into_builder()
            .credentials_provider(provider)
            .identity_cache(IdentityCache::no_cache())
            .region(Region::new(always_on(&self.region())))
            .retry_config(RetryConfig::disabled())
            .build()
    }

    /// For reads in a region: throttling and passing faults are retried.
    pub fn read_config(&self, region: &str) -> SdkConfig {
        let builder = self.config.clone().into_builder();
        if region.is_empty() {
            return builder.build();
        }
        builder.region(Region::new(region.to_string())).build()
    }

    /// For calls that change something: sent once, whatever happens. What became of them is
    /// found out by asking, not by sending again.
    pub fn write_config(&self, region: &str) -> SdkConfig {
        self.read_config(region)
            .into_builder()
            .http_client(self.changes.clone())
            .retry_config(RetryConfig::disabled())
            .build()
    }

    /// The region of calls that name none.
    pub fn region(&self) -> String {
        self.config
            .region()
            .map(ToString::to_string)
            .unwrap_or_default()
    }

    /// Who the calls are made as (`sts:GetCallerIdentity`, which needs no permission).
    pub async fn identity(&self) -> Result<Identity, Fault> {
        self.identity_in("").await
    }

    /// Who we are where keys are presented ([`Self::as_key`]).
    pub(crate) async fn identity_where_presented(&self) -> Result<Identity, Fault> {
        self.identity_in(always_on(&self.region())).await
    }

    async fn identity_in(&self, region: &str) -> Result<Identity, Fault> {
        let sts = aws_sdk_sts::Client::new(&self.read_config(region));
        let answer = sts
            .get_caller_identity()
            .send()
            .await
            .map_err(fault_of_read)?;
        Ok(Identity {
            account: answer.account.unwrap_or_default(),
            arn: answer.arn.unwrap_or_default(),
            region: self.region(),
        })
    }
}

impl Identity {
    /// Refuses to go on in another account than the case's.
    pub fn check(&self, expected: &str) -> Result<(), WrongAccount> {
        if self.account == expected {
            return Ok(());
        }
        Err(WrongAccount {
            expected: expected.to_string(),
            found: self.account.clone(),
            arn: self.arn.clone(),
        })
    }
}

/// The region of the same partition that is on for every account.
fn always_on(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "cn-north-1"
    } else if region.starts_with("us-gov-") {
        "us-gov-west-1"
    } else {
        "us-east-1"
    }
}

fn fixed(id: &str, secret: &Secret, token: Option<&Secret>) -> Credentials {
    let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
    Credentials::new(id, text(secret), token.map(text), None, "relatch")
}

/// A client that honours the proxies of the environment, except towards this machine, and
/// keeps up to `idle` unused connections open.
fn http(local: bool, idle: Option<usize>) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        if components.is_none() {
            // The SDK tries out, for every client that is made, whether a connector can be
            // built, and drops it; with TLS that would read all root certificates each time.
            return Connector::builder().build_http();
        }
        let proxies = if local {
            ProxyConfig::disabled()
        } else {
            ProxyConfig::from_env()
        };
        let mut connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .proxy_config(proxies);
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        if let Some(idle) = idle {
            connector = connector.pool_max_idle_per_host(idle);
        }
        connector.build()
    })
}

fn is_here(endpoint: &str) -> bool {
    let authority = endpoint.split("://").last().unwrap_or_default();
    let host = authority.split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn app_name() -> aws_types::app_name::AppName {
    aws_types::app_name::AppName::new("relatch").expect("a plain word is an app name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_recognised() {
        assert!(
            is_here("http://127.0.0.1:4566")
                && is_here("http://[::1]:1/")
                && is_here("http://localhost")
        );
        assert!(!is_here("https://sts.amazonaws.com") && !is_here("http://10.0.0.1:80"));
    }

    #[tokio::test]
    async fn nothing_shows_the_secret() {
        let token = Some(Secret::from("canary-token"));
        let options = Options {
            region: Some("us-east-1".into()),
            credentials: Some(("AKIAEXAMPLE".into(), Secret::from("canary-secret"), token)),
            ..Options::default()
        };
        let connection = Connection::open(&options).await;
        let key = connection.as_key("AKIAOTHER", &Secret::from("canary-other"));
        let shown = format!(
            "{options:?} {connection:?} {connection:#?} {key:?} {:?}",
            connection.write_config("")
        );
        assert!(
            shown.contains("us-east-1") && !shown.contains("canary"),
            "{shown}"
        );
    }

    #[test]
    fn another_account_is_refused_and_both_are_named() {
        let identity = Identity {
            account: "111122223333".into(),
            arn: "arn:aws:iam::111122223333:role/x".into(),
            region: "us-east-1".into(),
        };
        assert!(identity.check("111122223333").is_ok());
        let words = identity
            .check("444455556666")
            .expect_err("refused")
            .to_string();
        assert!(words.contains("111122223333") && words.contains("444455556666"));
    }
}
