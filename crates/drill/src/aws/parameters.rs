//! Request parameters and response elements as CloudTrail shows them: camelCase, and never
//! a secret value.

use serde_json::{Map, Value, json};

use super::cloud::xml_text;
use super::operation::Operation;
use super::service::Service;

/// Members that CloudTrail leaves out.
const OMITTED: [&str; 4] = ["SecretString", "SecretBinary", "Environment", "ZipFile"];
/// What CloudTrail writes in place of a parameter's value.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// The `requestParameters` of a record; null when the operation has no input.
pub(crate) fn request_parameters(op: &Operation) -> Value {
    let Some(input) = op.input.as_object() else {
        return Value::Null;
    };
    let mut shown = Map::new();
    for (name, value) in input {
        if OMITTED.contains(&name.as_str()) {
            continue;
        }
        let value = match (op.service, name.as_str()) {
            (Service::Ssm, "Value") => HIDDEN.into(),
            (Service::Sts, "DurationSeconds") => number(value),
            _ => camel(value),
        };
        shown.insert(lower_first(name), value);
    }
    if shown.is_empty() {
        return Value::Null;
    }
    Value::Object(shown)
}

/// The `responseElements` of a record: only the two answers that hand out credentials and
/// the few that name what was made. Secret halves stay out.
pub(crate) fn response_elements(op: &Operation, body: &[u8]) -> Value {
    if !matches!(op.service, Service::Iam | Service::Sts) {
        return Value::Null;
    }
    let xml = String::from_utf8_lossy(body);
    let text = |tag: &str| xml_text(&xml, tag).unwrap_or_default().to_owned();
    match op.name.as_str() {
        "AssumeRole" => json!({
            "credentials": {
                "accessKeyId": text("AccessKeyId"),
                "expiration": text("Expiration"),
            },
            "assumedRoleUser": {
                "assumedRoleId": text("AssumedRoleId"),
                "arn": text("Arn"),
            },
        }),
        "CreateAccessKey" => json!({
            "accessKey": {
                "userName": text("UserName"),
                "accessKeyId": text("AccessKeyId"),
                "status": text("Status"),
                "createDate": text("CreateDate"),
            },
        }),
        "CreateUser" => json!({
            "user": {
                "userName": text("UserName"),
                "userId": text("UserId"),
                "arn": text("Arn"),
            },
        }),
        _ => Value::Null,
    }
}

fn number(value: &Value) -> Value {
    value
        .as_str()
        .and_then(|text| text.parse::<i64>().ok())
        .map_or_else(|| value.clone(), Value::from)
}

fn camel(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (lower_first(name), camel(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(camel).collect(),
        other => other.clone(),
    }
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(service: Service, name: &str, input: Value) -> Operation {
        Operation {
            service,
            region: "us-east-1".to_owned(),
            name: name.to_owned(),
            event: name.to_owned(),
            needs: Vec::new(),
            input,
            read_only: true,
            management: true,
        }
    }

    #[test]
    fn values_never_show() {
        let put = op(
            Service::Ssm,
            "PutParameter",
            json!({"Name": "/a", "Value": "CANARY"}),
        );
        assert_eq!(
            request_parameters(&put),
            json!({"name": "/a", "value": HIDDEN})
        );
        let put = op(
            Service::SecretsManager,
            "PutSecretValue",
            json!({"SecretId": "a", "SecretString": "CANARY", "VersionStages": ["AWSPENDING"]}),
        );
        assert_eq!(
            request_parameters(&put),
            json!({"secretId": "a", "versionStages": ["AWSPENDING"]})
        );
    }

    #[test]
    fn a_made_key_shows_its_id_only() {
        let xml = b"<AccessKey><UserName>ada</UserName><AccessKeyId>AKIA1</AccessKeyId><Status>Active</Status><SecretAccessKey>CANARY</SecretAccessKey></AccessKey>";
        let made = response_elements(&op(Service::Iam, "CreateAccessKey", json!({})), xml);
        assert_eq!(made["accessKey"]["accessKeyId"], "AKIA1");
        assert!(!made.to_string().contains("CANARY"));
    }
}
