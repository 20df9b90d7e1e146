//! GuardDuty findings: what `Finding` of its API reference holds, and the same in Security Hub.

use serde_json::{Map, Value};

use crate::input::aws_findings::{
    AwsFinding, FindingActor, Noted, at, find, keep, list, millis, text, time,
};

/// How deep the parts of a finding are searched for ARNs and addresses.
const DEPTH: u8 = 8;

/// Reads a finding of GuardDuty's own form.
pub(crate) fn read(map: &Map<String, Value>) -> Option<Noted> {
    let service = find(map, "service");
    let arn = text(find(map, "arn")).unwrap_or_default();
    let own = text(at(service, "serviceName")).is_some_and(|name| name == "guardduty")
        || (arn.contains(":guardduty:") && arn.contains("/finding/"));
    let kind = text(find(map, "type")).filter(|_| own)?;
    let mut finding = AwsFinding {
        source: "guardduty".into(),
        id: text(find(map, "id")).unwrap_or_else(|| last_part(&arn)),
        kind,
        title: text(find(map, "title"))
            .or_else(|| text(find(map, "description")))
            .unwrap_or_default(),
        severity: severity(find(map, "severity")),
        account: text(find(map, "accountId")),
        region: text(find(map, "region")),
        first: time(at(service, "eventFirstSeen")).or_else(|| time(find(map, "createdAt"))),
        last: time(at(service, "eventLastSeen")).or_else(|| time(find(map, "updatedAt"))),
        count: at(service, "count").and_then(Value::as_u64),
        archived: at(service, "archived") == Some(&Value::Bool(true)),
        ..AwsFinding::default()
    };
    let resource = find(map, "resource");
    finding
        .actors
        .extend(key_details(at(resource, "accessKeyDetails")));
    things(resource, DEPTH, &mut finding);
    action(at(service, "action"), &mut finding);
    additional(at(service, "additionalInfo"), &mut finding);
    sequence(at(at(service, "detection"), "sequence"), &mut finding);
    finding.sample |= finding.title.starts_with("[SAMPLE]");
    Some(Noted {
        finding,
        updated: millis(find(map, "updatedAt")),
    })
}

/// Reads a finding that GuardDuty sent to Security Hub ("AWS Security Finding Format").
pub(crate) fn read_asff(map: &Map<String, Value>) -> Option<Noted> {
    let product = text(find(map, "productArn"))?;
    if !product.ends_with("product/aws/guardduty") {
        return None;
    }
    let kind = list(find(map, "types")).find_map(|kind| text(Some(kind)))?;
    let severity = find(map, "severity");
    let mut finding = AwsFinding {
        source: "guardduty".into(),
        id: last_part(&text(find(map, "id"))?),
        // Security Hub writes `TTPs/Tactic/Purpose:Resource-Name`.
        kind: last_part(&kind).replacen('-', "/", 1),
        title: text(find(map, "title")).unwrap_or_default(),
        severity: text(at(severity, "label")).map(|label| label.to_ascii_lowercase()),
        account: text(find(map, "awsAccountId")),
        region: text(find(map, "region")),
        first: time(find(map, "firstObservedAt")).or_else(|| time(find(map, "createdAt"))),
        last: time(find(map, "lastObservedAt")).or_else(|| time(find(map, "updatedAt"))),
        archived: text(find(map, "recordState")).is_some_and(|state| state == "ARCHIVED"),
        sample: find(map, "sample") == Some(&Value::Bool(true)),
        ..AwsFinding::default()
    };
    for resource in list(find(map, "resources")) {
        let id = text(at(Some(resource), "id")).unwrap_or_default();
        let details = at(at(Some(resource), "details"), "awsIamAccessKey");
        let key = id.strip_prefix("AWS::IAM::AccessKey:");
        if key.is_some() || details.is_some() {
            finding.actors.push(FindingActor {
                access_key: key.map(str::to_owned).filter(|key| !key.is_empty()),
                principal: text(at(details, "principalId")),
                arn: None,
                name: text(at(details, "principalName")),
                kind: text(at(details, "principalType")),
            });
        } else {
            keep(
                &mut finding.resources,
                Some(id).filter(|id| !id.is_empty() && !id.starts_with("AWS::::Account:")),
            );
        }
    }
    action(find(map, "action"), &mut finding);
    finding.sample |= finding.title.starts_with("[SAMPLE]");
    Some(Noted {
        finding,
        updated: millis(find(map, "updatedAt")),
    })
}

