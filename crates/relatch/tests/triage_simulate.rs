//! `relatch triage --simulate` as people run it. IAM is ministack's, which evaluates policies
//! itself; it names no statements, and takes principals that are not there for ones without
//! policies.

#[path = "../../aws/tests/support/mod.rs"]
mod peers;
#[allow(dead_code, reason = "each test file uses another part of this")]
#[path = "support/tool.rs"]
mod tool;

use peers::{Peer, REGION};
use serde_json::{Value, json};
use tool::{Ran, Tool};

const STORY: &str = include_str!("../../evidence/tests/fixtures/story.jsonl");
const APP: &str = "arn:aws:iam::111122223333:user/app";
const DB: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:app/db-aB3dE9";
const CONFIG: &str = "/worker/config";
const WORKER: &str = "worker";

/// What the user `app` may do: read secrets, and surely no parameters.
fn policy() -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"},
        {"Effect": "Deny", "Action": "ssm:*", "Resource": "*"},
    ]})
}

/// The account's details with this one user.
fn details(policy: &Value) -> String {
    json!({"UserDetailList": [{
        "Arn": APP, "UserName": "app", "UserId": "AIDAAPP",
        "UserPolicyList": [{"PolicyName": "own", "PolicyDocument": policy}],
        "GroupList": [], "AttachedManagedPolicies": [],
    }], "GroupDetailList": [], "RoleDetailList": [], "Policies": []})
    .to_string()
}

fn tool(folder: &tempfile::TempDir, peer: &Peer, key: (&str, &str)) -> Tool {
    std::fs::write(folder.path().join("log.jsonl"), STORY).expect("file");
    Tool::new(folder.path())
        .env("HOME", folder.path())
        .env("AWS_ACCESS_KEY_ID", key.0)
        .env("AWS_SECRET_ACCESS_KEY", key.1)
        .env("AWS_REGION", REGION)
        .env("AWS_ENDPOINT_URL", peer.endpoint())
        .env("AWS_EC2_METADATA_DISABLED", "true")
}

fn parsed(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran}"))
}

/// What `app` could read of one secret: the verdict and why.
fn of_app(answer: &Value, id: &str) -> Option<(String, String)> {
    let mut readable = answer["secrets_readable"]
        .as_array()
        .expect("a list")
        .iter();
    let one = readable.find(|one| one["principal"] == APP && one["id"] == id)?;
    let verdict = one["verdict"].as_str().expect("a word").to_string();
    Some((verdict, one["because"].to_string()))
}

fn verdict(answer: &Value, id: &str) -> Option<String> {
    of_app(answer, id).map(|(verdict, _)| verdict)
}

fn is_blind(answer: &Value, words: &[&str]) -> bool {
    let spots = answer["blind_spots"].as_array().expect("a list").iter();
    let mut spots = spots.map(|spot| spot["what"].to_string());
    spots.any(|what| words.iter().all(|word| what.contains(word)))
}

#[tokio::test]
async fn ministack_decides_what_the_log_alone_leaves_open() {
    let peer = peers::ministack().await;
    peer.user("app", &policy().to_string()).await;
    let folder = tempfile::tempdir().expect("temp dir");
    let tool = tool(&folder, &peer, ("test", "test"));
    let answer = parsed(&tool.run("triage log.jsonl --json --simulate").await);
    let (allowed, undecidable) = (Some("allowed".into()), Some("undecidable".into()));
    assert_eq!(verdict(&answer, DB), allowed, "{answer}");
    assert_eq!(verdict(&answer, CONFIG), None, "denied by a statement");
    assert_eq!(verdict(&answer, WORKER), undecidable, "only not allowed");
    assert!(
        is_blind(&answer, &["1 secrets are denied", APP]),
        "{answer}"
    );
    let text = tool.run("triage log.jsonl --simulate").await.out;
    assert!(text.contains("Readable by policy"), "{text}");

    // Beside the account's details: what they leave open, and where they say otherwise.
    let nothing = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Action": "*", "Resource": "*"},
    ]});
    for (file, policy) in [("same.json", &policy()), ("shut.json", &nothing)] {
        std::fs::write(folder.path().join(file), details(policy)).expect("file");
    }
    let run = async |line: &str| parsed(&tool.run(line).await);
    let offline = run("triage log.jsonl --json --account-details same.json").await;
    assert_eq!(verdict(&offline, DB), undecidable, "{offline}");
    let both = run("triage log.jsonl --json --simulate --account-details same.json").await;
    assert_eq!(verdict(&both, DB), allowed, "{both}");
    assert_eq!(verdict(&both, CONFIG), None, "{both}");
    assert_eq!(verdict(&both, WORKER), verdict(&offline, WORKER));
    let differ = run("triage log.jsonl --json --simulate --account-details shut.json").await;
    let (verdict, because) = of_app(&differ, DB).expect("readable");
    assert_eq!(verdict, "undecidable", "{differ}");
    assert!(because.contains("the account details refuse"), "{because}");
}

#[tokio::test]
async fn who_may_not_ask_ministack_is_told_so_and_all_counts_as_readable() {
    let peer = peers::ministack().await;
    peer.user("app", &policy().to_string()).await;
    let root = peer.connection().await;
    let iam = aws_sdk_iam::Client::new(&root.write_config(""));
    let made = iam.create_user().user_name("guest").send().await;
    made.expect("a user");
    let key = iam.create_access_key().user_name("guest").send().await;
    let key = key.expect("made").access_key.expect("a key");
    let folder = tempfile::tempdir().expect("temp dir");
    let guest = (key.access_key_id.as_str(), key.secret_access_key.as_str());
    let tool = tool(&folder, &peer, guest);
    let answer = parsed(&tool.run("triage log.jsonl --json --simulate").await);
    for id in [DB, CONFIG, WORKER] {
        let (verdict, because) = of_app(&answer, id).expect("readable");
        assert_eq!(verdict, "undecidable", "{id}");
        assert!(because.contains("iam:SimulatePrincipalPolicy"), "{because}");
    }
    let words = [APP, "iam:SimulatePrincipalPolicy", "AccessDenied"];
    assert!(is_blind(&answer, &words), "{answer}");
}
