//! One call as a CloudTrail record, event version 1.11.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::authorise::{Caller, Who};
use super::operation::Operation;
use super::parameters::{request_parameters, response_elements};
use super::service::Service;
use crate::config::{HOME_REGION, Network};
use crate::random;

/// How a call ended.
pub(crate) struct Ended<'a> {
    /// Error code and message, if it failed.
    pub(crate) error: Option<(String, String)>,
    /// The body of the answer.
    pub(crate) body: &'a [u8],
}

/// The record of a call.
pub(crate) fn record(
    caller: &Caller,
    op: &Operation,
    network: Network,
    user_agent: &str,
    request_id: &str,
    ended: &Ended<'_>,
) -> Value {
    let region = match op.service {
        Service::Iam | Service::Organizations => HOME_REGION,
        _ => &op.region,
    };
    let failed = ended.error.is_some();
    let response = if failed {
        Value::Null
    } else {
        response_elements(op, ended.body)
    };
    let mut record = json!({
        "eventVersion": "1.11",
        "userIdentity": identity(caller),
        "eventTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "eventSource": format!("{}.amazonaws.com", op.service.name()),
        "eventName": op.event,
        "awsRegion": region,
        "sourceIPAddress": network.address(),
        "userAgent": user_agent,
        "requestParameters": parameters(op, failed),
        "responseElements": response,
        "requestID": request_id,
        "eventID": random::uuid(),
        "readOnly": op.read_only,
        "eventType": "AwsApiCall",
        "managementEvent": op.management,
        "recipientAccountId": caller.account,
        "eventCategory": if op.management { "Management" } else { "Data" },
    });
    if let Some((code, message)) = &ended.error {
        record["errorCode"] = code.as_str().into();
        record["errorMessage"] = message.as_str().into();
    }
    record
}

/// A refused `AssumeRole` is recorded without parameters, as AWS does.
fn parameters(op: &Operation, failed: bool) -> Value {
    if failed && op.name == "AssumeRole" {
        return Value::Null;
    }
    request_parameters(op)
}

fn identity(caller: &Caller) -> Value {
    let mut identity = json!({
        "type": "IAMUser",
        "principalId": caller.user_id(),
        "arn": caller.arn(),
        "accountId": caller.account,
        "accessKeyId": caller.key_id,
    });
    match &caller.who {
        Who::User { name, .. } => identity["userName"] = name.as_str().into(),
        Who::Foreigner(user) => identity["userName"] = user.user.as_str().into(),
        Who::Session {
            role,
            role_id,
            issued,
            ..
        } => {
            identity["type"] = "AssumedRole".into();
            identity["sessionContext"] = json!({
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": role_id,
                    "arn": caller.principal_arn(),
                    "accountId": caller.account,
                    "userName": role,
                },
                "attributes": {
                    "creationDate": issued.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                    "mfaAuthenticated": "false",
                },
            });
        }
    }
    identity
}
