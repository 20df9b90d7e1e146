//! The journal in a SQLite file: the contract, and what only a file can suffer.

mod support;

use std::path::Path;

use relatch_case::sqlite::SqliteJournal;
use relatch_case::{Journal, JournalError};
use rusqlite::Connection;
use support::{Store, all, draft};

include!("support/suite.rs");

fn open(path: &str) -> Box<dyn Journal> {
    Box::new(SqliteJournal::open(Path::new(path)).expect("open"))
}

fn store() -> Store {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("journal.db");
    let (to_open, one, two, three) = (path.clone(), path.clone(), path.clone(), path.clone());
    Store {
        open: Box::new(move || Ok(Box::new(SqliteJournal::open(&to_open)?))),
        tamper: Box::new(move |sql| {
            let db = Connection::open(&one).expect("open");
            let mut query = db
                .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
                .expect("triggers");
            let names: Vec<String> = query
                .query_map([], |row| row.get(0))
                .expect("names")
                .map(|name| name.expect("name"))
                .collect();
            for name in names {
                db.execute_batch(&format!("DROP TRIGGER {name}"))
                    .expect("drop");
            }
            // A hash that stands there twice is no harm that the table itself refuses here.
            db.execute_batch(sql).expect("tamper");
        }),
        try_sql: Box::new(move |sql| {
            let db = Connection::open(&two).expect("open");
            db.execute_batch(sql).is_ok()
        }),
        make_newer: Box::new(move || {
            let db = Connection::open(&three).expect("open");
            db.pragma_update(None, "user_version", 99).expect("newer");
        }),
        address: path.display().to_string(),
        folder: Some(folder),
    }
}

/// Numbers without a pattern, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        // Knuth's constants for a linear congruential generator.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }
}

/// What a disk, a copy that was cut short or a hand can do to a file: it is found, or what is
/// read is exactly what was written. And it stays found.
fn harmed(rounds: usize, harm: impl Fn(&mut Dice, &mut Vec<u8>)) {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("journal.db");
    let mut journal = SqliteJournal::open(&path).expect("open");
    for n in 0..12 {
        let drafts = (0..9).map(|m| draft(&format!("{n}-{m}"))).collect();
        journal.append(n * 9, None, drafts).expect("append");
    }
    let written = all(&journal).expect("read");
    drop(journal);
    let whole = std::fs::read(&path).expect("read");
    let mut found = 0;
    for seed in 0..rounds {
        let mut bytes = whole.clone();
        harm(&mut Dice(seed as u64), &mut bytes);
        let harmed = folder.path().join(format!("harmed-{seed}.db"));
        std::fs::write(&harmed, &bytes).expect("write");
        let read = || all(&SqliteJournal::open(&harmed)?);
        match (read(), read()) {
            (Ok(first), Ok(second)) => {
                assert!(first == written, "seed {seed}: something else was read");
                assert!(second == written, "seed {seed}: then something else");
            }
            (Err(_), Err(_)) => found += 1,
            (first, second) => panic!(
                "seed {seed}: first {:?}, then {:?}",
                first.map(|records| records.len()),
                second.map(|records| records.len())
            ),
        }
        for name in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{name}", harmed.display()));
        }
    }
    assert!(found > rounds / 3, "only {found} of {rounds} found");
}

#[test]
fn a_file_cut_short_anywhere_is_found() {
    harmed(150, |dice, bytes| {
        // An empty file is a new journal: nothing tells it from one.
        let length = 1 + dice.below(bytes.len() - 1);
        bytes.truncate(length);
    });
}

#[test]
fn flipped_bits_are_found_or_change_nothing() {
    harmed(400, |dice, bytes| {
        for _ in 0..=dice.below(4) {
            let at = dice.below(bytes.len());
            bytes[at] ^= 1 << dice.below(8);
        }
    });
}

#[test]
fn pages_of_noise_are_found_or_change_nothing() {
    harmed(150, |dice, bytes| {
        let from = dice.below(bytes.len());
        let to = (from + 1 + dice.below(4096)).min(bytes.len());
        for byte in &mut bytes[from..to] {
            *byte = u8::try_from(dice.below(256)).expect("a byte");
        }
    });
}

#[test]
fn an_error_says_which_file_and_what_to_do() {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("nowhere").join("journal.db");
    let error = SqliteJournal::open(&path).expect_err("no folder");
    let text = error.to_string();
    assert!(matches!(error, JournalError::Store { .. }));
    assert!(
        text.contains("nowhere") && text.contains("check that its folder exists"),
        "{text}"
    );
}
