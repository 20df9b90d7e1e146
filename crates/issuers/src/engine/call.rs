//! One call of an entry: from template to answer, and from answer to fault.

use relatch_case::{Fault, FaultKind};
use relatch_secret::Secret;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde_json::Value;

use super::settings::{Settings, SettingsError};
use crate::catalog::{AnswerRule, Entry, Meaning, Request, meaning, scalar};
use crate::http::{Answer, NoAnswer, Timeouts, Wire, plain_headers, scrub, secret_header};
use crate::template::{Templates, Variables};

/// Longest error code that is repeated, in characters.
const CODE_LIMIT: usize = 60;

/// Whether a call can change something outside, which decides what a lost answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Reads,
    Changes,
}

impl Effect {
    /// What it means that a request was sent and no understandable answer came.
    pub(crate) fn unanswered(self) -> FaultKind {
        match self {
            Self::Reads => FaultKind::Unreachable,
            Self::Changes => FaultKind::Ambiguous,
        }
    }
}

/// Makes the calls of one issuer.
#[derive(Debug)]
pub(crate) struct Caller {
    /// The issuer's name for people.
    pub(crate) name: String,
    base: Url,
    headers: HeaderMap,
    auth_name: HeaderName,
    auth_prefix: String,
    admin: Option<Secret>,
    admin_names: Vec<String>,
    variables: Variables,
    codes: Vec<String>,
    message: Option<String>,
    rules: Vec<AnswerRule>,
    wire: Wire,
    templates: Templates,
}

impl Caller {
    pub(crate) fn new(
        entry: &Entry,
        settings: &Settings,
        timeouts: Timeouts,
    ) -> Result<Self, SettingsError> {
        let issuer = || settings.id.clone();
        for (name, meaning) in &entry.variables {
            if !settings.variables.contains_key(name) {
                let (name, meaning) = (name.clone(), meaning.clone());
                return Err(SettingsError::Variable {
                    issuer: issuer(),
                    name,
                    meaning,
                });
            }
        }
        let base = address(entry, settings)?;
        let problem = |problem| SettingsError::Headers {
            issuer: issuer(),
            problem,
        };
        let auth_name = HeaderName::from_bytes(entry.auth.header.as_bytes())
            .map_err(|_| problem(format!("`{}` is no header", entry.auth.header)))?;
        let wire = Wire::new(&base, timeouts).map_err(|source| SettingsError::Client {
            issuer: issuer(),
            source,
        })?;
        Ok(Self {
            name: entry.name.clone(),
            base,
            headers: plain_headers(&entry.headers).map_err(problem)?,
            auth_name,
            auth_prefix: entry.auth.prefix.clone(),
            admin: settings.admin_key.clone(),
            admin_names: entry.names.admin.clone(),
            variables: settings.variables.clone(),
            codes: entry.answers.codes.clone(),
            message: entry.answers.message.clone(),
            rules: entry.answers.rules.clone(),
            wire,
            templates: Templates::new(),
        })
    }

    /// Calls with the admin key. `extra` are fields for the body that no template makes.
    pub(crate) async fn call(
        &self,
        request: &Request,
        variables: &Variables,
        extra: &[(String, Value)],
        effect: Effect,
    ) -> Result<Answer, Fault> {
        let admin = self.admin.as_ref().ok_or_else(|| self.no_admin())?;
        let presented = self.present(admin).ok_or_else(|| {
            Fault::new(
                FaultKind::Local,
                format!("{}: the admin key cannot be sent", self.name),
            )
        })?;
        self.send(request, variables, extra, presented)
            .await
            .map_err(|error| {
                let (kind, text) = match error {
                    NoAnswer::Unsendable(text) => (FaultKind::Invalid, text),
                    NoAnswer::Unreached(text) => (FaultKind::Unreachable, text),
                    NoAnswer::Lost(text) => (effect.unanswered(), text),
                };
                Fault::new(kind, format!("{}: {}", self.name, scrub(&text, &[admin])))
            })
    }

    /// Calls with the key that is tried.
    pub(crate) async fn try_key(
        &self,
        request: &Request,
        key: &Secret,
    ) -> Result<Answer, NoAnswer> {
        let presented = self
            .present(key)
            .ok_or_else(|| NoAnswer::Unsendable("the value cannot stand in a header".into()))?;
        self.send(request, &Variables::new(), &[], presented).await
    }

    fn present(&self, secret: &Secret) -> Option<HeaderValue> {
        secret_header(&self.auth_prefix, secret)
    }

    fn no_admin(&self) -> Fault {
        let usual = self.admin_names.join(" or ");
        let detail = format!(
            "{}: no admin key is configured (usually in {usual})",
            self.name
        );
        Fault::new(FaultKind::Denied, detail)
    }

