//! Which calls hand the caller a secret, and which one.
//!
//! CloudTrail shows no response for reads, so what was read is told by the request, the
//! `resources` list, and the encryption context of the decryption made on the caller's behalf.

use serde_json::Value;

use crate::log::What;
use crate::log::facts::{Collector, Parts, at, function_name, list, text};

/// Separates a kind from its note in the `other` text of a [`What::Read`] fact.
pub(crate) const NOTE: char = '\n';

/// Whether a call can hand out something secret.
pub(crate) fn is_read(service: &str, name: &str) -> bool {
    match service {
        "secretsmanager" => matches!(name, "GetSecretValue" | "BatchGetSecretValue"),
        "ssm" => matches!(
            name,
            "GetParameter" | "GetParameters" | "GetParametersByPath" | "GetParameterHistory"
        ),
        "lambda" => matches!(
            name,
            "GetFunction"
                | "GetFunctionConfiguration"
                | "ListFunctions"
                | "ListVersionsByFunction"
                | "UpdateFunctionCode"
                | "UpdateFunctionConfiguration"
        ),
        "s3" => matches!(
            name,
            "GetObject" | "SelectObjectContent" | "CopyObject" | "GetObjectTorrent"
        ),
        "kms" => name == "Decrypt",
        "ec2" => matches!(
            name,
            "GetPasswordData"
                | "DescribeInstanceAttribute"
                | "DescribeLaunchTemplateVersions"
                | "GetLaunchTemplateData"
        ),
        _ => configuration(service, name).is_some(),
    }
}

/// Calls that answer with configuration in which secrets are often written in clear:
/// the kind, and the request field that names the thing.
fn configuration(service: &str, name: &str) -> Option<(&'static str, &'static str)> {
    Some(match (service, name) {
        ("ecs", "DescribeTaskDefinition") => ("ecs-task-definition", "taskDefinition"),
        ("codebuild", "BatchGetProjects") => ("codebuild-environment", "names"),
        ("apprunner", "DescribeService") => ("apprunner-environment", "serviceArn"),
        ("elasticbeanstalk", "DescribeConfigurationSettings") => {
            ("beanstalk-environment", "environmentName")
        }
        ("batch", "DescribeJobDefinitions") => ("batch-environment", "jobDefinitions"),
        ("glue", "GetConnection" | "GetConnections") => ("glue-connection", "name"),
        ("amplify", "GetApp" | "ListApps") => ("amplify-environment", "appId"),
        ("apigateway", "GetApiKey" | "GetApiKeys") => ("apigateway-key", "apiKey"),
        ("redshift", "GetClusterCredentials" | "GetClusterCredentialsWithIAM") => {
            ("redshift-credentials", "clusterIdentifier")
        }
        _ => return None,
    })
}

/// Adds what the call read or tried to read.
pub(crate) fn reads(service: &str, name: &str, parts: &Parts<'_>, out: &mut Collector<'_>) {
    if !is_read(service, name) {
        return;
    }
    match service {
        "secretsmanager" => secrets(name, parts, out),
        "ssm" => parameters(name, parts, out),
        "lambda" => functions(name, parts, out),
        "s3" => objects(name, parts, out),
        "kms" => witness(parts, out),
        "ec2" => instances(name, parts, out),
        _ => {
            if let Some((kind, field)) = configuration(service, name) {
                settings(kind, field, parts, out);
            }
        }
    }
}

fn read(out: &mut Collector<'_>, kind: &str, id: &str, note: &str) {
    let other = if note.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind}{NOTE}{note}")
    };
    out.add(What::Read, if id.is_empty() { "*" } else { id }, &other);
}

fn secrets(name: &str, parts: &Parts<'_>, out: &mut Collector<'_>) {
    let kind = "secretsmanager";
    if name == "GetSecretValue" {
        let recorded = text(parts.response(), &["arn"]);
        let id = if recorded.is_empty() {
            resource(parts.resources(), "arn:", ":secret:")
        } else {
            recorded
        };
        let asked = text(parts.request(), &["secretId"]);
        read(out, kind, if id.is_empty() { asked } else { id }, "");
        return;
    }
    let ids = list(parts.request(), "secretIdList");
    for id in &ids {
        read(
            out,
            kind,
            id.as_str().unwrap_or_default(),
            "read in one batch",
        );
    }
    if ids.is_empty() {
        let filters = at(parts.request(), &["filters"])
            .map(Value::to_string)
            .unwrap_or_default();
        read(out, kind, "*", &format!("batch by filter {filters}"));
    }
}

/// The ARN of a resource of the record that contains a mark.
fn resource<'v>(resources: &'v Value, start: &str, mark: &str) -> &'v str {
    let arns = resources
        .as_array()
        .into_iter()
        .flatten()
        .map(|resource| text(resource, &["ARN"]));
    arns.into_iter()
        .find(|arn| arn.starts_with(start) && arn.contains(mark))
        .unwrap_or_default()
}

