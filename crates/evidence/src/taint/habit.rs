//! What a credential does anyway, so that doing it once more tells nothing.

use std::hash::Hash;

use crate::log::tables::{Map, Set};
use crate::log::{Log, Sym, What};
use crate::taint::premises::is_habit;

/// One day in milliseconds.
const DAY: i64 = 24 * 3_600_000;

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

/// Calls and secrets that are nothing new for a credential.
pub(crate) struct Known {
    pub(crate) calls: Set<(Sym, Sym)>,
    pub(crate) secrets: Set<Sym>,
}

impl Known {
    /// What was there before `rows`; both sorted by time. A log begins in the middle of things:
    /// where no habit is seen before them, what they do day by day is one.
    pub(crate) fn new(log: &Log, before: &[u32], rows: &[u32]) -> Known {
        let mut known = Known {
            calls: before.iter().map(|row| call(log, *row)).collect(),
            secrets: before.iter().flat_map(|row| secrets(log, *row)).collect(),
        };
        let days = |rows: &[u32]| match (rows.first(), rows.last()) {
            (Some(first), Some(last)) => day(log, *last) - day(log, *first) + 1,
            _ => 0,
        };
        if days(rows) >= i64::from(ROUTINE_DAYS) && !is_habit(log, before) {
            let calls = rows.iter().map(|row| (*row, call(log, *row)));
            let read = |row: &u32| {
                let row = *row;
                secrets(log, row).map(move |id| (row, id))
            };
            known.calls.extend(routine(log, calls));
            known
                .secrets
                .extend(routine(log, rows.iter().flat_map(read)));
        }
        known
    }
}

/// Service and name of a call.
pub(crate) fn call(log: &Log, row: u32) -> (Sym, Sym) {
    let call = &log.calls()[log.call(row) as usize];
    (call.source, call.name)
}

/// The secrets that a call read.
pub(crate) fn secrets(log: &Log, row: u32) -> impl Iterator<Item = Sym> {
    let is_secret =
        |kind: &str| kind.starts_with("secretsmanager") || kind.starts_with("ssm-parameter");
    let failed = log.error(row).some();
    let facts = log.facts(row).iter();
    facts
        .filter(move |fact| fact.what == What::Read && !failed && is_secret(log.text(fact.other)))
        .map(|fact| fact.name)
}

fn day(log: &Log, row: u32) -> i64 {
    log.at(row).div_euclid(DAY)
}

/// The values that come day by day; `values` in the order of time.
fn routine<K: Copy + Eq + Hash>(
    log: &Log,
    values: impl Iterator<Item = (u32, K)>,
) -> impl Iterator<Item = K> {
    let mut counts: Map<K, (u32, u32, i64)> = Map::default();
    for (row, value) in values {
        let today = day(log, row);
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
