//! Windows that slide over points in order of time: never fixed buckets, which miss what falls on
//! their edge.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

/// A hit in a group. Times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) time: i64,
    pub(crate) event: u64,
    /// What is told apart: a value, or the position of a rule.
    pub(crate) value: u32,
    /// Where the hit is kept.
    pub(crate) row: usize,
}

/// Windows that overlap and all hold enough, as one. `first` and `last` are places of points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Burst {
    pub(crate) first: usize,
    pub(crate) last: usize,
    /// The most that one window held.
    pub(crate) peak: u64,
}

/// What is counted in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    Points,
    Values,
}

/// Bursts of at least `least` within `span` milliseconds, both ends included. Points must be in
/// order of time.
pub(crate) fn bursts(points: &[Point], span: i64, least: u64, count: Count) -> Vec<Burst> {
    let mut all: Vec<Burst> = Vec::new();
    let mut held: HashMap<u32, u64> = HashMap::new();
    let mut first = 0;
    for (last, point) in points.iter().enumerate() {
        *held.entry(point.value).or_default() += 1;
        while point.time.saturating_sub(points[first].time) > span {
            leave(&mut held, points[first].value);
            first += 1;
        }
        let there = match count {
            Count::Points => (last - first + 1) as u64,
            Count::Values => held.len() as u64,
        };
        if there >= least {
            put(
                &mut all,
                Burst {
                    first,
                    last,
                    peak: there,
                },
            );
        }
    }
    all
}

fn leave(held: &mut HashMap<u32, u64>, value: u32) {
    if let Some(times) = held.get_mut(&value) {
        *times -= 1;
        if *times == 0 {
            held.remove(&value);
        }
    }
}

/// A window that shares points with the burst before it is part of it.
fn put(all: &mut Vec<Burst>, next: Burst) {
    match all.last_mut() {
        Some(before) if next.first <= before.last => {
            before.first = before.first.min(next.first);
            before.last = next.last;
            before.peak = before.peak.max(next.peak);
        }
        _ => all.push(next),
    }
}

/// Bursts in which the values 0, 1, 2 ... follow each other within `span`, each in an event of its
/// own. Events of the same time may be in any order, since logs round times.
pub(crate) fn in_order(points: &mut [Point], span: i64, steps: usize) -> Vec<Burst> {
    sort_for_order(points);
    // For each step, the latest place at which a chain that has come this far began.
    let mut begun: Vec<Option<usize>> = vec![None; steps];
    let mut all = Vec::new();
    for (at, point) in points.iter().enumerate() {
        let step = point.value as usize;
        let Some(start) = (match step {
            0 => Some(at),
            _ => begun.get(step - 1).copied().flatten(),
        }) else {
            continue;
        };
        if point.time.saturating_sub(points[start].time) > span {
            continue;
        }
        if let Some(best) = begun.get_mut(step) {
            *best = (*best).max(Some(start));
        }
        if step + 1 == steps {
            put(
                &mut all,
                Burst {
                    first: start,
                    last: at,
                    peak: steps as u64,
                },
            );
        }
    }
    all
}

/// By time; among events of one time those with the earlier step first; within one event the
/// later step first, so that no event follows itself.
fn sort_for_order(points: &mut [Point]) {
    let mut earliest: BTreeMap<(i64, u64), u32> = BTreeMap::new();
    for point in points.iter() {
        let step = earliest
            .entry((point.time, point.event))
            .or_insert(point.value);
        *step = (*step).min(point.value);
    }
    points.sort_by_key(|point| {
        let step = earliest.get(&(point.time, point.event)).copied();
        (point.time, step, point.event, Reverse(point.value))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(list: &[(i64, u32)]) -> Vec<Point> {
        let point = |(event, (time, value)): (usize, &(i64, u32))| Point {
            time: *time,
            event: event as u64,
            value: *value,
            row: event,
        };
        list.iter().enumerate().map(point).collect()
    }

    #[test]
    fn a_burst_over_the_edge_of_a_bucket_is_seen() {
        let points = points(&[(0, 0), (590, 0), (595, 0), (605, 0), (610, 0)]);
        let found = bursts(&points, 60, 4, Count::Points);
        assert_eq!(
            found,
            [Burst {
                first: 1,
                last: 4,
                peak: 4
            }]
        );
    }

    #[test]
    fn values_are_told_apart_and_both_ends_count() {
        let points = points(&[(0, 1), (10, 1), (20, 2), (60, 3), (61, 3), (200, 1)]);
        assert_eq!(
            bursts(&points, 60, 3, Count::Values),
            [Burst {
                first: 0,
                last: 4,
                peak: 3
            }]
        );
        assert_eq!(
            bursts(&points, 59, 3, Count::Values),
            [Burst {
                first: 1,
                last: 4,
                peak: 3
            }]
        );
        assert_eq!(bursts(&points, 30, 3, Count::Values), []);
    }

    #[test]
    fn the_same_as_counting_every_window() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..500 {
            let mut list: Vec<(i64, u32)> = (0..random.usize(0..20))
                .map(|_| (random.i64(0..60), random.u32(0..5)))
                .collect();
            list.sort_unstable();
            let (span, least) = (random.i64(0..20), random.u64(1..6));
            let points = points(&list);
            let full = |end: usize| {
                let from = list
                    .iter()
                    .position(|(time, _)| list[end].0 - time <= span)
                    .expect("one");
                (end - from + 1) as u64
            };
            let best = (0..list.len()).map(full).max().unwrap_or(0);
            let found = bursts(&points, span, least, Count::Points);
            assert_eq!(
                found.iter().map(|burst| burst.peak).max(),
                (best >= least).then_some(best)
            );
        }
    }

    #[test]
    fn order() {
        let found = |list: &[(i64, u32)], span| in_order(&mut points(list), span, 2).len();
        assert_eq!(found(&[(0, 0), (5, 1)], 10), 1);
        assert_eq!(found(&[(0, 1), (5, 0)], 10), 0);
        assert_eq!(found(&[(0, 1), (0, 0)], 10), 1, "one second, either order");
        assert_eq!(found(&[(0, 0), (50, 0), (55, 1)], 10), 1);
        assert_eq!(found(&[(0, 0), (55, 1)], 10), 0);
        let mut same = vec![
            Point {
                time: 0,
                event: 9,
                value: 0,
                row: 0,
            },
            Point {
                time: 0,
                event: 9,
                value: 1,
                row: 1,
            },
        ];
        assert_eq!(
            in_order(&mut same, 10, 2).len(),
            0,
            "no event follows itself"
        );
    }
}
