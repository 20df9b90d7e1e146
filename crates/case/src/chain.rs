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
    Ok(crate::canonical::to_vec(data)?)
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex_of(Sha256::new_with_prefix(bytes))
}

fn hex_of(hash: Sha256) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// The hash of a fact: over its canonical JSON with everything but the hash itself, so that
/// it can be checked with `jq -cS` and `sha256sum` alone.
pub fn hash_of(record: &Record) -> Result<String, CanonicalError> {
    let fact = canonical(&record.fact)?;
    let at = record.at.to_string();
    Ok(hash_of_text(
        record.seq,
        &at,
        &record.by,
        &record.prev,
        &fact,
    )?)
}

/// The hash of a fact whose canonical text is known: the same bytes as in [`hash_of`], with
/// `fact` taken as it stands. A text that is not canonical gives another hash.
pub(crate) fn hash_of_text(
    seq: u64,
    at: &str,
    by: &str,
    prev: &str,
    fact: &[u8],
) -> Result<String, serde_json::Error> {
    // What stands around the fact, which is not copied: a plan may be large.
    let mut bytes = Vec::with_capacity(by.len() + 128);
    // Names in order of their letters, as RFC 8785 wants them. Strings and whole numbers are
    // written by serde_json as that standard writes them.
    bytes.extend_from_slice(b"{\"at\":");
    serde_json::to_writer(&mut bytes, at)?;
    bytes.extend_from_slice(b",\"by\":");
    serde_json::to_writer(&mut bytes, by)?;
    bytes.extend_from_slice(b",\"fact\":");
    let hash = Sha256::new_with_prefix(&bytes).chain_update(fact);
    bytes.clear();
    bytes.extend_from_slice(b",\"prev\":");
    serde_json::to_writer(&mut bytes, prev)?;
    bytes.extend_from_slice(b",\"seq\":");
    serde_json::to_writer(&mut bytes, &seq)?;
    bytes.push(b'}');
    Ok(hex_of(hash.chain_update(&bytes)))
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
    /// Facts are missing at the end.
    #[error("the facts after {last} are missing: the journal had {head}")]
    Short {
        /// The last fact that is there.
        last: u64,
        /// The last fact that was recorded.
        head: u64,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fact;

    /// What the hash is said to be over, written by the canonicalizer from end to end.
    fn spelled_out(record: &Record) -> String {
        let whole = serde_json::json!({
            "seq": record.seq,
            "at": record.at,
            "by": record.by,
            "prev": record.prev,
            "fact": record.fact,
        });
        sha256_hex(&canonical(&whole).expect("canonical"))
    }

    #[test]
    fn the_hash_is_over_the_canonical_json_of_the_whole() {
        let every = (0..=0x7f_u8).map(char::from).collect::<String>();
        for (seq, by) in [
            (1, "é\u{1f510}\u{2028}".to_string()),
            (u64::from(u32::MAX), every),
        ] {
            let record = Record {
                seq,
                at: "2026-11-21T03:00:00.000000001Z".parse().expect("a time"),
                by: by.clone(),
                prev: GENESIS.to_string(),
                hash: String::new(),
                fact: Fact::StepIntended {
                    step: by.as_str().into(),
                    attempt: 1,
                    baseline: serde_json::json!({"b": [1, -2, 1.5, null], "a": {"\u{7f}": by}})
                        .into(),
                },
            };
            assert_eq!(hash_of(&record).expect("hash"), spelled_out(&record));
        }
    }
}
