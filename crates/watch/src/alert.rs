//! What people are told.

use relatch_case::{CaseId, chain};
use relatch_secret::redact;
use serde::{Deserialize, Serialize};

use crate::sift::Hit;

/// One message to people. Never holds a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What it is about, in a line.
    pub title: String,
    /// The rest.
    pub text: String,
    /// The case.
    pub case: CaseId,
    /// The hits it tells of.
    pub hits: Vec<Hit>,
}

/// How a line for a terminal or a log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFormat {
    /// For programs: the alert as JSON.
    Json,
    /// For people.
    Text,
}

impl Alert {
    /// The alert that tells of hits. `None` when there are none.
    pub fn of_hits(case: &CaseId, hits: &[Hit]) -> Option<Self> {
        let first = hits.first()?;
        let title = match hits.len() {
            1 => format!("{case}: retired key {} was tried", first.key),
            uses => format!("{case}: retired keys were tried {uses} times"),
        };
        let mut lines: Vec<String> = hits.iter().map(line).collect();
        if hits.iter().any(|hit| hit.refused == Some(false)) {
            lines.insert(
                0,
                "A call was not refused: the key may still work. Probe it now.".to_string(),
            );
        }
        Some(Self {
            title: redact::outside(&title),
            text: lines.join("\n"),
            case: case.clone(),
            hits: hits.to_vec(),
        })
    }

    /// One line, to be printed by the caller.
    pub fn line(&self, format: LineFormat) -> Result<String, serde_json::Error> {
        match format {
            LineFormat::Json => serde_json::to_string(self),
            LineFormat::Text => {
                let text: Vec<&str> = self.text.lines().collect();
                let line = format!("{}: {}", self.title, text.join(" | "));
                Ok(redact::printable_text(&line))
            }
        }
    }

    /// The same for the same alert, so that a receiver can drop what it was told before.
    pub fn idempotency_key(&self) -> Result<String, chain::CanonicalError> {
        Ok(chain::sha256_hex(&chain::canonical(self)?))
    }
}

fn line(hit: &Hit) -> String {
    format!(
        "{} {} ({}){}: {} [{}]",
        hit.at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        redact::printable_text(hit.key.as_str()),
        redact::printable_text(hit.issuer.as_str()),
        if hit.planted {
            ", made by the thief"
        } else {
            ""
        },
        redact::outside(&hit.seen),
        redact::printable_text(&hit.event_id)
    )
}
