//! `relatch triage` as people run it: a log with an attack in it, judgements, policies, and the
//! folder of findings, with text in it that wants to be more than text.

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use support::Tool;

const STORY: &str = include_str!("../../evidence/tests/fixtures/story.jsonl");
const THIEF: &str = "203.0.113.66";
const OWNER: &str = "AKIAOWNEROWNEROWNER1";
/// What no file may hold unescaped: markup, a terminal's escape, a direction mark, a formula.
const HOSTILE: &str = "<script>alert(1)</script>\u{1b}]0;x\u{7}\u{202e}=cmd";

/// The tool in a folder with the story as `log.jsonl`; the thief's client is hostile.
fn tool() -> (tempfile::TempDir, Tool) {
    let folder = tempfile::tempdir().expect("temp dir");
    let lines: Vec<String> = STORY.lines().map(hostile).collect();
    std::fs::write(folder.path().join("log.jsonl"), lines.join("\n")).expect("file");
    let tool = Tool::new(folder.path()).env("HOME", folder.path());
    (folder, tool)
}

fn hostile(line: &str) -> String {
    let mut event: Value = serde_json::from_str(line).expect("an event");
    if event["sourceIPAddress"] == THIEF {
        event["userAgent"] = json!(HOSTILE);
    }
    event.to_string()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn parsed(path: &Path) -> Value {
    serde_json::from_str(&text(path)).expect("JSON")
}

/// The files of a folder and the one below it.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("folder") {
        let entry = entry.expect("entry");
        let name = entry.file_name().into_string().expect("text");
        if entry.file_type().expect("type").is_dir() {
            let below = files(&entry.path()).into_iter();
            found.extend(below.map(|file| format!("{name}/{file}")));
        } else {
            found.insert(name);
        }
    }
    found
}

#[tokio::test]
async fn the_folder_holds_every_form_and_nothing_that_acts() {
    let (folder, tool) = tool();
    let ran = tool.run("triage log.jsonl --out found").await;
    assert_eq!(ran.code, Some(0), "{ran}");
    let found = folder.path().join("found");
    let files = files(&found);
    let forms = [
        "findings.ocsf.json",
        "indicators.csv",
        "indicators.stix.json",
        "timeline.csv",
        "timeline.html",
        "timeline.jsonl",
        "triage.json",
    ];
    for form in forms {
        assert!(files.contains(form), "{form}: {files:?}");
    }
    assert!(files.iter().any(|file| file.starts_with("sigma/")));
    for file in &files {
        assert!(ran.err.contains(file), "{file} is not told\n{ran}");
        let text = text(&found.join(file));
        let escapes = ['\u{1b}', '\u{202e}', '\u{7}'];
        assert!(
            !text.contains(escapes) && !text.contains("\\u001b"),
            "{file}"
        );
    }
    assert!(
        !ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'),
        "{ran}"
    );

    let triage = parsed(&found.join("triage.json"));
    let tainted = triage["tainted_events"].as_array().expect("list").len();
    assert_eq!(triage["events"].as_array().expect("list").len(), tainted);
    let page = text(&found.join("timeline.html"));
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;"));
    for line in text(&found.join("timeline.csv")).lines().skip(1) {
        assert!(!line.contains(",=") && !line.starts_with('='), "{line}");
    }
    let lines = text(&found.join("timeline.jsonl"));
    assert_eq!(lines.lines().count(), tainted);
    for line in lines.lines() {
        serde_json::from_str::<Value>(line).expect("JSON");
    }
    assert_eq!(
        parsed(&found.join("indicators.stix.json"))["type"],
        "bundle"
    );
    let findings = parsed(&found.join("findings.ocsf.json"));
    let classes = findings.as_array().expect("a list").iter();
    assert!(classes.map(|f| &f["class_uid"]).all(|class| class == 2004));
}

#[tokio::test]
async fn what_is_in_a_folder_stays_unless_it_is_forced() {
    let (folder, tool) = tool();
    let found = folder.path().join("found");
    std::fs::create_dir(&found).expect("folder");
    std::fs::write(found.join("mine"), "mine").expect("file");
    let ran = tool.run("triage log.jsonl --out found").await;
    assert_eq!(ran.code, Some(3), "{ran}");
    assert!(
        ran.err.contains("--force") && files(&found).len() == 1,
        "{ran}"
    );
    let ran = tool.run("triage log.jsonl --out found --force").await;
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(ran.err.contains("left as it was: found/mine"), "{ran}");
    assert_eq!(text(&found.join("mine")), "mine");
}