fn last_part(text: &str) -> String {
    text.rsplit('/').next().unwrap_or_default().to_owned()
}

/// The level of a number, by "Severity levels of GuardDuty findings" in its user guide.
fn severity(value: Option<&Value>) -> Option<String> {
    let number: f64 = text(value)?.parse().ok()?;
    let level = match number {
        9.0.. => "critical",
        7.0.. => "high",
        4.0.. => "medium",
        0.0.. => "low",
        _ => return None,
    };
    Some(level.to_owned())
}

fn key_details(details: Option<&Value>) -> Option<FindingActor> {
    details?;
    Some(FindingActor {
        access_key: text(at(details, "accessKeyId")),
        principal: text(at(details, "principalId")),
        arn: None,
        name: text(at(details, "userName")),
        kind: text(at(details, "userType")),
    })
}

/// Every ARN and instance id, and the names of buckets without an ARN.
fn things(value: Option<&Value>, depth: u8, finding: &mut AwsFinding) {
    let (Some(value), Some(depth)) = (value, depth.checked_sub(1)) else {
        return;
    };
    match value {
        Value::Array(all) => all.iter().for_each(|one| things(Some(one), depth, finding)),
        Value::Object(map) => {
            for (key, value) in map {
                let named = key.eq_ignore_ascii_case("instanceId")
                    || key.eq_ignore_ascii_case("functionName");
                match value {
                    Value::String(held) if named || held.starts_with("arn:") => {
                        keep(&mut finding.resources, text(Some(value)));
                    }
                    Value::String(_) => {}
                    value => things(Some(value), depth, finding),
                }
            }
        }
        _ => {}
    }
}

/// What was done; of the actions only an API call is also in CloudTrail.
fn action(action: Option<&Value>, finding: &mut AwsFinding) {
    remote(action, DEPTH, finding);
    let call = at(action, "awsApiCallAction");
    if let Some(name) = text(at(call, "api")) {
        let source = text(at(call, "serviceName")).unwrap_or_default();
        keep(&mut finding.calls, Some(format!("{source}:{name}")));
    }
    keep(&mut finding.errors, text(at(call, "errorCode")));
    keep(&mut finding.agents, text(at(call, "userAgent")));
    let affected = at(call, "affectedResources").and_then(Value::as_object);
    for thing in affected.into_iter().flat_map(Map::values) {
        keep(&mut finding.resources, text(Some(thing)));
    }
    let foreign = at(call, "remoteAccountDetails");
    if let Some(account) = text(at(foreign, "accountId")) {
        let ours = at(foreign, "affiliated") == Some(&Value::Bool(true));
        let whose = if ours { "one of ours" } else { "not ours" };
        finding.detail = Some(format!("used from account {account}, {whose}"));
    }
}

/// Addresses under `remoteIpDetails`, wherever the kind of action puts them.
fn remote(value: Option<&Value>, depth: u8, finding: &mut AwsFinding) {
    let (Some(value), Some(depth)) = (value, depth.checked_sub(1)) else {
        return;
    };
    match value {
        Value::Array(all) => all.iter().for_each(|one| remote(Some(one), depth, finding)),
        Value::Object(map) => {
            for (key, value) in map {
                if key.eq_ignore_ascii_case("remoteIpDetails") {
                    for name in ["ipAddressV4", "ipAddressV6"] {
                        keep(&mut finding.addresses, text(at(Some(value), name)));
                    }
                } else {
                    remote(Some(value), depth, finding);
                }
            }
        }
        _ => {}
    }
}

