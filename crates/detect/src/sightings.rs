//! Hits as a pass over a log finds them, before it is known whose they are and when the incident
//! began: twelve bytes a hit, what hits share is kept once.

use std::collections::HashMap;
use std::ops::ControlFlow;

use relatch_shelf::List;

use crate::compile::RuleSet;
use crate::correlate::{Kept, MOST_VALUES, Numbered, cut};
use crate::event::Event;
use crate::fold::{ANY_OTHER, Folded, Folder};
use crate::path::Path;
use crate::rule::RuleIndex;
use crate::test_eval::text;

/// Bounds of what is kept. Beyond the first, hits are counted and left out; beyond the second,
/// they are kept without their habit and fields.
const MOST_HITS: usize = 256 << 20;
const MOST_BYTES: usize = 32 << 20;

/// Collects hits of one compiled set of rules; all collectors that are joined must be of the same.
#[derive(Debug)]
pub struct Sightings {
    texts: Numbered<Box<str>>,
    ways: Numbered<Way>,
    /// Room for the way at hand.
    way: Vec<u32>,
    hits: List<Sighting>,
    left_out: u64,
    coarse: u64,
    bytes: usize,
    most_hits: usize,
    most_bytes: usize,
}

/// A hit. `event` is the caller's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sighting {
    event: u32,
    rule: u32,
    way: u32,
}

/// The rules that an event matched, and in which way. Of one collector only.
#[derive(Clone, Debug, Default)]
pub struct Sighted(Box<[(u32, u32)]>);

/// How it was done, and the fields that correlations want of it, as numbers of texts: the habit,
/// then for each field how many values it has, and these.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Way(Box<[u32]>);

impl Way {
    fn habit(&self) -> u32 {
        self.0[0]
    }

    fn fields(&self) -> impl Iterator<Item = &[u32]> {
        let mut rest = &self.0[1..];
        std::iter::from_fn(move || {
            let (count, values) = rest.split_first()?;
            let (field, others) = values.split_at(*count as usize);
            rest = others;
            Some(field)
        })
    }
}

impl std::borrow::Borrow<[u32]> for Way {
    fn borrow(&self) -> &[u32] {
        &self.0
    }
}

/// The way of hits that came when there was no room for their own.
const NO_WAY: u32 = u32::MAX;

/// An actor of [`Sightings::fold`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doer {
    /// Its name in what is found.
    pub name: String,
    /// Whose earlier habits make a hit of its usual: a name that stays the same over sessions,
    /// which actors may share. With `None` nothing of its is usual.
    pub baseline: Option<String>,
}

impl Default for Sightings {
    fn default() -> Self {
        Self {
            texts: Numbered::default(),
            ways: Numbered::default(),
            way: Vec::new(),
            hits: List::default(),
            left_out: 0,
            coarse: 0,
            bytes: 0,
            most_hits: MOST_HITS,
            most_bytes: MOST_BYTES,
        }
    }
}

impl Sightings {
    /// Takes the rules that one event matched, in the way of `habit` (see
    /// [`habit`](crate::habit())). `number` is the caller's number of the event.
    pub fn take(
        &mut self,
        set: &RuleSet,
        rules: &[RuleIndex],
        habit: &str,
        number: u32,
        event: &dyn Event,
    ) {
        let sighted = self.sight(set, rules, habit, event);
        self.add(&sighted, number);
    }

    /// What [`Self::take`] would take of an event, for it and others like it: see [`Self::add`].
    pub fn sight(
        &mut self,
        set: &RuleSet,
        rules: &[RuleIndex],
        habit: &str,
        event: &dyn Event,
    ) -> Sighted {
        let way = |rule: &RuleIndex| (rule.0, self.way(set, *rule, habit, event));
        Sighted(rules.iter().map(way).collect())
    }

    /// Takes an event of which is known what [`Self::sight`] of this collector said.
    pub fn add(&mut self, sighted: &Sighted, number: u32) {
        for (rule, way) in &sighted.0 {
            self.push(Sighting {
                event: number,
                rule: *rule,
                way: *way,
            });
        }
    }

    fn way(&mut self, set: &RuleSet, rule: RuleIndex, habit: &str, event: &dyn Event) -> u32 {
        if self.bytes >= self.most_bytes {
            return NO_WAY;
        }
        let mut way = std::mem::take(&mut self.way);
        way.clear();
        way.push(self.text(cut(habit)));
        for path in set.wiring.reads_of(rule.0 as usize).unwrap_or_default() {
            self.read(path, event, &mut way);
        }
        let number = self.put(&way);
        self.way = way;
        number
    }

