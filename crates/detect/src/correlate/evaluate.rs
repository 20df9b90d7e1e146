//! Looks at the collected hits in order of time.

use std::collections::{BTreeMap, BTreeSet};

use super::collect::{Correlator, Kept, Numbered, Row};
use super::wiring::Source;
use crate::rule::{Correlation, CorrelationKind, RuleIndex};
use crate::windows::{Burst, Count, Point, bursts, in_order};

/// A match of a correlation. Texts are as they stood in the events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The correlation.
    pub rule: RuleIndex,
    /// Time of the first event, in milliseconds.
    pub from_ms: i64,
    /// Time of the last event, in milliseconds.
    pub to_ms: i64,
    /// The fields of `group-by` and what they were; `None` where events had no such field.
    pub group: Vec<(String, Option<String>)>,
    /// The actors of the hits, as the caller named them.
    pub actors: Vec<String>,
    /// The numbers of the events, in order of time.
    pub events: Vec<u64>,
    /// The most that was counted in one window.
    pub count: u64,
    /// The same correlation matched for the same group before the incident, and every hit of this
    /// match is of a kind that its actor had before the incident.
    pub usual: bool,
}

/// A look at the hits of a span of time.
pub(crate) struct Phase<'c> {
    pub(crate) hits: &'c Correlator<'c>,
    /// Only alerts that end here or later, and before `until`.
    pub(crate) since: i64,
    pub(crate) until: i64,
    /// Whether a hit is of a kind that was there before the incident.
    pub(crate) usual: &'c dyn Fn(u32, &Kept) -> bool,
    pub(crate) found: Vec<Alert>,
    /// Hits whose event had none of the fields of a correlation's `group-by`.
    pub(crate) ungrouped: u64,
    matches: Vec<Match>,
}

/// A match of a correlation, as a hit for a correlation over it.
struct Match {
    row: Row,
    usual: bool,
    actors: BTreeSet<u32>,
}

type Groups = BTreeMap<Vec<Option<u32>>, Vec<Point>>;

impl<'c> Phase<'c> {
    pub(crate) fn new(
        hits: &'c Correlator<'c>,
        (since, until): (i64, i64),
        usual: &'c dyn Fn(u32, &Kept) -> bool,
    ) -> Self {
        Self {
            hits,
            since,
            until,
            usual,
            found: Vec::new(),
            ungrouped: 0,
            matches: Vec::new(),
        }
    }

    /// Evaluates every correlation; alerts are in order of time.
    pub(crate) fn run(mut self) -> Self {
        let mut by_rule: Vec<Vec<usize>> = vec![Vec::new(); self.hits.set.rules.len()];
        for (at, row) in self.hits.rows.iter().enumerate() {
            by_rule[row.rule as usize].push(at);
        }
        let mut by_correlation: Vec<Vec<usize>> = Vec::new();
        for number in 0..self.hits.set.correlations.len() {
            let groups = self.group(number, &by_rule, &by_correlation);
            let before = self.hits.rows.len() + self.matches.len();
            for (key, points) in groups {
                self.alerts(number, &key, points);
            }
            by_correlation.push((before..self.hits.rows.len() + self.matches.len()).collect());
        }
        let order = |alert: &Alert| (alert.from_ms, alert.rule, alert.group.clone());
        self.found.sort_by_cached_key(order);
        self
    }

    fn row(&self, at: usize) -> Row {
        let own = self.hits.rows.len();
        if at < own {
            self.hits.rows[at]
        } else {
            self.matches[at - own].row
        }
    }

    fn group(
        &mut self,
        number: usize,
        by_rule: &[Vec<usize>],
        by_correlation: &[Vec<usize>],
    ) -> Groups {
        let set = self.hits.set;
        let floor = self.since.saturating_sub(set.wiring.reach[number]);
        let mut groups = Groups::new();
        let mut mixes = Numbered::default();
        for (position, source) in set.wiring.sources[number].iter().enumerate() {
            let rows = match source {
                Source::Rule(rule) => &by_rule[*rule],
                Source::Correlation(other) => &by_correlation[*other],
            };
            for at in rows {
                let time = self.row(*at).time;
                if floor <= time && time < self.until {
                    self.place(number, position, *at, &mut mixes, &mut groups);
                }
            }
        }
        groups
    }

