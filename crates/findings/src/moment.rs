//! One event of a triage, with why it is told.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clean::clean;

/// Whose an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The attacker's.
    Attacker,
    /// Perhaps the attacker's.
    Uncertain,
}

impl Verdict {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Attacker => "attacker",
            Verdict::Uncertain => "uncertain",
        }
    }
}

/// One event that is, or may be, the attacker's. Unknown texts are empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    /// The event's id in the log.
    pub event_id: String,
    /// When, RFC 3339; null if the log does not tell.
    pub time: Option<Timestamp>,
    /// Whose it is.
    pub verdict: Verdict,
    /// The actor's id, as in the triage.
    pub actor: String,
    /// Account called.
    pub account: String,
    /// Region called.
    pub region: String,
    /// The call, `source:name`.
    pub call: String,
    /// Source address, or the name of a service.
    pub address: String,
    /// User agent.
    pub client: String,
    /// The error code, if it failed.
    pub error: Option<String>,
    /// Why it is the attacker's, in words.
    pub reason: String,
    /// The id of the event that it follows from.
    pub from: Option<String>,
    /// Ids of secrets that it read.
    pub reads: Vec<String>,
    /// What it planted.
    pub made: Vec<String>,
    /// Names of MITRE ATT&CK tactics; the first is the phase that the event is shown under.
    pub tactics: Vec<String>,
    /// Ids of MITRE ATT&CK techniques, `T1078` or `T1078.004`.
    pub techniques: Vec<String>,
    /// Titles of the detections that fired on it.
    pub detections: Vec<String>,
}

impl Moment {
    /// The same with texts that are safe to show; long ones are cut with a mark.
    pub(crate) fn clean(&self) -> Moment {
        let all = |texts: &[String]| texts.iter().map(|text| clean(text)).collect();
        Moment {
            event_id: clean(&self.event_id),
            time: self.time,
            verdict: self.verdict,
            actor: clean(&self.actor),
            account: clean(&self.account),
            region: clean(&self.region),
            call: clean(&self.call),
            address: clean(&self.address),
            client: clean(&self.client),
            error: self.error.as_deref().map(clean),
            reason: clean(&self.reason),
            from: self.from.as_deref().map(clean),
            reads: all(&self.reads),
            made: all(&self.made),
            tactics: all(&self.tactics),
            techniques: all(&self.techniques),
            detections: all(&self.detections),
        }
    }

    /// The service called, without its domain (`secretsmanager`), and the call's name.
    pub(crate) fn service_and_name(&self) -> (&str, &str) {
        let (source, name) = self.call.split_once(':').unwrap_or(("", &self.call));
        (
            source.strip_suffix(".amazonaws.com").unwrap_or(source),
            name,
        )
    }

    /// The phase it is shown under; empty if no tactic is named.
    pub(crate) fn phase(&self) -> &str {
        self.tactics.first().map_or("", String::as_str)
    }
}

/// Clean moments in the order of time; those without a time come last, in their own order.
pub(crate) fn in_order(moments: &[Moment]) -> Vec<Moment> {
    let mut sorted: Vec<Moment> = moments.iter().map(Moment::clean).collect();
    sorted.sort_by_key(|moment| moment.time.unwrap_or(Timestamp::MAX));
    sorted
}
