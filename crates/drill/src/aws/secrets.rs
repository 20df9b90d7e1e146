//! What the emulator's Secrets Manager and Parameter Store leave out: size limits,
//! idempotency tokens, one `AWSPREVIOUS` only, tiers, version selectors, kept types, and
//! that a SecureString stays encrypted unless decryption is asked for.

use std::collections::BTreeMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use winterbaume_core::MockResponse;

use super::cloud::Cloud;
use super::directory::lock;
use super::operation::Operation;
use super::refusal::Refusal;
use super::service::Service;
use crate::config::ACCOUNT;

/// Largest secret value in bytes (Secrets Manager quotas).
const SECRET_LIMIT: usize = 65_536;
/// Largest parameter value in bytes, standard and advanced tier (Parameter Store quotas).
const PARAMETER_LIMITS: [usize; 2] = [4_096, 8_192];

/// Tier of each parameter, by region and name.
#[derive(Default)]
pub(crate) struct Tiers {
    advanced: Mutex<BTreeMap<(String, String), bool>>,
}

impl Tiers {
    fn is_advanced(&self, region: &str, name: &str) -> bool {
        let key = (region.to_owned(), name.to_owned());
        lock(&self.advanced).get(&key).copied().unwrap_or(false)
    }

    fn set(&self, region: &str, name: &str, advanced: bool) {
        lock(&self.advanced).insert((region.to_owned(), name.to_owned()), advanced);
    }

    fn name(&self, region: &str, name: &str) -> &'static str {
        if self.is_advanced(region, name) {
            "Advanced"
        } else {
            "Standard"
        }
    }
}

fn invalid(code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal::Invalid {
        status: 400,
        code,
        message: message.into(),
    }
}

/// The ARN of the secret an operation names, if there is one.
pub(crate) async fn resolve_secret(cloud: &Cloud, op: &Operation) -> Option<String> {
    let id = op.text("SecretId")?;
    let described = describe_secret(cloud, &op.region, id).await?;
    Some(described["ARN"].as_str()?.to_owned())
}

async fn describe_secret(cloud: &Cloud, region: &str, id: &str) -> Option<Value> {
    let mut ids = vec![id];
    // An ARN without its random suffix names the secret too.
    ids.extend(id.split(":secret:").nth(1));
    for id in ids {
        let input = json!({ "SecretId": id });
        if let Ok(found) = cloud
            .json(Service::SecretsManager, region, "DescribeSecret", &input)
            .await
        {
            return Some(found);
        }
    }
    None
}

/// Prepares a Secrets Manager call: its input as the emulator should get it, or an answer
/// that needs no emulator.
pub(crate) async fn before_secret(
    cloud: &Cloud,
    op: &Operation,
) -> Result<(Value, Option<Value>), Refusal> {
    let mut input = op.input.clone();
    let value = op.text("SecretString");
    if value.is_some_and(|value| value.len() > SECRET_LIMIT) {
        return Err(invalid(
            "ValidationException",
            format!(
                "1 validation error detected: Value at 'secretString' failed to satisfy constraint: Member must have length less than or equal to {SECRET_LIMIT}"
            ),
        ));
    }
    let Some(secret) = resolve_secret(cloud, op).await else {
        return Ok((input, None));
    };
    input["SecretId"] = secret.clone().into();
    if op.name == "UpdateSecretVersionStage" {
        check_stage(cloud, op, &secret).await?;
    }
    if op.name == "PutSecretValue"
        && let (Some(token), Some(value)) = (op.text("ClientRequestToken"), value)
        && let Some(earlier) = version(cloud, &op.region, &secret, token).await
    {
        if earlier["SecretString"] != value {
            return Err(invalid(
                "ResourceExistsException",
                "You can't use ClientRequestToken because that value is already in use for another version of this secret.",
            ));
        }
        let answer = json!({
            "ARN": earlier["ARN"], "Name": earlier["Name"],
            "VersionId": earlier["VersionId"], "VersionStages": earlier["VersionStages"],
        });
        return Ok((input, Some(answer)));
    }
    if value.is_some() && becomes_current(op) {
        forget_previous(cloud, &op.region, &secret).await;
    }
    Ok((input, None))
}

