//! From a signed request to the operation it asks for: its name, the permissions it needs
//! and its input.

use axum::body::Bytes;
use axum::http::HeaderMap;
use serde_json::{Map, Value, json};

use super::cloud::form;
use super::paths;
use super::service::{Protocol, Service};
use super::sigv4::decode;
use crate::config::ACCOUNT;

/// A request as it came over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    /// A query parameter, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key) == name).then(|| decode(value))
        })
    }
}

/// What a request asks for.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) service: Service,
    pub(crate) region: String,
    /// The name of the API operation.
    pub(crate) name: String,
    /// The name in CloudTrail; Lambda's carry dates.
    pub(crate) event: String,
    /// Permissions needed: IAM action and resource. Empty when none is needed.
    pub(crate) needs: Vec<(String, String)>,
    /// The input with the API's member names.
    pub(crate) input: Value,
    pub(crate) read_only: bool,
    /// False for data events.
    pub(crate) management: bool,
}

impl Operation {
    /// A text member of the input, or nothing.
    pub(crate) fn text(&self, member: &str) -> Option<&str> {
        self.input.get(member).and_then(Value::as_str)
    }

    /// Reads the operation from a request to `service`.
    pub(crate) fn parse(service: Service, region: &str, call: &Call) -> Option<Self> {
        match service.protocol() {
            Protocol::Query => parse_query(service, region, call),
            Protocol::Json => parse_json(service, region, call),
            Protocol::RestJson => paths::lambda(region, call),
            Protocol::RestXml => Some(paths::s3(region, call)),
        }
    }
}

fn is_read(name: &str) -> bool {
    const PREFIXES: [&str; 8] = [
        "Get",
        "List",
        "Describe",
        "Lookup",
        "Head",
        "BatchGet",
        "AssumeRole",
        "Simulate",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

pub(super) fn operation(service: Service, region: &str, name: &str, input: Value) -> Operation {
    Operation {
        service,
        region: region.to_owned(),
        name: name.to_owned(),
        event: name.to_owned(),
        needs: Vec::new(),
        input,
        read_only: is_read(name),
        management: true,
    }
}

fn parse_query(service: Service, region: &str, call: &Call) -> Option<Operation> {
    let params = form(&call.body);
    let name = params.get("Action")?.clone();
    let input: Map<String, Value> = params
        .into_iter()
        .filter(|(key, _)| key != "Action" && key != "Version")
        .map(|(key, value)| (key, Value::String(value)))
        .collect();
    let mut op = operation(service, region, &name, Value::Object(input));
    let resource = match service {
        Service::Sts => op.text("RoleArn").unwrap_or("*").to_owned(),
        _ => iam_resource(&op),
    };
    // Asking who one is needs no permission, and not even an explicit deny forbids it.
    if name != "GetCallerIdentity" {
        op.needs = vec![(format!("{}:{name}", service.name()), resource)];
    }
    Some(op)
}

fn iam_resource(op: &Operation) -> String {
    let of = |kind: &str, name: &str| format!("arn:aws:iam::{ACCOUNT}:{kind}/{name}");
    if let Some(user) = op.text("UserName") {
        return of("user", user);
    }
    if let Some(role) = op.text("RoleName") {
        return of("role", role);
    }
    if let Some(group) = op.text("GroupName") {
        return of("group", group);
    }
    op.text("PolicyArn").unwrap_or("*").to_owned()
}

fn parse_json(service: Service, region: &str, call: &Call) -> Option<Operation> {
    let target = call.headers.get("x-amz-target")?.to_str().ok()?;
    let name = target.rsplit('.').next()?.to_owned();
    let input = if call.body.is_empty() {
        json!({})
    } else {
        serde_json::from_slice(&call.body).ok()?
    };
    let mut op = operation(service, region, &name, input);
    op.needs = json_resources(&op)
        .into_iter()
        .map(|resource| (format!("{}:{name}", service.name()), resource))
        .collect();
    if name == "BatchGetSecretValue" {
        op.needs = batch_needs(&op);
    }
    Some(op)
}

fn batch_needs(op: &Operation) -> Vec<(String, String)> {
    let mut needs = vec![(
        "secretsmanager:BatchGetSecretValue".to_owned(),
        "*".to_owned(),
    )];
    needs.extend(texts(&op.input, "SecretIdList").iter().map(|id| {
        (
            "secretsmanager:GetSecretValue".to_owned(),
            secret_arn(&op.region, id),
        )
    }));
    needs
}

fn json_resources(op: &Operation) -> Vec<String> {
    match op.service {
        Service::SecretsManager => vec![
            op.text("SecretId")
                .or(op.text("Name"))
                .map_or_else(|| "*".to_owned(), |id| secret_arn(&op.region, id)),
        ],
        Service::Ssm => {
            let mut names = texts(&op.input, "Names");
            names.extend(op.text("Name").or(op.text("Path")).map(str::to_owned));
            if names.is_empty() {
                return vec!["*".to_owned()];
            }
            names
                .iter()
                .map(|name| {
                    let name = name.trim_start_matches('/');
                    let name = name.split(':').next().unwrap_or(name);
                    format!("arn:aws:ssm:{}:{ACCOUNT}:parameter/{name}", op.region)
                })
                .collect()
        }
        _ => vec!["*".to_owned()],
    }
}

fn secret_arn(region: &str, id: &str) -> String {
    if id.starts_with("arn:") {
        return id.to_owned();
    }
    format!("arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:{id}")
}

fn texts(input: &Value, member: &str) -> Vec<String> {
    input
        .get(member)
        .map(super::condition::strings)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str, path: &str, query: &str, body: &str) -> Call {
        Call {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn query_operations() {
        let call = call(
            "POST",
            "/",
            "",
            "Action=PutUserPolicy&Version=2010-05-08&UserName=ada",
        );
        let op = Operation::parse(Service::Iam, "us-east-1", &call).expect("an operation");
        assert_eq!(op.event, "PutUserPolicy");
        let need = (
            "iam:PutUserPolicy".to_owned(),
            format!("arn:aws:iam::{ACCOUNT}:user/ada"),
        );
        assert_eq!(op.needs, [need]);
        assert!(!op.read_only);
    }

    #[test]
    fn who_am_i_needs_nothing() {
        let call = call("POST", "/", "", "Action=GetCallerIdentity");
        let op = Operation::parse(Service::Sts, "us-east-1", &call).expect("an operation");
        assert!(op.needs.is_empty());
    }
}
