//! What services did on somebody's behalf.
//!
//! Such an event has the caller's ARN, a fresh key that nothing announces, and the service's own
//! address. It belongs to whoever made the call that stands behind it.

use std::collections::{BTreeMap, BTreeSet};

use crate::found::exposure::names_secret;
use crate::log::{Fact, Log, Row, Sym, What};
use crate::taint::attribution::{SLACK, Taint};
use crate::taint::links::{Doubt, Link, Mark};

impl Taint<'_> {
    /// What services did on somebody's behalf: the attacker's if the call behind it was his.
    pub(crate) fn on_behalf(&mut self) {
        let mut found: Vec<(u32, Option<u32>)> = Vec::new();
        let arns: BTreeSet<Sym> = self
            .tainted()
            .into_iter()
            .map(|row| self.row(row).arn)
            .filter(|arn| arn.some())
            .collect();
        for arn in arns {
            let rows = self.index.by_arn(arn);
            let (behalf, own): (Vec<u32>, Vec<u32>) = rows
                .iter()
                .partition(|row| self.row(**row).invoked_by.some());
            let all = own.iter().all(|row| self.mark(*row) == Mark::Tainted);
            let calls = Calls {
                all,
                tainted: own
                    .iter()
                    .copied()
                    .filter(|row| self.mark(*row) == Mark::Tainted)
                    .collect(),
                sessions: self.by_session(&own),
                own,
            };
            for row in behalf
                .into_iter()
                .filter(|row| self.mark(*row) != Mark::Tainted)
            {
                match self.parent(row, &calls) {
                    Parent::Attacker(from) => found.push((row, Some(from))),
                    Parent::Unclear => found.push((row, None)),
                    Parent::Other => {}
                }
            }
        }
        // The order in which marks spread decides which of several paths is shown.
        found.sort_unstable();
        for (row, from) in found {
            match from {
                Some(_) => self.taint(row, Link::OnBehalf, from),
                None => self.doubt(row, Doubt::OnBehalf, None),
            }
        }
    }

    fn parent(&self, row: u32, calls: &Calls) -> Parent {
        let event = &self.row(row);
        let session = calls.sessions.get(&event.made).filter(|_| event.made != 0);
        let family = session.map_or(calls.own.as_slice(), |(rows, _)| rows);
        let candidates = near(self.log, family, event);
        let tainted = candidates
            .iter()
            .filter(|row| self.mark(**row) == Mark::Tainted)
            .count();
        let whole = session.is_some_and(|(_, whole)| *whole)
            || (calls.all
                && calls
                    .own
                    .first()
                    .is_some_and(|first| event.at() >= self.log.at(*first) - SLACK * 1000));
        if !whole && tainted < candidates.len().max(1) {
            return if tainted == 0 {
                Parent::Other
            } else {
                Parent::Unclear
            };
        }
        let last = candidates
            .iter()
            .rev()
            .copied()
            .find(|row| self.mark(*row) == Mark::Tainted);
        last.or_else(|| self.last_before(&calls.tainted, event))
            .map_or(Parent::Other, Parent::Attacker)
    }

    /// The last event not after another one, or the first of all.
    fn last_before(&self, rows: &[u32], event: &Row<'_>) -> Option<u32> {
        let after = rows.partition_point(|row| self.log.at(*row) <= event.at());
        rows.get(after.saturating_sub(1)).copied()
    }

    /// Events by the making of their session, and whether all of them are the attacker's.
    fn by_session(&self, rows: &[u32]) -> BTreeMap<i64, (Vec<u32>, bool)> {
        let mut sessions: BTreeMap<i64, (Vec<u32>, bool)> = BTreeMap::new();
        for row in rows.iter().copied().filter(|row| self.row(*row).made != 0) {
            let (rows, whole) = sessions
                .entry(self.row(row).made)
                .or_insert((Vec::new(), true));
            rows.push(row);
            *whole &= self.mark(row) == Mark::Tainted;
        }
        sessions
    }
}

/// The calls made under one ARN, without those made on its behalf.
struct Calls {
    own: Vec<u32>,
    tainted: Vec<u32>,
    all: bool,
    sessions: BTreeMap<i64, (Vec<u32>, bool)>,
}

enum Parent {
    Attacker(u32),
    Unclear,
    Other,
}

/// Services that go on working for the caller long after they answered.
const LATE: [&str; 10] = [
    "cloudformation",
    "elasticbeanstalk",
    "autoscaling",
    "codepipeline",
    "codebuild",
    "athena",
    "backup",
    "states",
    "batch",
    "glue",
];

/// A quarter of an hour in milliseconds, in which a late service's work begins.
const BEHIND: i64 = 900_000;

/// The calls that may stand behind a call on behalf: to that service within seconds if there is
/// one; else, for a service that works on, its last before; else any within seconds, else those
/// of the quarter of an hour before.
fn near(log: &Log, own: &[u32], event: &Row<'_>) -> Vec<u32> {
    let at = event.at();
    let between = |from: i64, to: i64| {
        let start = own.partition_point(|row| log.at(*row) < at + from);
        let end = own.partition_point(|row| log.at(*row) <= at + to);
        &own[start..end.max(start)]
    };
    let close = between(-10_000, 2_000);
    let service = log
        .text(event.invoked_by)
        .trim_end_matches(".amazonaws.com");
    let late: &[u32] = if LATE.contains(&service) {
        between(-BEHIND, 2_000)
    } else {
        &[]
    };
    for calls in [close, late] {
        let same = nearest(log, calls, event);
        if !same.is_empty() {
            return same;
        }
    }
    if close.is_empty() {
        between(-BEHIND, 0).to_vec()
    } else {
        close.to_vec()
    }
}

/// Of calls to the service that acted, those nearest in time; where some asked for the very secret
/// that it opened, of those.
fn nearest(log: &Log, calls: &[u32], event: &Row<'_>) -> Vec<u32> {
    let away = |row: &u32| (log.at(*row) - event.at()).abs();
    let same = |row: &u32| log.row(*row).source == event.invoked_by;
    let same: Vec<u32> = calls.iter().copied().filter(same).collect();
    let asked: Vec<u32> = same
        .iter()
        .copied()
        .filter(|row| asks_for_opened(log, *row, event))
        .collect();
    let from = if asked.is_empty() { same } else { asked };
    let least = from.iter().map(away).min();
    let near = from.into_iter();
    near.filter(|row| Some(away(row)) == least).collect()
}

/// Whether a call asked for a secret that `event` opened on somebody's behalf.
fn asks_for_opened(log: &Log, call: u32, event: &Row<'_>) -> bool {
    let of = |facts: &'_ [Fact], what: What| -> Vec<Sym> {
        let facts = facts.iter().filter(|fact| fact.what == what);
        facts.map(|fact| fact.name).collect()
    };
    let asked = of(log.facts(call), What::Read);
    let opened = of(event.facts(), What::Witness);
    opened.into_iter().any(|opened| {
        let is_it = |id: &Sym| names_secret(log.text(opened), log.text(*id));
        asked.iter().any(is_it)
    })
}
