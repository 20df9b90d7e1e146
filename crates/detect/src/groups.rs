//! What the folded hits come to: correlations evaluated, what is usual told from what is not, all
//! of it grouped by actor and tactic.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::correlate::{Alert, Kept, Phase};
use crate::fold::{Folded, Folder, Group, Habits, RuleCount, Tally};
use crate::rule::{Level, Rule, RuleIndex};

/// Tallies of one actor and rule: what is told, and what is usual.
type Counts = BTreeMap<(String, u32), (Tally, Tally)>;

impl Folder<'_> {
    /// Evaluates the correlations and groups everything taken so far.
    pub fn finish(&self) -> Folded {
        let habits = self.habits();
        let (alerts, ungrouped) = self.alerts(&habits);
        let (mut before, mut all_usual) = (0, 0);
        let mut counts = Counts::new();
        for (who, tally) in &self.tallies {
            before += tally.before;
            if tally.count > 0 {
                let actor = self.hits.texts.get(who.actor).to_string();
                let (told, usual) = counts.entry((actor, who.rule)).or_default();
                let of = habits.usual(who.rule, who.actor, who.habit);
                (if of { usual } else { told }).join(tally);
                all_usual += if of { tally.count } else { 0 };
            }
        }
        let groups = self.groups(&counts, &alerts);
        let (left_out, coarse) = (self.hits.left_out, self.coarse());
        Folded {
            groups,
            alerts,
            before,
            usual: all_usual,
            left_out,
            ungrouped,
            coarse,
        }
    }

    /// The alerts of the incident. What was found before it, and for whom, tells which are usual.
    fn alerts(&self, habits: &Habits<'_>) -> (Vec<Alert>, u64) {
        let usual = |rule: u32, kept: &Kept| habits.usual(rule, kept.actor, kept.habit);
        let before = Phase::new(&self.hits, (i64::MIN, self.since_ms), &usual)
            .run()
            .found;
        let known: BTreeSet<_> = before
            .into_iter()
            .map(|alert| (alert.rule, alert.group))
            .collect();
        let now = Phase::new(&self.hits, (self.since_ms, i64::MAX), &usual).run();
        let mut alerts = now.found;
        for alert in &mut alerts {
            alert.usual &= known.contains(&(alert.rule, alert.group.clone()));
        }
        (alerts, now.ungrouped)
    }

    fn groups(&self, counts: &Counts, alerts: &[Alert]) -> Vec<Group> {
        let mut groups: BTreeMap<(String, String), Group> = BTreeMap::new();
        for ((actor, rule), (told, usual)) in counts {
            let Some(rule) = self.set.rule(RuleIndex(*rule)).map(|known| (known, *rule)) else {
                continue;
            };
            for tactic in tactics(rule.0) {
                add_rule(group(&mut groups, actor, tactic), rule, told, usual);
            }
        }
        for (at, alert) in alerts.iter().enumerate() {
            let Some(rule) = self.set.rule(alert.rule) else {
                continue;
            };
            for actor in &alert.actors {
                for tactic in tactics(rule) {
                    add_alert(group(&mut groups, actor, tactic), rule, at, alert);
                }
            }
        }
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.sort_by_key(|group| (group.level.is_none(), Reverse(group.level), group.first_ms));
        groups
    }
}

fn tactics(rule: &Rule) -> Vec<String> {
    let mut tactics = rule.tactics();
    if tactics.is_empty() {
        tactics.push(String::new());
    }
    tactics.sort_unstable();
    tactics.dedup();
    tactics
}

fn group<'g>(
    groups: &'g mut BTreeMap<(String, String), Group>,
    actor: &str,
    tactic: String,
) -> &'g mut Group {
    groups
        .entry((actor.to_owned(), tactic.clone()))
        .or_insert_with(|| Group {
            actor: actor.to_owned(),
            tactic,
            level: None,
            first_ms: i64::MAX,
            last_ms: i64::MIN,
            count: 0,
            usual: 0,
            rules: Vec::new(),
            alerts: Vec::new(),
        })
}

fn add_rule(group: &mut Group, (rule, index): (&Rule, u32), told: &Tally, usual: &Tally) {
    let shown = if told.count > 0 { told } else { usual };
    span(group, told.count > 0, shown.first, shown.last);
    if told.count > 0 {
        group.level = group.level.max(Some(level(rule)));
    }
    group.count += told.count;
    group.usual += usual.count;
    group.rules.push(RuleCount {
        rule: RuleIndex(index),
        first_ms: shown.first,
        last_ms: shown.last,
        count: told.count,
        usual: usual.count,
        events: told.events.iter().map(|(_, event)| *event).collect(),
    });
}

fn add_alert(group: &mut Group, rule: &Rule, at: usize, alert: &Alert) {
    span(group, !alert.usual, alert.from_ms, alert.to_ms);
    if !alert.usual {
        group.level = group.level.max(Some(level(rule)));
    }
    group.alerts.push(at);
}

/// Widens a group's time. The first that is told takes the place of what was usual.
fn span(group: &mut Group, told: bool, first: i64, last: i64) {
    if told == group.level.is_some() {
        group.first_ms = group.first_ms.min(first);
        group.last_ms = group.last_ms.max(last);
    } else if told {
        (group.first_ms, group.last_ms) = (first, last);
    }
}

/// Rules that do not say how grave they are still count as told.
fn level(rule: &Rule) -> Level {
    rule.level.unwrap_or(Level::Informational)
}
