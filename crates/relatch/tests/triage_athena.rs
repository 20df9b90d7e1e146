//! `relatch triage --athena` as people run it, over a table that our own statement made and an
//! engine that really runs the SQL. That the engine means the same by it as Athena is the word
//! of a translator that is not ours.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use support::{ANSWERS, Lake, Manual, Ran, TRAIL, Tool};

const STORY: &str = include_str!("../../evidence/tests/fixtures/story.jsonl");
const OWNER: &str = "AKIAOWNEROWNEROWNER1";
const TABLE: &str = "audit.cloudtrail";
const SINCE: &str = "--since 2026-03-04T00:00:00Z";

/// A trail with the story in it, and a table over it.
async fn lake() -> Lake {
    let lake = Lake::with(STORY).await;
    let ddl = lake
        .tool()
        .ok(&format!(
            "triage --athena {TABLE} --athena-ddl {TRAIL} --athena-account 111122223333 \
             --athena-account 444455556666 --athena-log-region eu-west-1 \
             --athena-log-region us-east-1 --since 2026-03-01T00:00:00Z"
        ))
        .await;
    lake.run(&["CREATE DATABASE audit", &ddl]).await;
    lake
}

async fn ask(tool: &Tool, table: &str, more: &str) -> Ran {
    tool.run(&format!(
        "triage --json --athena {table} --athena-output {ANSWERS} {SINCE}{more}"
    ))
    .await
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What was asked of Athena, in order.
fn asked(lake: &Lake) -> Vec<String> {
    let seen = lake.wire.seen().into_iter();
    let actions = seen.filter_map(|seen| seen.action);
    let actions = actions.filter_map(|action| Some(action.split_once('.')?.1.to_string()));
    actions.collect()
}

/// The verdicts of actors, by id.
fn verdicts(answer: &Value) -> BTreeMap<String, String> {
    let actors = answer["actors"].as_array().expect("a list").iter();
    let text = |value: &Value| value.as_str().expect("text").to_string();
    actors
        .map(|actor| (text(&actor["id"]), text(&actor["verdict"])))
        .collect()
}

/// How many events were looked at, each counted once.
fn events(answer: &Value) -> u64 {
    let number = |name: &str| answer[name].as_u64().expect("a number");
    number("events_read") - number("duplicates")
}

/// The parts of the answer that the two ways have to agree on.
fn found(answer: &Value) -> Vec<(&'static str, &Value)> {
    let parts = [
        "tainted_events",
        "secrets_read",
        "attempted_reads",
        "issued_credentials",
        "addresses",
        "created_keys",
        "persistence",
        "first",
        "last",
    ];
    parts.map(|part| (part, &answer[part])).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn athena_tells_what_the_same_files_tell() {
    let lake = lake().await;
    let tool = lake.tool();
    for seeds in [format!(" --key {OWNER}"), String::new()] {
        let local = tool.ok(&format!("triage logs --json {SINCE}{seeds}")).await;
        let local = parsed(&local);
        assert_eq!(local["athena"], Value::Null);
        let ran = ask(&tool, TABLE, &seeds).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        let answer = parsed(&ran.out);
        assert!(
            !answer["secrets_read"]
                .as_array()
                .expect("a list")
                .is_empty()
        );
        assert_eq!(found(&answer), found(&local));
        let (there, here) = (verdicts(&answer), verdicts(&local));
        for (actor, verdict) in &here {
            // Of who has nothing to do with it nothing need be fetched.
            let fetched = there.get(actor).map_or("legitimate", String::as_str);
            assert_eq!(fetched, verdict, "{actor}");
        }
        assert!(
            there.keys().all(|actor| here.contains_key(actor)),
            "{there:?}"
        );
        assert!(events(&answer) < events(&local), "all of it was fetched");
        assert_told(&ran, &answer["athena"]);
        assert_eq!(Manual::read("triage.md").undescribed(&answer), [].into());
    }
}

/// The rounds and their cost are told as they go and in the answer, and the sums are right.
fn assert_told(ran: &Ran, athena: &Value) {
    assert_eq!(athena["table"], TABLE);
    assert_eq!(athena["from"], "2026-02-25T00:00:00Z");
    assert_eq!(athena["stopped_because"], "nothing_new");
    assert_eq!(athena["not_followed"], 0);
    let rounds = athena["rounds"].as_array().expect("a list");
    assert!(rounds.len() > 1, "{athena}");
    for sum in ["queries", "rows", "scanned_bytes", "cost_usd_micros"] {
        let each = rounds
            .iter()
            .map(|round| round[sum].as_u64().expect("a number"));
        let each: Vec<u64> = each.collect();
        assert_eq!(athena[sum], each.iter().sum::<u64>(), "{sum}");
        assert!(each[0] > 0, "{sum}");
    }
    for (round, number) in rounds.iter().zip(1..) {
        assert_eq!(round["round"], number);
        // So little is read that each query costs the least that one can: ten mebibytes.
        let queries = round["queries"].as_u64().expect("a number");
        assert_eq!(round["cost_usd_micros"], queries * 53);
        let words = format!(
            "{TABLE} round {number}: {queries} queries, {} events",
            round["rows"]
        );
        assert!(ran.err.contains(&words), "{words}\n{ran}");
    }
    for words in [
        "asking for 2026-02-25T00:00:00Z",
        "only these days are read, by the partition `day` (2026/03/01,NOW)",
        "nothing new was convicted after round",
        "read in all, about $0.000",
    ] {
        assert!(ran.err.contains(words), "{words}\n{ran}");
    }
}

/// Access keys that the case holds for the thief's.
async fn held(tool: &Tool) -> BTreeSet<String> {
    let report = parsed(&tool.ok("report --json").await);
    let actors = report["actors"].as_array().expect("a list").iter();
    let keys = actors.flat_map(|actor| actor["keys"].as_array().expect("a list").clone());
    keys.map(|key| key.as_str().expect("text").to_string())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acquittal_over_fetched_rows_takes_off_no_more_than_over_the_files() {
    let lake = lake().await;
    let tool = lake.tool();
    let ops = "AKIAOPSOPSOPSOPSOPS1";
    tool.ok("case open --title t --identity-file identity.txt")
        .await;
    let ran = ask(
        &tool,
        TABLE,
        &format!(" --record --key {OWNER} --key {ops}"),
    )
    .await;
    assert_eq!(ran.code, Some(0), "{ran}");
    let before = held(&tool).await;
    assert!(before.contains(OWNER) && before.contains(ops), "{before:?}");

    // The acquitted is no longer followed, so that other rows are fetched than before.
    let acquit = format!("--record --acquit {ops} --because oncall");
    let ran = ask(&tool, TABLE, &format!(" {acquit}")).await;
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(
        ran.err.contains("evidence that this run did not read"),
        "{ran}"
    );
    let fetched = held(&tool).await;
    let mut expected = before.clone();
    expected.remove(ops);
    assert_eq!(fetched, expected, "nobody but the acquitted");
    tool.ok(&format!("triage logs {SINCE} {acquit}")).await;
    let files = held(&tool).await;
    assert!(fetched.is_superset(&files), "{fetched:?} {files:?}");
    assert!(files.contains(OWNER), "{files:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_on_rounds_is_told_and_the_answer_is_incomplete() {
    let lake = lake().await;
    let ran = ask(
        &lake.tool(),
        TABLE,
        &format!(" --key {OWNER} --athena-rounds 1"),
    )
    .await;
    assert_eq!(ran.code, Some(4), "{ran}");
    let answer = parsed(&ran.out);
    assert_eq!(answer["athena"]["stopped_because"], "most_rounds");
    assert_eq!(answer["athena"]["rounds"].as_array().map(Vec::len), Some(1));
    assert!(answer["athena"]["not_followed"].as_u64() > Some(0));
    let problems = answer["problems"].to_string();
    assert!(problems.contains("--athena-rounds"), "{problems}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_prints_the_question_and_asks_nothing() {
    let lake = lake().await;
    lake.wire.forget();
    let ran = ask(&lake.tool(), TABLE, &format!(" --key {OWNER} --dry-run")).await;
    assert_eq!(ran.code, Some(0), "{ran}");
    for words in [
        "FROM \"audit\".\"cloudtrail\"",
        "\"day\" BETWEEN '2026/02/24' AND",
        OWNER,
    ] {
        assert!(ran.out.contains(words), "{words}\n{ran}");
    }
    assert_eq!(asked(&lake), ["GetTableMetadata"]);
    // What it printed is what is asked, by who would rather ask by hand.
    for sql in ran.out.split(";\n\n") {
        lake.run(&[sql]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_table_one_is_offered() {
    let lake = Lake::with(STORY).await;
    let ran = ask(&lake.tool(), "audit.nothing", &format!(" --key {OWNER}")).await;
    assert_eq!(ran.code, Some(1), "{ran}");
    for words in [
        "relatch triage --athena-ddl",
        "reads the whole table",
        "audit",
    ] {
        assert!(ran.err.contains(words), "{words}\n{ran}");
    }
    assert_eq!(ran.out, "");
    let ran = lake
        .tool()
        .run(&format!(
            "triage --athena audit.nothing --athena-output {ANSWERS} --key {OWNER}"
        ))
        .await;
    assert_eq!(ran.code, Some(2), "{ran}");
    assert!(ran.err.contains("--athena needs --since"), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_ask_is_told_which_permission_it_takes() {
    let lake = lake().await;
    let cases: [(&str, &[&str], &str); 3] = [
        ("nobody", &["s3:*"], "athena:GetTableMetadata"),
        (
            "looks",
            &["s3:*", "athena:GetTableMetadata"],
            "athena:StartQueryExecution",
        ),
        (
            "starts",
            &[
                "s3:*",
                "athena:GetTableMetadata",
                "athena:StartQueryExecution",
            ],
            "athena:GetQueryExecution",
        ),
    ];
    for (user, actions, missing) in cases {
        let tool = lake.tool_of(user, actions).await;
        let ran = ask(&tool, TABLE, &format!(" --key {OWNER}")).await;
        assert_eq!(ran.code, Some(1), "{ran}");
        let error = ran.err.lines().find(|line| line.starts_with("error"));
        let error = error.unwrap_or_else(|| panic!("no error\n{ran}"));
        assert!(error.contains(missing), "{missing}\n{ran}");
        // Beside it all that it takes, so that it is asked for once.
        assert!(ran.err.contains("glue:GetPartitions"), "{ran}");
        assert_eq!(ran.out, "", "{ran}");
    }
}
