//! Telling people over webhooks.
//!
//! A webhook's address is a secret itself (Slack's carry their token in the path), so it is
//! held as one, and no fault repeats any part of it. An alert may arrive more than once; the
//! `Idempotency-Key` header is the same each time.

use std::time::Duration;

use relatch_case::{Fault, FaultKind};
use relatch_secret::Secret;
use reqwest::header::{HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url, redirect};
use serde_json::{Value, json};

use crate::alert::Alert;

/// How a receiver wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The whole alert as JSON.
    Generic,
    /// `{"text": …}` with Slack's three escapes, as Slack and its likes take it.
    /// Source: Slack API documentation, incoming webhooks and text formatting.
    Slack,
}

/// How hard to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Longest wait for one answer.
    pub timeout: Duration,
    /// How often to try, the first time included; at least once.
    pub tries: u32,
    /// Pause before the second try; doubled for each further one.
    pub pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            tries: 3,
            pause: Duration::from_secs(1),
        }
    }
}

/// A webhook that cannot be set up. Never repeats the address.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Not an address.
    #[error("the address of {name} is not a web address")]
    Address {
        /// The webhook's name.
        name: String,
    },
    /// The address is not encrypted and leaves this machine.
    #[error("the address of {name} must begin with https://, or be on this machine")]
    Plain {
        /// The webhook's name.
        name: String,
    },
    /// No client can be made.
    #[error("cannot set up {name}")]
    Client {
        /// The webhook's name.
        name: String,
        /// Why.
        source: reqwest::Error,
    },
}

/// One receiver of alerts.
#[derive(Debug)]
pub struct Webhook {
    name: String,
    address: Secret,
    dialect: Dialect,
    pace: Pace,
    client: Client,
}

/// An alert that did not reach a receiver, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// The receiver.
    pub name: String,
    /// Why.
    pub fault: Fault,
}

