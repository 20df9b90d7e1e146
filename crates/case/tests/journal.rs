//! What every journal must hold to, checked on SQLite, and what only a file can suffer.

use jiff::Timestamp;
use relatch_case::journal::JournalError;
use relatch_case::sqlite::SqliteJournal;
use relatch_case::{Draft, Fact, Journal, State};
use std::path::Path;

fn now() -> Timestamp {
    "2026-11-21T03:00:00Z".parse().expect("a time")
}

fn draft(remark: &str) -> Draft {
    let fact = Fact::BlindSpotFound {
        what: remark.to_string(),
        why: "é\u{1f510}".to_string(),
        hides: String::new(),
    };
    Draft {
        at: now(),
        by: "test".to_string(),
        fact,
    }
}

fn step(fence_holder_step: &str) -> Draft {
    let fact = Fact::StepIntended {
        step: fence_holder_step.into(),
        attempt: 1,
        baseline: serde_json::json!({"keys": ["b", "a"], "n": 1}),
    };
    Draft {
        at: now(),
        by: "test".to_string(),
        fact,
    }
}

fn open(path: &Path) -> SqliteJournal {
    SqliteJournal::open(path).expect("open")
}

#[test]
fn facts_come_back_as_written_and_the_chain_holds() {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("journal.db");
    let mut journal = open(&path);
    let written = journal
        .append(0, None, vec![draft("a"), draft("b")])
        .expect("append");
    let reopened = open(&path);
    let read = reopened.read_after(0).expect("read");
    assert_eq!(read, written);
    relatch_case::chain::verify(&read).expect("chain");
    assert_eq!(reopened.read_after(1).expect("tail"), written[1..]);
    assert_eq!(State::fold(&read).blind_spots.len(), 2);
}

#[test]
fn two_appends_on_one_number_never_both_succeed() {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("journal.db");
    let (mut one, mut two) = (open(&path), open(&path));
    one.append(0, None, vec![draft("a")]).expect("first");
    let refused = two.append(0, None, vec![draft("b")]);
    assert!(matches!(
        refused,
        Err(JournalError::Moved {
            expected: 0,
            found: 1
        })
    ));
    assert_eq!(two.head().expect("head").seq, 1);
}

#[test]
fn a_step_fact_needs_the_lease_in_force() {
    let folder = tempfile::tempdir().expect("temp dir");
    let mut journal = open(&folder.path().join("journal.db"));
    assert!(matches!(
        journal.append(0, None, vec![step("s")]),
        Err(JournalError::NoLease)
    ));
    let old = journal.acquire("one", now(), 30).expect("lease");
    assert!(matches!(
        journal.acquire("two", now(), 30),
        Err(JournalError::Held { .. })
    ));
    let later = now() + jiff::SignedDuration::from_secs(31);
    let new = journal.acquire("two", later, 30).expect("expired");
    assert!(matches!(
        journal.append(0, Some(&old), vec![step("s")]),
        Err(JournalError::Fenced {
            ours: 1,
            current: 2
        })
    ));
    assert!(matches!(
        journal.renew(&old, later, 30),
        Err(JournalError::Fenced { .. })
    ));
    journal
        .append(0, Some(&new), vec![step("s")])
        .expect("append");
    journal.release(&new).expect("release");
    journal.acquire("one", later, 30).expect("free again");
}

#[test]
fn an_altered_fact_is_found_and_nothing_is_repaired() {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("journal.db");
    open(&path)
        .append(0, None, vec![draft("a"), draft("b")])
        .expect("append");
    let db = rusqlite::Connection::open(&path).expect("open");
    let direct = db.execute("UPDATE facts SET by = 'x' WHERE seq = 1", []);
    assert!(direct.is_err(), "the trigger refuses");
    db.execute_batch(
        "DROP TRIGGER facts_are_never_changed; UPDATE facts SET by = 'x' WHERE seq = 1",
    )
    .expect("force");
    let error = open(&path).read_after(0).expect_err("found");
    assert!(matches!(
        error,
        JournalError::Chain(relatch_case::chain::ChainError::Altered { seq: 1 })
    ));
}

#[test]
fn a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("journal.db");
    drop(open(&path));
    let db = rusqlite::Connection::open(&path).expect("open");
    db.pragma_update(None, "user_version", 99).expect("bump");
    drop(db);
    assert!(matches!(
        SqliteJournal::open(&path),
        Err(JournalError::Newer { found: 99, .. })
    ));
}

/// Runs this very test binary again as a writer and kills it, over and over: every time a
/// whole number of facts is there, none that was acknowledged is missing, the chain holds.
#[test]
fn a_killed_writer_leaves_whole_facts_and_loses_none_it_acknowledged() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("journal.db");
    let me = std::env::current_exe().expect("this binary");
    for round in 0..15u64 {
        let mut writer = Command::new(&me)
            .args([
                "--exact",
                "writer_process",
                "--nocapture",
                "--include-ignored",
            ])
            .env("RELATCH_TEST_JOURNAL", &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("spawn");
        let output = BufReader::new(writer.stdout.take().expect("piped"));
        let mut acknowledged = 0;
        let stop_after = 3 + round * 7 % 23;
        for line in output.lines() {
            let line = line.expect("line");
            if let Some(seq) = line
                .strip_prefix("wrote ")
                .and_then(|n| n.parse::<u64>().ok())
            {
                acknowledged = seq;
                if seq % 29 >= stop_after {
                    break;
                }
            }
        }
        writer.kill().expect("kill -9");
        writer.wait().expect("wait");
        assert!(acknowledged > 0, "round {round}: the writer never wrote");
        let journal = open(&path);
        let records = journal.read_after(0).expect("the chain holds");
        assert!(
            records.len() as u64 >= acknowledged,
            "round {round} lost a fact"
        );
    }
}

/// The writer that the test above kills; on its own it writes nothing.
#[test]
fn writer_process() {
    use std::io::Write;
    let Ok(path) = std::env::var("RELATCH_TEST_JOURNAL") else {
        return;
    };
    let mut journal = open(Path::new(&path));
    let mut out = std::io::stdout();
    for _ in 0..2000 {
        let head = journal.head().expect("head");
        let drafts = (0..=head.seq % 3)
            .map(|n| draft(&format!("{}-{n}", head.seq)))
            .collect();
        let written = journal.append(head.seq, None, drafts).expect("append");
        let last = written.last().expect("written").seq;
        writeln!(out, "wrote {last}").expect("stdout");
        out.flush().expect("flush");
    }
}
