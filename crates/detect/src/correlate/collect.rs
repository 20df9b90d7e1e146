//! Keeps of each hit what correlations need: its time and a few fields.

use std::hash::BuildHasher as _;
use std::ops::ControlFlow;

use hashbrown::HashTable;

use crate::compile::RuleSet;
use crate::event::Event;
use crate::path::Path;
use crate::rule::RuleIndex;
use crate::test_eval::text;

/// Bounds of what is kept. Longer texts are cut, more hits are counted and left out.
const MOST_HITS: usize = 1_000_000;
const MOST_BYTES: usize = 32 << 20;
const MOST_TEXT: usize = 1024;
pub(crate) const MOST_VALUES: usize = 64;

/// Who hit, how, and the values of the hit's fields, as numbers of texts: for each field none, one
/// or several.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Kept {
    pub(crate) actor: u32,
    pub(crate) habit: u32,
    pub(crate) fields: Box<[Box<[u32]>]>,
}

/// A hit. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) time: i64,
    pub(crate) event: u64,
    pub(crate) rule: u32,
    pub(crate) kept: u32,
}

/// Collects hits in any order; [`super::Phase`] then looks at them in order of time.
#[derive(Debug)]
pub(crate) struct Correlator<'r> {
    pub(crate) set: &'r RuleSet,
    pub(crate) rows: Vec<Row>,
    pub(crate) left_out: u64,
    pub(crate) texts: Numbered<Box<str>>,
    pub(crate) kept: Numbered<Kept>,
    bytes: usize,
    most: usize,
    packed: bool,
}

impl<'r> Correlator<'r> {
    pub(crate) fn new(set: &'r RuleSet) -> Self {
        let (texts, kept) = (Numbered::default(), Numbered::default());
        Self {
            set,
            rows: Vec::new(),
            left_out: 0,
            texts,
            kept,
            bytes: 0,
            most: MOST_HITS,
            packed: false,
        }
    }

    /// Takes the hits of one event; those that no correlation asks for cost nothing.
    pub(crate) fn take(
        &mut self,
        hits: &[RuleIndex],
        (actor, habit): (u32, u32),
        (time, number): (i64, u64),
        event: &dyn Event,
    ) {
        for hit in hits {
            let Some(reads) = self.set.wiring.reads_of(hit.0 as usize) else {
                continue;
            };
            if !self.has_room() {
                self.left_out += 1;
                continue;
            }
            let fields = reads.iter().map(|path| self.read(path, event)).collect();
            let kept = self.number(Kept {
                actor,
                habit,
                fields,
            });
            self.rows.push(Row {
                time,
                event: number,
                rule: hit.0,
                kept,
            });
        }
    }

    /// Takes a hit whose texts are here already.
    pub(crate) fn take_kept(&mut self, rule: RuleIndex, kept: u32, (time, event): (i64, u64)) {
        if !self.has_room() {
            self.left_out += 1;
            return;
        }
        self.rows.push(Row {
            time,
            event,
            rule: rule.0,
            kept,
        });
    }

    /// Takes what another collector of the same rules has.
    pub(crate) fn merge(&mut self, other: &Correlator<'_>) {
        self.left_out += other.left_out;
        for row in &other.rows {
            if !self.has_room() {
                self.left_out += 1;
                continue;
            }
            let theirs = other.kept.get(row.kept);
            let mut text = |number: &u32| self.adopt(other, *number);
            let kept = Kept {
                actor: text(&theirs.actor),
                habit: text(&theirs.habit),
                fields: theirs
                    .fields
                    .iter()
                    .map(|list| list.iter().map(&mut text).collect())
                    .collect(),
            };
            let kept = self.number(kept);
            self.rows.push(Row { kept, ..*row });
        }
    }

    /// The number that another collector's text has here.
    pub(crate) fn adopt(&mut self, other: &Correlator<'_>, number: u32) -> u32 {
        self.put(other.texts.get(number))
    }

    /// Whether another hit can be kept; makes room if that is possible without changing a count.
    fn has_room(&mut self) -> bool {
        if self.rows.len() >= self.most && !self.packed {
            self.pack();
        }
        self.rows.len() < self.most && !self.cramped()
    }

