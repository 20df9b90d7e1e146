//! Operations that are told by method and path: Lambda's and S3's.

use serde_json::{Map, Value, json};

use super::operation::{Call, Operation, operation};
use super::service::Service;
use super::sigv4::decode;
use crate::config::ACCOUNT;

pub(super) fn lambda(region: &str, call: &Call) -> Option<Operation> {
    let segments: Vec<String> = call
        .path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(decode)
        .collect();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (version, rest) = parts.split_first()?;
    let (name, revision) = lambda_name(&call.method, rest);
    let mut input: Value = serde_json::from_slice(&call.body).unwrap_or_else(|_| json!({}));
    if !input.is_object() {
        input = json!({});
    }
    let function = rest.get(1).filter(|_| rest[0] == "functions");
    if let Some(function) = function {
        let (bare, qualifier) = function_name(function);
        input["FunctionName"] = Value::String(bare);
        if let Some(qualifier) = call.parameter("Qualifier").or(qualifier) {
            input["Qualifier"] = Value::String(qualifier);
        }
    }
    if let (Some(&"aliases"), Some(alias)) = (rest.get(2), rest.get(3)) {
        input["Name"] = Value::String((*alias).to_owned());
    }
    let mut op = operation(Service::Lambda, region, name, input);
    op.event = format!("{name}{}{revision}", version.replace('-', ""));
    op.management = name != "Invoke";
    let action = if name == "Invoke" {
        "InvokeFunction"
    } else {
        name
    };
    let resource = op.text("FunctionName").map_or_else(
        || "*".to_owned(),
        |function| format!("arn:aws:lambda:{region}:{ACCOUNT}:function:{function}"),
    );
    op.needs = vec![(format!("lambda:{action}"), resource)];
    Some(op)
}

/// The bare name and the qualifier of a function name, partial ARN or ARN.
fn function_name(text: &str) -> (String, Option<String>) {
    let tail = text.split_once(":function:").map_or(text, |(_, tail)| tail);
    match tail.split_once(':') {
        Some((name, qualifier)) => (name.to_owned(), Some(qualifier.to_owned())),
        None => (tail.to_owned(), None),
    }
}

fn lambda_name(method: &str, rest: &[&str]) -> (&'static str, &'static str) {
    match (method, rest) {
        ("GET", ["functions"]) => ("ListFunctions", ""),
        ("POST", ["functions"]) => ("CreateFunction", ""),
        ("GET", ["functions", _]) => ("GetFunction", "v2"),
        ("DELETE", ["functions", _]) => ("DeleteFunction", ""),
        ("GET", ["functions", _, "configuration"]) => ("GetFunctionConfiguration", "v2"),
        ("PUT", ["functions", _, "configuration"]) => ("UpdateFunctionConfiguration", "v2"),
        ("PUT", ["functions", _, "code"]) => ("UpdateFunctionCode", "v2"),
        ("GET", ["functions", _, "versions"]) => ("ListVersionsByFunction", ""),
        ("POST", ["functions", _, "versions"]) => ("PublishVersion", ""),
        ("GET", ["functions", _, "aliases"]) => ("ListAliases", ""),
        ("POST", ["functions", _, "aliases"]) => ("CreateAlias", ""),
        ("GET", ["functions", _, "aliases", _]) => ("GetAlias", ""),
        ("PUT", ["functions", _, "aliases", _]) => ("UpdateAlias", ""),
        ("DELETE", ["functions", _, "aliases", _]) => ("DeleteAlias", ""),
        ("POST", ["functions", _, "invocations"]) => ("Invoke", ""),
        ("GET", ["functions", _, "policy"]) => ("GetPolicy", "v2"),
        ("POST", ["functions", _, "policy"]) => ("AddPermission", "v2"),
        ("GET", ["functions", _, "concurrency"]) => ("GetFunctionConcurrency", ""),
        ("PUT", ["functions", _, "concurrency"]) => ("PutFunctionConcurrency", ""),
        ("DELETE", ["functions", _, "concurrency"]) => ("DeleteFunctionConcurrency", ""),
        ("GET", ["event-source-mappings"]) => ("ListEventSourceMappings", ""),
        ("GET", ["tags", _]) => ("ListTags", ""),
        ("POST", ["tags", _]) => ("TagResource", ""),
        ("GET", _) => ("GetResource", ""),
        _ => ("UpdateResource", ""),
    }
}

