//! Plans as people meet them: filters, explanations, cuts, approvals, pauses, waivers.

mod support;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::{Company, Ran, Tool};

/// The exit code, and that all of these are said, on either stream.
fn says(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, Some(code), "{ran}");
    let said = format!("{}{}", ran.out, ran.err);
    for word in words {
        assert!(said.contains(word), "{word:?} is not said\n{ran}");
    }
}

fn append(path: &Path, text: &str) {
    let old = std::fs::read_to_string(path).unwrap_or_default();
    std::fs::write(path, old + text).expect("file");
}

fn ssh_keygen(folder: &Path, args: &[&str]) {
    let done = Command::new("ssh-keygen")
        .args(args)
        .current_dir(folder)
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status();
    assert!(done.expect("ssh-keygen").success(), "{args:?}");
}

/// A company with an inventory taken.
async fn company() -> (Company, Tool) {
    let company = Company::start().await;
    let tool = company.tool();
    tool.ok("case open --title t --id c1 --account 000000000000 --identity-file identity.txt")
        .await;
    tool.ok("inventory").await;
    (company, tool)
}

async fn json(tool: &Tool, line: &str) -> Value {
    serde_json::from_str(&tool.ok(line).await).expect("JSON")
}

fn hash(plan: &Value) -> String {
    plan["hash"].as_str().expect("a hash")[..12].to_string()
}

