//! The attacker's events one by one, each with the reason that convicts it.

use serde::{Deserialize, Serialize, Serializer};

use crate::answer::Verdict;
use crate::found::exposure::actor_id;
use crate::input::reader::Problem;
use crate::input::record::show_time;
use crate::log::{Log, Row, Sym};
use crate::taint::actors::Credential;
use crate::taint::attribution::Taint;
use crate::taint::links::{Link, Mark};
use crate::text::sanitize;

/// Most events that are told one by one: about 30 MB.
const MOST: usize = 50_000;

/// An event that is, or may be, the attacker's. Unknown texts are empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaintedEvent {
    /// Its id in the log.
    pub event_id: String,
    /// When, RFC 3339.
    pub time: Option<String>,
    /// Whose it is: [`Verdict::Attacker`] or [`Verdict::Uncertain`].
    pub verdict: Verdict,
    /// Who made it: the actor's id.
    pub actor: String,
    /// The account called.
    pub account: String,
    /// The region called.
    pub region: String,
    /// The call, `source:name`.
    pub call: String,
    /// The source address, or the name of a service.
    pub address: String,
    /// The user agent exactly as the log has it: whoever called chose it. Clean it with
    /// [`sanitize`](crate::sanitize) before it is shown; as JSON it is written clean.
    #[serde(serialize_with = "clean")]
    pub client: String,
    /// The error code, if it failed.
    pub error: Option<String>,
    /// Why it is, or may be, the attacker's, in words.
    pub reason: String,
    /// The id of the event that it follows from; null where it began.
    pub from: Option<String>,
}

/// What prints a text out of JSON would otherwise send its escapes to a terminal.
fn clean<S: Serializer>(text: &str, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&sanitize(text))
}

/// The attacker's and the uncertain events by time, and what is to be said if not all of them
/// fit: the attacker's go first.
pub(crate) fn events(
    log: &Log,
    taint: &Taint<'_>,
    tainted: &[u32],
) -> (Vec<TaintedEvent>, Option<Problem>) {
    let uncertain = log
        .numbers()
        .filter(|row| taint.mark(*row) == Mark::Uncertain);
    let mut rows: Vec<u32> = tainted.iter().copied().chain(uncertain).collect();
    let left = rows.len().saturating_sub(MOST);
    rows.truncate(MOST);
    rows.sort_unstable();
    let events = rows.into_iter().map(|row| event(log, taint, row)).collect();
    let problem = (left > 0).then(|| Problem {
        file: "the answer".into(),
        line: None,
        offset: None,
        what: format!(
            "{left} more events are not told one by one; their ids stand in tainted_events and \
             uncertain_events"
        ),
    });
    (events, problem)
}

fn event(log: &Log, taint: &Taint<'_>, at: u32) -> TaintedEvent {
    let row = &log.row(at);
    let id = |row: u32| sanitize(&log.event_id(row));
    let text = |sym: Sym| sanitize(log.text(sym));
    let (verdict, reason, from) = if taint.mark(at) == Mark::Tainted {
        let (link, from) = taint.why(at).unwrap_or((Link::Seed, None));
        (Verdict::Attacker, link.words(), from)
    } else {
        let (words, from) = taint.why_doubted(at);
        (Verdict::Uncertain, words, from)
    };
    TaintedEvent {
        event_id: id(at),
        time: row.time.and_then(show_time),
        verdict,
        actor: actor_id(log, Credential::of(log, row)),
        account: sanitize(account(log, row)),
        region: text(row.region),
        call: format!("{}:{}", text(row.source), text(row.name)),
        address: text(row.address),
        client: log.text(row.agent).to_owned(),
        error: row.error.some().then(|| text(row.error)),
        reason: reason.to_owned(),
        from: from.map(id),
    }
}

/// The account that the record was delivered to, else the caller's.
pub(crate) fn account<'l>(log: &'l Log, row: &Row<'_>) -> &'l str {
    let recipient = log.text(row.recipient);
    if recipient.is_empty() {
        log.text(row.account)
    } else {
        recipient
    }
}