    /// Adds how many values there are at a path, and these.
    fn read(&mut self, path: &Path, event: &dyn Event, way: &mut Vec<u32>) {
        let start = way.len();
        way.push(0);
        event.visit(path, &mut |value| {
            way.extend(text(&value).map(|value| self.text(cut(&value))));
            way[start] = u32::try_from(way.len() - start - 1).unwrap_or_default();
            if way.len() - start <= MOST_VALUES {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
    }

    fn text(&mut self, text: &str) -> u32 {
        self.texts.number(text, || {
            self.bytes += text.len() + 64;
            text.into()
        })
    }

    fn put(&mut self, way: &[u32]) -> u32 {
        self.ways.number(way, || {
            self.bytes += way.len() * 4 + 64;
            Way(way.into())
        })
    }

    fn push(&mut self, hit: Sighting) {
        if self.hits.len() >= self.most_hits {
            self.left_out += 1;
            return;
        }
        self.coarse += u64::from(hit.way == NO_WAY);
        self.hits.push(hit);
    }

    /// Takes what another collector has; its events are counted from `first` here.
    pub fn absorb(&mut self, other: &Self, first: u32) {
        self.left_out += other.left_out;
        let mut texts = vec![None; other.texts.len()];
        let mut ways = vec![None; other.ways.len()];
        for hit in &other.hits {
            let way = match ways.get(hit.way as usize).copied() {
                Some(Some(way)) => way,
                Some(None) if self.bytes < self.most_bytes => {
                    let way = self.adopt(other, hit.way, &mut texts);
                    ways[hit.way as usize] = Some(way);
                    way
                }
                _ => NO_WAY,
            };
            self.push(Sighting {
                event: first + hit.event,
                way,
                ..*hit
            });
        }
    }

    fn adopt(&mut self, other: &Self, way: u32, texts: &mut [Option<u32>]) -> u32 {
        let theirs = other.ways.get(way);
        let mut text = |number: u32| {
            *texts[number as usize].get_or_insert_with(|| self.text(other.texts.get(number)))
        };
        let mut way = vec![text(theirs.habit())];
        for field in theirs.fields() {
            way.extend(u32::try_from(field.len()));
            way.extend(field.iter().map(|number| text(*number)));
        }
        self.put(&way)
    }

    /// Gives every event another number; hits of an event that gets none are dropped.
    pub fn renumber(&mut self, mut number: impl FnMut(u32) -> Option<u32>) {
        self.hits.retain_mut(|hit| {
            let new = number(hit.event);
            hit.event = new.unwrap_or_default();
            new.is_some()
        });
    }

    /// Event and rule of every hit, in the order in which they were taken.
    pub fn hits(&self) -> impl ExactSizeIterator<Item = (u32, RuleIndex)> {
        self.hits.iter().map(|hit| (hit.event, RuleIndex(hit.rule)))
    }

    /// Evaluates the correlations and groups all hits, now that it is known whose they are:
    /// `whose` tells the doer, by its place in `doers`, and the time of an event, in milliseconds
    /// since 1970. Hits before `since_ms`, the beginning of the incident, say what is usual; with
    /// `None` nothing is.
    pub fn fold(
        &self,
        set: &RuleSet,
        since_ms: Option<i64>,
        doers: &[Doer],
        whose: &mut dyn FnMut(u32) -> (usize, i64),
    ) -> Folded {
        let mut folder = set.folder(since_ms);
        self.fill(&mut folder, doers, whose);
        let mut folded = folder.finish();
        folded.left_out += self.left_out;
        folded.coarse += self.coarse;
        folded
    }

    fn fill(
        &self,
        folder: &mut Folder<'_>,
        doers: &[Doer],
        whose: &mut dyn FnMut(u32) -> (usize, i64),
    ) {
        let mut joining = Joining {
            from: self,
            texts: vec![None; self.texts.len()],
            doers: vec![None; doers.len()],
            kept: HashMap::default(),
        };
        // Where room runs out, it is not for those of whom nothing is usual.
        for (hit, is_usual) in [false, true]
            .into_iter()
            .flat_map(|is_usual| self.hits.iter().map(move |hit| (hit, is_usual)))
        {
            let (place, time) = whose(hit.event);
            let doer = doers.get(place);
            let Some(doer) = doer.filter(|doer| doer.baseline.is_some() == is_usual) else {
                continue;
            };
            let actor = *joining.doers[place].get_or_insert_with(|| folder.doer(doer));
            let habit = joining.habit(folder, hit.way);
            let rule = RuleIndex(hit.rule);
            if folder.set.wiring.reads_of(hit.rule as usize).is_some() {
                match joining.kept(folder, hit.way, actor) {
                    Some(kept) => folder
                        .hits
                        .take_kept(rule, kept, (time, u64::from(hit.event))),
                    None => folder.hits.left_out += 1,
                }
            }
            folder.add(rule, (actor, habit), (time, u64::from(hit.event)));
        }
    }
}

/// Numbers of a collector's texts and ways in a folder.
struct Joining<'s> {
    from: &'s Sightings,
    texts: Vec<Option<u32>>,
    doers: Vec<Option<u32>>,
    kept: HashMap<(u32, u32), u32, foldhash::fast::RandomState>,
}

impl Joining<'_> {
    fn text(&mut self, folder: &mut Folder<'_>, number: u32) -> u32 {
        *self.texts[number as usize]
            .get_or_insert_with(|| folder.hits.put(self.from.texts.get(number)))
    }

    fn habit(&mut self, folder: &mut Folder<'_>, way: u32) -> u32 {
        if way == NO_WAY {
            return folder.hits.put(ANY_OTHER);
        }
        let habit = self.from.ways.get(way).habit();
        self.text(folder, habit)
    }

    fn kept(&mut self, folder: &mut Folder<'_>, way: u32, actor: u32) -> Option<u32> {
        if way == NO_WAY {
            return None;
        }
        if let Some(kept) = self.kept.get(&(way, actor)) {
            return Some(*kept);
        }
        let theirs = self.from.ways.get(way);
        let habit = self.text(folder, theirs.habit());
        let mut list = |list: &[u32]| -> Box<[u32]> {
            list.iter()
                .map(|number| self.text(folder, *number))
                .collect()
        };
        let fields = theirs.fields().map(&mut list).collect();
        let number = folder.hits.number(Kept {
            actor,
            habit,
            fields,
        });
        self.kept.insert((way, actor), number);
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reads(set: &RuleSet, sightings: &mut Sightings, numbers: std::ops::Range<u32>) {
        let (mut scanner, mut hits) = (set.scanner(), Vec::new());
        for number in numbers {
            let event = json!({"eventSource": "secretsmanager.amazonaws.com",
                "eventName": "GetSecretValue", "userIdentity": {"accessKeyId": "AKIAX"},
                "requestParameters": {"secretId": format!("s{}", number % 7)}});
            scanner.matches(&event, &mut hits);
            assert!(!hits.is_empty());
            sightings.take(set, &hits, &crate::habit(&event), number, &event);
        }
    }

    fn fold(set: &RuleSet, sightings: &Sightings, since: i64) -> Folded {
        let doers = [Doer {
            name: "AKIAX".to_owned(),
            baseline: Some("AKIAX".to_owned()),
        }];
        sightings.fold(set, Some(since), &doers, &mut |event| (0, i64::from(event)))
    }

    #[test]
    fn parts_come_to_the_same_as_one_and_dropped_events_do_not_count() {
        let set = RuleSet::compile(crate::builtin());
        let mut one = Sightings::default();
        reads(&set, &mut one, 0..40);
        let mut all = Sightings::default();
        for start in [20, 0, 10, 30] {
            let mut part = Sightings::default();
            reads(&set, &mut part, 0..10);
            all.absorb(&part, start);
            all.absorb(&part, start + 1000);
        }
        all.renumber(|event| (event < 1000).then_some(event));
        let folded = fold(&set, &one, 30);
        assert_eq!(fold(&set, &all, 30), folded);
        assert_eq!((folded.groups[0].usual, folded.before), (10, 30));
        assert!(!folded.alerts.is_empty() && folded.alerts.iter().any(|alert| alert.usual));
        all.renumber(|event| Some(event + 100));
        assert_eq!(fold(&set, &all, 130).groups[0].usual, 10);
    }

    #[test]
    fn beyond_the_bounds_hits_are_counted_coarsely_or_told_as_left_out() {
        let set = RuleSet::compile(crate::builtin());
        let mut few = Sightings {
            most_hits: 12,
            most_bytes: 400,
            ..Sightings::default()
        };
        reads(&set, &mut few, 0..20);
        let folded = fold(&set, &few, 0);
        let told: u64 = folded.groups.iter().map(|group| group.count).sum();
        let alone = |(_, rule): &(u32, RuleIndex)| set.rules()[rule.0 as usize].alone;
        assert_eq!(few.hits().len(), 12);
        assert_eq!(told, few.hits().filter(alone).count() as u64);
        assert!(folded.left_out >= 8 && folded.coarse > 0, "{folded:?}");
        let mut joined = Sightings {
            most_bytes: 0,
            ..Sightings::default()
        };
        joined.absorb(&few, 0);
        assert_eq!(fold(&set, &joined, 0).coarse, 12);
    }
}