/// The id of the credential of that principal's name.
fn id(plan: &Value, part: &str) -> String {
    let rotations = plan["plan"]["rotations"].as_array().expect("a list");
    let found = rotations
        .iter()
        .find(|r| r["principal"].as_str().is_some_and(|p| p.contains(part)));
    let found = found.unwrap_or_else(|| panic!("{part} in {rotations:#?}"));
    found["credential"].as_str().expect("an id").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_are_read_narrowed_explained_and_cut() {
    let (company, tool) = company().await;
    let plan = json(&tool, "plan --json --out first.json").await;
    let (web, batch) = (id(&plan, "web"), id(&plan, "batch"));

    let text = tool.ok("plan show --issuer aws-iam --mode warm").await;
    assert!(text.contains("2 credentials do not fit"), "{text}");
    assert!(text.contains("duration"), "{text}");
    let text = tool
        .ok(&format!("plan show --credential {batch} --steps"))
        .await;
    assert!(text.contains(&format!("{batch}/mint")), "{text}");
    assert!(!text.contains(&format!("{web}/mint")), "{text}");
    let groups = json(&tool, "plan show --group-by issuer --json").await;
    assert_eq!(groups["groups"][0]["key"], "aws-iam");
    says(
        &tool.run("plan show --mode cold").await,
        2,
        &["warm", "retire"],
    );

    let text = tool.ok(&format!("plan explain {batch}/mint")).await;
    for words in ["if it fails", "[ ] the plan is approved", "order"] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    assert_eq!(tool.ok(&format!("plan --explain {batch}/mint")).await, text);
    says(&tool.run("plan explain cred-").await, 2, &["is not enough"]);
    says(&tool.run("plan explain nothing").await, 2, &["has no step"]);

    let cut = format!("plan --cut {web}:{batch}");
    says(&tool.run(&cut).await, 2, &["changes nothing"]);
    says(
        &tool.run("plan --cut one:two").await,
        2,
        &["no credential one"],
    );
    says(&tool.run("plan --cut one").await, 2, &["names no pair"]);
    let dependency = "\n[[dependency]]\ncredential = \"KEY\"\nopens = { container = \"ssm:us-east-1:/prod/*\" }\n";
    let config = company.work().join("relatch.toml");
    append(&config, &dependency.replace("KEY", &format!("{web}x")));
    says(&tool.run("inventory").await, 2, &["near it", &web]);
    let text = std::fs::read_to_string(&config).expect("file");
    std::fs::write(&config, text.replace(&format!("{web}x"), &web)).expect("file");
    tool.ok("inventory").await;
    json(&tool, "plan --json --out second.json").await;
    let text = tool.ok("plan diff first.json second.json").await;
    assert!(
        text.contains(&format!("waits for the death of {web}")),
        "{text}"
    );
    says(&tool.run(&cut).await, 0, &["CUT by your decision"]);
    let text = tool.ok("plan diff second.json").await;
    assert!(text.contains("NO LONGER waits"), "{text}");
    let text = tool.ok("plan diff first.json first.json").await;
    assert!(text.contains("the same"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_sign_and_every_edit_voids_it() {
    let (company, tool) = company().await;
    let work = company.work();
    let mut signers = String::new();
    for (name, kind) in [
        ("alice", "ed25519"),
        ("bob", "ecdsa"),
        ("carol", "rsa"),
        ("eve", "ed25519"),
    ] {
        ssh_keygen(&work, &["-q", "-t", kind, "-N", "", "-f", name]);
        let public = std::fs::read_to_string(work.join(format!("{name}.pub"))).expect("key");
        if name != "eve" {
            write!(signers, "{name} namespaces=\"plan@relatch\" {public}").expect("a string");
        }
    }
    std::fs::write(work.join("signers"), signers).expect("file");
    let config = work.join("relatch.toml");
    append(
        &config,
        "approvals = 2\n[approval]\nallowed_signers = \"signers\"\n",
    );
    let first = hash(&json(&tool, "plan --json --out first.json").await);

    says(
        &tool.run(&format!("plan approve {first}")).await,
        3,
        &["by signatures", "alice"],
    );
    says(
        &tool.run(&format!("plan approve {first} --sign eve")).await,
        3,
        &["none who may approve"],
    );
    says(
        &tool
            .run(&format!("plan approve {first} --sign missing"))
            .await,
        2,
        &["no key file"],
    );
    says(&tool.run("plan approve --sign alice").await, 2, &[&first]);
    says(
        &tool.run("plan approve 000000000000 --sign alice").await,
        3,
        &["look at it again"],
    );
    let ran = tool
        .run(&format!("plan approve {first} --sign alice"))
        .await;
    says(&ran, 0, &["1 of 2", "still missing 1 of: bob, carol"]);
    says(
        &tool
            .run(&format!("plan approve {first} --sign alice"))
            .await,
        3,
        &["already"],
    );
    says(
        &tool.run("apply --yes").await,
        3,
        &["not approved", "bob, carol"],
    );
    says(&tool.run("status").await, 0, &["1 of 2"]);

    let message = tool.ok("plan approve --print-message").await;
    assert!(
        message.ends_with('\n') && message.contains("case c1\n"),
        "{message:?}"
    );
    std::fs::write(work.join("message"), &message).expect("file");
    ssh_keygen(
        &work,
        &["-Y", "sign", "-q", "-n", "git", "-f", "bob", "message"],
    );
    let take = |name: &str| format!("plan approve --signature message.sig --as {name}");
    says(&tool.run(&take("bob")).await, 3, &["namespace is git"]);
    std::fs::remove_file(work.join("message.sig")).expect("file");
    ssh_keygen(
        &work,
        &[
            "-Y",
            "sign",
            "-q",
            "-n",
            "plan@relatch",
            "-f",
            "bob",
            "message",
        ],
    );
    says(
        &tool.run(&take("carol")).await,
        3,
        &["is bob's, not carol's"],
    );
    says(&tool.run(&take("eve")).await, 3, &["eve is no approver"]);
    says(
        &tool.run("plan approve --signature message --as bob").await,
        3,
        &["no SSH signature"],
    );
    says(
        &tool.run("plan approve --signature message.sig").await,
        2,
        &["--as"],
    );
    says(
        &tool.run(&take("bob")).await,
        0,
        &["2 of 2", "relatch apply"],
    );

    let text = std::fs::read_to_string(&config).expect("file");
    std::fs::write(&config, text.replace("observe_s = 1", "observe_s = 2")).expect("file");
    let second = hash(&json(&tool, "plan --json").await);
    assert_ne!(first, second);
    says(
        &tool.run("apply --yes").await,
        3,
        &["not approved (0 of 2)"],
    );
    says(
        &tool.run(&take("bob")).await,
        3,
        &[&format!("approves plan {first}"), "voids"],
    );
    let text = std::fs::read_to_string(&config).expect("file");
    std::fs::write(&config, text.replace("approvals = 2", "approvals = 4")).expect("file");
    says(&tool.run("plan").await, 2, &["only 3 may approve"]);
    std::fs::write(&config, text.replace("approvals = 2", "approvals = 1")).expect("file");
    tool.ok("plan").await;
    let text = tool.ok("plan diff first.json").await;
    assert!(
        text.contains("!! FEWER PEOPLE HAVE TO APPROVE: approvals: 2 -> 1"),
        "{text}"
    );

    says(
        &tool.run("plan approve --emergency").await,
        2,
        &["--because"],
    );
    let ran = tool
        .run_args(&["plan", "approve", "--emergency", "--because", "he is in"])
        .await;
    says(&ran, 3, &["Not confirmed", "--yes"]);
    let args = [
        "plan",
        "approve",
        "--emergency",
        "--because",
        "he is in",
        "--yes",
    ];
    says(&tool.run_args(&args).await, 0, &["!! APPROVAL BYPASSED"]);
    says(&tool.run_args(&args).await, 3, &["bypassed already"]);
    says(
        &tool.run("status").await,
        0,
        &["!! APPROVAL BYPASSED by", "he is in"],
    );
    says(
        &tool.run("apply --dry-run").await,
        0,
        &["!! APPROVAL BYPASSED"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn people_pause_skip_retry_and_waive() {
    let (_company, tool) = company().await;
    let plan = json(&tool, "plan --json").await;
    let (web, batch) = (id(&plan, "web"), id(&plan, "batch"));
    tool.ok(&format!("plan approve {}", hash(&plan))).await;
    says(
        &tool.run(&format!("plan approve {}", hash(&plan))).await,
        3,
        &["already"],
    );

    says(&tool.run("pause").await, 2, &["--because"]);
    says(
        &tool.run_args(&["pause", "--because", " "]).await,
        2,
        &["reason is needed"],
    );
    says(
        &tool.run("pause cred-none --because lunch").await,
        2,
        &["no credential"],
    );
    tool.ok(&format!("pause {web} --because lunch")).await;
    says(&tool.run("resume").await, 2, &["not paused", &web]);
    says(
        &tool.run("status").await,
        0,
        &["PAUSED: lunch", "paused: lunch"],
    );
    let only = tool
        .ok(&format!("status --credential {batch} --json"))
        .await;
    assert!(!only.contains(&web), "{only}");
    tool.ok(&format!("resume {web}")).await;
    tool.ok("pause --because freeze").await;
    says(
        &tool.run("apply --dry-run").await,
        0,
        &["0 steps would", "freeze"],
    );
    tool.ok("resume").await;

    says(
        &tool.run(&format!("retry {web}/mint")).await,
        3,
        &["was not begun"],
    );
    says(
        &tool.run(&format!("skip {web} --because x")).await,
        2,
        &["is not enough"],
    );
    tool.ok(&format!("skip {web}/obs --because known")).await;
    says(
        &tool.run(&format!("skip {web}/obs --because x")).await,
        2,
        &["over already"],
    );

    says(
        &tool.run("waive").await,
        2,
        &["--because", "--owner", "--expires"],
    );
    let waive = |expires: &str, owner: &str| {
        vec![
            "waive",
            "KEY",
            "--because",
            "moved",
            "--owner",
            owner,
            "--expires",
            expires,
        ]
        .into_iter()
        .map(|arg| {
            if arg == "KEY" {
                batch.clone()
            } else {
                arg.to_string()
            }
        })
        .collect::<Vec<_>>()
    };
    let run = async |args: Vec<String>| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        tool.run_args(&args).await
    };
    says(
        &run(waive("2020-01-01T00:00:00Z", "ada")).await,
        2,
        &["in the future"],
    );
    says(
        &run(waive("2099-01-01T00:00:00Z", " ")).await,
        2,
        &["must answer"],
    );
    says(
        &run(waive("2099-01-01T00:00:00Z", "ada")).await,
        0,
        &["is waived", "all the same"],
    );
    says(&tool.run("waive list").await, 0, &[&batch, "ada", "moved"]);
    let text = tool.ok("plan").await;
    assert!(!text.contains(&batch), "{text}");
}
