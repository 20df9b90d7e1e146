//! `relatch watch --queue` as people run it, after a rotation: who tries a retired key is told
//! once, however often the queue tells of it, and what cannot be read is not lost.

mod support;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use support::{BUCKET, Cloud, Company, Facts, Held, Ran, Rotation, Setup, Tail, Tool};

/// How long a run may take to record what it saw.
const PATIENCE: Duration = Duration::from_mins(1);

/// A company whose keys were all replaced.
async fn rotated(company: &Company) -> Rotation<'_> {
    let rotation = Rotation::open(company, company.tool(), "tail").await;
    rotation.finish().await;
    rotation
}

async fn company() -> Company {
    Company::found(&Cloud::start().await, Setup::SMALL).await
}

/// A record of a call that was refused because its key is dead.
fn call(key: &str, id: &str) -> Value {
    json!({
        "eventVersion": "1.11", "eventID": id, "eventTime": format!("{:.0}", Timestamp::now()),
        "eventSource": "sts.amazonaws.com", "eventName": "GetCallerIdentity",
        "awsRegion": "us-east-1", "sourceIPAddress": "203.0.113.66", "userAgent": "aws-cli/2.15",
        "errorCode": "InvalidClientTokenId", "recipientAccountId": "111122223333",
        "userIdentity": {"type": "IAMUser", "userName": "web", "accessKeyId": key},
    })
}

/// A file of log with these records.
fn log(records: &[Value]) -> String {
    json!({ "Records": records }).to_string()
}

/// What S3 says of a new file.
fn told_of(key: &str) -> String {
    json!({"Records": [{
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": BUCKET}, "object": {"key": key}},
    }]})
    .to_string()
}

/// One look at a queue.
async fn look(tool: &Tool, tail: &Tail) -> Ran {
    tool.run(&format!("watch --once --json --queue {}", tail.url))
        .await
}

/// The facts of a kind.
fn of_kind(facts: &Facts, kind: &str) -> Vec<Value> {
    let facts = facts.0.iter().map(|record| &record["fact"]);
    facts.filter(|fact| fact["kind"] == kind).cloned().collect()
}

/// The hits of a key, by what they saw.
fn hits(facts: &Facts, key: &str) -> Vec<Value> {
    let mut hits = of_kind(facts, "tripwire_hit");
    hits.retain(|hit| hit["key"] == key);
    hits
}

