//! What the emulator's Lambda leaves out: a published version keeps the configuration it was
//! published with, publishing an unchanged function makes no new version, and qualifiers
//! choose between versions.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};
use winterbaume_core::MockResponse;

use super::cloud::Cloud;
use super::directory::lock;
use super::operation::Operation;
use super::refusal::Refusal;
use super::service::Service;

/// Published versions of every function.
#[derive(Default)]
pub(crate) struct Published {
    versions: Mutex<BTreeMap<Function, Versions>>,
}

type Function = (String, String);

#[derive(Default, Clone)]
struct Versions {
    /// The configuration of each version, by its number as text.
    configurations: BTreeMap<String, Value>,
    /// The revision and the number of the version that was published last.
    last: Option<(String, String)>,
}

impl Published {
    fn of(&self, function: &Function) -> Versions {
        lock(&self.versions)
            .get(function)
            .cloned()
            .unwrap_or_default()
    }

    /// The environment that the alias `live` of a function serves, if it can be told.
    pub(crate) async fn live_environment(
        &self,
        cloud: &Cloud,
        region: &str,
        function: &str,
    ) -> Option<BTreeMap<String, String>> {
        let key = (region.to_owned(), function.to_owned());
        let version = resolve(cloud, &key, "live").await?;
        let configuration = self.of(&key).configurations.remove(&version)?;
        serde_json::from_value(configuration["Environment"]["Variables"].clone()).ok()
    }

    /// Answers what the emulator cannot, before it is asked.
    pub(crate) async fn before(
        &self,
        cloud: &Cloud,
        op: &Operation,
    ) -> Result<Option<MockResponse>, Refusal> {
        let Some(function) = named(op) else {
            return Ok(None);
        };
        match op.name.as_str() {
            "PublishVersion" => Ok(self.unchanged(cloud, op, &function).await),
            "GetFunctionConfiguration" | "GetFunction" => match op.text("Qualifier") {
                None | Some("$LATEST") => Ok(None),
                Some(qualifier) => self
                    .qualified(cloud, op, &function, qualifier)
                    .await
                    .map(Some),
            },
            _ => Ok(None),
        }
    }

    async fn unchanged(
        &self,
        cloud: &Cloud,
        op: &Operation,
        function: &Function,
    ) -> Option<MockResponse> {
        let versions = self.of(function);
        let (revision, number) = versions.last?;
        let latest = latest(cloud, function).await?;
        let expected = op.text("RevisionId").unwrap_or(&revision);
        if latest["RevisionId"] != revision.as_str() || expected != revision {
            return None;
        }
        let configuration = versions.configurations.get(&number)?;
        Some(MockResponse::rest_json(201, configuration.to_string()))
    }

    async fn qualified(
        &self,
        cloud: &Cloud,
        op: &Operation,
        function: &Function,
        qualifier: &str,
    ) -> Result<MockResponse, Refusal> {
        let missing = || Refusal::Invalid {
            status: 404,
            code: "ResourceNotFoundException",
            message: format!("Function not found: {}:{qualifier}", function.1),
        };
        let version = resolve(cloud, function, qualifier)
            .await
            .ok_or_else(missing)?;
        let configuration = if version == "$LATEST" {
            latest(cloud, function).await
        } else {
            self.of(function).configurations.remove(&version)
        }
        .ok_or_else(missing)?;
        let body = if op.name == "GetFunction" {
            json!({"Configuration": configuration, "Code": {"RepositoryType": "S3"}, "Tags": {}})
        } else {
            configuration
        };
        Ok(MockResponse::rest_json(200, body.to_string()))
    }

    /// Keeps what was published and corrects lists of versions.
    pub(crate) async fn after(
        &self,
        cloud: &Cloud,
        op: &Operation,
        answer: MockResponse,
    ) -> MockResponse {
        let Some(function) = named(op).filter(|_| answer.status / 100 == 2) else {
            return answer;
        };
        let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else {
            return answer;
        };
        match op.name.as_str() {
            "PublishVersion" => {
                let number = body["Version"].as_str().unwrap_or_default().to_owned();
                let revision = body["RevisionId"].as_str().unwrap_or_default().to_owned();
                let mut all = lock(&self.versions);
                let versions = all.entry(function).or_default();
                versions.configurations.insert(number.clone(), body);
                versions.last = Some((revision, number));
                answer
            }
            "ListVersionsByFunction" => {
                let known = self.of(&function).configurations;
                for version in body["Versions"].as_array_mut().into_iter().flatten() {
                    let number = version["Version"].as_str().unwrap_or_default();
                    if let Some(configuration) = known.get(number) {
                        *version = configuration.clone();
                    }
                }
                MockResponse::rest_json(answer.status, body.to_string())
            }
            "DeleteFunction" if latest(cloud, &function).await.is_none() => {
                lock(&self.versions).remove(&function);
                answer
            }
            _ => answer,
        }
    }
}

fn named(op: &Operation) -> Option<Function> {
    Some((op.region.clone(), op.text("FunctionName")?.to_owned()))
}

async fn get(cloud: &Cloud, region: &str, path: &str) -> Option<Value> {
    let body = cloud
        .rest(Service::Lambda, region, "GET", path, Vec::new().into())
        .await
        .ok()?;
    serde_json::from_slice(&body).ok()
}

async fn latest(cloud: &Cloud, (region, name): &Function) -> Option<Value> {
    let path = format!("/2015-03-31/functions/{name}/configuration");
    get(cloud, region, &path).await
}

/// The version that a qualifier stands for.
async fn resolve(cloud: &Cloud, (region, name): &Function, qualifier: &str) -> Option<String> {
    if qualifier == "$LATEST" || qualifier.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(qualifier.to_owned());
    }
    let path = format!("/2015-03-31/functions/{name}/aliases/{qualifier}");
    let alias = get(cloud, region, &path).await?;
    Some(alias["FunctionVersion"].as_str()?.to_owned())
}
