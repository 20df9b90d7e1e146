//! What the detections say, by whose calls they hit: the attacker's first, what is usual left out.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use relatch_detect::{
    Alert, Doer, Folded, Group, Level, RefusalKind, Rule, RuleCount, RuleSet, Sightings,
};
use relatch_shelf::List;
use serde::{Deserialize, Serialize};

use crate::answer::Verdict;
use crate::found::blind_spots::BlindSpot;
use crate::found::exposure::actor_id;
use crate::input::record::show_time;
use crate::log::Log;
use crate::log::tables::Map;
use crate::taint::actors::Credential;
use crate::taint::attribution::Taint;
use crate::taint::links::Mark;
use crate::text::sanitize;

/// Most events named for a match of a correlation.
const ALERT_EVENTS: usize = 20;

/// What detections found in the calls of one actor toward one tactic.
///
/// An actor whose calls are not all the same person's has a group for each: `verdict` is about
/// the calls of the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetectionGroup {
    /// The actor, by its id among `actors`; `(others)` for all that were too many to tell apart.
    pub actor: String,
    /// Whose these calls are: `attacker`, `uncertain` or `legitimate`.
    pub verdict: Verdict,
    /// MITRE ATT&CK tactic, such as `credential-access`; empty for rules that name none. A rule
    /// that names several is in the group of each.
    pub tactic: String,
    /// The gravest level of its rules and alerts: `informational`, `low`, `medium`, `high` or
    /// `critical`.
    pub level: String,
    /// The first hit, RFC 3339.
    pub first: Option<String>,
    /// The last hit, RFC 3339.
    pub last: Option<String>,
    /// Hits, without those that are usual.
    pub count: u64,
    /// Hits of a kind that was there before the incident: by the same actor, or by the same role
    /// in another session. None of the attacker's is.
    pub usual: u64,
    /// The rules that hit, in the order of the set.
    pub rules: Vec<DetectionRule>,
    /// Matches of rules over several hits, by time.
    pub alerts: Vec<DetectionAlert>,
}

/// One rule's hits in a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetectionRule {
    /// The rule's id as its author gave it, or empty.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its level, as in the group.
    pub level: String,
    /// Hits, without those that are usual.
    pub count: u64,
    /// The first of them, RFC 3339.
    pub first: Option<String>,
    /// The last of them, RFC 3339.
    pub last: Option<String>,
    /// The first five of them, by time.
    pub event_ids: Vec<String>,
}

/// A match of a rule over several hits. It stands in the group of every actor that took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetectionAlert {
    /// The rule's id as its author gave it, or empty.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its level, as in the group.
    pub level: String,
    /// The most that was counted within the rule's span of time.
    pub count: u64,
    /// The first event, RFC 3339.
    pub first: Option<String>,
    /// The last event, RFC 3339.
    pub last: Option<String>,
    /// What the events have in common, by field.
    pub common: BTreeMap<String, String>,
    /// How many events are part of it.
    pub events: u64,
    /// The first twenty of them, by time.
    pub event_ids: Vec<String>,
}

/// How much the detections found in all, and what of it is not among the groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetectionCounts {
    /// Rules that were held against the evidence; 0 when none were asked for.
    pub rules: u64,
    /// Hits on the attacker's events.
    pub attacker: u64,
    /// Hits on events that are perhaps the attacker's.
    pub uncertain: u64,
    /// Hits on all other events.
    pub others: u64,
    /// Of the hits that are not the attacker's, those before the incident.
    pub before: u64,
    /// Of the hits that are not the attacker's, those of a kind that was there before.
    pub usual: u64,
    /// Hits that were not kept, since there were too many.
    pub left_out: u64,
    /// Hits that were counted without how they were done, since there were too many ways.
    pub coarse: u64,
    /// Rules for these logs that could not be used.
    pub refused: u64,
}

/// What triage says about detections.
#[derive(Debug, Default)]
pub(crate) struct Detections {
    pub(crate) groups: Vec<DetectionGroup>,
    pub(crate) counts: DetectionCounts,
    pub(crate) titles: BTreeMap<String, Vec<String>>,
}

