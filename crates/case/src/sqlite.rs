//! The journal in one SQLite file: the default.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::chain;
use crate::fact::{Fact, Record};
use crate::journal::{Draft, Head, Journal, JournalError, Lease};

/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(10);

/// Forward-only schema changes; the number applied is SQLite's `user_version`.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE facts (
        seq  INTEGER PRIMARY KEY,
        at   TEXT NOT NULL,
        by   TEXT NOT NULL,
        prev TEXT NOT NULL,
        hash TEXT NOT NULL UNIQUE,
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
"];

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
        let error = |source| JournalError::Sqlite {
            path: path.display().to_string(),
            source,
        };
        let mut db = Connection::open(path).map_err(error)?;
        db.busy_timeout(BUSY).map_err(error)?;
        use_wal(&db).map_err(error)?;
        db.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
            .map_err(error)?;
        migrate(&mut db, path)?;
        Ok(Self {
            path: path.to_path_buf(),
            db,
        })
    }

    fn error(&self, source: rusqlite::Error) -> JournalError {
        JournalError::Sqlite {
            path: self.path.display().to_string(),
            source,
        }
    }
}

impl Journal for SqliteJournal {
    fn head(&self) -> Result<Head, JournalError> {
        head(&self.db).map_err(|source| self.error(source))
    }

    fn read_after(&self, seq: u64) -> Result<Vec<Record>, JournalError> {
        let (mut last, mut prev) = match seq {
            0 => (0, chain::GENESIS.to_string()),
            _ => (
                seq,
                hash_at(&self.db, seq).map_err(|source| self.error(source))?,
            ),
        };
        let mut records = Vec::new();
        let mut query = self
            .db
            .prepare_cached(
                "SELECT seq, at, by, prev, hash, fact FROM facts WHERE seq > ? ORDER BY seq",
            )
            .map_err(|source| self.error(source))?;
        let mut rows = query.query([seq]).map_err(|source| self.error(source))?;
        while let Some(row) = rows.next().map_err(|source| self.error(source))? {
            let record = record(row).map_err(|source| self.error(source))??;
            chain::follows(last, &prev, &record)?;
            last = record.seq;
            prev.clone_from(&record.hash);
            records.push(record);
        }
        Ok(records)
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
        let path = self.path.display().to_string();
        let error = |source| JournalError::Sqlite {
            path: path.clone(),
            source,
        };
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&error)?;
        let mut at_head = head(&tx).map_err(&error)?;
        if at_head.seq != expected {
            return Err(JournalError::Moved {
                expected,
                found: at_head.seq,
            });
        }
        if let Some(lease) = lease {
            let current = current_fence(&tx).map_err(&error)?;
            if current != lease.fence {
                return Err(JournalError::Fenced {
                    ours: lease.fence,
                    current,
                });
            }
        }
        let mut records = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let record = chained(&at_head, draft)?;
            insert(&tx, &record).map_err(&error)??;
            at_head = Head {
                seq: record.seq,
                hash: record.hash.clone(),
            };
            records.push(record);
        }
        tx.commit().map_err(&error)?;
        Ok(records)
    }

    fn acquire(&mut self, holder: &str, now: Timestamp, ttl_s: u32) -> Result<Lease, JournalError> {
        let path = self.path.display().to_string();
        let error = |source| JournalError::Sqlite {
            path: path.clone(),
            source,
        };
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&error)?;
        let (fence, held_by, expires): (u64, String, String) = tx
            .query_row("SELECT fence, holder, expires FROM lease", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .map_err(&error)?;
        let until: Timestamp = expires.parse().unwrap_or(Timestamp::UNIX_EPOCH);
        if !held_by.is_empty() && until > now {
            return Err(JournalError::Held {
                holder: held_by,
                until,
            });
        }
        let lease = Lease {
            fence: fence + 1,
            holder: holder.to_string(),
        };
        tx.execute(
            "UPDATE lease SET fence = ?, holder = ?, expires = ?",
            params![lease.fence, holder, expiry(now, ttl_s)],
        )
        .map_err(&error)?;
        tx.commit().map_err(&error)?;
        Ok(lease)
    }

    fn renew(&mut self, lease: &Lease, now: Timestamp, ttl_s: u32) -> Result<(), JournalError> {
        let changed = self
            .db
            .execute(
                "UPDATE lease SET expires = ? WHERE fence = ?",
                params![expiry(now, ttl_s), lease.fence],
            )
            .map_err(|source| self.error(source))?;
        if changed == 1 {
            return Ok(());
        }
        let current = current_fence(&self.db).map_err(|source| self.error(source))?;
        Err(JournalError::Fenced {
            ours: lease.fence,
            current,
        })
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
    let error = |source| JournalError::Sqlite {
        path: path.display().to_string(),
        source,
    };
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    let tx = db
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(error)?;
    let found: u32 = tx
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(error)?;
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

fn head(db: &Connection) -> rusqlite::Result<Head> {
    let last = db
        .query_row(
            "SELECT seq, hash FROM facts ORDER BY seq DESC LIMIT 1",
            [],
            |row| {
                Ok(Head {
                    seq: row.get(0)?,
                    hash: row.get(1)?,
                })
            },
        )
        .optional()?;
    Ok(last.unwrap_or_else(|| Head {
        seq: 0,
        hash: chain::GENESIS.to_string(),
    }))
}

fn hash_at(db: &Connection, seq: u64) -> rusqlite::Result<String> {
    db.query_row("SELECT hash FROM facts WHERE seq = ?", [seq], |row| {
        row.get(0)
    })
}

fn current_fence(db: &Connection) -> rusqlite::Result<u64> {
    db.query_row("SELECT fence FROM lease", [], |row| row.get(0))
}

fn expiry(now: Timestamp, ttl_s: u32) -> String {
    let ttl = jiff::SignedDuration::from_secs(i64::from(ttl_s));
    now.checked_add(ttl).unwrap_or(Timestamp::MAX).to_string()
}

fn chained(head: &Head, draft: Draft) -> Result<Record, JournalError> {
    let mut record = Record {
        seq: head.seq + 1,
        at: draft.at,
        by: draft.by,
        prev: head.hash.clone(),
        hash: String::new(),
        fact: draft.fact,
    };
    record.hash = chain::hash_of(&record)?;
    Ok(record)
}

fn insert(db: &Connection, record: &Record) -> rusqlite::Result<Result<(), JournalError>> {
    let fact = match chain::canonical(&record.fact) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => return Ok(Err(error.into())),
    };
    db.prepare_cached("INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?)")?
        .execute(params![
            record.seq,
            record.at.to_string(),
            record.by,
            record.prev,
            record.hash,
            fact,
        ])?;
    Ok(Ok(()))
}

fn record(row: &rusqlite::Row<'_>) -> rusqlite::Result<Result<Record, JournalError>> {
    let seq: u64 = row.get(0)?;
    let (at, fact): (String, String) = (row.get(1)?, row.get(5)?);
    let (by, prev, hash) = (row.get(2)?, row.get(3)?, row.get(4)?);
    let altered = || JournalError::Chain(chain::ChainError::Altered { seq });
    Ok((|| {
        let at = at.parse().map_err(|_| altered())?;
        let fact: Fact = serde_json::from_str(&fact)
            .map_err(|source| JournalError::Unreadable { seq, source })?;
        Ok(Record {
            seq,
            at,
            by,
            prev,
            hash,
            fact,
        })
    })())
}