    fn place(
        &mut self,
        number: usize,
        position: usize,
        at: usize,
        mixes: &mut Numbered<Vec<u32>>,
        groups: &mut Groups,
    ) {
        let row = self.row(at);
        let wiring = &self.hits.set.wiring;
        let Some(columns) = wiring.columns(number, position, row.rule as usize) else {
            return;
        };
        let fields = &self.hits.kept.get(row.kept).fields;
        let first = |column: &usize| fields[*column].first().copied();
        let key: Vec<Option<u32>> = columns.group.iter().map(first).collect();
        if !key.is_empty() && key.iter().all(Option::is_none) {
            self.ungrouped += 1;
            return;
        }
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        let told_apart: Vec<u32> = match columns.counted.as_slice() {
            [] => vec![position],
            [one] => fields[*one].to_vec(),
            several => {
                let mix: Option<Vec<u32>> = several.iter().map(first).collect();
                mix.map(|mix| mixes.number(&mix, || mix.clone()))
                    .into_iter()
                    .collect()
            }
        };
        let point = |value| Point {
            time: row.time,
            event: row.event,
            value,
            row: at,
        };
        groups
            .entry(key)
            .or_default()
            .extend(told_apart.into_iter().map(point));
    }

    fn alerts(&mut self, number: usize, key: &[Option<u32>], mut points: Vec<Point>) {
        let correlation = &self.hits.set.correlations[number];
        let text = |value: &Option<u32>| value.map(|value| self.hits.texts.get(value).to_string());
        let names = correlation.group_by.iter().cloned();
        let group: Vec<(String, Option<String>)> = names.zip(key.iter().map(text)).collect();
        for burst in find(correlation, &mut points) {
            let within = &points[burst.first..=burst.last];
            let one = self.joined(within);
            if (self.since..self.until).contains(&one.row.time) {
                self.found
                    .push(self.alert(number, &group, within, &one, burst.peak));
            }
            self.matches.push(one);
        }
    }

    /// A correlation over this one sees it as a hit at its last event.
    fn joined(&self, within: &[Point]) -> Match {
        let last = within
            .last()
            .map(|point| self.row(point.row))
            .expect("a burst has points");
        let mut one = Match {
            row: last,
            usual: true,
            actors: BTreeSet::new(),
        };
        for point in within {
            if let Some(inner) = point.row.checked_sub(self.hits.rows.len()) {
                one.usual &= self.matches[inner].usual;
                one.actors.extend(&self.matches[inner].actors);
            } else {
                let row = self.row(point.row);
                let kept = self.hits.kept.get(row.kept);
                one.usual &= (self.usual)(row.rule, kept);
                one.actors.insert(kept.actor);
            }
        }
        one
    }

    fn alert(
        &self,
        number: usize,
        group: &[(String, Option<String>)],
        within: &[Point],
        one: &Match,
        count: u64,
    ) -> Alert {
        let index = self.hits.set.rules.len() + number;
        let mut seen = BTreeSet::new();
        let events = within.iter().map(|point| point.event);
        let name = |actor: &u32| self.hits.texts.get(*actor).to_string();
        let mut actors: Vec<String> = one.actors.iter().map(name).collect();
        actors.sort_unstable();
        Alert {
            rule: RuleIndex(u32::try_from(index).unwrap_or(u32::MAX)),
            from_ms: within.first().map_or(one.row.time, |point| point.time),
            to_ms: one.row.time,
            group: group.to_vec(),
            actors,
            events: events.filter(|event| seen.insert(*event)).collect(),
            count,
            usual: one.usual,
        }
    }
}

fn find(correlation: &Correlation, points: &mut Vec<Point>) -> Vec<Burst> {
    let (span, bound) = (correlation.timespan_ms, correlation.bound);
    points.sort_by_key(|point| (point.time, point.event, point.value));
    let mut found = match correlation.kind {
        CorrelationKind::EventCount => {
            points.dedup_by_key(|point| (point.time, point.event));
            bursts(points, span, bound.least, Count::Points)
        }
        CorrelationKind::ValueCount(_) | CorrelationKind::Temporal => {
            bursts(points, span, bound.least, Count::Values)
        }
        CorrelationKind::TemporalOrdered => in_order(points, span, correlation.rules.len()),
    };
    found.retain(|burst| bound.most.is_none_or(|most| burst.peak <= most));
    found
}