#[tokio::test]
async fn the_same_evidence_makes_the_same_ids() {
    let (folder, tool) = tool();
    for out in ["one", "two"] {
        tool.ok(&format!("triage log.jsonl --out {out}")).await;
    }
    let ids = |out: &str| -> BTreeSet<String> {
        let bundle = parsed(&folder.path().join(out).join("indicators.stix.json"));
        let objects = bundle["objects"].as_array().expect("list").iter();
        objects.map(|object| object["id"].to_string()).collect()
    };
    assert_eq!(ids("one"), ids("two"));
}

#[tokio::test]
async fn the_terminal_says_what_to_do() {
    let (_folder, tool) = tool();
    insta::assert_snapshot!(tool.ok("triage log.jsonl").await);
}

#[tokio::test]
async fn a_person_acquits_and_convicts() {
    let (_folder, tool) = tool();
    let json = |out: String| serde_json::from_str::<Value>(&out).expect("JSON");
    let acquitted = json(
        tool.ok(&format!("triage log.jsonl --json --acquit {OWNER}"))
            .await,
    );
    let verdict = |found: &Value, id: &str| {
        let actors = found["actors"].as_array().expect("list").iter();
        let actor = actors.clone().find(|actor| actor["id"] == id);
        actor.expect("in the log")["verdict"].clone()
    };
    assert_eq!(verdict(&acquitted, OWNER), "legitimate");
    let convicted = json(
        tool.ok(&format!("triage log.jsonl --json --convict {OWNER}"))
            .await,
    );
    assert_eq!(verdict(&convicted, OWNER), "attacker");
    let ran = tool
        .run(&format!(
            "triage log.jsonl --convict {OWNER} --acquit {OWNER}"
        ))
        .await;
    assert_eq!(ran.code, Some(2), "{ran}");
}

#[tokio::test]
async fn a_judgement_is_recorded_with_its_reason_and_kept_to() {
    let (_folder, tool) = tool();
    let open = "case open --title t --identity-file identity.txt";
    tool.ok(open).await;
    tool.ok("triage log.jsonl --record").await;
    let held = async || {
        let log = tool.ok("report --json").await;
        let report: Value = serde_json::from_str(&log).expect("JSON");
        let keys = |actor: &Value| actor["keys"].as_array().expect("list").clone();
        let actors = report["actors"].as_array().expect("list").iter();
        actors.flat_map(keys).any(|key| key == OWNER)
    };
    assert!(held().await, "the thief used the owner's key");

    let acquit = format!("triage log.jsonl --record --acquit {OWNER}");
    let ran = tool.run(&acquit).await;
    assert_eq!(ran.code, Some(2), "{ran}");
    assert!(ran.err.contains("--because"), "{ran}");
    tool.ok(&format!("{acquit} --because pentest")).await;
    assert!(!held().await, "taken off the thief");
    let report = tool.ok("report").await;
    assert!(report.contains("pentest"), "{report}");

    let ran = tool.run("triage log.jsonl --json --record").await;
    assert!(ran.err.contains("stays acquitted"), "{ran}");
    assert!(!held().await, "later runs keep to it");
    tool.ok(&format!(
        "triage log.jsonl --record --convict {OWNER} --because confession"
    ))
    .await;
    assert!(held().await, "the last word counts");
}

/// Access keys that the case holds for the thief's.
async fn held(tool: &Tool) -> BTreeSet<String> {
    let report: Value = serde_json::from_str(&tool.ok("report --json").await).expect("JSON");
    let actors = report["actors"].as_array().expect("list").iter();
    let keys = actors.flat_map(|actor| actor["keys"].as_array().expect("list").clone());
    keys.map(|key| key.as_str().expect("text").to_string())
        .collect()
}

