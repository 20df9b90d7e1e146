//! Sealed values on disk: one SQLite file, so that many become durable with one sync.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

use crate::atomic::{destroy, write_private};
use crate::custody::CustodyError;

/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(10);

/// A write-ahead log: one sync a transaction.
const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE sealed (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
";

/// What was put survives a power cut, and what is removed is overwritten.
const SETTINGS: &str = "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;";

/// Ciphertext by name.
#[derive(Debug)]
pub(crate) struct SealedValues {
    path: PathBuf,
    /// Opened when it is first needed.
    db: Mutex<Option<Connection>>,
}

impl SealedValues {
    /// Makes the file at `path`.
    pub(crate) fn create(path: PathBuf) -> Result<Self, CustodyError> {
        // For its owner alone; the log beside it gets the same rights.
        write_private(&path, b"").map_err(|source| CustodyError::Io {
            path: path.clone(),
            source,
        })?;
        let values = Self::at(path);
        values.with(|db| db.execute_batch(SCHEMA))?;
        Ok(values)
    }

    /// Those in the file at `path`.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self {
            path,
            db: Mutex::new(None),
        }
    }

    /// Puts all of them or none, in place of what was there; they are synced when this returns.
    pub(crate) fn put(&self, values: &[(String, Vec<u8>)]) -> Result<(), CustodyError> {
        self.with(|db| {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for (name, value) in values {
                tx.prepare_cached("INSERT OR REPLACE INTO sealed VALUES (?, ?)")?
                    .execute(params![name, value])?;
            }
            tx.commit()
        })
    }

    /// What was put under a name.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Vec<u8>>, CustodyError> {
        self.with(|db| {
            db.prepare_cached("SELECT value FROM sealed WHERE name = ?")?
                .query_row([name], |row| row.get(0))
                .optional()
        })
    }

    /// Overwrites and removes what was put under a name; nothing there is fine.
    pub(crate) fn remove(&self, name: &str) -> Result<(), CustodyError> {
        self.with(|db| {
            db.execute("DELETE FROM sealed WHERE name = ?", [name])?;
            // The log holds a copy until it is emptied.
            db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        })
    }

    /// Overwrites and removes the file; doing it twice is fine.
    pub(crate) fn destroy(&self) -> Result<(), CustodyError> {
        let mut db = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        *db = None;
        for ending in ["", "-wal", "-shm"] {
            let mut path = self.path.clone().into_os_string();
            path.push(ending);
            let path = PathBuf::from(path);
            destroy(&path).map_err(|source| CustodyError::Io { path, source })?;
        }
        Ok(())
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, CustodyError> {
        // A transaction that a panic left open was rolled back.
        let mut db = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        let work = || match &mut *db {
            Some(open) => work(open),
            none => work(none.insert(open(&self.path)?)),
        };
        work().map_err(|source| CustodyError::Values {
            path: self.path.clone(),
            source,
        })
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    // A file that is gone is not made anew: what it held would be lost without a word.
    let flags = OpenFlags::default() - OpenFlags::SQLITE_OPEN_CREATE;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    db.execute_batch(SETTINGS)?;
    Ok(db)
}
