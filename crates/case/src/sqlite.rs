//! The journal in one SQLite file: the default.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

use crate::chain::ChainError;
use crate::fact::Record;
use crate::journal::{self, BATCH, Draft, Head, Journal, JournalError, Lease};
use crate::stored::{self, Rows, Stored};

/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(10);

/// Forward-only schema changes; the number applied is SQLite's `user_version`.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE facts (
        seq  INTEGER PRIMARY KEY,
        at   TEXT NOT NULL,
        by   TEXT NOT NULL,
        prev TEXT NOT NULL,
        hash TEXT NOT NULL,
        fact TEXT NOT NULL
    ) STRICT;
    CREATE TRIGGER facts_are_never_changed BEFORE UPDATE ON facts
        BEGIN SELECT RAISE(ABORT, 'facts are never changed'); END;
    CREATE TRIGGER facts_are_never_removed BEFORE DELETE ON facts
        BEGIN SELECT RAISE(ABORT, 'facts are never removed'); END;
    CREATE TABLE lease (
        one     INTEGER PRIMARY KEY CHECK (one = 1),
        fence   INTEGER NOT NULL,
        holder  TEXT NOT NULL,
        expires TEXT NOT NULL
    ) STRICT;
    INSERT INTO lease VALUES (1, 0, '', '1970-01-01T00:00:00Z');
    ",
    // The last fact once more: a chain does not show that its end is missing.
    "
    CREATE TABLE head (
        one  INTEGER PRIMARY KEY CHECK (one = 1),
        seq  INTEGER NOT NULL,
        hash TEXT NOT NULL
    ) STRICT;
    INSERT INTO head SELECT 1,
        coalesce(max(seq), 0),
        coalesce((SELECT hash FROM facts ORDER BY seq DESC LIMIT 1), printf('%064d', 0))
        FROM facts;
    CREATE TRIGGER the_head_never_goes_back BEFORE UPDATE ON head WHEN NEW.seq <= OLD.seq
        BEGIN SELECT RAISE(ABORT, 'the head never goes back'); END;
    CREATE TRIGGER the_head_is_never_removed BEFORE DELETE ON head
        BEGIN SELECT RAISE(ABORT, 'the head is never removed'); END;
    ",
];

/// A journal in a SQLite file: write-ahead log, full sync, so that what was appended
/// survives a power cut.
#[derive(Debug)]
pub struct SqliteJournal {
    path: PathBuf,
    db: Connection,
}

impl SqliteJournal {
    /// Opens the journal at `path`, making it if there is none and bringing an older schema
    /// up to date.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        Self::prepare(connect(path, OpenFlags::default())?, path)
    }

    /// Opens a journal that was there before: a file without one is not made into one. Writes
    /// nothing, unless its schema is older.
    pub fn open_existing(path: &Path) -> Result<Self, JournalError> {
        let db = connect(path, OpenFlags::default() - OpenFlags::SQLITE_OPEN_CREATE)?;
        if schema(&db).map_err(|source| failed(path, source))? == 0 {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB);
            let words = "it is empty".to_string();
            return Err(failed(
                path,
                rusqlite::Error::SqliteFailure(code, Some(words)),
            ));
        }
        Self::prepare(db, path)
    }

    fn prepare(mut db: Connection, path: &Path) -> Result<Self, JournalError> {
        use_wal(&db).map_err(|source| failed(path, source))?;
        migrate(&mut db, path)?;
        Ok(Self {
            path: path.to_path_buf(),
            db,
        })
    }

    fn error(&self, source: rusqlite::Error) -> JournalError {
        failed(&self.path, source)
    }

    /// From now on the log may be moved into the file when it is closed.
    fn is_sound(&self) -> Result<(), JournalError> {
        self.db
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
            .map(|_| ())
            .map_err(|source| self.error(source))
    }

    /// Reads the rows after `seq`; refuses an end that is not the end that was recorded.
    fn read_rows(&self, seq: u64, limit: usize, rows: &mut Rows) -> Result<(), JournalError> {
        // One look at the file, so that what others append meanwhile does not confuse.
        let tx = self
            .db
            .unchecked_transaction()
            .map_err(|source| self.error(source))?;
        read_rows(&tx, seq, limit, rows).map_err(|source| self.error(source))?;
        if rows.len() < limit {
            let head = recorded_head(&tx).map_err(|source| self.error(source))?;
            let last = rows.last().map_or(seq, |row| row.seq);
            if last < head.seq {
                let head = head.seq;
                return Err(ChainError::Short { last, head }.into());
            }
        }
        Ok(())
    }

    /// The fact to read on from.
    fn at(&self, seq: u64) -> Result<Head, JournalError> {
        if seq == 0 {
            return Ok(Head::genesis());
        }
        let found = hash_at(&self.db, seq).map_err(|source| self.error(source))?;
        let Some(hash) = found else {
            let last = self.head()?.seq;
            return Err(ChainError::Short { last, head: seq }.into());
        };
        Ok(Head { seq, hash })
    }
}

