//! Sending one request and reading its answer, without retries or redirects.

use std::time::Duration;

use relatch_secret::Secret;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Url};
use serde_json::Value;
use zeroize::{Zeroize, Zeroizing};

/// Longest answer that is read, in bytes.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;

/// Room that is set aside for an answer, so that one with a value in it is not copied about
/// while it arrives.
const ANSWER_ROOM: usize = 64 * 1024;

/// How long a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands.
    pub connect: Duration,
    /// Until the answer is read, all in all.
    pub total: Duration,
}

impl Timeouts {
    /// 3 seconds to connect, 20 in all.
    pub const USUAL: Self = Self {
        connect: Duration::from_secs(3),
        total: Duration::from_secs(20),
    };
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The `Retry-After` header, as it stands there.
    pub(crate) retry_after: Option<String>,
    /// The body, if it is JSON.
    pub(crate) body: Option<Body>,
}

impl Answer {
    pub(crate) fn json(&self) -> Option<&Value> {
        self.body.as_ref().map(|body| &body.0)
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A JSON body whose texts are wiped when it is dropped, as one of them may be a value.
pub(crate) struct Body(Value);

impl Body {
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().map(Self)
    }

    pub(crate) fn json(&self) -> &Value {
        &self.0
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The request could not be made, and was not sent.
    Unsendable(String),
    /// No connection came about; the request was not sent.
    Unreached(String),
    /// The request was sent, or may have been, and no whole answer came.
    Lost(String),
}

/// The client for one issuer: one for reads, and one for changes that never uses a connection
/// twice, so that nothing beneath has a reason to send a request again.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    reads: Client,
    changes: Client,
}

impl Wire {
    /// Proxies from the environment are honoured, except towards this machine itself.
    pub(crate) fn new(base: &Url, timeouts: Timeouts) -> Result<Self, reqwest::Error> {
        let builder = || {
            let builder = Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .connect_timeout(timeouts.connect)
                .timeout(timeouts.total)
                .user_agent(concat!("relatch/", env!("CARGO_PKG_VERSION")));
            if is_here(base) {
                builder.no_proxy()
            } else {
                builder
            }
        };
        let changes = builder().http1_only().pool_max_idle_per_host(0).build()?;
        Ok(Self {
            reads: builder().build()?,
            changes,
        })
    }

    /// Sends one request. `GET` counts as a read, all else as a change.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<Value>,
    ) -> Result<Answer, NoAnswer> {
        let client = if method == Method::GET {
            &self.reads
        } else {
            &self.changes
        };
        let request = client.request(method, url).headers(headers);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let response = request.send().await.map_err(no_answer)?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after
            .and_then(|value| value.to_str().ok())
            .map(str::to_string);
        let bytes = read(response).await?;
        Ok(Answer {
            status,
            retry_after,
            body: Body::parse(&bytes),
        })
    }
}

fn is_here(base: &Url) -> bool {
    let host = base.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

async fn read(mut response: reqwest::Response) -> Result<Zeroizing<Vec<u8>>, NoAnswer> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(ANSWER_ROOM));
    while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
        if bytes.len() + chunk.len() > ANSWER_LIMIT {
            return Err(NoAnswer::Lost(format!(
                "the answer is longer than {ANSWER_LIMIT} bytes"
            )));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn no_answer(error: reqwest::Error) -> NoAnswer {
    let error = error.without_url();
    let text = chain(&error);
    if error.is_builder() {
        NoAnswer::Unsendable(text)
    } else if error.is_connect() {
        NoAnswer::Unreached(text)
    } else {
        NoAnswer::Lost(text)
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// The header that presents a key, marked so that nothing prints it. `None`: the value holds
/// bytes that no header can carry.
pub(crate) fn secret_header(prefix: &str, secret: &Secret) -> Option<HeaderValue> {
    let mut text = Zeroizing::new(Vec::with_capacity(prefix.len() + secret.len()));
    text.extend_from_slice(prefix.as_bytes());
    text.extend_from_slice(secret.expose());
    let mut header = HeaderValue::from_bytes(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Headers that are the same in every call.
pub(crate) fn plain_headers<'a>(
    headers: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let wrong = || format!("`{name}` is no header, or its value is none");
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        map.insert(key, HeaderValue::from_str(value).map_err(|_| wrong())?);
    }
    Ok(map)
}

/// Takes known values out of a text from outside.
pub(crate) fn scrub(text: &str, secrets: &[&Secret]) -> String {
    let values = secrets.iter().filter_map(|secret| secret.expose_str());
    let values = values.filter(|value| !value.is_empty());
    values.fold(text.to_string(), |text, value| {
        text.replace(value, "[redacted]")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presented_keys_are_not_printed() {
        let header = secret_header("Bearer ", &Secret::from("canary-1")).expect("a header");
        assert_eq!(header.as_bytes(), b"Bearer canary-1");
        assert!(!format!("{header:?}").contains("canary"));
        assert!(secret_header("", &Secret::from("two\nlines")).is_none());
    }

    #[test]
    fn known_values_are_taken_out() {
        let (one, none) = (Secret::from("hunter2"), Secret::from(""));
        assert_eq!(
            scrub("no hunter2 here", &[&one, &none]),
            "no [redacted] here"
        );
    }

    #[test]
    fn this_machine_is_recognised() {
        let here = |text: &str| is_here(&Url::parse(text).expect("an address"));
        assert!(here("http://127.0.0.1:1") && here("http://[::1]:1") && here("http://localhost"));
        assert!(!here("https://api.openai.com"));
    }
}