/// Up to when the queue was looked through, each time that it was.
fn looked_through(facts: &Facts, tail: &Tail) -> Vec<Timestamp> {
    let mut checked = of_kind(facts, "tripwire_checked");
    checked.retain(|fact| fact["source"] == tail.url.as_str());
    let at = |fact: &Value| {
        fact["through"]
            .as_str()
            .expect("text")
            .parse()
            .expect("a time")
    };
    checked.iter().map(at).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_key_is_told_once_though_the_tool_is_killed_and_the_message_comes_again() {
    let company = company().await;
    let rotation = rotated(&company).await;
    let (tool, key) = (&rotation.tool, &rotation.old["web.id"]);
    let tail = Tail::of(&company).await;
    let file = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/10/a b+c.json";

    // It is killed when the hit is durable and the message not yet taken away.
    let held = Held::on(&company);
    tail.write(
        file,
        &log(&[call(key, "one"), call("AKIASOMEBODYELSES001", "two")]),
    )
    .await;
    let mut watching = tool.start(
        &format!("watch --interval 600 --queue {}", tail.url),
        "watch",
    );
    let began = Instant::now();
    while held.receipts().is_empty() {
        assert!(
            began.elapsed() < PATIENCE,
            "nothing was read\n{}",
            watching.said()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let facts = Facts::of(tool).await;
    assert_eq!(hits(&facts, key).len(), 1);
    assert_eq!(looked_through(&facts, &tail), []);
    watching.signal("KILL").await;
    assert_eq!(watching.end().await.signal, Some(9));
    company.wire.calm();
    assert_eq!(tail.standing().await, (0, 1));

    // The same message comes again, and one more that tells of the same file.
    tail.show_again(&held.receipts()[0]).await;
    tail.send(&told_of(
        "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/10/a+b%2Bc.json",
    ))
    .await;
    let ran = look(tool, &tail).await;
    assert_eq!(ran.code, Some(0), "{ran}");
    let facts = Facts::of(tool).await;
    let once = hits(&facts, key);
    assert_eq!(once.len(), 1, "{once:#?}");
    assert!(once[0].to_string().contains("203.0.113.66"), "{once:#?}");
    assert_eq!(tail.standing().await, (0, 0));
    let first = looked_through(&facts, &tail);
    assert_eq!(first.len(), 1);

    // The next process goes on where this one ended, and tells of what is new.
    tail.write(
        "export/next.json",
        &log(&[call(key, "one"), call(key, "three")]),
    )
    .await;
    let ran = look(tool, &tail).await;
    assert_eq!(ran.code, Some(5), "{ran}");
    let said: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let look = said
        .iter()
        .find(|one| one["problems"].is_array())
        .expect("the look");
    let told = look["hits"].as_array().expect("a list");
    assert_eq!(told.len(), 1, "{look:#}");
    let facts = Facts::of(tool).await;
    assert_eq!(hits(&facts, key).len(), 2);
    assert!(hits(&facts, "AKIASOMEBODYELSES001").is_empty());
    let through = looked_through(&facts, &tail);
    assert!(
        through.len() == 2 && through[0] <= through[1],
        "{through:?}"
    );
    assert!(first[0] == through[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_read_is_told_and_stays() {
    let company = company().await;
    let rotation = rotated(&company).await;
    let (tool, key) = (&rotation.tool, &rotation.old["batch.id"]);
    let tail = Tail::of(&company).await;

    // One was received before and is at its last receipt, one tells of a file that is cut.
    tail.send("no notification").await;
    tail.receive_and_leave().await;
    let whole = log(&[call(key, "seen"), call(key, "cut")]);
    let cut = whole.split("\"cut\"").next().expect("some");
    tail.write("cut.json", cut).await;
    tail.write("whole.json", &log(&[call(key, "whole")])).await;
    tail.write("notes.txt", "not a log").await;

    let ran = look(tool, &tail).await;
    assert_eq!(ran.code, Some(5), "{ran}");
    for words in [
        "stays in the queue, received 2 times so far: the message is no JSON object",
        "stays in the queue, received 1 times so far",
        "cut.json",
        "no logs by their names",
        "notes.txt",
    ] {
        assert!(ran.err.contains(words), "{words}\n{ran}");
    }
    assert_eq!(
        tail.standing().await,
        (0, 2),
        "they are there for the next look"
    );
    let facts = Facts::of(tool).await;
    let found = hits(&facts, key);
    assert!(
        found.iter().any(|hit| hit.to_string().contains("whole")),
        "{found:#?}"
    );
    // Nobody may say that the queue was looked through.
    assert_eq!(looked_through(&facts, &tail), []);
    let blind = of_kind(&facts, "blind_spot_found");
    let blind: Vec<&Value> = blind
        .iter()
        .filter(|spot| spot["what"].as_str().expect("text").contains(&tail.url))
        .collect();
    assert_eq!(
        blind.len(),
        1,
        "only what may not be seen again: {blind:#?}"
    );
    assert!(
        blind[0]["why"]
            .as_str()
            .expect("text")
            .contains("no JSON object")
    );

    // While they are away a look finds nothing, and does not call that whole.
    let ran = look(tool, &tail).await;
    assert_eq!(ran.code, Some(4), "{ran}");
    assert!(
        ran.err.contains("not everything could be looked through"),
        "{ran}"
    );
    assert_eq!(looked_through(&Facts::of(tool).await, &tail), []);
}