impl Detections {
    /// Groups what was found, now that it is known whose each event is. `since` is when the
    /// incident began, in milliseconds since 1970; without it nothing is usual.
    pub(crate) fn new(
        set: &RuleSet,
        found: &Sightings,
        log: &Log,
        taint: &Taint<'_>,
        since: Option<i64>,
    ) -> Detections {
        let doers = Doers::new(found, log, taint);
        let folded = found.fold(set, since, &doers.all, &mut |row| {
            (doers.place(row), moment(log, taint, row, since))
        });
        let show = Show {
            set,
            log,
            folded: &folded,
        };
        let groups = folded.groups.iter().filter_map(|group| {
            // What was too much to be told apart has no doer; the attacker's comes before that.
            let place = group.actor.parse::<usize>().ok();
            let doer = place.and_then(|place| doers.whose.get(place));
            let (actor, mark) = doer.map_or((group.actor.as_str(), Mark::None), |(actor, mark)| {
                (actor.as_str(), *mark)
            });
            show.group(group, actor, mark)
        });
        let mut groups: Vec<(Reverse<Level>, DetectionGroup)> = groups.collect();
        groups.sort_by(|(a_level, a), (b_level, b)| {
            (a.verdict, a_level, &a.first, &a.actor, &a.tactic)
                .cmp(&(b.verdict, b_level, &b.first, &b.actor, &b.tactic))
        });
        Detections {
            groups: groups.into_iter().map(|(_, group)| group).collect(),
            counts: counts(set, found, taint, &folded),
            titles: titles(set, found, log, taint),
        }
    }
}

impl DetectionCounts {
    /// What the detections may have missed.
    pub(crate) fn blind_spots(&self) -> Vec<BlindSpot> {
        let spots = [
            (
                self.left_out,
                "hits of detections were too many to be kept",
                "what these detections look for: name a key or a time, and take in less at once",
            ),
            (
                self.coarse,
                "hits of detections were counted without how they were done",
                "nothing of the attacker's events; what is usual for others is told as if it were not",
            ),
            (
                self.refused,
                "detections could not be used",
                "what these detections look for",
            ),
        ];
        let spots = spots.into_iter().filter(|(count, ..)| *count > 0);
        spots
            .map(|(count, what, hides)| BlindSpot {
                what: format!("{count} {what}"),
                hides: hides.to_owned(),
            })
            .collect()
    }
}

/// When a hit was. One of the attacker's without a time is part of the incident all the same.
fn moment(log: &Log, taint: &Taint<'_>, row: u32, since: Option<i64>) -> i64 {
    match (log.time(row), since) {
        (None, Some(since)) if taint.mark(row) == Mark::Tainted => since,
        _ => log.at(row),
    }
}

/// Who made the calls that were hit: an actor's calls of the attacker's, of the owner's, and
/// those that cannot be told are three.
struct Doers {
    all: Vec<Doer>,
    whose: Vec<(String, Mark)>,
    /// By number of the event; [`NOBODY`] where nothing was hit. Asked twice a hit, so no map.
    places: List<u32>,
}

/// The doer of an event that no detection hit.
const NOBODY: u32 = u32::MAX;

impl Doers {
    fn new(found: &Sightings, log: &Log, taint: &Taint<'_>) -> Doers {
        let mut doers = Doers {
            all: Vec::new(),
            whose: Vec::new(),
            places: List::of(NOBODY, log.len()),
        };
        let mut known: Map<(Credential, Mark), usize> = Map::default();
        let mut before = None;
        for (row, _) in found.hits() {
            if before.replace(row) == Some(row) {
                continue;
            }
            let mark = taint.mark(row);
            let credential = Credential::of(log, &log.row(row));
            let place = *known
                .entry((credential, mark))
                .or_insert_with(|| doers.add(log, row, credential, mark));
            doers.places[row as usize] = u32::try_from(place).unwrap_or(NOBODY);
        }
        doers
    }

    fn place(&self, row: u32) -> usize {
        self.places[row as usize] as usize
    }

    fn add(&mut self, log: &Log, row: u32, credential: Credential, mark: Mark) -> usize {
        let place = self.all.len();
        let actor = actor_id(log, credential);
        let baseline = (mark != Mark::Tainted).then(|| baseline(log, row, credential, &actor));
        self.all.push(Doer {
            name: place.to_string(),
            baseline,
        });
        self.whose.push((actor, mark));
        place
    }
}

/// What stays the same over sessions: the role that a session was issued for, or the actor.
fn baseline(log: &Log, row: u32, credential: Credential, actor: &str) -> String {
    let issuer = log.whos()[log.who(row) as usize].issuer;
    match credential {
        Credential::Session(_) if issuer.some() => format!("role {}", log.text(issuer)),
        _ => format!("actor {actor}"),
    }
}

