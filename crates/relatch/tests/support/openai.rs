//! The fake OpenAI of the practice range, administered over HTTP as the real one is.

use std::path::Path;

use relatch_drill::{IssuerKind, Range, RangeConfig, braintrust};
use serde_json::{Value, json};

/// The issuer as a service asks it.
pub(super) struct OpenAiKey {
    models: String,
    http: reqwest::Client,
}

impl OpenAiKey {
    /// Whether a key is accepted.
    pub(super) async fn works(&self, key: &str) -> bool {
        let request = self.http.get(&self.models).bearer_auth(key);
        let answer = request.send().await.expect("an answer");
        answer.status().is_success()
    }
}

/// The issuer.
pub(super) struct OpenAi {
    range: Range,
    http: reqwest::Client,
}

impl OpenAi {
    /// Starts a range of which only this issuer is used.
    pub(super) async fn start(folder: &Path) -> Self {
        let mut scenario = braintrust();
        let mut first = true;
        // One project is enough.
        scenario.credentials.retain(|c| match c.issuer {
            IssuerKind::OpenAi => std::mem::take(&mut first),
            IssuerKind::AwsIam => true,
            _ => false,
        });
        let range = Range::start(RangeConfig::standard(), scenario, folder);
        let http = reqwest::Client::builder().no_proxy().build();
        let openai = Self {
            range: range.await.expect("range"),
            http: http.expect("client"),
        };
        openai.clear().await;
        openai
    }

    /// Removes the service accounts of the range's own scenario.
    async fn clear(&self) {
        let accounts = format!("{}/service_accounts", self.project().await);
        let listed = self.get(&accounts).await;
        for account in listed["data"].as_array().expect("a list") {
            let id = account["id"].as_str().expect("an id");
            self.send(self.http.delete(self.url(&format!("{accounts}/{id}"))))
                .await;
        }
    }

    pub(super) fn base(&self) -> String {
        self.range.openai_base()
    }

    pub(super) fn admin_key(&self) -> &str {
        self.range.openai_admin_key()
    }

    /// A new service account with one key; returns the key.
    pub(super) async fn open_account(&self, name: &str) -> String {
        let path = format!("{}/service_accounts", self.project().await);
        let request = self.http.post(self.url(&path)).json(&json!({"name": name}));
        let answer = self.send(request).await;
        answer["api_key"]["value"]
            .as_str()
            .expect("a key")
            .to_string()
    }

    /// The issuer for those who have a key.
    pub(super) fn key(&self) -> OpenAiKey {
        OpenAiKey {
            models: self.url("v1/models"),
            http: self.http.clone(),
        }
    }

    /// Whether a key is accepted.
    pub(super) async fn works(&self, key: &str) -> bool {
        self.key().works(key).await
    }

    /// How many keys a service account has.
    pub(super) async fn count_keys(&self, name: &str) -> usize {
        let project = self.project().await;
        let accounts = self
            .get(&format!("{project}/service_accounts?limit=100"))
            .await;
        let account = accounts["data"].as_array().expect("a list").iter();
        let account = account.filter(|a| a["name"] == name).collect::<Vec<_>>();
        assert_eq!(account.len(), 1, "service accounts {name}: {accounts}");
        let id = account[0]["id"].as_str().expect("an id");
        let path = format!("{project}/service_accounts/{id}/api_keys?limit=100");
        let keys = self.get(&path).await;
        keys["data"].as_array().expect("a list").len()
    }

    async fn project(&self) -> String {
        let projects = self.get("v1/organization/projects").await;
        let id = projects["data"][0]["id"].as_str().expect("a project");
        format!("v1/organization/projects/{id}")
    }

    async fn get(&self, path: &str) -> Value {
        self.send(self.http.get(self.url(path))).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.bearer_auth(self.admin_key()).send().await;
        let answer = answer.expect("an answer").error_for_status();
        answer.expect("success").json().await.expect("JSON")
    }

    fn url(&self, path: &str) -> String {
        let base = self.base();
        let base = base.trim_end_matches('/').trim_end_matches("/v1");
        format!("{base}/{path}")
    }
}