/// `additionalInfo` is an object, or as the API gives it, JSON in a text under `Value`.
fn additional(info: Option<&Value>, finding: &mut AwsFinding) {
    let inner = at(info, "value").and_then(Value::as_str);
    let inner: Option<Value> = inner.and_then(|inner| serde_json::from_str(inner).ok());
    let info = inner.as_ref().or(info);
    finding.sample |= at(info, "sample") == Some(&Value::Bool(true));
    let agent = at(info, "userAgent");
    keep(
        &mut finding.agents,
        text(at(agent, "fullUserAgent")).or_else(|| text(agent)),
    );
    for call in list(at(info, "apiCalls")) {
        let name = text(at(Some(call), "name"));
        let told = |name: &String| finding.calls.iter().any(|call| call.ends_with(name));
        let name = name.filter(|name| !told(name));
        keep(&mut finding.calls, name);
    }
}

/// An attack sequence: several signals, with actors and end points of their own (`Sequence` in
/// the API reference).
fn sequence(sequence: Option<&Value>, finding: &mut AwsFinding) {
    for actor in list(at(sequence, "actors")) {
        let user = at(Some(actor), "user");
        let issuer = text(at(at(Some(actor), "session"), "issuer"));
        finding.actors.push(FindingActor {
            access_key: text(at(user, "credentialUid")),
            principal: text(at(user, "uid")),
            arn: issuer.filter(|issuer| issuer.starts_with("arn:")),
            name: text(at(user, "name")),
            kind: text(at(user, "type")),
        });
    }
    for point in list(at(sequence, "endpoints")) {
        keep(&mut finding.addresses, text(at(Some(point), "ip")));
    }
    for thing in list(at(sequence, "resources")) {
        keep(&mut finding.resources, text(at(Some(thing), "uid")));
    }
    indicators(at(sequence, "sequenceIndicators"), finding);
    for signal in list(at(sequence, "signals")) {
        indicators(at(Some(signal), "signalIndicators"), finding);
    }
}