fn counts(set: &RuleSet, found: &Sightings, taint: &Taint<'_>, folded: &Folded) -> DetectionCounts {
    let mut counts = DetectionCounts {
        rules: (set.rules().len() + set.correlations().len()) as u64,
        before: folded.before,
        usual: folded.usual,
        left_out: folded.left_out,
        coarse: folded.coarse,
        ..DetectionCounts::default()
    };
    for (row, rule) in found.hits() {
        if set.rule(rule).is_some_and(|rule| rule.alone) {
            *match taint.mark(row) {
                Mark::Tainted => &mut counts.attacker,
                Mark::Uncertain => &mut counts.uncertain,
                Mark::None => &mut counts.others,
            } += 1;
        }
    }
    let refused = set.refused().iter();
    let lost = refused.filter(|refused| {
        matches!(
            refused.reason.kind,
            RefusalKind::NotSupported | RefusalKind::Faulty
        )
    });
    counts.refused = lost.count() as u64;
    counts
}

/// The titles of the rules that hit events which are, or may be, the attacker's, by event id.
fn titles(
    set: &RuleSet,
    found: &Sightings,
    log: &Log,
    taint: &Taint<'_>,
) -> BTreeMap<String, Vec<String>> {
    let mut titles: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for (row, rule) in found.hits() {
        let rule = set.rule(rule).filter(|rule| rule.alone);
        if let Some(rule) = rule.filter(|_| taint.mark(row) != Mark::None) {
            titles.entry(row).or_default().insert(sanitize(&rule.title));
        }
    }
    titles
        .into_iter()
        .map(|(row, titles)| (sanitize(&log.event_id(row)), titles.into_iter().collect()))
        .collect()
}

/// Turns what was folded into what is shown.
struct Show<'s> {
    set: &'s RuleSet,
    log: &'s Log,
    folded: &'s Folded,
}

impl Show<'_> {
    /// A group; `None` if all of it is usual.
    fn group(
        &self,
        group: &Group,
        actor: &str,
        mark: Mark,
    ) -> Option<(Reverse<Level>, DetectionGroup)> {
        let level = group.level?;
        let rules = group.rules.iter().filter(|rule| rule.count > 0);
        let alerts = group
            .alerts
            .iter()
            .filter_map(|at| self.folded.alerts.get(*at));
        let group = DetectionGroup {
            actor: actor.to_owned(),
            verdict: match mark {
                Mark::Tainted => Verdict::Attacker,
                Mark::Uncertain => Verdict::Uncertain,
                Mark::None => Verdict::Legitimate,
            },
            tactic: sanitize(&group.tactic),
            level: level.to_string(),
            first: show_time(group.first_ms),
            last: show_time(group.last_ms),
            count: group.count,
            usual: group.usual,
            rules: rules.filter_map(|rule| self.rule(rule)).collect(),
            alerts: alerts
                .filter(|alert| !alert.usual)
                .filter_map(|alert| self.alert(alert))
                .collect(),
        };
        Some((Reverse(level), group))
    }

    fn rule(&self, count: &RuleCount) -> Option<DetectionRule> {
        let rule = self.set.rule(count.rule)?;
        Some(DetectionRule {
            id: sanitize(&rule.id),
            title: sanitize(&rule.title),
            level: level(rule),
            count: count.count,
            first: show_time(count.first_ms),
            last: show_time(count.last_ms),
            event_ids: self.ids(&count.events),
        })
    }

    fn alert(&self, alert: &Alert) -> Option<DetectionAlert> {
        let rule = self.set.rule(alert.rule)?;
        let common = alert.group.iter();
        let told = common.filter_map(|(field, value)| Some((field, value.as_ref()?)));
        Some(DetectionAlert {
            id: sanitize(&rule.id),
            title: sanitize(&rule.title),
            level: level(rule),
            count: alert.count,
            first: show_time(alert.from_ms),
            last: show_time(alert.to_ms),
            common: told
                .map(|(field, value)| (sanitize(field), sanitize(value)))
                .collect(),
            events: alert.events.len() as u64,
            event_ids: self.ids(&alert.events[..alert.events.len().min(ALERT_EVENTS)]),
        })
    }

    fn ids(&self, rows: &[u64]) -> Vec<String> {
        let rows = rows.iter().filter_map(|row| u32::try_from(*row).ok());
        rows.map(|row| sanitize(&self.log.event_id(row))).collect()
    }
}

/// A rule that does not say how grave it is counts as the mildest.
fn level(rule: &Rule) -> String {
    rule.level.unwrap_or(Level::Informational).to_string()
}
