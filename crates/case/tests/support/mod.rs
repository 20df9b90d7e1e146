//! What every journal must hold to, for any store that can be opened.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod contract;
pub(crate) mod processes;
pub(crate) mod proxy;
pub(crate) mod server;

use jiff::Timestamp;
use relatch_case::{Draft, Fact, Journal, JournalError, Record};

type Opened = Result<Box<dyn Journal>, JournalError>;

/// One journal: how to open it, once more or from another process, and how to do it harm.
pub(crate) struct Store {
    pub(crate) open: Box<dyn Fn() -> Opened + Send + Sync>,
    /// Runs SQL against the tables with the triggers out of the way.
    pub(crate) tamper: Box<dyn Fn(&str) + Send + Sync>,
    /// Runs SQL as anybody would; whether it was let through.
    pub(crate) try_sql: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// Makes it look as if a newer version had written it.
    pub(crate) make_newer: Box<dyn Fn() + Send + Sync>,
    /// Where it is, for [`processes`].
    pub(crate) address: String,
    /// Kept while it is used.
    pub(crate) folder: Option<tempfile::TempDir>,
}

impl Store {
    pub(crate) fn open(&self) -> Box<dyn Journal> {
        (self.open)().expect("open")
    }
}

pub(crate) fn now() -> Timestamp {
    "2026-11-21T03:00:00Z".parse().expect("a time")
}

pub(crate) fn draft(remark: &str) -> Draft {
    let fact = Fact::BlindSpotFound {
        what: remark.to_string(),
        why: "é\u{1f510}\u{0}".to_string(),
        hides: String::new(),
    };
    Draft {
        at: now(),
        by: "tést \"quoted\"".to_string(),
        fact,
    }
}

pub(crate) fn step(id: &str) -> Draft {
    let fact = Fact::StepIntended {
        step: id.into(),
        attempt: 1,
        baseline: serde_json::json!({"keys": ["b", "a"], "n": 1}).into(),
    };
    Draft {
        at: now(),
        by: "test".to_string(),
        fact,
    }
}

pub(crate) fn all(journal: &dyn Journal) -> Result<Vec<Record>, JournalError> {
    let mut records = Vec::new();
    journal.for_each_after(0, &mut |record| records.push(record.clone()))?;
    Ok(records)
}

pub(crate) fn remark(record: &Record) -> &str {
    match &record.fact {
        Fact::BlindSpotFound { what, .. } => what,
        other => panic!("not ours: {other:?}"),
    }
}

/// An error with everything behind it, as the binary shows it.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    format!("{text} {error:?}")
}