fn indicators(indicators: Option<&Value>, finding: &mut AwsFinding) {
    for indicator in list(indicators) {
        let key = text(at(Some(indicator), "key")).unwrap_or_default();
        let set = if key.ends_with("_IP") {
            &mut finding.addresses
        } else if key.ends_with("_API") || key.contains("_API_") {
            &mut finding.calls
        } else if key.ends_with("USER_AGENT") {
            &mut finding.agents
        } else {
            continue;
        };
        for value in list(at(Some(indicator), "values")) {
            keep(set, text(Some(value)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::aws_findings::one;

    const OWN: &str = r#"{"schemaVersion":"2.0","accountId":"111122223333","region":"eu-west-1",
        "partition":"aws","id":"f1","arn":"arn:aws:guardduty:eu-west-1:111122223333:detector/d/finding/f1",
        "type":"UnauthorizedAccess:IAMUser/MaliciousIPCaller","severity":5,
        "resource":{"resourceType":"AccessKey","accessKeyDetails":{"accessKeyId":"AKIAX","principalId":"AIDAX","userType":"IAMUser","userName":"ci"},
            "s3BucketDetails":[{"arn":"arn:aws:s3:::backup","name":"backup"}]},
        "service":{"serviceName":"guardduty","action":{"actionType":"AWS_API_CALL","awsApiCallAction":{"api":"GetSecretValue",
            "serviceName":"secretsmanager.amazonaws.com","errorCode":"AccessDenied","remoteIpDetails":{"ipAddressV4":"192.0.2.9"}}},
            "eventFirstSeen":"2026-03-04T02:00:00.000Z","eventLastSeen":"2026-03-04T03:00:00.000Z","archived":false,"count":7,
            "additionalInfo":{"value":"{\"userAgent\":{\"fullUserAgent\":\"aws-cli/2\"},\"apiCalls\":[{\"name\":\"ListSecrets\",\"count\":2}]}","type":"default"}},
        "title":"A call from a bad address"}"#;

    #[test]
    fn the_form_of_the_name_does_not_matter() {
        let camel = one(OWN);
        let mut map: Value = serde_json::from_str(OWN).expect("JSON");
        capitalise(&mut map);
        assert_eq!(one(&map.to_string()), camel);
        assert_eq!(camel.severity.as_deref(), Some("medium"));
        assert_eq!(camel.actors[0].access_key.as_deref(), Some("AKIAX"));
        assert_eq!(
            camel.addresses.first().map(String::as_str),
            Some("192.0.2.9")
        );
        assert_eq!(camel.agents.first().map(String::as_str), Some("aws-cli/2"));
        let calls: Vec<&str> = camel.calls.iter().map(String::as_str).collect();
        assert_eq!(
            calls,
            ["ListSecrets", "secretsmanager.amazonaws.com:GetSecretValue"]
        );
        assert_eq!(camel.first.as_deref(), Some("2026-03-04T02:00:00Z"));
        assert!(camel.resources.contains("arn:aws:s3:::backup"));
    }

    fn capitalise(value: &mut Value) {
        match value {
            Value::Object(map) => {
                for (key, mut value) in std::mem::take(map) {
                    capitalise(&mut value);
                    let (first, rest) = key.split_at(1);
                    map.insert(first.to_uppercase() + rest, value);
                }
            }
            Value::Array(all) => all.iter_mut().for_each(capitalise),
            _ => {}
        }
    }

    #[test]
    fn a_sequence_names_its_own_actors() {
        let finding = one(
            r#"{"id":"s1","type":"AttackSequence:IAM/CompromisedCredentials","severity":9,
            "arn":"arn:aws:guardduty:eu-west-1:111122223333:detector/d/finding/s1",
            "service":{"serviceName":"guardduty","detection":{"sequence":{"uid":"s1",
              "actors":[{"id":"AIDAX:AKIAX","user":{"name":"ci","uid":"AIDAX","type":"IAMUser","credentialUid":"AKIAX"}}],
              "endpoints":[{"id":"e","ip":"192.0.2.9"}],
              "signals":[{"uid":"1","signalIndicators":[{"key":"HIGH_RISK_API","values":["iam:CreateUser"]}]}]}}}}"#,
        );
        assert_eq!(finding.severity.as_deref(), Some("critical"));
        assert_eq!(finding.actors[0].access_key.as_deref(), Some("AKIAX"));
        assert!(finding.addresses.contains("192.0.2.9"));
        assert!(finding.calls.contains("iam:CreateUser"));
    }

    #[test]
    fn security_hub_hands_on_the_same() {
        let finding = one(
            r#"{"SchemaVersion":"2018-10-08","Id":"arn:aws:guardduty:eu-west-1:111122223333:detector/d/finding/f1",
            "ProductArn":"arn:aws:securityhub:eu-west-1::product/aws/guardduty","AwsAccountId":"111122223333",
            "Types":["TTPs/Initial Access/UnauthorizedAccess:IAMUser-TorIPCaller"],"Severity":{"Label":"MEDIUM"},
            "Title":"t","FirstObservedAt":"2026-03-04T02:00:00Z","UpdatedAt":"2026-03-04T03:00:00Z",
            "Resources":[{"Type":"AwsIamAccessKey","Id":"AWS::IAM::AccessKey:AKIAX","Details":{"AwsIamAccessKey":{"PrincipalId":"AIDAX","PrincipalName":"ci"}}}],
            "Action":{"ActionType":"AWS_API_CALL","AwsApiCallAction":{"Api":"ListKeys","ServiceName":"kms.amazonaws.com","RemoteIpDetails":{"IpAddressV4":"192.0.2.9"}}}}"#,
        );
        assert_eq!(finding.id, "f1");
        assert_eq!(finding.kind, "UnauthorizedAccess:IAMUser/TorIPCaller");
        assert_eq!(finding.actors[0].access_key.as_deref(), Some("AKIAX"));
        assert!(finding.addresses.contains("192.0.2.9"));
    }
}
