//! A short text for how something was done.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use crate::event::{Event, See, Value};
use crate::path::Path;
use crate::test_eval::text;

/// Where the call came from, and what it was.
static WAYS: LazyLock<[Path; 2]> =
    LazyLock::new(|| ["eventName", "sourceIPAddress"].map(Path::new));
static AGENT: LazyLock<Path> = LazyLock::new(|| Path::new("userAgent"));
/// What calls that matter are aimed at.
static TARGETS: LazyLock<[Path; 18]> = LazyLock::new(|| {
    [
        "requestParameters.secretId",
        "requestParameters.name",
        "requestParameters.names",
        "requestParameters.path",
        "requestParameters.roleArn",
        "requestParameters.roleName",
        "requestParameters.userName",
        "requestParameters.groupName",
        "requestParameters.policyArn",
        "requestParameters.accessKeyId",
        "requestParameters.bucketName",
        "requestParameters.functionName",
        "requestParameters.taskDefinition",
        "requestParameters.stackName",
        "requestParameters.snapshotId",
        "requestParameters.modelId",
        "requestParameters.encryptionContext.SecretARN",
        "requestParameters.encryptionContext.PARAMETER_ARN",
    ]
    .map(Path::new)
});

/// How an event was done: the call, its address, its client without versions, and what it was
/// aimed at. An actor's hits of one rule that are alike in all of these are one habit, so that a
/// thief who holds the owner's key but comes from elsewhere, or reads what the owner never read,
/// is not taken for the owner.
pub fn habit(event: &dyn Event) -> String {
    let mut habit = String::new();
    for path in WAYS.iter() {
        add_all(&mut habit, event, path);
        habit.push('|');
    }
    let mut agent = String::new();
    add_all(&mut agent, event, &AGENT);
    habit.push_str(agent.split(['/', ' ']).next().unwrap_or_default());
    for path in TARGETS.iter() {
        let before = habit.len();
        habit.push('|');
        add_all(&mut habit, event, path);
        if habit.len() == before + 1 {
            habit.truncate(before);
        }
    }
    habit
}

/// Adds the values at a path, each once, in order.
fn add_all(out: &mut String, event: &dyn Event, path: &Path) {
    let mut values: Vec<String> = Vec::new();
    let mut see = |value: Value<'_>| {
        values.extend(text(&value).map(std::borrow::Cow::into_owned));
        ControlFlow::Continue(())
    };
    let see: &mut See<'_> = &mut see;
    event.visit(path, see);
    values.sort_unstable();
    values.dedup();
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_do_not_matter_and_targets_do() {
        let event = |agent: &str, secret: &str| {
            habit(
                &json!({"eventName": "GetSecretValue", "sourceIPAddress": "10.0.0.1",
                "userAgent": agent, "requestParameters": {"secretId": secret, "versionId": "v"}}),
            )
        };
        assert_eq!(
            event("aws-cli/2.17.1 os/x", "a"),
            event("aws-cli/2.18", "a")
        );
        assert_ne!(event("aws-cli/2.17.1", "a"), event("aws-cli/2.17.1", "b"));
        assert_ne!(event("aws-cli/2.17.1", "a"), event("Boto3/1.34", "a"));
    }
}
