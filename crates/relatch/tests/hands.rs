//! One hand only: two runs at once, a run that was stopped and wakes up in another's tenure,
//! and a database that dies in between.

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use relatch_contract::proxy::{Matching, Seen};
use support::{Cloud, Company, Facts, Postgres, Ran, Rotation, Running, Setup, Tool, person, say};
use tokio::sync::Notify;

const APPLY: &str = "apply --yes --steps";

/// How long a test waits for something that is to happen.
const PATIENCE: Duration = Duration::from_mins(5);

#[tokio::test(flavor = "multi_thread")]
async fn one_hand_on_a_file() {
    Box::pin(one_hand(None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_hand_on_postgresql() {
    Box::pin(one_hand(Some(&Postgres::start()))).await;
}

/// A company whose cases are kept in this database, if any.
async fn company(cloud: &Cloud, database: Option<&Postgres>) -> (Company, Tool) {
    let mut company = Company::found(cloud, Setup::SMALL).await;
    company.services.work();
    let mut tool = company.tool();
    if let Some(database) = database {
        let file = company.work().join("relatch.toml");
        let mut text = std::fs::read_to_string(&file).expect("configuration");
        text.push_str("\n[journal]\npostgres = \"");
        text.push_str(&database.address());
        text.push_str("\"\npassword = { env = \"DATABASE_PASSWORD\" }\n");
        std::fs::write(&file, text).expect("configuration");
        tool = tool.env("DATABASE_PASSWORD", support::PASSWORD);
    }
    (company, tool)
}

/// A second run is refused while the first is at work. The first is stopped in the midst of a
/// mint; when its lease is over, a second goes on to the end; the first wakes up, and stops
/// by itself.
async fn one_hand(database: Option<&Postgres>) {
    let cloud = Cloud::start().await;
    let (company, tool) = company(&cloud, database).await;
    let rotation = Rotation::open(&company, tool, "hands").await;
    let minting = Arc::new(Notify::new());
    let told = Arc::clone(&minting);
    let mint = Matching::request("POST", "", "Action=CreateAccessKey");
    company.wire.before(
        mint,
        Box::pin(async move {
            told.notify_one();
            // Until the process that asked is stopped: its answer comes when nobody listens.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }),
    );
    let mut first = rotation.tool.start(APPLY, "first");
    tokio::time::timeout(PATIENCE, minting.notified())
        .await
        .expect("a mint");
    stop(&first, &rotation.folder()).await;
    refused(&rotation.tool.run(APPLY).await);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let counts = company.key_counts().await;
    assert!(
        counts.iter().any(|(_, count)| *count == 2),
        "no key was made: {counts:?}"
    );
    let began = Instant::now();
    let mut waits = 0;
    let second = loop {
        let ran = rotation.tool.run(APPLY).await;
        if ran.code != Some(1) {
            break ran;
        }
        refused(&ran);
        assert!(began.elapsed() < PATIENCE, "{ran}");
        waits += 1;
        tokio::time::sleep(Duration::from_secs(3)).await;
    };
    assert_eq!(second.code, Some(0), "{second}");
    let (asked, values) = (company.wire.seen().len(), company.values().await);
    first.signal("CONT").await;
    let first = first.end().await;
    assert_eq!(first.code, Some(1), "{first}");
    assert!(first.err.contains("another executor took over"), "{first}");
    let seen = company.wire.seen().split_off(asked);
    let seen: Vec<String> = seen.iter().map(Seen::name).collect();
    assert!(seen.iter().all(|name| looks(name)), "it went on: {seen:?}");
    assert_eq!(company.values().await, values, "it wrote");
    assert_eq!(
        Facts::of(&rotation.tool).await.mints(),
        company.credentials()
    );
    rotation.assert_clean().await;
    let asked = company.assert_served();
    say!(
        "refused {} times, taken over after {:?}; {asked} requests of services",
        waits + 1,
        began.elapsed()
    );
}

/// Stops a run, but not in the midst of writing to one of its case's files, which would lock it
/// for everybody until the run goes on.
async fn stop(run: &Running, case: &Path) {
    let files = ["journal.db", "custody/values.db"].map(|file| case.join(file));
    let began = Instant::now();
    loop {
        run.signal("STOP").await;
        if files.iter().all(|file| !file.exists() || is_free(file)) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "always locked");
        run.signal("CONT").await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether nobody is writing to a file.
fn is_free(file: &Path) -> bool {
    let db = rusqlite::Connection::open(file).expect("open");
    db.busy_timeout(Duration::ZERO).expect("no waiting");
    db.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok()
}

fn refused(ran: &Ran) {
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(ran.err.contains("is at work on this case until"), "{ran}");
}

/// Whether a request changes nothing.
fn looks(name: &str) -> bool {
    let name = name.rsplit('.').next().unwrap_or(name);
    ["Get", "List", "Describe"]
        .iter()
        .any(|verb| name.starts_with(verb))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_dies_stops_the_tool_and_loses_nothing() {
    let database = Postgres::start();
    let cloud = Cloud::start().await;
    let (company, tool) = company(&cloud, Some(&database)).await;
    let rotation = Rotation::open(&company, tool, "database").await;
    let (mut deaths, mut stops) = (0, 0);
    loop {
        let mut running = rotation.tool.start(APPLY, "run");
        if deaths < 5 {
            tokio::time::sleep(Duration::from_millis(900 + 350 * deaths)).await;
            database.kill();
            deaths += 1;
            tokio::time::sleep(Duration::from_millis(300 * deaths)).await;
            database.run_again();
        }
        let ran = running.end().await;
        if ran.code == Some(0) {
            break;
        }
        stops += 1;
        assert!(stops < 30, "no end\n{ran}");
        assert!(
            !ran.err.contains(support::PASSWORD),
            "the password is shown"
        );
        if ran.code == Some(1) {
            assert!(ran.err.contains("journal"), "{ran}");
        }
        person(&rotation, &ran).await;
    }
    assert!(stops > 0, "it never noticed");
    assert_eq!(
        Facts::of(&rotation.tool).await.mints(),
        company.credentials()
    );
    rotation.assert_clean().await;
    let asked = company.assert_served();
    say!(
        "the database died {deaths} times and stopped {stops} runs; {asked} requests of services, none failed"
    );
}
