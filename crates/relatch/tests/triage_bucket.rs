//! `relatch triage s3://…` as people run it, against a bucket of an emulated cloud.

mod support;

use std::time::Duration;

use relatch_contract::proxy::{Matching, WireFault};
use serde_json::Value;
use support::{Lake, Ran, TRAIL, Tool};

const STORY: &str = include_str!("../../evidence/tests/fixtures/story.jsonl");
const SEEDS: &str = "--key AKIAOWNEROWNEROWNER1 --since 2026-03-04T00:00:00Z";
/// A day of the story before the attack, which begins on the fourth.
const DAY: &str = "eu-west-1/2026/03/02/all.json";

/// A bucket with the story, and the tool, whose copies go to a folder of their own.
async fn bucket() -> (Lake, Tool) {
    let lake = Lake::with(STORY).await;
    let copies = lake.folder.path().join("copies");
    std::fs::create_dir(&copies).expect("a folder");
    let tool = lake.tool().env("TMPDIR", copies);
    (lake, tool)
}

fn no_copy_is_left(lake: &Lake, ran: &Ran) {
    let copies = std::fs::read_dir(lake.folder.path().join("copies")).expect("listed");
    assert_eq!(copies.count(), 0, "{ran}");
}

fn parsed(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran}"))
}

fn with_403_for(lake: &Lake, path: &str) {
    let denied = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";
    let fault = WireFault::Status(403, denied.to_string());
    lake.wire
        .script(Matching::request("GET", path, ""), fault, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_tells_what_the_same_files_tell() {
    let (lake, tool) = bucket().await;
    let local = tool.ok(&format!("triage logs --json {SEEDS}")).await;
    let mut local: Value = serde_json::from_str(&local).expect("an answer");
    let ran = tool.run(&format!("triage {TRAIL} --json {SEEDS}")).await;
    assert_eq!(ran.code, Some(0), "{ran}");
    let mut there = parsed(&ran);
    let files = there["files"].as_array().expect("a list");
    let first = files[0]["path"].as_str().expect("text");
    assert!(first.starts_with("s3://trail/ AWSLogs/"), "{first}");
    for answer in [&mut local, &mut there] {
        for file in answer["files"].as_array_mut().expect("a list") {
            file["path"].take();
        }
    }
    assert_eq!(there, local);
    let said = format!("{TRAIL}: {} log files, 1 MB", files_in(&there));
    assert!(ran.err.contains(&said), "{ran}");
    no_copy_is_left(&lake, &ran);
}

fn files_in(answer: &Value) -> usize {
    answer["files"].as_array().expect("a list").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_since_the_week_before_is_read_and_not_what_is_older() {
    // The first call of the story, as it would have been made on other days.
    let (first, _) = STORY.split_once('\n').expect("lines");
    let on = |day: &str| {
        let mut event: Value = serde_json::from_str(first).expect("an event");
        event["eventTime"] = format!("{day}T12:00:00Z").into();
        event["eventID"] = format!("on-{day}").into();
        event.to_string()
    };
    let days = ["2026-02-24", "2026-02-25", "2026-03-03"].map(on);
    let lake = Lake::with(&format!("{STORY}{}", days.join("\n"))).await;
    let ran = lake
        .tool()
        .run(&format!("triage {TRAIL} --json {SEEDS}"))
        .await;
    assert_eq!(ran.code, Some(0), "{ran}");
    let answer = parsed(&ran);
    let files = answer["files"].as_array().expect("a list").iter();
    let paths: Vec<&str> = files.filter_map(|file| file["path"].as_str()).collect();
    let is_read = |day: &str| paths.iter().any(|path| path.contains(day));
    assert!(is_read("/2026/03/03/") && is_read("/2026/02/25/"), "{ran}");
    assert!(!is_read("/2026/02/24/"), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_the_bucket_refuses_is_a_problem_and_the_others_are_read() {
    let (lake, tool) = bucket().await;
    with_403_for(&lake, DAY);
    let ran = tool.run(&format!("triage {TRAIL} --json {SEEDS}")).await;
    assert_eq!(ran.code, Some(4), "{ran}");
    let answer = parsed(&ran);
    let problems = answer["problems"].as_array().expect("a list");
    assert_eq!(problems.len(), 1, "{ran}");
    let file = problems[0]["file"].as_str().expect("text");
    assert!(file.ends_with(DAY), "{file}");
    let what = problems[0]["what"].as_str().expect("text");
    assert!(what.starts_with("cannot be fetched: "), "{what}");
    assert!(files_in(&answer) > 1, "{ran}");
    assert!(ran.err.contains(", 1 could not be fetched"), "{ran}");
    no_copy_is_left(&lake, &ran);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_breaks_off_is_fetched_again() {
    let (lake, tool) = bucket().await;
    let whole = tool.run(&format!("triage {TRAIL} --json {SEEDS}")).await;
    let one = Matching::request("GET", DAY, "");
    lake.wire.script(one, WireFault::TruncatedBody, Some(2));
    let ran = tool.run(&format!("triage {TRAIL} --json {SEEDS}")).await;
    assert_eq!(ran.code, Some(0), "{ran}");
    assert_eq!(parsed(&ran), parsed(&whole));
    assert_eq!(lake.wire.injected()["truncated_body"], 2);
    no_copy_is_left(&lake, &ran);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_or_kills_it_leaves_no_copy_behind() {
    let (lake, tool) = bucket().await;
    let day = Matching::request("GET", DAY, "");
    lake.wire.script(day, WireFault::HangBefore, None);
    // Not INT, which whoever starts the tests in the background makes be ignored.
    for (before, signal) in ["TERM", "KILL"].into_iter().enumerate() {
        let mut running = tool.start(&format!("triage {TRAIL} --json {SEEDS}"), signal);
        // The others were asked for before this one, and it is waited for.
        let hangs = || lake.wire.injected().values().sum::<u64>() > before as u64;
        let is_hanging = async {
            while !hangs() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let patience = Duration::from_mins(1);
        let waited = tokio::time::timeout(patience, is_hanging).await;
        waited.expect("a request that hangs");
        running.signal(signal).await;
        let ran = running.end().await;
        assert_eq!(ran.code, None, "{ran}");
        assert_eq!(ran.out, "", "{ran}");
        no_copy_is_left(&lake, &ran);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_reached_or_can_be_written_nothing_is_told() {
    let (lake, tool) = bucket().await;
    let missing = lake.folder.path().join("missing");
    let ran = tool
        .clone()
        .env("TMPDIR", missing)
        .run(&format!("triage {TRAIL} --json {SEEDS}"))
        .await;
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(ran.err.contains("TMPDIR names another folder"), "{ran}");
    let all = Matching::request("GET", "all.json", "");
    lake.wire.script(all, WireFault::TruncatedBody, None);
    let ran = tool.run(&format!("triage {TRAIL} --json {SEEDS}")).await;
    assert_eq!(ran.code, Some(1), "{ran}");
    assert_eq!(ran.out, "", "{ran}");
    no_copy_is_left(&lake, &ran);
}