impl Webhook {
    /// A receiver. Nobody is told anything yet. `name` is what faults call it. The process
    /// must have a TLS provider installed (`rustls`' `install_default`). Redirects are not
    /// followed: they would hand the alert to somebody else.
    pub fn new(
        name: &str,
        address: Secret,
        dialect: Dialect,
        pace: Pace,
    ) -> Result<Self, SetupError> {
        check(name, &address)?;
        let client = Client::builder()
            .timeout(pace.timeout)
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| SetupError::Client {
                name: name.to_string(),
                source: error.without_url(),
            })?;
        Ok(Self {
            name: name.to_string(),
            address,
            dialect,
            pace,
            client,
        })
    }

    /// What faults call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells the receiver, trying again when that can help. A fault says how the last try
    /// failed; the receiver may have been told all the same.
    pub async fn send(&self, alert: &Alert) -> Result<(), Fault> {
        let local = |_| Fault::new(FaultKind::Local, "the alert cannot be written");
        let key = alert.idempotency_key().map_err(local)?;
        let body = body(self.dialect, alert)
            .map_err(|_| Fault::new(FaultKind::Local, "the alert cannot be written"))?;
        let (mut pause, mut left) = (self.pace.pause, self.pace.tries.max(1));
        loop {
            left -= 1;
            match self.try_once(&key, &body).await {
                Err(refusal) if refusal.passing && left > 0 => {
                    tokio::time::sleep(refusal.wait.map_or(pause, |wait| wait.max(pause))).await;
                    pause = pause.saturating_mul(2);
                }
                outcome => return outcome.map_err(|refusal| refusal.fault),
            }
        }
    }

    async fn try_once(&self, key: &str, body: &Value) -> Result<(), Refusal> {
        let address = parse(&self.address).ok_or_else(|| Refusal {
            fault: Fault::new(FaultKind::Local, "the address is not a web address"),
            passing: false,
            wait: None,
        })?;
        let request = self
            .client
            .post(address)
            .header("Idempotency-Key", key)
            .json(body);
        // The answer's body is not read: it is the receiver's, and may repeat anything.
        let answer = request.send().await.map_err(|error| Refusal {
            fault: unanswered(error),
            passing: true,
            wait: None,
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        Err(Refusal {
            fault: refused(status),
            passing: passes(status),
            wait: asked_to_wait(answer.headers().get(RETRY_AFTER)),
        })
    }
}

/// Tells every receiver at the same time; returns those that could not be told.
pub async fn notify_all(webhooks: &[Webhook], alert: &Alert) -> Vec<Undelivered> {
    // One after the other would let a slow receiver hold back the others, and spawning needs
    // owned data; so each is polled in turn within this one task.
    let mut open: Vec<_> = webhooks
        .iter()
        .map(|webhook| (webhook.name(), Box::pin(webhook.send(alert))))
        .collect();
    let mut undelivered = Vec::new();
    std::future::poll_fn(|context| {
        open.retain_mut(|(name, sending)| match sending.as_mut().poll(context) {
            std::task::Poll::Pending => true,
            std::task::Poll::Ready(Ok(())) => false,
            std::task::Poll::Ready(Err(fault)) => {
                undelivered.push(Undelivered {
                    name: (*name).to_string(),
                    fault,
                });
                false
            }
        });
        if open.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    undelivered.sort_by(|a, b| a.name.cmp(&b.name));
    undelivered
}

/// A try that did not work.
struct Refusal {
    fault: Fault,
    passing: bool,
    wait: Option<Duration>,
}

fn parse(address: &Secret) -> Option<Url> {
    Url::parse(address.expose_str()?.trim()).ok()
}

fn check(name: &str, address: &Secret) -> Result<(), SetupError> {
    let name = || name.to_string();
    let url = parse(address).ok_or_else(|| SetupError::Address { name: name() })?;
    let here = match url.host_str() {
        None => return Err(SetupError::Address { name: name() }),
        Some("localhost" | "[::1]") => true,
        Some(host) => host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback()),
    };
    match url.scheme() {
        "https" => Ok(()),
        "http" if here => Ok(()),
        "http" => Err(SetupError::Plain { name: name() }),
        _ => Err(SetupError::Address { name: name() }),
    }
}

fn body(dialect: Dialect, alert: &Alert) -> Result<Value, serde_json::Error> {
    match dialect {
        Dialect::Generic => serde_json::to_value(alert),
        Dialect::Slack => {
            let text = format!("{}\n{}", alert.title, alert.text);
            Ok(json!({ "text": slack_text(&text) }))
        }
    }
}

/// Slack reads `&`, `<` and `>`; escaped, nothing from outside can name a channel or a link.
fn slack_text(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn unanswered(error: reqwest::Error) -> Fault {
    let error = error.without_url();
    if error.is_connect() {
        return Fault::new(FaultKind::Unreachable, "the receiver was not reached");
    }
    let words = if error.is_timeout() {
        "the receiver did not answer in time"
    } else {
        "the receiver's answer was lost"
    };
    Fault::new(FaultKind::Ambiguous, words)
}

fn refused(status: StatusCode) -> Fault {
    let kind = match status.as_u16() {
        401 | 403 => FaultKind::Denied,
        404 | 410 => FaultKind::NotFound,
        429 => FaultKind::Throttled,
        500.. => FaultKind::Ambiguous,
        _ => FaultKind::Invalid,
    };
    Fault::new(kind, format!("the receiver answered {}", status.as_u16()))
}

fn passes(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 429)
}

/// Longest pause that a receiver can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

fn asked_to_wait(header: Option<&HeaderValue>) -> Option<Duration> {
    let seconds: u64 = header?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slack_cannot_be_made_to_shout() {
        assert_eq!(
            slack_text("<!channel> & <https://x|y>"),
            "&lt;!channel&gt; &amp; &lt;https://x|y&gt;"
        );
    }

    #[test]
    fn addresses_are_encrypted_or_local() {
        let table = [
            ("https://hooks.example.com/T0/B0/token", true),
            ("http://127.0.0.1:9000/x", true),
            ("http://localhost/x", true),
            ("http://hooks.example.com/x", false),
            ("http://127.0.0.1.example.com/x", false),
            ("file:///etc/passwd", false),
            ("not an address", false),
        ];
        for (address, expected) in table {
            assert_eq!(
                check("x", &Secret::from(address)).is_ok(),
                expected,
                "{address}"
            );
        }
    }

    #[test]
    fn waits_are_capped() {
        let wait = |text| asked_to_wait(Some(&HeaderValue::from_static(text)));
        assert_eq!(wait("2"), Some(Duration::from_secs(2)));
        assert_eq!(wait("99999"), Some(LONGEST_WAIT));
        assert_eq!(wait("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    }
}