    fn pack(&mut self) {
        self.rows
            .sort_unstable_by_key(|row| (row.rule, row.kept, row.time, row.event));
        let alike = |a: &Row, b: &Row| (a.rule, a.kept) == (b.rule, b.kept);
        let mut kept: Vec<Row> = Vec::new();
        for (at, row) in self.rows.iter().enumerate() {
            let before = kept.last().filter(|before| alike(before, row));
            let after = self.rows.get(at + 1).filter(|after| alike(row, after));
            let span = self.set.wiring.thin[row.rule as usize];
            let needless = before
                .zip(after)
                .zip(span)
                .is_some_and(|((before, after), span)| {
                    after.time.saturating_sub(before.time) <= span
                });
            if !needless {
                kept.push(*row);
            }
        }
        // Little room won is soon used up: the next time it would be a waste of time.
        self.packed = kept.len() > self.most / 8 * 7;
        self.rows = kept;
    }

    /// Whether no more texts should be kept.
    pub(crate) fn cramped(&self) -> bool {
        self.bytes >= MOST_BYTES
    }

    fn read(&mut self, path: &Path, event: &dyn Event) -> Box<[u32]> {
        let mut all = Vec::new();
        event.visit(path, &mut |value| {
            if let Some(value) = text(&value) {
                all.push(self.put(cut(&value)));
            }
            if all.len() < MOST_VALUES {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        all.into()
    }

    pub(crate) fn put(&mut self, text: &str) -> u32 {
        self.texts.number(text, || {
            self.bytes += text.len() + 64;
            text.into()
        })
    }

    pub(crate) fn number(&mut self, kept: Kept) -> u32 {
        let size = kept
            .fields
            .iter()
            .map(|list| list.len() * 4 + 16)
            .sum::<usize>()
            + 64;
        self.kept.number(&kept, || {
            self.bytes += size;
            kept.clone()
        })
    }
}

/// At most [`MOST_TEXT`] bytes of a text.
pub(crate) fn cut(text: &str) -> &str {
    let mut end = text.len().min(MOST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Each different thing once, by number.
#[derive(Debug)]
pub(crate) struct Numbered<T> {
    all: Vec<T>,
    numbers: HashTable<u32>,
    hash: foldhash::fast::RandomState,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            numbers: HashTable::new(),
            hash: foldhash::fast::RandomState::default(),
        }
    }
}

impl<T: Eq + std::hash::Hash> Numbered<T> {
    pub(crate) fn number<Q>(&mut self, key: &Q, make: impl FnOnce() -> T) -> u32
    where
        T: std::borrow::Borrow<Q>,
        Q: Eq + std::hash::Hash + ?Sized,
    {
        let Self { all, numbers, hash } = self;
        let hashed = hash.hash_one(key);
        let is_it = |number: &u32| all[*number as usize].borrow() == key;
        if let Some(number) = numbers.find(hashed, is_it) {
            return *number;
        }
        let number = u32::try_from(all.len()).expect("hits are bounded far below 2^32");
        let rehash = |number: &u32| hash.hash_one(&all[*number as usize]);
        numbers.insert_unique(hashed, number, rehash);
        all.push(make());
        number
    }

    pub(crate) fn get(&self, number: u32) -> &T {
        &self.all[number as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Phase;
    use super::*;
    use crate::load::{Placeholders, load_text};

    const RULES: &str = "
title: many
correlation: {type: value_count, rules: [hit], group-by: [who], timespan: 10s, condition: {gte: 3, field: what}}
---
title: hit
name: hit
logsource: {product: aws}
detection: {a: {b: c}, condition: a}
";

    fn peaks(hits: &Correlator<'_>) -> Vec<(i64, i64, u64)> {
        let found = Phase::new(hits, (i64::MIN, i64::MAX), &|_, _| false)
            .run()
            .found;
        found
            .iter()
            .map(|alert| (alert.from_ms, alert.to_ms, alert.count))
            .collect()
    }

    #[test]
    fn packing_changes_no_count() {
        let set = RuleSet::compile(load_text("f", RULES, &Placeholders::new()));
        let mut random = fastrand::Rng::with_seed(2);
        for round in 0..30 {
            let mut all = Correlator::new(&set);
            let mut packed = Correlator {
                most: 200,
                ..Correlator::new(&set)
            };
            for number in 0..400 {
                let event = json!({"b": "c", "who": "x", "what": random.u8(0..4)});
                let at = (random.i64(0..200_000), number);
                all.take(&[RuleIndex(0)], (0, 0), at, &event);
                packed.take(&[RuleIndex(0)], (0, 0), at, &event);
            }
            let (wanted, found) = (peaks(&all), peaks(&packed));
            assert!(packed.rows.len() <= 200 && !wanted.is_empty(), "{round}");
            assert_eq!(packed.left_out, 0);
            let most = |found: &[(i64, i64, u64)]| found.iter().map(|one| one.2).max();
            assert_eq!(most(&found), most(&wanted), "{round}");
        }
    }
}