fn parameters(name: &str, parts: &Parts<'_>, out: &mut Collector<'_>) {
    let decrypted = at(parts.request(), &["withDecryption"])
        .is_some_and(|value| value == &Value::Bool(true) || value.as_str() == Some("true"));
    let note = if decrypted { "with decryption" } else { "" };
    if name == "GetParametersByPath" {
        let path = text(parts.request(), &["path"]);
        read(
            out,
            "ssm-parameter",
            &format!("{}/*", path.trim_end_matches('/')),
            note,
        );
        return;
    }
    let names = if name == "GetParameters" {
        list(parts.request(), "names")
    } else {
        list(parts.request(), "name")
    };
    if names.is_empty() {
        read(out, "ssm-parameter", "*", note);
    }
    for name in names.iter().filter_map(|name| name.as_str()) {
        match name.split_once("/aws/reference/secretsmanager/") {
            Some((_, secret)) => read(out, "secretsmanager", secret, "through the parameter store"),
            None => read(out, "ssm-parameter", &parameter_name(name), note),
        }
    }
}

/// The name in an ARN, without a version or label behind it.
fn parameter_name(id: &str) -> String {
    let name = match id.split_once(":parameter") {
        Some((_, rest)) if id.starts_with("arn:") => rest,
        _ => id,
    };
    let name = name.split(':').next().unwrap_or(name);
    // A name without a path has no slash of its own; in an ARN one is put before it.
    match name.strip_prefix('/') {
        Some(plain) if id.starts_with("arn:") && !plain.contains('/') => plain.to_owned(),
        _ => name.to_owned(),
    }
}

fn functions(name: &str, parts: &Parts<'_>, out: &mut Collector<'_>) {
    let kind = "lambda_environment";
    match name {
        "ListFunctions" => read(out, kind, "*", "all functions of the region"),
        "UpdateFunctionCode" | "UpdateFunctionConfiguration" => read(
            out,
            kind,
            function_name(text(parts.request(), &["functionName"])),
            "answer to a change",
        ),
        _ => read(
            out,
            kind,
            function_name(text(parts.request(), &["functionName"])),
            "",
        ),
    }
}

fn objects(name: &str, parts: &Parts<'_>, out: &mut Collector<'_>) {
    if name == "CopyObject" {
        let from = text(parts.request(), &["x-amz-copy-source"]).trim_start_matches('/');
        if !from.is_empty() {
            read(out, "s3-object", &format!("s3://{from}"), "copied");
        }
        return;
    }
    let (bucket, key) = (
        text(parts.request(), &["bucketName"]),
        text(parts.request(), &["key"]),
    );
    if bucket.is_empty() {
        let arn = resource(parts.resources(), "arn:", ":s3:::");
        read(
            out,
            "s3-object",
            &arn.split_once(":s3:::")
                .map(|(_, path)| format!("s3://{path}"))
                .unwrap_or_default(),
            "",
        );
    } else {
        read(
            out,
            "s3-object",
            &format!("s3://{bucket}/{}", if key.is_empty() { "*" } else { key }),
            "",
        );
    }
}

fn witness(parts: &Parts<'_>, out: &mut Collector<'_>) {
    if parts.failed {
        return;
    }
    for field in ["SecretARN", "PARAMETER_ARN", "aws:lambda:FunctionArn"] {
        out.add(
            What::Witness,
            text(parts.request(), &["encryptionContext", field]),
            field,
        );
    }
}

fn instances(name: &str, parts: &Parts<'_>, out: &mut Collector<'_>) {
    let request = parts.request();
    match name {
        "GetPasswordData" => read(out, "ec2-password", text(request, &["instanceId"]), ""),
        "DescribeInstanceAttribute" if text(request, &["attribute"]) == "userData" => {
            read(out, "ec2-user-data", text(request, &["instanceId"]), "");
        }
        // A denied call has no request to tell which attribute was meant.
        "DescribeInstanceAttribute" if parts.failed && request.is_null() => {
            read(out, "ec2-user-data", "*", "attribute unknown");
        }
        "DescribeInstanceAttribute" => {}
        "GetLaunchTemplateData" => read(
            out,
            "ec2-user-data",
            text(request, &["GetLaunchTemplateDataRequest", "InstanceId"]),
            "launch template",
        ),
        _ => {
            let template = text(
                request,
                &["DescribeLaunchTemplateVersionsRequest", "LaunchTemplateId"],
            );
            read(out, "ec2-user-data", template, "launch template");
        }
    }
}

fn settings(kind: &str, field: &str, parts: &Parts<'_>, out: &mut Collector<'_>) {
    if kind == "apigateway-key" {
        let shown = ["includeValue", "includeValues"].iter().any(|field| {
            at(parts.request(), &[field])
                .is_some_and(|value| value == &Value::Bool(true) || value.as_str() == Some("true"))
        });
        if !shown {
            return;
        }
    }
    let named = list(parts.request(), field);
    if named.is_empty() {
        read(out, kind, "*", "");
    }
    for id in named {
        read(out, kind, id.as_str().unwrap_or_default(), "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_names_are_brought_to_one_form() {
        assert_eq!(parameter_name("/prod/db"), "/prod/db");
        assert_eq!(parameter_name("/prod/db:3"), "/prod/db");
        assert_eq!(
            parameter_name("arn:aws:ssm:eu-west-1:111122223333:parameter/prod/db"),
            "/prod/db"
        );
        assert_eq!(
            parameter_name("arn:aws:ssm:eu-west-1:111122223333:parameter/plain"),
            "plain"
        );
    }
}
