//! The containers of a scenario: buckets, secrets, parameters, functions, files.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::files::render;
use super::identities::{RUNTIME_ROLE, call};
use super::model::{Place, Scenario, Store};
use crate::aws::{Gatekeeper, Service};
use crate::config::{ACCOUNT, HOME_REGION, TRAIL_BUCKET};
use crate::error::RangeError;

/// The bucket that workloads list.
pub(crate) const DATA_BUCKET: &str = "braintrust-data";

/// Makes the buckets and the trail.
pub(super) async fn buckets(gate: &Gatekeeper) -> Result<(), RangeError> {
    for bucket in [TRAIL_BUCKET, DATA_BUCKET] {
        let path = format!("/{bucket}");
        gate.admin(Service::S3, HOME_REGION, "PUT", &path, None, String::new())
            .await?;
    }
    let path = format!("/{DATA_BUCKET}/reports/2026-11.csv");
    gate.admin(
        Service::S3,
        HOME_REGION,
        "PUT",
        &path,
        None,
        "day,total\n".to_owned(),
    )
    .await?;
    let trail = json!({"Name": "organization-trail", "S3BucketName": TRAIL_BUCKET, "IsMultiRegionTrail": true, "IncludeGlobalServiceEvents": true});
    call(gate, Service::CloudTrail, HOME_REGION, "CreateTrail", trail).await?;
    let start = json!({"Name": "organization-trail"});
    call(
        gate,
        Service::CloudTrail,
        HOME_REGION,
        "StartLogging",
        start,
    )
    .await?;
    Ok(())
}

/// The contents of every container, field by field.
pub(crate) type Contents = BTreeMap<(Store, &'static str, &'static str), Vec<(String, String)>>;

/// Adds a value to the containers of its places.
pub(crate) fn put(contents: &mut Contents, place: &Place, fields: Vec<(String, String)>) {
    contents
        .entry((place.store, place.region, place.container))
        .or_default()
        .extend(fields);
}

/// Writes all containers, in the cloud and below `files`.
pub(crate) async fn fill(
    gate: &Gatekeeper,
    scenario: &Scenario,
    contents: &Contents,
    files: &Path,
) -> Result<(), RangeError> {
    for ((store, region, name), fields) in contents {
        match store {
            Store::SecretsManager => {
                let input = json!({"Name": name, "SecretString": bare_or_json(fields)});
                call(gate, Service::SecretsManager, region, "CreateSecret", input).await?;
            }
            Store::ParameterStore => {
                let tier = if scenario.advanced.contains(name) {
                    "Advanced"
                } else {
                    "Standard"
                };
                let input = json!({"Name": name, "Value": bare_or_json(fields), "Type": "SecureString", "Tier": tier});
                call(gate, Service::Ssm, region, "PutParameter", input).await?;
            }
            Store::Lambda => function(gate, region, name, fields).await?,
            Store::File => write(&files.join(name), &render(name, fields))?,
        }
    }
    Ok(())
}

fn bare_or_json(fields: &[(String, String)]) -> String {
    match fields {
        [(name, value)] if name.is_empty() => value.clone(),
        _ => {
            let members: serde_json::Map<String, Value> = fields
                .iter()
                .map(|(name, value)| (name.clone(), value.as_str().into()))
                .collect();
            Value::Object(members).to_string()
        }
    }
}

async fn function(
    gate: &Gatekeeper,
    region: &str,
    name: &str,
    fields: &[(String, String)],
) -> Result<(), RangeError> {
    let mut variables = json!({"LOG_LEVEL": "info", "STAGE": "prod"});
    for (field, value) in fields {
        variables[field] = value.as_str().into();
    }
    let create = json!({
        "FunctionName": name,
        "Runtime": "python3.13",
        "Handler": "app.handler",
        "Role": format!("arn:aws:iam::{ACCOUNT}:role/{RUNTIME_ROLE}"),
        "Code": {"ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="},
        "Environment": {"Variables": variables},
    });
    let base = "/2015-03-31/functions";
    let rest = async |path: String, body: Value| {
        gate.admin(
            Service::Lambda,
            region,
            "POST",
            &path,
            None,
            body.to_string(),
        )
        .await
    };
    rest(base.to_owned(), create).await?;
    rest(format!("{base}/{name}/versions"), json!({})).await?;
    let alias = json!({"Name": "live", "FunctionVersion": "1"});
    rest(format!("{base}/{name}/aliases"), alias).await?;
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), RangeError> {
    let failed = |source| RangeError::File {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, text).map_err(failed)
}
