//! `docs/triage.md` says what `relatch triage --json` prints, and its examples run.

mod support;

use serde_json::{Value, json};
use support::{Manual, Tool, needs_jq, shell};

const STORY: &str = include_str!("../../evidence/tests/fixtures/story.jsonl");
const OWNER: &str = "AKIAOWNEROWNEROWNER1";
const OPS: &str = "AKIAOPSOPSOPSOPSOPS1";
/// In no log: a judgement of it fits nobody.
const NOBODY: &str = "AKIANOBODYNOBODYNOB1";

/// The tool in a folder with logs in which there is one of everything: what cannot be read, what
/// is left out, reads that were refused, policies.
fn tool() -> (tempfile::TempDir, Tool) {
    let folder = tempfile::tempdir().expect("temp dir");
    let logs = folder.path().join("logs");
    std::fs::create_dir(&logs).expect("folder");
    let mut story = STORY.to_string();
    for (number, name) in ["GetSecretValue", "GetParameter"].iter().enumerate() {
        story.push_str(&refused(number, name));
    }
    std::fs::write(logs.join("story.jsonl"), story).expect("file");
    std::fs::write(logs.join("noise.jsonl"), "{\"eventVersion\":\n").expect("file");
    std::fs::write(logs.join("notes.txt"), "not a log").expect("file");
    let finding = reported().to_string();
    std::fs::write(logs.join("finding.json"), finding).expect("file");
    let details = json!({"UserDetailList": [{
        "Arn": "arn:aws:iam::111122223333:user/app", "UserName": "app", "UserId": "AIDAAPP",
        "UserPolicyList": [{"PolicyName": "inline", "PolicyDocument": {
            "Version": "2012-10-17", "Statement": [{
                "Sid": "Read", "Effect": "Allow", "Resource": "*",
                "Action": ["secretsmanager:GetSecretValue", "ssm:GetParameter*", "kms:Decrypt"],
            }],
        }}],
        "GroupList": [], "AttachedManagedPolicies": [],
    }], "GroupDetailList": [], "RoleDetailList": [], "Policies": []});
    std::fs::write(folder.path().join("details.json"), details.to_string()).expect("file");
    let tool = Tool::new(folder.path()).env("HOME", folder.path());
    (folder, tool)
}

/// What GuardDuty says of the owner's key.
fn reported() -> Value {
    json!({
        "schemaVersion": "2.0", "accountId": "111122223333", "region": "eu-west-1", "partition": "aws",
        "id": "f1", "arn": "arn:aws:guardduty:eu-west-1:111122223333:detector/d/finding/f1",
        "type": "UnauthorizedAccess:IAMUser/TorIPCaller", "severity": 5, "title": "From a Tor exit node.",
        "createdAt": "2026-03-04T02:30:00.000Z", "updatedAt": "2026-03-04T02:30:00.000Z",
        "resource": {"resourceType": "AccessKey", "accessKeyDetails": {
            "accessKeyId": OWNER, "principalId": "AIDAAPP", "userType": "IAMUser", "userName": "app",
        }},
        "service": {"serviceName": "guardduty", "detectorId": "d", "count": 1, "archived": false,
            "action": {"actionType": "AWS_API_CALL", "awsApiCallAction": {
                "api": "ListUsers", "serviceName": "iam.amazonaws.com",
                "remoteIpDetails": {"ipAddressV4": "203.0.113.66"},
            }},
            "eventFirstSeen": "2026-03-04T02:00:00.000Z", "eventLastSeen": "2026-03-04T02:10:00.000Z",
        },
    })
}

/// A read by the thief that was refused, as a line.
fn refused(number: usize, name: &str) -> String {
    let read = STORY
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("an event"))
        .find(|event| {
            event["eventName"] == "GetSecretValue" && event["sourceIPAddress"] == "203.0.113.66"
        });
    let mut event = read.expect("the thief reads");
    event["eventID"] = json!(format!("refused-{number}"));
    event["eventName"] = json!(name);
    event["errorCode"] = json!("AccessDenied");
    event["requestParameters"] = json!({"secretId": "prod/other", "name": "/prod/other"});
    if name == "GetParameter" {
        event["eventSource"] = json!("ssm.amazonaws.com");
    }
    format!("{event}\n")
}

async fn answer(tool: &Tool) -> String {
    let ran = tool
        .run(&format!(
            "triage logs/ --json --account-details details.json --acquit {OPS} --convict {NOBODY}"
        ))
        .await;
    assert_eq!(ran.code, Some(4), "{ran}");
    ran.out
}

#[tokio::test]
async fn every_field_of_the_answer_is_described() {
    let (_folder, tool) = tool();
    let answer: Value = serde_json::from_str(&answer(&tool).await).expect("JSON");
    // What is empty here would not be looked into; the uncertain events are but ids.
    for (field, value) in answer.as_object().expect("an object") {
        let full = match value {
            Value::Array(list) => !list.is_empty() || field == "uncertain_events",
            Value::Object(map) => !map.is_empty(),
            Value::Null => field == "athena",
            _ => true,
        };
        assert!(full, "{field} is empty");
    }
    let groups = answer["detections"].as_array().expect("a list");
    for inner in ["rules", "alerts"] {
        let any = groups.iter().any(|group| group[inner] != json!([]));
        assert!(any, "no group has {inner}");
    }
    let manual = Manual::read("triage.md");
    assert_eq!(manual.undescribed(&answer), [].into());
    assert_eq!(manual.invented(&answer), [].into());
}

#[tokio::test]
async fn what_is_not_described_is_found() {
    let manual = Manual::read("triage.md");
    let answer = json!({
        "surprise": 1,
        "actors": [{"id": "x", "surprise": 1}],
        "attempted_reads": [{"id": "x", "surprise": 1}],
        "detections": [{"rules": [{"title": "x", "surprise": 1}]}],
        "detections_by_event": {"surprise": []},
    });
    let wanted = [
        "actors.surprise",
        "attempted_reads.surprise",
        "detections.rules.surprise",
        "surprise",
    ];
    assert_eq!(
        manual.undescribed(&answer),
        wanted.map(str::to_string).into()
    );
    assert!(manual.invented(&answer).contains("tainted_events"));
}

#[tokio::test]
async fn every_example_with_jq_runs() {
    needs_jq();
    let (folder, tool) = tool();
    let out = answer(&tool).await;
    std::fs::write(folder.path().join("t.json"), &out).expect("file");
    let answer: Value = serde_json::from_str(&out).expect("JSON");
    let mut events = answer["events"].as_array().expect("a list").iter();
    let follows = events.rfind(|event| event["from"].is_string());
    let event = follows.expect("an event that follows")["event_id"].as_str();
    let examples = Manual::read("triage.md").commands("## With jq", "jq");
    assert!(examples.len() >= 8, "{examples:?}");
    for example in examples {
        let line = example.replace("EVENT-ID", event.expect("text"));
        let ran = shell(&line, folder.path());
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{line}\n{ran:?}");
        assert!(!said.trim().is_empty(), "{line} prints nothing");
        let empty = ["null", "[]", "{}", "false"];
        assert!(!empty.contains(&said.trim()), "{line} prints {said}");
    }
}
