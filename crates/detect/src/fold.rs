//! Folds the hits of a whole log, in any order, into what a person reads: for each actor and
//! tactic the rules that hit, first and last time, count; without what the actor did before the
//! incident in the same way.

use std::collections::{HashMap, HashSet};

use crate::compile::RuleSet;
use crate::correlate::{Alert, Correlator, cut};
use crate::event::Event;
use crate::rule::RuleIndex;
use crate::sightings::Doer;

/// The most different (actor, rule, habit) that are told apart.
const MOST_TALLIES: usize = 100_000;
/// How many events of each are named: the first ones.
const MOST_EVENTS: usize = 5;
/// Stands for every further actor or habit once the bounds are reached.
pub(crate) const ANY_OTHER: &str = "(others)";

/// An event that rules matched. Texts are the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit<'h> {
    /// Whose doing it is: a name that stays the same over sessions, such as a key's or a role's.
    pub actor: &'h str,
    /// How it was done, so that the owner's way can be told from a thief's; see
    /// [`habit`](crate::habit()).
    pub habit: &'h str,
    /// Time of the event, in milliseconds since 1970.
    pub time_ms: i64,
    /// The caller's number of the event; comes back in what is found.
    pub event: u64,
}

/// Collects hits. Memory is bounded whatever the log's size.
///
/// Events that stand in the log twice must be left out by the caller.
#[derive(Debug)]
pub struct Folder<'r> {
    pub(crate) set: &'r RuleSet,
    pub(crate) since_ms: i64,
    pub(crate) hits: Correlator<'r>,
    pub(crate) tallies: HashMap<Who, Tally, foldhash::fast::RandomState>,
    /// Whose earlier habits count for an actor, where that is not the actor itself.
    baselines: HashMap<u32, Option<u32>>,
    coarse: u64,
    other: u32,
    most: usize,
}

/// Actor and habit as numbers of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Who {
    pub(crate) actor: u32,
    pub(crate) rule: u32,
    pub(crate) habit: u32,
}

/// What one actor did in one way. All but `before` is about the time of the incident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) before: u64,
    pub(crate) count: u64,
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// Time and number of the first ones, in order.
    pub(crate) events: Vec<(i64, u64)>,
}

/// What all hits come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// Gravest first, then by time; those with nothing unusual last.
    pub groups: Vec<Group>,
    /// Matches of correlations, by time.
    pub alerts: Vec<Alert>,
    /// Hits before the incident.
    pub before: u64,
    /// Hits in the incident of a kind that was there before it.
    pub usual: u64,
    /// Hits for correlations beyond the bounds of what is kept. Not zero: correlations may have
    /// missed something.
    pub left_out: u64,
    /// Hits whose event had none of the fields of a correlation's `group-by`.
    pub ungrouped: u64,
    /// Hits that were counted without their habit, or even their actor, since the bounds were
    /// reached. They are told, never taken for usual.
    pub coarse: u64,
}

/// What one actor did toward one tactic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The actor, as the caller named it.
    pub actor: String,
    /// MITRE ATT&CK tactic, such as `credential-access`; empty for rules that name none. A rule
    /// that names several is in the group of each.
    pub tactic: String,
    /// The gravest level of the rules and correlations in it that are not usual.
    pub level: Option<crate::Level>,
    /// Time of the first hit that is not usual (of the first one, if all are), in milliseconds.
    pub first_ms: i64,
    /// Time of the last one, likewise.
    pub last_ms: i64,
    /// Hits that are not usual.
    pub count: u64,
    /// Hits of a kind that the same actor had before the incident.
    pub usual: u64,
    /// Each rule, in order of the set.
    pub rules: Vec<RuleCount>,
    /// Places in [`Folded::alerts`] of the correlations that matched this actor's hits.
    pub alerts: Vec<usize>,
}

/// One rule's hits in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCount {
    /// The rule.
    pub rule: RuleIndex,
    /// As in [`Group`].
    pub first_ms: i64,
    /// As in [`Group`].
    pub last_ms: i64,
    /// Hits that are not usual.
    pub count: u64,
    /// Hits of a kind that the same actor had before the incident.
    pub usual: u64,
    /// The first few of those that are not usual, in order of time.
    pub events: Vec<u64>,
}

impl RuleSet {
    /// A collector of hits. Hits before `since_ms`, the beginning of the incident in milliseconds
    /// since 1970, say what is usual; with `None` nothing is.
    pub fn folder(&self, since_ms: Option<i64>) -> Folder<'_> {
        let mut hits = Correlator::new(self);
        Folder {
            set: self,
            since_ms: since_ms.unwrap_or(i64::MIN),
            other: hits.put(ANY_OTHER),
            hits,
            tallies: HashMap::default(),
            baselines: HashMap::new(),
            coarse: 0,
            most: MOST_TALLIES,
        }
    }
}