/// A stage label is moved only from the version that has it, to a version that exists; the
/// emulator would leave it on two versions.
async fn check_stage(cloud: &Cloud, op: &Operation, secret: &str) -> Result<(), Refusal> {
    let described = describe_secret(cloud, &op.region, secret)
        .await
        .unwrap_or(Value::Null);
    if !described["DeletedDate"].is_null() {
        return Err(invalid(
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
        ));
    }
    let stage = op.text("VersionStage").unwrap_or_default();
    let versions = described["VersionIdsToStages"].as_object();
    let holder = versions.and_then(|versions| {
        let has = |labels: &Value| {
            let labels = labels.as_array();
            labels.is_some_and(|labels| labels.iter().any(|label| label == stage))
        };
        versions
            .iter()
            .find(|(_, labels)| has(labels))
            .map(|(id, _)| id.as_str())
    });
    let (to, from) = (op.text("MoveToVersionId"), op.text("RemoveFromVersionId"));
    if let Some(to) = to.filter(|to| versions.is_none_or(|versions| !versions.contains_key(*to))) {
        return Err(invalid(
            "ResourceNotFoundException",
            format!("Secrets Manager can't find the specified secret value for VersionId: {to}"),
        ));
    }
    let must_name = holder.filter(|holder| to.is_some_and(|to| to != *holder));
    if from.is_some_and(|from| holder != Some(from)) || (from.is_none() && must_name.is_some()) {
        return Err(invalid(
            "InvalidParameterException",
            format!(
                "The parameter RemoveFromVersionId is not valid. Staging label {stage} is currently attached to version {}, so you must explicitly reference that version in RemoveFromVersionId.",
                holder.unwrap_or("none")
            ),
        ));
    }
    Ok(())
}

fn becomes_current(op: &Operation) -> bool {
    let stages = op.input["VersionStages"].as_array();
    matches!(op.name.as_str(), "PutSecretValue" | "UpdateSecret")
        && stages.is_none_or(|stages| stages.iter().any(|stage| stage == "AWSCURRENT"))
}

async fn version(cloud: &Cloud, region: &str, secret: &str, version: &str) -> Option<Value> {
    let input = json!({"SecretId": secret, "VersionId": version});
    cloud
        .json(Service::SecretsManager, region, "GetSecretValue", &input)
        .await
        .ok()
}

/// The emulator leaves `AWSPREVIOUS` on every old version; AWS has it on one.
async fn forget_previous(cloud: &Cloud, region: &str, secret: &str) {
    let Some(described) = describe_secret(cloud, region, secret).await else {
        return;
    };
    let stages = described["VersionIdsToStages"].as_object();
    for (id, labels) in stages.into_iter().flatten() {
        let has = labels
            .as_array()
            .is_some_and(|labels| labels.iter().any(|label| label == "AWSPREVIOUS"));
        if has {
            let input = json!({"SecretId": secret, "VersionStage": "AWSPREVIOUS", "RemoveFromVersionId": id});
            if let Err(error) = cloud
                .json(
                    Service::SecretsManager,
                    region,
                    "UpdateSecretVersionStage",
                    &input,
                )
                .await
            {
                tracing::warn!(%error, "a stage label stayed");
            }
        }
    }
}

/// Prepares a Parameter Store call: its input as the emulator should get it.
pub(crate) async fn before_parameter(
    cloud: &Cloud,
    tiers: &Tiers,
    op: &Operation,
) -> Result<Value, Refusal> {
    let mut input = op.input.clone();
    let name = op.text("Name").unwrap_or_default();
    match op.name.as_str() {
        "PutParameter" => {
            let advanced = match op.text("Tier") {
                Some(tier) => tier == "Advanced",
                None => tiers.is_advanced(&op.region, name),
            };
            let limit = PARAMETER_LIMITS[usize::from(advanced)];
            if op.text("Value").unwrap_or_default().len() > limit {
                return Err(invalid(
                    "ValidationException",
                    format!("Parameter value can't be more than {limit} characters in this tier."),
                ));
            }
            if op.text("Type").is_none()
                && let Some(known) = parameter(cloud, &op.region, name).await
            {
                input["Type"] = known["Type"].clone();
            }
        }
        "GetParameter" => {
            if let Some((bare, _)) = selector(name) {
                input["Name"] = bare.into();
            }
        }
        _ => {}
    }
    Ok(input)
}

