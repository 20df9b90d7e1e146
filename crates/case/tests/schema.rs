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
        again.read_after(0).expect("read").len(),
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
        matches!(failed, Err(JournalError::Sqlite { .. })),
        "{failed:?}"
    );
    assert_eq!(version(&path), 0);
    let db = Connection::open(&path).expect("open");
    let tables: u32 = db
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .expect("count");
    assert_eq!(tables, 1, "half a schema was left");
}

#[test]
fn two_processes_that_open_a_new_journal_at_once_both_get_it() {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("journal.db");
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || SqliteJournal::open(&path).map(|_| ()))
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic").expect("opened");
    }
}

#[test]
fn a_file_that_is_no_journal_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("journal.db");
    let text = "this is no database, but somebody's notes. ".repeat(200);
    std::fs::write(&path, &text).expect("write");
    assert!(matches!(
        SqliteJournal::open(&path),
        Err(JournalError::Sqlite { .. })
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
    assert!(full.is_err(), "the disk is full");
    drop(db);
    let mut journal = SqliteJournal::open(&path).expect("open");
    assert_eq!(journal.head().expect("head").seq, 1);
    journal.append(1, None, vec![draft("b")]).expect("goes on");
    assert_eq!(journal.read_after(0).expect("the chain holds").len(), 2);
}

#[test]
fn the_lease_is_nobodys_twice_not_even_its_holders() {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("journal.db");
    let now: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
    let mut journal = SqliteJournal::open(&path).expect("open");
    let first = journal.acquire("root (process 1)", now, 30).expect("free");
    let second = SqliteJournal::open(&path)
        .expect("open")
        .acquire("root (process 1)", now, 30);
    assert!(
        matches!(second, Err(JournalError::Held { .. })),
        "{second:?}"
    );
    journal.release(&first).expect("released");
    let again = journal.acquire("root (process 1)", now, 30).expect("free");
    assert!(again.fence > first.fence);
}
