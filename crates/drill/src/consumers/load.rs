//! Loading a credential from its place, as the workload itself would.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::work::Secret;
use crate::aws::{AwsClient, Gatekeeper, KeyPair};
use crate::scenario::{IssuerKind, Place, RUNTIME_ROLE, Store, read_field};

/// Why a consumer could not load its credential.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("the place {0} has no value in the expected field")]
    Missing(String),
    #[error("the place {place} cannot be read")]
    Refused {
        place: String,
        #[source]
        source: crate::aws::CallError,
    },
}

/// Everything a consumer needs to load.
#[derive(Clone)]
pub(crate) struct Loader {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) issuer: IssuerKind,
    pub(crate) gate: Arc<Gatekeeper>,
    /// Base address of the gatekeeper for workloads.
    pub(crate) endpoint: String,
    pub(crate) http: reqwest::Client,
    pub(crate) files: PathBuf,
}

impl Loader {
    /// Reads the place now.
    pub(crate) async fn load(&self) -> Result<Secret, LoadError> {
        let fields = self.place.fields(self.issuer);
        let mut values = Vec::with_capacity(fields.len());
        let container = self.container().await?;
        for field in &fields {
            let value = container
                .field(field)
                .ok_or_else(|| LoadError::Missing(self.place.to_string()))?;
            values.push(value);
        }
        let mut values = values.into_iter();
        let first = values.next().unwrap_or_default();
        Ok(match values.next() {
            Some(secret) => Secret::Pair(KeyPair {
                id: first,
                secret,
                token: None,
            }),
            None => Secret::Key(first),
        })
    }

    async fn container(&self) -> Result<Container, LoadError> {
        let (region, name) = (self.place.region, self.place.container);
        Ok(match self.place.store {
            Store::File => Container::File(self.files.join(name)),
            Store::Lambda => {
                let found = self
                    .gate
                    .published
                    .live_environment(&self.gate.cloud, region, name)
                    .await
                    .ok_or_else(|| LoadError::Missing(self.place.to_string()))?;
                Container::Text(json!(found).to_string())
            }
            Store::SecretsManager => {
                let input = json!({ "SecretId": name });
                let answer = self.ask("secretsmanager", "GetSecretValue", &input).await?;
                Container::Text(
                    answer["SecretString"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                )
            }
            Store::ParameterStore => {
                let input = json!({"Name": name, "WithDecryption": true});
                let answer = self.ask("ssm", "GetParameter", &input).await?;
                let value = answer["Parameter"]["Value"].as_str();
                Container::Text(value.unwrap_or_default().to_owned())
            }
        })
    }

    async fn ask(&self, service: &str, action: &str, input: &Value) -> Result<Value, LoadError> {
        let client = AwsClient {
            http: self.http.clone(),
            endpoint: self.endpoint.clone(),
            // A fresh session each time, as the metadata service of a host gives.
            key: self.gate.issue_session(RUNTIME_ROLE, &self.name),
            region: self.place.region.to_owned(),
            user_agent: "Boto3/1.40.0 md/Botocore#1.40.0 lang/python#3.13.1".to_owned(),
        };
        client
            .json(service, action, input)
            .await
            .map_err(|source| LoadError::Refused {
                place: self.place.to_string(),
                source,
            })
    }
}

enum Container {
    File(PathBuf),
    Text(String),
}

impl Container {
    fn field(&self, field: &str) -> Option<String> {
        match self {
            Self::File(path) => read_field(path, field),
            Self::Text(text) if field.is_empty() => Some(text.clone()),
            Self::Text(text) => {
                let body: Value = serde_json::from_str(text).ok()?;
                body[field].as_str().map(str::to_owned)
            }
        }
    }
}
