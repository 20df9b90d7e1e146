//! What a credential does anyway, so that doing it once more tells nothing.

use std::hash::Hash;

use crate::log::tables::{Map, Set};
use crate::log::{Part, Sym, What};

/// One hour in milliseconds.
const HOUR: i64 = 3_600_000;

/// One day in milliseconds.
const DAY: i64 = 24 * HOUR;

/// What comes on so many days, and so many times, is done day by day.
const ROUTINE_DAYS: u32 = 3;
const ROUTINE_TIMES: u32 = 20;

/// What a credential did before some calls, sorted by time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habit<'a> {
    pub(crate) before: &'a [u32],
    /// It was over when the calls began.
    pub(crate) ended: bool,
}

impl<'a> Habit<'a> {
    /// A habit that may have gone on.
    pub(crate) fn new(before: &'a [u32]) -> Self {
        Habit {
            before,
            ended: false,
        }
    }
}

/// Whether events are enough of a habit to compare with: five over an hour. `at` tells when each
/// was, in milliseconds.
pub(crate) fn is_habit(rows: &[u32], at: impl Fn(u32) -> i64) -> bool {
    match (rows.first(), rows.last()) {
        (Some(first), Some(last)) => rows.len() >= 5 && at(*last) - at(*first) >= HOUR,
        _ => false,
    }
}

/// Calls and secrets that are nothing new for a credential.
pub(crate) struct Known {
    pub(crate) calls: Set<(Sym, Sym)>,
    pub(crate) secrets: Set<Sym>,
}

impl Known {
    /// What was there before `rows`; both sorted by time. A log begins in the middle of things:
    /// where no habit is seen before them, what they do day by day is one.
    pub(crate) fn new(part: &Part<'_>, before: &[u32], rows: &[u32]) -> Known {
        let mut known = Known {
            calls: before.iter().map(|row| call(part, *row)).collect(),
            secrets: before.iter().flat_map(|row| secrets(part, *row)).collect(),
        };
        let days = |rows: &[u32]| match (rows.first(), rows.last()) {
            (Some(first), Some(last)) => day(part, *last) - day(part, *first) + 1,
            _ => 0,
        };
        if days(rows) >= i64::from(ROUTINE_DAYS) && !is_habit(before, |row| part.at(row)) {
            let calls = rows.iter().map(|row| (*row, call(part, *row)));
            let read = |row: &u32| {
                let row = *row;
                secrets(part, row).map(move |id| (row, id))
            };
            known.calls.extend(routine(part, calls));
            known
                .secrets
                .extend(routine(part, rows.iter().flat_map(read)));
        }
        known
    }
}

/// Service and name of a call.
pub(crate) fn call(part: &Part<'_>, row: u32) -> (Sym, Sym) {
    let call = part.call(row);
    (call.source, call.name)
}

/// The secrets that a call read.
pub(crate) fn secrets(part: &Part<'_>, row: u32) -> impl Iterator<Item = Sym> {
    let is_secret =
        |kind: &str| kind.starts_with("secretsmanager") || kind.starts_with("ssm-parameter");
    let failed = part.call(row).error.some();
    let facts = part.facts(row).iter();
    facts
        .filter(move |fact| fact.what == What::Read && !failed && is_secret(part.text(fact.other)))
        .map(|fact| fact.name)
}

fn day(part: &Part<'_>, row: u32) -> i64 {
    part.at(row).div_euclid(DAY)
}

/// The values that come day by day; `values` in the order of time.
fn routine<K: Copy + Eq + Hash>(
    part: &Part<'_>,
    values: impl Iterator<Item = (u32, K)>,
) -> impl Iterator<Item = K> {
    let mut counts: Map<K, (u32, u32, i64)> = Map::default();
    for (row, value) in values {
        let today = day(part, row);
        let (times, days, last) = counts.entry(value).or_insert((0, 0, i64::MIN));
        *times += 1;
        *days += u32::from(*last != today);
        *last = today;
    }
    let often = counts
        .into_iter()
        .filter(|(_, (times, days, _))| *times >= ROUTINE_TIMES && *days >= ROUTINE_DAYS);
    often.map(|(value, _)| value)
}