#[tokio::test]
async fn an_acquittal_takes_off_whoever_only_the_acquitted_leads_to() {
    let (_folder, tool) = tool();
    tool.ok("case open --title t --identity-file identity.txt")
        .await;
    let (ops, ops_session) = ("AKIAOPSOPSOPSOPSOPS1", "ASIALEGITLEGITLEGIT1");
    let (admin_session, backup) = ("ASIAEVIL2XXXXXXXXXXX", "AKIAEVEEVEEVEEVEEVE1");
    tool.ok(&format!(
        "triage log.jsonl --record --key {OWNER} --key {ops}"
    ))
    .await;
    let held_at_first = held(&tool).await;
    for key in [OWNER, ops, ops_session, admin_session, backup] {
        assert!(held_at_first.contains(key), "{key}: {held_at_first:?}");
    }

    let ran = tool
        .run(&format!(
            "triage log.jsonl --record --acquit {ops} --because oncall"
        ))
        .await;
    assert!(
        ran.err.contains(&format!(
            "begins with {OWNER} as an earlier run was told; --acquit takes it back"
        )),
        "{ran}"
    );
    let mut expected = held_at_first.clone();
    expected.remove(ops);
    expected.remove(ops_session);
    assert_eq!(held(&tool).await, expected, "nobody else was taken off");

    // What was given by itself stays, though the acquitted made it; what was not does not.
    let acquit = format!("triage log.jsonl --record --acquit {admin_session} --because drill");
    tool.ok(&format!("triage log.jsonl --record --key {backup}"))
        .await;
    tool.ok(&acquit).await;
    let after = held(&tool).await;
    assert!(!after.contains(admin_session), "{after:?}");
    assert!(after.contains(backup), "{after:?}");
    tool.ok(&format!(
        "triage log.jsonl --record --acquit {backup} --because drill"
    ))
    .await;
    let after = held(&tool).await;
    assert!(
        !after.contains(backup) && after.contains(OWNER),
        "{after:?}"
    );

    let timeline = tool.ok("case log").await;
    assert!(
        timeline.contains(&format!("The triage began with keys {ops}, {OWNER}")),
        "{timeline}"
    );
}

#[tokio::test]
async fn what_was_proposed_once_keeps_whom_it_led_to() {
    let (_folder, tool) = tool();
    tool.ok("case open --title t --identity-file identity.txt")
        .await;
    tool.ok("triage log.jsonl --record").await;
    let proposed = held(&tool).await;
    assert!(proposed.contains(OWNER), "{proposed:?}");
    // Begins elsewhere, so it is not proposed again; who was convicted through it stays.
    let backup = "AKIAEVEEVEEVEEVEEVE1";
    tool.ok(&format!(
        "triage log.jsonl --record --key {backup} --acquit arn:aws:iam::111122223333:user/ops --because oncall"
    ))
    .await;
    assert_eq!(held(&tool).await, proposed);
}

#[tokio::test]
async fn what_policy_allows_and_nobody_was_seen_to_read_is_readable() {
    let (folder, tool) = tool();
    let of = |resource: &str| {
        json!({"Version": "2012-10-17", "Statement": [{
            "Sid": "Read", "Effect": "Allow", "Resource": resource,
            "Action": ["secretsmanager:GetSecretValue", "ssm:GetParameter*", "lambda:*", "kms:Decrypt"],
        }]})
    };
    for (file, resource) in [("open.json", "*"), ("shut.json", "arn:aws:s3:::none")] {
        let details = json!({"UserDetailList": [{
            "Arn": "arn:aws:iam::111122223333:user/app", "UserName": "app", "UserId": "AIDAAPP",
            "UserPolicyList": [{"PolicyName": "inline", "PolicyDocument": of(resource)}],
            "GroupList": [], "AttachedManagedPolicies": [],
        }], "GroupDetailList": [], "RoleDetailList": [], "Policies": []});
        std::fs::write(folder.path().join(file), details.to_string()).expect("file");
    }
    let run = async |file: &str| {
        let ran = tool
            .run(&format!("triage log.jsonl --json --account-details {file}"))
            .await;
        serde_json::from_str::<Value>(&ran.out).expect("JSON")
    };
    let (open, shut) = (run("open.json").await, run("shut.json").await);
    let of_app = |found: &Value| -> Vec<Value> {
        let readable = found["secrets_readable"].as_array().expect("a list").iter();
        let of_app =
            readable.filter(|one| one["principal"] == "arn:aws:iam::111122223333:user/app");
        of_app.cloned().collect()
    };
    let read: BTreeSet<String> = open["secrets_read"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|read| read["id"].to_string())
        .collect();
    let found = of_app(&open);
    assert!(!found.is_empty());
    assert!(
        found
            .iter()
            .all(|one| !read.contains(&one["id"].to_string()))
    );
    assert!(found.len() > of_app(&shut).len(), "{found:?}");
    let by_statement = |one: &Value| one["statements"].to_string().contains("statement Read");
    assert!(found.iter().any(by_statement), "{found:?}");
    let ran = tool
        .run("triage log.jsonl --account-details log.jsonl")
        .await;
    assert_eq!(ran.code, Some(2), "{ran}");
}