impl Journal for SqliteJournal {
    fn head(&self) -> Result<Head, JournalError> {
        head(&self.db).map_err(|source| self.error(source))?
    }

    fn read_after(&self, seq: u64, limit: usize) -> Result<Vec<Record>, JournalError> {
        let mut rows = Rows::default();
        self.read_rows(seq, limit, &mut rows)?;
        stored::check(&self.at(seq)?, &rows)
    }

    fn for_each_after(&self, seq: u64, each: &mut dyn FnMut(&Record)) -> Result<(), JournalError> {
        let read = |after: &Head, rows: &mut Rows| self.read_rows(after.seq, BATCH, rows);
        stored::stream(self.at(seq)?, read, each)?;
        self.is_sound()
    }

    fn append(
        &mut self,
        expected: u64,
        lease: Option<&Lease>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Record>, JournalError> {
        if lease.is_none() && drafts.iter().any(|draft| draft.fact.needs_lease()) {
            return Err(JournalError::NoLease);
        }
        let path = self.path.clone();
        let error = |source| failed(&path, source);
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&error)?;
        let at_head = head(&tx).map_err(&error)??;
        if at_head.seq != expected {
            return Err(JournalError::Moved {
                expected,
                found: at_head.seq,
            });
        }
        if let Some(lease) = lease {
            journal::must_be_current(lease, current_fence(&tx).map_err(&error)?)?;
        }
        let (records, texts) = stored::chained(&at_head, drafts)?;
        insert(&tx, &records, &texts).map_err(&error)?;
        tx.commit().map_err(&error)?;
        Ok(records)
    }

    fn acquire(&mut self, holder: &str, now: Timestamp, ttl_s: u32) -> Result<Lease, JournalError> {
        let path = self.path.clone();
        let error = |source| failed(&path, source);
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&error)?;
        let (fence, held_by, expires): (u64, String, String) = tx
            .query_row("SELECT fence, holder, expires FROM lease", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .map_err(&error)?;
        let lapsed = journal::must_be_free(held_by, &expires, now)?;
        let lease = Lease {
            fence: fence + 1,
            holder: holder.to_string(),
            lapsed,
        };
        tx.execute(
            "UPDATE lease SET fence = ?, holder = ?, expires = ?",
            params![lease.fence, holder, journal::expiry(now, ttl_s)],
        )
        .map_err(&error)?;
        tx.commit().map_err(&error)?;
        Ok(lease)
    }

    fn must_hold(&self, lease: &Lease) -> Result<(), JournalError> {
        let current = current_fence(&self.db).map_err(|source| self.error(source))?;
        journal::must_be_current(lease, current)
    }

    fn renew(&mut self, lease: &Lease, now: Timestamp, ttl_s: u32) -> Result<(), JournalError> {
        let changed = self
            .db
            .execute(
                "UPDATE lease SET expires = ? WHERE fence = ?",
                params![journal::expiry(now, ttl_s), lease.fence],
            )
            .map_err(|source| self.error(source))?;
        if changed == 1 {
            return Ok(());
        }
        self.must_hold(lease)
    }

