//! How facts are made canonical, hashed and chained.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::fact::Record;

/// The `prev` of the first fact.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Data that has no canonical form (a map with keys that are not text, say).
#[derive(Debug, thiserror::Error)]
#[error("cannot be written as canonical JSON")]
pub struct CanonicalError(#[from] serde_json::Error);

/// Canonical JSON (RFC 8785) of any data.
pub fn canonical<T: Serialize>(data: &T) -> Result<Vec<u8>, CanonicalError> {
    Ok(serde_json_canonicalizer::to_vec(data)?)
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The hash of a fact: over its canonical JSON with everything but the hash itself, so that
/// it can be checked with `jq -cS` and `sha256sum` alone.
pub fn hash_of(record: &Record) -> Result<String, CanonicalError> {
    #[derive(Serialize)]
    struct Hashed<'a> {
        seq: u64,
        at: &'a jiff::Timestamp,
        by: &'a str,
        prev: &'a str,
        fact: &'a crate::Fact,
    }
    let hashed = Hashed {
        seq: record.seq,
        at: &record.at,
        by: &record.by,
        prev: &record.prev,
        fact: &record.fact,
    };
    Ok(sha256_hex(&canonical(&hashed)?))
}

/// What is wrong with a chain of facts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// A fact is missing or out of order.
    #[error("fact {expected} is missing: found {found} in its stead")]
    Gap {
        /// The number expected.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// A fact does not follow the one before.
    #[error("fact {seq} does not follow the fact before it: one of the two was altered")]
    Broken {
        /// Its number.
        seq: u64,
    },
    /// A fact's content does not match its hash.
    #[error("fact {seq} was altered: its content does not match its hash")]
    Altered {
        /// Its number.
        seq: u64,
    },
}

/// Checks that `record` follows the fact numbered `seq` with hash `prev`.
pub fn follows(seq: u64, prev: &str, record: &Record) -> Result<(), ChainError> {
    if record.seq != seq + 1 {
        return Err(ChainError::Gap {
            expected: seq + 1,
            found: record.seq,
        });
    }
    if record.prev != prev {
        return Err(ChainError::Broken { seq: record.seq });
    }
    match hash_of(record) {
        Ok(hash) if hash == record.hash => Ok(()),
        _ => Err(ChainError::Altered { seq: record.seq }),
    }
}

/// Checks a whole chain from its first fact.
pub fn verify<'a>(records: impl IntoIterator<Item = &'a Record>) -> Result<(), ChainError> {
    let (mut seq, mut prev) = (0, GENESIS);
    for record in records {
        follows(seq, prev, record)?;
        (seq, prev) = (record.seq, &record.hash);
    }
    Ok(())
}