    async fn send(
        &self,
        request: &Request,
        variables: &Variables,
        extra: &[(String, Value)],
        presented: HeaderValue,
    ) -> Result<Answer, NoAnswer> {
        let mut all = self.variables.clone();
        all.extend(variables.clone());
        let url = self.url(request, &all).map_err(NoAnswer::Unsendable)?;
        let body = self
            .body(request, &all, extra)
            .map_err(NoAnswer::Unsendable)?;
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| NoAnswer::Unsendable("no such method".into()))?;
        let mut headers = self.headers.clone();
        headers.insert(self.auth_name.clone(), presented);
        tracing::debug!(issuer = %self.name, %method, path = url.path(), "call");
        let answer = self.wire.send(method, url, headers, body).await?;
        tracing::debug!(issuer = %self.name, status = answer.status, "answer");
        Ok(answer)
    }

    fn url(&self, request: &Request, variables: &Variables) -> Result<Url, String> {
        let path = self
            .templates
            .path(&request.path, variables)
            .map_err(|e| e.to_string())?;
        let text = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        let mut url = Url::parse(&text).map_err(|error| error.to_string())?;
        for (name, source) in &request.query {
            let value = self
                .templates
                .text(source, variables)
                .map_err(|e| e.to_string())?;
            url.query_pairs_mut().append_pair(name, &value);
        }
        Ok(url)
    }

    fn body(
        &self,
        request: &Request,
        variables: &Variables,
        extra: &[(String, Value)],
    ) -> Result<Option<Value>, String> {
        let Some(table) = &request.body else {
            return Ok(None);
        };
        let mut fields = serde_json::Map::new();
        for (name, value) in table {
            fields.insert(name.clone(), self.leaf(value, variables)?);
        }
        fields.extend(extra.iter().cloned());
        Ok(Some(Value::Object(fields)))
    }

    fn leaf(&self, value: &toml::Value, variables: &Variables) -> Result<Value, String> {
        Ok(match value {
            toml::Value::String(source) => self
                .templates
                .text(source, variables)
                .map_err(|e| e.to_string())?
                .into(),
            toml::Value::Integer(number) => (*number).into(),
            toml::Value::Boolean(flag) => (*flag).into(),
            toml::Value::Array(items) => items
                .iter()
                .map(|item| self.leaf(item, variables))
                .collect::<Result<_, _>>()?,
            toml::Value::Table(table) => {
                let pairs = table
                    .iter()
                    .map(|(k, v)| Ok((k.clone(), self.leaf(v, variables)?)));
                Value::Object(pairs.collect::<Result<_, String>>()?)
            }
            toml::Value::Float(_) | toml::Value::Datetime(_) => {
                return Err("a body holds texts, whole numbers, yes and no".into());
            }
        })
    }

    /// What an answer that is no success means: `None` for "done before".
    pub(crate) fn fault(
        &self,
        answer: &Answer,
        rules: &[AnswerRule],
        effect: Effect,
    ) -> Option<Fault> {
        let rule = meaning(
            rules.iter().chain(&self.rules),
            answer.status,
            answer.json(),
        );
        let kind = match rule {
            Some(rule) if rule.means == Meaning::Done => return None,
            Some(rule) => rule.means.fault()?,
            None => usual(answer, effect),
        };
        let say = rule.and_then(|rule| rule.say.as_deref());
        Some(Fault::new(kind, self.words(answer, say)))
    }

    /// A fault for an answer that cannot be understood although it claims success.
    pub(crate) fn misunderstood(&self, answer: &Answer, effect: Effect, what: &str) -> Fault {
        let detail = format!("{} answered {}, but {what}", self.name, answer.status);
        let kind = match effect {
            Effect::Reads if answer.body.is_some() => FaultKind::Invalid,
            _ => effect.unanswered(),
        };
        Fault::new(kind, detail)
    }

    fn words(&self, answer: &Answer, say: Option<&str>) -> String {
        let mut text = format!("{} answered {}", self.name, answer.status);
        if let Some(code) = self.code(answer) {
            text = format!("{text} {code}");
        }
        let message = self
            .message
            .as_ref()
            .and_then(|at| answer.json()?.pointer(at)?.as_str());
        match message {
            Some(message) => text = format!("{text}: {message}"),
            None if answer.body.is_none() => text.push_str(", not in the issuer's own format"),
            None => {}
        }
        if let Some(after) = &answer.retry_after {
            text = format!("{text}; retry after {after}");
        }
        if let Some(say) = say {
            text = format!("{text}. {say}");
        }
        let secrets: Vec<&Secret> = self.admin.iter().collect();
        scrub(&text, &secrets)
    }

    /// The error code of an answer, if it has one that reads as a code.
    pub(crate) fn code(&self, answer: &Answer) -> Option<String> {
        let body = answer.json()?;
        let code = self.codes.iter().find_map(|at| scalar(body.pointer(at)?))?;
        let reads = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        (code.len() <= CODE_LIMIT && code.chars().all(reads)).then_some(code)
    }
}

/// What a status means where no rule says so.
fn usual(answer: &Answer, effect: Effect) -> FaultKind {
    match answer.status {
        401 | 403 => FaultKind::Denied,
        404 if answer.body.is_some() => FaultKind::NotFound,
        409 | 412 => FaultKind::Conflict,
        429 => FaultKind::Throttled,
        408 => effect.unanswered(),
        400..=499 => FaultKind::Invalid,
        _ => effect.unanswered(),
    }
}

fn address(entry: &Entry, settings: &Settings) -> Result<Url, SettingsError> {
    let issuer = settings.id.clone();
    let Some(base) = settings.base_url.as_ref().or(entry.address.base.as_ref()) else {
        return Err(SettingsError::NoAddress {
            issuer,
            names: entry.address.base_env.clone(),
        });
    };
    let base = base.trim().trim_end_matches('/');
    let base = base
        .strip_suffix(entry.address.version.as_str())
        .unwrap_or(base);
    let url = Url::parse(base)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    let plain =
        |url: &Url| url.query().is_none() && url.fragment().is_none() && url.password().is_none();
    url.filter(plain).ok_or(SettingsError::Address { issuer })
}
