//! Indicators as CSV.

use std::io::Write;

use relatch_evidence::Triage;

use crate::indicators::collect::collect;
use crate::indicators::indicator::Indicator;
use crate::moment::Moment;
use crate::timeline::{line, list};
use crate::write::WriteError;

const HEAD: [&str; 11] = [
    "kind",
    "value",
    "standing",
    "planted",
    "exact",
    "events",
    "first",
    "last",
    "tactics",
    "techniques",
    "note",
];

/// Writes indicators as CSV (RFC 4180), one a line, guarded against formulas as
/// [`crate::timeline::csv`] is.
///
/// # Errors
/// When the writer fails.
pub fn csv(triage: &Triage, moments: &[Moment], out: &mut impl Write) -> Result<(), WriteError> {
    line(&HEAD.map(String::from), out)?;
    for indicator in collect(triage, moments) {
        line(&cells(&indicator), out)?;
    }
    Ok(())
}

fn cells(indicator: &Indicator) -> [String; 11] {
    let time = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let all = |texts: &std::collections::BTreeSet<String>| {
        list(&texts.iter().cloned().collect::<Vec<_>>())
    };
    [
        indicator.kind.word().to_owned(),
        indicator.value.clone(),
        indicator.standing.word().to_owned(),
        indicator.planted.to_string(),
        indicator.exact.to_string(),
        indicator.events.to_string(),
        time(indicator.first),
        time(indicator.last),
        all(&indicator.tactics),
        all(&indicator.techniques),
        indicator.note.clone(),
    ]
}