pub(super) fn s3(region: &str, call: &Call) -> Operation {
    let path = decode(call.path.trim_start_matches('/'));
    let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
    let (name, action) = s3_name(call, bucket, key);
    let mut input = Map::new();
    for (member, value) in [("bucketName", bucket), ("key", key)] {
        if !value.is_empty() {
            input.insert(member.to_owned(), value.into());
        }
    }
    if let Some(prefix) = call.parameter("prefix") {
        input.insert("prefix".to_owned(), prefix.into());
    }
    let resource = match (bucket, key) {
        ("", _) => "*".to_owned(),
        (bucket, "") => format!("arn:aws:s3:::{bucket}"),
        (bucket, key) => format!("arn:aws:s3:::{bucket}/{key}"),
    };
    let mut op = operation(Service::S3, region, &name, Value::Object(input));
    op.management = key.is_empty() && !matches!(name.as_str(), "ListObjects" | "DeleteObjects");
    op.needs = vec![(format!("s3:{action}"), resource)];
    op
}

fn s3_name(call: &Call, bucket: &str, key: &str) -> (String, String) {
    let pair = |name: &str, action: &str| (name.to_owned(), action.to_owned());
    let method = call.method.as_str();
    if bucket.is_empty() {
        return pair("ListBuckets", "ListAllMyBuckets");
    }
    if !key.is_empty() {
        return match method {
            "HEAD" => pair("HeadObject", "GetObject"),
            "PUT" => pair("PutObject", "PutObject"),
            "DELETE" => pair("DeleteObject", "DeleteObject"),
            "POST" => pair("CreateMultipartUpload", "PutObject"),
            _ => pair("GetObject", "GetObject"),
        };
    }
    const PARTS: [(&str, &str); 7] = [
        ("location", "Location"),
        ("policy", "Policy"),
        ("versioning", "Versioning"),
        ("encryption", "Encryption"),
        ("acl", "Acl"),
        ("logging", "Logging"),
        ("publicAccessBlock", "PublicAccessBlock"),
    ];
    let part = PARTS
        .iter()
        .find(|(query, _)| call.parameter(query).is_some());
    match (method, part) {
        ("GET", Some((_, part))) => pair(&format!("GetBucket{part}"), &format!("GetBucket{part}")),
        ("PUT", Some((_, part))) => pair(&format!("PutBucket{part}"), &format!("PutBucket{part}")),
        ("DELETE", Some((_, part))) => {
            pair(&format!("DeleteBucket{part}"), &format!("PutBucket{part}"))
        }
        ("HEAD", None) => pair("HeadBucket", "ListBucket"),
        ("PUT", None) => pair("CreateBucket", "CreateBucket"),
        ("DELETE", None) => pair("DeleteBucket", "DeleteBucket"),
        ("POST", _) => pair("DeleteObjects", "DeleteObject"),
        _ => pair("ListObjects", "ListBucket"),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::http::HeaderMap;

    use super::*;

    fn call(method: &str, path: &str, query: &str) -> Call {
        Call {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    #[test]
    fn lambda_operations() {
        let path = "/2015-03-31/functions/score%3Alive/configuration";
        let op = lambda("us-east-1", &call("GET", path, "")).expect("an operation");
        assert_eq!(op.event, "GetFunctionConfiguration20150331v2");
        assert_eq!(op.text("FunctionName"), Some("score"));
        assert_eq!(op.text("Qualifier"), Some("live"));
    }

    #[test]
    fn s3_operations() {
        let op = s3(
            "us-east-1",
            &call("GET", "/logs", "list-type=2&prefix=a%2F"),
        );
        assert_eq!((op.name.as_str(), op.management), ("ListObjects", false));
        assert_eq!(op.needs[0].0, "s3:ListBucket");
        let op = s3("us-east-1", &call("GET", "/logs/a/b", ""));
        assert_eq!(op.needs[0].1, "arn:aws:s3:::logs/a/b");
    }
}
