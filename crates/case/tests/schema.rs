//! Bringing a journal of an older schema up to date, and what a disk can do to one.

use jiff::Timestamp;
use relatch_case::journal::JournalError;
use relatch_case::sqlite::SqliteJournal;
use relatch_case::{Draft, Fact, Journal};
use rusqlite::Connection;

fn draft(remark: &str) -> Draft {
    Draft {
        at: "2026-11-21T03:00:00Z".parse::<Timestamp>().expect("a time"),
        by: "test".to_string(),
        fact: Fact::CaseClosed {
            remark: remark.to_string(),
        },
    }
}

fn version(path: &std::path::Path) -> u32 {
    let db = Connection::open(path).expect("open");
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
        .expect("version")
}

#[test]
fn a_file_of_schema_0_becomes_a_journal() {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("journal.db");
    // An empty database: what is there when the first process was killed before the schema.
    drop(Connection::open(&path).expect("open"));
    assert_eq!(version(&path), 0);
    let mut journal = SqliteJournal::open(&path).expect("migrated");
    journal.append(0, None, vec![draft("a")]).expect("append");
    drop(journal);
    assert!(version(&path) > 0);
    let again = SqliteJournal::open(&path).expect("opened again");
    assert_eq!(
        again.read_after(0, usize::MAX).expect("read").len(),
        1,
        "nothing is lost"
    );
}

#[test]
fn a_migration_that_fails_changes_nothing() {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("journal.db");
    let db = Connection::open(&path).expect("open");
    // Somebody else's table is in the way of the second one.
    db.execute_batch("CREATE TABLE lease (theirs TEXT)")
        .expect("table");
    drop(db);
    let failed = SqliteJournal::open(&path);
    assert!(
        matches!(failed, Err(JournalError::Store { .. })),
        "{failed:?}"
    );
    assert_eq!(version(&path), 0);
    let db = Connection::open(&path).expect("open");
    let tables: u32 = db
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .expect("count");
    assert_eq!(tables, 1, "half a schema was left");
}

/// What version 1 of the schema was, as released.
const SCHEMA_1: &str = "
    CREATE TABLE facts (seq INTEGER PRIMARY KEY, at TEXT NOT NULL, by TEXT NOT NULL,
        prev TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, fact TEXT NOT NULL) STRICT;
    CREATE TABLE lease (one INTEGER PRIMARY KEY CHECK (one = 1), fence INTEGER NOT NULL,
        holder TEXT NOT NULL, expires TEXT NOT NULL) STRICT;
    INSERT INTO lease VALUES (1, 7, '', '1970-01-01T00:00:00Z');
    PRAGMA user_version = 1;";

#[test]
fn a_file_of_schema_1_keeps_its_facts_and_its_fence() {
    let folder = tempfile::tempdir().expect("temp dir");
    let (new, old) = (folder.path().join("new.db"), folder.path().join("old.db"));
    let written = SqliteJournal::open(&new)
        .expect("open")
        .append(0, None, vec![draft("a"), draft("b")])
        .expect("append");
    let db = Connection::open(&old).expect("open");
    db.execute_batch(SCHEMA_1).expect("schema");
    db.execute("ATTACH ? AS new", [new.display().to_string()])
        .expect("attach");
    db.execute_batch("INSERT INTO facts SELECT * FROM new.facts")
        .expect("copy");
    drop(db);
    let mut journal = SqliteJournal::open(&old).expect("migrated");
    assert_eq!(journal.read_after(0, 9).expect("read"), written);
    assert_eq!(journal.head().expect("head").hash, written[1].hash);
    let now: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
    assert_eq!(journal.acquire("me", now, 30).expect("lease").fence, 8);
    journal.append(2, None, vec![draft("c")]).expect("goes on");
}

#[test]
fn a_file_that_is_no_journal_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("journal.db");
    let text = "this is no database, but somebody's notes. ".repeat(200);
    std::fs::write(&path, &text).expect("write");
    assert!(matches!(
        SqliteJournal::open(&path),
        Err(JournalError::Store { .. })
    ));
    assert_eq!(std::fs::read_to_string(&path).expect("read"), text);
}

/// A full disk: the append fails as a whole, what was there stays, and there is a way on.
#[test]
fn a_full_disk_loses_nothing_that_was_recorded() {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("journal.db");
    SqliteJournal::open(&path)
        .expect("open")
        .append(0, None, vec![draft("a")])
        .expect("append");
    let limit = |pages: &str| {
        // The limit belongs to a connection, so this one appends as the journal does.
        let db = Connection::open(&path).expect("open");
        let set = format!("PRAGMA max_page_count = {pages}");
        db.query_row(&set, [], |_| Ok(())).expect("limit");
        db
    };
    let db = limit("1");
    let big = "x".repeat(100_000);
    let full = db.execute(
        "INSERT INTO facts VALUES (2, 't', 'b', 'p', 'h', ?)",
        [&big],
    );
    let full = full.expect_err("the disk is full");
    assert_eq!(
        full.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DiskFull)
    );
    drop(db);
    let mut journal = SqliteJournal::open(&path).expect("open");
    assert_eq!(journal.head().expect("head").seq, 1);
    journal.append(1, None, vec![draft("b")]).expect("goes on");
    assert_eq!(
        journal
            .read_after(0, usize::MAX)
            .expect("the chain holds")
            .len(),
        2
    );
}