impl Folder<'_> {
    /// Takes the rules that one event matched.
    pub fn take(&mut self, rules: &[RuleIndex], hit: Hit<'_>, event: &dyn Event) {
        if rules.is_empty() {
            return;
        }
        let mut coarse = self.hits.cramped();
        let (actor, habit) = if coarse {
            (self.other, self.other)
        } else {
            (self.hits.put(cut(hit.actor)), self.hits.put(cut(hit.habit)))
        };
        self.hits
            .take(rules, (actor, habit), (hit.time_ms, hit.event), event);
        for rule in rules {
            coarse |= self.tally(*rule, (actor, habit), (hit.time_ms, hit.event));
        }
        self.coarse += u64::from(coarse);
    }

    /// Counts a hit whose texts are here already.
    pub(crate) fn add(&mut self, rule: RuleIndex, who: (u32, u32), at: (i64, u64)) {
        let coarse = self.tally(rule, who, at);
        self.coarse += u64::from(coarse);
    }

    /// The number of an actor.
    pub(crate) fn doer(&mut self, doer: &Doer) -> u32 {
        let actor = self.hits.put(cut(&doer.name));
        let baseline = doer.baseline.as_ref().map(|name| self.hits.put(cut(name)));
        if baseline != Some(actor) {
            self.baselines.insert(actor, baseline);
        }
        actor
    }

    /// Counts a hit of a rule that is told alone; true if there was room only for less.
    fn tally(&mut self, rule: RuleIndex, (actor, habit): (u32, u32), at: (i64, u64)) -> bool {
        let rules = &self.set.rules;
        if !rules.get(rule.0 as usize).is_some_and(|rule| rule.alone) {
            return false;
        }
        let mut tally = Tally::default();
        tally.add(at.0, at.1, self.since_ms);
        let who = Who {
            actor,
            rule: rule.0,
            habit,
        };
        self.put(who, &tally)
    }

    /// Takes what another collector of the same rules and the same incident has. Event numbers
    /// must be the same caller's.
    pub fn merge(&mut self, other: &Folder<'_>) {
        self.hits.merge(&other.hits);
        self.coarse += other.coarse;
        for (who, tally) in &other.tallies {
            // One that was coarse over there is still coarse here, and was counted as such.
            let cramped = self.hits.cramped();
            let mut text = |number| {
                if cramped {
                    self.other
                } else {
                    self.hits.adopt(&other.hits, number)
                }
            };
            let who = Who {
                actor: text(who.actor),
                habit: text(who.habit),
                rule: who.rule,
            };
            if self.put(who, tally) || cramped {
                self.coarse += tally.before + tally.count;
            }
        }
    }

    /// Adds to a tally; true if room was left only for a coarser one.
    fn put(&mut self, who: Who, tally: &Tally) -> bool {
        let without_habit = Who {
            habit: self.other,
            ..who
        };
        let without_actor = Who {
            actor: self.other,
            ..without_habit
        };
        // The coarse ones have room of their own, as much again.
        let rooms = [(who, self.most), (without_habit, self.most * 2)];
        let room = |(who, most): &(Who, usize)| {
            self.tallies.len() < *most || self.tallies.contains_key(who)
        };
        let found = rooms
            .into_iter()
            .find(room)
            .map_or(without_actor, |(who, _)| who);
        self.tallies.entry(found).or_default().join(tally);
        found != who
    }

    pub(crate) fn coarse(&self) -> u64 {
        self.coarse
    }

    /// The kinds of hits that were there before the incident.
    pub(crate) fn habits(&self) -> Habits<'_> {
        let before = self.tallies.iter().filter(|(_, tally)| tally.before > 0);
        let known = before.filter_map(|(who, _)| {
            let actor = self.baseline(who.actor)?;
            (who.habit != self.other).then_some(Who { actor, ..*who })
        });
        Habits {
            known: known.collect(),
            of: self,
        }
    }

    fn baseline(&self, actor: u32) -> Option<u32> {
        self.baselines.get(&actor).copied().unwrap_or(Some(actor))
    }
}

/// What was done before the incident, by whom in the sense of baselines.
pub(crate) struct Habits<'f> {
    known: HashSet<Who, foldhash::fast::RandomState>,
    of: &'f Folder<'f>,
}

impl Habits<'_> {
    /// Whether this kind of hit was there before the incident.
    pub(crate) fn usual(&self, rule: u32, actor: u32, habit: u32) -> bool {
        let baseline = self.of.baseline(actor);
        baseline.is_some_and(|actor| self.known.contains(&Who { actor, rule, habit }))
    }
}

impl Tally {
    fn add(&mut self, time: i64, event: u64, since: i64) {
        let one = if time < since {
            Self {
                before: 1,
                ..Self::default()
            }
        } else {
            Self {
                before: 0,
                count: 1,
                first: time,
                last: time,
                events: vec![(time, event)],
            }
        };
        self.join(&one);
    }

    pub(crate) fn join(&mut self, other: &Self) {
        self.before += other.before;
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            (self.first, self.last) = (other.first, other.last);
        }
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count += other.count;
        self.events.extend(&other.events);
        self.events.sort_unstable();
        self.events.truncate(MOST_EVENTS);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_flood_of_actors_is_counted_coarsely_and_none_of_it_is_taken_for_usual() {
        let set = RuleSet::compile(crate::builtin());
        let event = json!({"eventSource": "secretsmanager.amazonaws.com",
            "eventName": "GetSecretValue", "requestParameters": {"secretId": "s"}});
        let mut hits = Vec::new();
        set.scanner().matches(&event, &mut hits);
        assert_eq!(hits.len(), 1, "one rule, so one tally for each actor");
        let mut folder = Folder {
            most: 200,
            ..set.folder(Some(0))
        };
        for number in 0..450 {
            let actor = format!("actor {}", number % 225);
            let time_ms = if number < 225 { -1 } else { 1 };
            folder.take(
                &hits,
                Hit {
                    actor: &actor,
                    habit: "h",
                    time_ms,
                    event: number,
                },
                &event,
            );
        }
        let folded = folder.finish();
        let told: u64 = folded.groups.iter().map(|group| group.count).sum();
        let usual: u64 = folded.groups.iter().map(|group| group.usual).sum();
        assert_eq!(
            (told, usual, folded.before, folded.coarse),
            (25, 200, 225, 50)
        );
    }
}