    fn release(&mut self, lease: &Lease) -> Result<(), JournalError> {
        self.db
            .execute(
                "UPDATE lease SET holder = '' WHERE fence = ?",
                params![lease.fence],
            )
            .map_err(|source| self.error(source))?;
        Ok(())
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, JournalError> {
    let error = |source| failed(path, source);
    let db = Connection::open_with_flags(path, flags).map_err(error)?;
    db.busy_timeout(BUSY).map_err(error)?;
    // A file that is damaged stays as it is: the log is not moved into it before the chain was
    // seen to hold.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map_err(error)?;
    db.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
        .map_err(error)?;
    Ok(db)
}

/// Turns the write-ahead log on. While another process does the same, SQLite answers "busy"
/// at once instead of waiting, to keep the two from waiting for each other.
fn use_wal(db: &Connection) -> rusqlite::Result<()> {
    let began = Instant::now();
    loop {
        match db.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if is_busy(&error) && began.elapsed() < BUSY => {
                std::thread::sleep(Duration::from_millis(10));
            }
            other => return other,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
}

fn migrate(db: &mut Connection, path: &Path) -> Result<(), JournalError> {
    let error = |source| failed(path, source);
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    // Nothing is written where nothing is to be done: not to a damaged file, nor to a full disk.
    if schema(db).map_err(error)? == known {
        return Ok(());
    }
    let tx = db
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(error)?;
    let found = schema(&tx).map_err(error)?;
    if found > known {
        return Err(JournalError::Newer { found, known });
    }
    for migration in MIGRATIONS.iter().skip(found as usize) {
        tx.execute_batch(migration).map_err(error)?;
    }
    tx.pragma_update(None, "user_version", known)
        .map_err(error)?;
    tx.commit().map_err(error)
}

fn schema(db: &Connection) -> rusqlite::Result<u32> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// The last fact, if it is the one that was last recorded.
fn head(db: &Connection) -> rusqlite::Result<Result<Head, JournalError>> {
    let last = db
        .prepare_cached("SELECT seq, hash FROM facts ORDER BY seq DESC LIMIT 1")?
        .query_row([], head_of)
        .optional()?
        .unwrap_or_else(Head::genesis);
    Ok(last.must_be(&recorded_head(db)?).map_err(Into::into))
}

fn recorded_head(db: &Connection) -> rusqlite::Result<Head> {
    db.prepare_cached("SELECT seq, hash FROM head")?
        .query_row([], head_of)
}

fn head_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Head> {
    Ok(Head {
        seq: row.get(0)?,
        hash: row.get(1)?,
    })
}

fn hash_at(db: &Connection, seq: u64) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("SELECT hash FROM facts WHERE seq = ?")?
        .query_row([seq], |row| row.get(0))
        .optional()
}

fn read_rows(db: &Connection, seq: u64, limit: usize, rows: &mut Rows) -> rusqlite::Result<()> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut query = db.prepare_cached(
        "SELECT seq, at, by, prev, hash, fact FROM facts WHERE seq > ? ORDER BY seq LIMIT ?",
    )?;
    let mut found = query.query(params![seq, limit])?;
    while let Some(row) = found.next()? {
        rows.push(Stored {
            seq: row.get(0)?,
            at: row.get_ref(1)?.as_str()?,
            by: row.get_ref(2)?.as_str()?,
            prev: row.get_ref(3)?.as_str()?,
            hash: row.get_ref(4)?.as_str()?,
            fact: row.get_ref(5)?.as_str()?,
        });
    }
    Ok(())
}

fn current_fence(db: &Connection) -> rusqlite::Result<u64> {
    db.prepare_cached("SELECT fence FROM lease")?
        .query_row([], |row| row.get(0))
}

fn insert(db: &Connection, records: &[Record], texts: &[String]) -> rusqlite::Result<()> {
    let mut row = db.prepare_cached("INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?)")?;
    for (record, text) in records.iter().zip(texts) {
        row.execute(params![
            record.seq,
            record.at.to_string(),
            record.by,
            record.prev,
            record.hash,
            text,
        ])?;
    }
    if let Some(last) = records.last() {
        db.prepare_cached("UPDATE head SET seq = ?, hash = ?")?
            .execute(params![last.seq, last.hash])?;
    }
    Ok(())
}

fn failed(path: &Path, source: rusqlite::Error) -> JournalError {
    use rusqlite::ErrorCode;
    let advice = match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process is writing to it; run the command again when that is done"
        }
        Some(ErrorCode::DiskFull) => {
            "make room on the disk and run the command again; what was recorded is still there"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "it is damaged or no journal; keep the file as it is and restore a copy beside it"
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            "check that its folder exists and that you may write to both"
        }
        _ => "keep the file as it is, remove the cause and run the command again",
    };
    JournalError::Store {
        store: path.display().to_string(),
        advice,
        source: Box::new(source),
    }
}
