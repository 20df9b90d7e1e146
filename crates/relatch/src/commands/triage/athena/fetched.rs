//! What came back, as evidence.

use std::collections::BTreeMap;

use relatch_aws::{RowPage, TableName};
use relatch_detect::sql;
use relatch_evidence::{BlindSpot, Problem, Source};

use crate::error::CommandError;

/// Most events that are taken in; more would not fit into the memory of a small machine.
pub(super) const MOST_EVENTS: usize = 1_000_000;

/// What came back so far.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    pub(super) sources: Vec<Source>,
    pub(super) problems: Vec<Problem>,
    pub(super) events: usize,
    /// Detections that have no SQL.
    pub(super) not_pushed: usize,
    /// Shared ids and source identities, by event id.
    pub(super) ties: BTreeMap<String, Ties>,
}

/// What ties an event to others that are not its actor's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ties {
    pub(super) shared: Option<String>,
    pub(super) source_identity: Option<String>,
}

impl Fetched {
    pub(super) fn is_full(&self) -> bool {
        self.events >= MOST_EVENTS
    }

    /// Takes in the rows of one page under this name.
    pub(super) fn take(&mut self, name: &str, page: &RowPage) -> Result<(), CommandError> {
        let mut lines = String::new();
        for row in &page.rows {
            let pairs = page.columns.iter().map(String::as_str);
            let record = sql::record(pairs.zip(row.iter().map(Option::as_deref)))?;
            self.tie(&page.columns, row);
            lines.push_str(&record);
            lines.push('\n');
        }
        self.events += page.rows.len();
        if !page.rows.is_empty() {
            self.sources.push(Source::Bytes {
                name: name.to_owned(),
                bytes: lines.into_bytes(),
            });
        }
        Ok(())
    }

    /// Keeps what ties a row's event to others.
    fn tie(&mut self, columns: &[String], row: &[Option<String>]) {
        let value = |name: &str| {
            let at = columns
                .iter()
                .position(|one| one.eq_ignore_ascii_case(name))?;
            row.get(at)?.clone().filter(|text| !text.is_empty())
        };
        let ties = Ties {
            shared: value("sharedEventID"),
            source_identity: value("userIdentity.sessionContext.sourceIdentity"),
        };
        if let Some(id) = value("eventID").filter(|_| ties != Ties::default()) {
            self.ties.insert(id, ties);
        }
    }

    /// What is not known because only some events were fetched.
    pub(super) fn blind_spot(&self, name: &TableName) -> BlindSpot {
        let more = match self.not_pushed {
            0 => String::new(),
            rules => format!("; {rules} detections have no SQL and saw only what came back"),
        };
        BlindSpot {
            what: format!(
                "only events that the detections, the seeds and the convicted actors point to were fetched from {name}{more}"
            ),
            hides: "what the thief did under an identity that no detection, seed or conviction leads to".to_owned(),
        }
    }

    /// Keeps a problem with the table.
    pub(super) fn problem(&mut self, name: &TableName, what: String) {
        self.problems.push(Problem {
            file: name.to_string(),
            line: None,
            offset: None,
            what,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_evidence_and_what_ties_them_to_others_is_kept() {
        let columns = ["eventID", "sharedEventID", "eventName"].map(str::to_owned);
        let text = |text: &str| Some(text.to_owned());
        let page = |columns: &[String], rows: Vec<Vec<Option<String>>>| RowPage {
            columns: columns.to_vec(),
            rows,
        };
        let rows = vec![
            vec![text("1"), text("shared"), text("AssumeRole")],
            vec![text("2"), None, text("GetObject")],
        ];
        let mut fetched = Fetched::default();
        fetched
            .take("page 1", &page(&columns, rows))
            .expect("taken");
        fetched
            .take("page 2", &page(&columns, Vec::new()))
            .expect("taken");
        assert_eq!((fetched.events, fetched.sources.len()), (2, 1));
        let Source::Bytes { bytes, .. } = &fetched.sources[0] else {
            panic!("bytes");
        };
        assert_eq!(String::from_utf8_lossy(bytes).lines().count(), 2);
        assert_eq!(fetched.ties.len(), 1);
        assert_eq!(fetched.ties["1"].shared.as_deref(), Some("shared"));
        let wrong = ["surprise".to_owned()];
        fetched
            .take("page 3", &page(&wrong, vec![vec![None]]))
            .expect_err("refused");
    }
}
