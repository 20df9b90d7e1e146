//! What can be typed, and what is answered to what is wrong.

mod support;

use serde_json::Value;
use support::{Company, Ran, Tool};

/// Every command with its own help.
const COMMANDS: [&str; 20] = [
    "drill",
    "init",
    "case",
    "triage",
    "contain",
    "inventory",
    "probe",
    "plan",
    "apply",
    "status",
    "tasks",
    "pause",
    "resume",
    "skip",
    "retry",
    "waive",
    "watch",
    "report",
    "certificate",
    "verify",
];

/// The tool in an empty folder.
fn tool() -> (tempfile::TempDir, Tool) {
    let folder = tempfile::tempdir().expect("temp dir");
    let tool = Tool::new(folder.path()).env("HOME", folder.path());
    (folder, tool)
}

/// The exit code, and that all of these are said.
fn says(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, Some(code), "{ran}");
    for word in words {
        assert!(ran.err.contains(word), "{word:?} is not said\n{ran}");
    }
}

async fn open_case(tool: &Tool, more: &str) {
    let line = format!("case open --title t --identity-file identity.txt{more}");
    tool.ok(&line).await;
}

#[tokio::test]
async fn the_help_is_as_reviewed() {
    let (_folder, tool) = tool();
    insta::assert_snapshot!("help", tool.ok("--help").await);
    for command in COMMANDS {
        let help = tool.ok(&format!("{command} --help")).await;
        insta::assert_snapshot!(format!("help_{command}"), help);
    }
}

#[tokio::test]
async fn every_command_of_the_help_has_its_own() {
    let (_folder, tool) = tool();
    let help = tool.ok("--help").await;
    let listed = help.split_once("Commands:").expect("commands").1;
    let listed: Vec<&str> = listed
        .lines()
        .take_while(|line| !line.starts_with("Options"))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| *word != "help")
        .collect();
    assert_eq!(listed, COMMANDS);
}

#[tokio::test]
async fn a_case_is_not_opened_without_a_way_to_lock_it() {
    let (folder, tool) = tool();
    let ran = tool.run("case open --title t").await;
    says(&ran, 2, &["nobody can be asked", "--passphrase-file"]);
    let cases = folder.path().join(".relatch/cases");
    assert!(!cases.exists() || std::fs::read_dir(cases).expect("folder").count() == 0);
}

#[tokio::test]
async fn an_account_has_twelve_digits() {
    let (_folder, tool) = tool();
    says(
        &tool.run("case open --title t --account 1234").await,
        2,
        &["12 digits"],
    );
}

#[tokio::test]
async fn without_a_case_the_next_step_is_said() {
    let (_folder, tool) = tool();
    says(
        &tool.run("status").await,
        2,
        &["no open case", "relatch case open"],
    );
}

#[tokio::test]
async fn with_several_cases_one_must_be_named() {
    let (_folder, tool) = tool();
    open_case(&tool, " --id one").await;
    open_case(&tool, " --id two").await;
    says(&tool.run("case show").await, 2, &["--case", "one, two"]);
    says(
        &tool.run("case show --case three").await,
        2,
        &["no case three"],
    );
    assert!(tool.ok("case show --case two").await.starts_with("two: t"));
}

#[tokio::test]
async fn nothing_is_applied_without_a_plan() {
    let (_folder, tool) = tool();
    open_case(&tool, "").await;
    says(
        &tool.run("apply --yes").await,
        2,
        &["there is no plan", "relatch plan"],
    );
}

#[tokio::test]
async fn what_is_no_certificate_does_not_verify() {
    let (folder, tool) = tool();
    for (name, bytes) in [
        ("noise", &b"\xff\x00garbage"[..]),
        ("empty", b""),
        ("json", b"{}"),
    ] {
        std::fs::write(folder.path().join(name), bytes).expect("file");
        says(&tool.run(&format!("verify {name}")).await, 5, &["error: "]);
    }
    says(&tool.run("verify missing").await, 2, &["missing"]);
}

#[tokio::test]
async fn a_misspelt_setting_is_named() {
    let (folder, tool) = tool();
    let path = folder.path().join("relatch.toml");
    std::fs::write(path, "[policy]\nobserv_s = 1\n").expect("file");
    says(
        &tool.run("case list").await,
        2,
        &["relatch.toml", "observ_s"],
    );
}

#[tokio::test]
async fn a_configuration_that_was_named_must_be_there() {
    let (_folder, tool) = tool();
    says(
        &tool.run("case list --config other.toml").await,
        2,
        &["other.toml"],
    );
}

#[tokio::test]
async fn logs_that_cannot_be_read_whole_are_counted_and_named() {
    let (folder, tool) = tool();
    let logs = folder.path().join("logs");
    std::fs::create_dir(&logs).expect("folder");
    let event = r#"{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ada","accountId":"111122223333","accessKeyId":"AKIAIOSFODNN7EXAMPLE","userName":"ada"},"eventTime":"2026-01-02T03:04:05Z","eventSource":"s3.amazonaws.com","eventName":"ListBuckets","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.1","userAgent":"x","eventID":"11111111-1111-1111-1111-111111111111","eventType":"AwsApiCall","recipientAccountId":"111122223333"}"#;
    std::fs::write(
        logs.join("whole.json"),
        format!("{{\"Records\":[{event}]}}"),
    )
    .expect("file");
    std::fs::write(
        logs.join("lines.jsonl"),
        format!("{event}\n{{\"eventVersion\":\nnoise\n"),
    )
    .expect("file");
    std::fs::write(logs.join("cut.json.gz"), cut_gzip(event.as_bytes())).expect("file");
    let ran = tool.run("triage logs --json").await;
    says(&ran, 4, &["could not be read whole"]);
    let found: Value = serde_json::from_str(&ran.out).expect("JSON");
    let problems = found["problems"].to_string();
    assert!(
        problems.contains("cut.json.gz") && problems.contains("lines.jsonl"),
        "{problems}"
    );
    assert!(!problems.contains("whole.json"), "{problems}");
    assert!(
        found["events_read"].as_u64().expect("a number") >= 1,
        "{ran}"
    );
}

/// A gzip member (RFC 1952) of one stored block that ends before it should.
fn cut_gzip(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short");
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1];
    bytes.extend(length.to_le_bytes());
    bytes.extend((!length).to_le_bytes());
    bytes.extend(&content[..content.len() / 2]);
    bytes
}

#[tokio::test]
async fn a_log_that_is_not_there_is_named() {
    let (_folder, tool) = tool();
    let ran = tool.run("triage nowhere --json").await;
    assert_ne!(ran.code, Some(0), "{ran}");
    assert!(
        ran.err.contains("nowhere") || ran.out.contains("nowhere"),
        "{ran}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_is_refused_before_anything_is_asked() {
    let company = Company::start().await;
    let tool = company.tool();
    open_case(&tool, " --account 123456789012").await;
    for line in ["inventory", "contain plan", "probe"] {
        let ran = tool.run(line).await;
        says(&ran, 3, &["123456789012", support::ACCOUNT]);
    }
    let log = tool.ok("case log --json").await;
    assert_eq!(log.lines().count(), 1, "{log}");
}