async fn parameter(cloud: &Cloud, region: &str, name: &str) -> Option<Value> {
    let input = json!({ "Name": name });
    let found = cloud
        .json(Service::Ssm, region, "GetParameter", &input)
        .await;
    found.ok().map(|mut answer| answer["Parameter"].take())
}

fn selector(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once(':').filter(|_| !name.starts_with("arn:"))
}

/// Corrects the emulator's answer to a Parameter Store call.
pub(crate) async fn after_parameter(
    cloud: &Cloud,
    tiers: &Tiers,
    op: &Operation,
    answer: MockResponse,
) -> Result<MockResponse, Refusal> {
    if answer.status != 200 {
        return Ok(answer);
    }
    let name = op.text("Name").unwrap_or_default();
    let mut body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    match op.name.as_str() {
        "PutParameter" => {
            if let Some(tier) = op.text("Tier") {
                tiers.set(&op.region, name, tier == "Advanced");
            }
            body["Tier"] = tiers.name(&op.region, name).into();
        }
        "GetParameter" => {
            if let Some((bare, wanted)) = selector(name) {
                select_version(cloud, &op.region, bare, wanted, &mut body["Parameter"]).await?;
            }
            hide(op, &mut body["Parameter"]);
        }
        "GetParameters" | "GetParametersByPath" | "GetParameterHistory" | "DescribeParameters" => {
            for item in body["Parameters"].as_array_mut().into_iter().flatten() {
                describe(tiers, op, item);
            }
        }
        _ => {}
    }
    Ok(MockResponse::json(200, body.to_string()))
}

fn describe(tiers: &Tiers, op: &Operation, item: &mut Value) {
    if matches!(
        op.name.as_str(),
        "DescribeParameters" | "GetParameterHistory"
    ) {
        let name = item["Name"].as_str().unwrap_or_default().to_owned();
        item["Tier"] = tiers.name(&op.region, &name).into();
        if item["Type"] == "SecureString" {
            item["KeyId"] = "alias/aws/ssm".into();
        }
        if op.name == "DescribeParameters" {
            let path = name.trim_start_matches('/');
            item["ARN"] = format!("arn:aws:ssm:{}:{ACCOUNT}:parameter/{path}", op.region).into();
            return;
        }
    }
    hide(op, item);
}

async fn select_version(
    cloud: &Cloud,
    region: &str,
    name: &str,
    wanted: &str,
    parameter: &mut Value,
) -> Result<(), Refusal> {
    let input = json!({ "Name": name });
    let history = cloud
        .json(Service::Ssm, region, "GetParameterHistory", &input)
        .await
        .unwrap_or(Value::Null);
    let entry = history["Parameters"].as_array().and_then(|entries| {
        entries.iter().find(|entry| {
            entry["Version"].as_i64() == wanted.parse().ok()
                || entry["Labels"]
                    .as_array()
                    .is_some_and(|labels| labels.iter().any(|label| label == wanted))
        })
    });
    let entry = entry.ok_or_else(|| {
        invalid(
            "ParameterVersionNotFound",
            format!("Systems Manager could not find version {wanted} of {name}."),
        )
    })?;
    for member in ["Value", "Version", "Type", "LastModifiedDate"] {
        parameter[member] = entry[member].clone();
    }
    parameter["Selector"] = format!(":{wanted}").into();
    Ok(())
}

/// Shows a SecureString as ciphertext unless decryption was asked for.
fn hide(op: &Operation, parameter: &mut Value) {
    if parameter["Type"] == "SecureString" && op.input["WithDecryption"] != true {
        let value = parameter["Value"].as_str().unwrap_or_default();
        let digest = Sha256::digest(value.as_bytes());
        parameter["Value"] = format!("AQICAHh{}", STANDARD.encode(digest)).into();
    }
}
