//! Separates the thief from the rightful owner on one credential.

use std::collections::{BTreeMap, BTreeSet};

use crate::log::tables::Set;
use crate::log::{Log, Sym};
use crate::taint::actors::Credential;
use crate::taint::habit::Habit;
use crate::taint::score::{SUSPICIOUS, Score, Scorer};

/// One hour in milliseconds: less is no habit.
const HOUR: i64 = 3_600_000;

/// One day in milliseconds.
const DAY: i64 = 24 * HOUR;

/// Whose each event of a credential is. What is in neither list is the owner's.
#[derive(Debug, Default)]
pub(crate) struct Split {
    pub(crate) thief: Vec<u32>,
    pub(crate) uncertain: Vec<u32>,
    pub(crate) score: Score,
}

impl Split {
    /// Whether all events are the owner's and nothing speaks against one.
    pub(crate) fn is_empty(&self) -> bool {
        self.thief.is_empty() && self.uncertain.is_empty() && self.score.reasons.is_empty()
    }
}

/// The use of a credential from one address.
struct Place<'s> {
    rows: Vec<u32>,
    first: i64,
    families: BTreeSet<&'s str>,
    score: Score,
    flagged: bool,
}

/// What is known of the thief from outside the log.
pub(crate) struct Hints<'a> {
    pub(crate) addresses: &'a BTreeSet<Sym>,
    pub(crate) agents: &'a BTreeSet<Sym>,
    pub(crate) since: Option<i64>,
    /// The credential is named as stolen; otherwise it is only looked at.
    pub(crate) named: bool,
}

/// Splits the calls of one credential. `rows` are its events in the order of time.
pub(crate) fn split(
    log: &Log,
    scorer: &Scorer<'_>,
    credential: Credential,
    rows: &[u32],
    hints: &Hints<'_>,
) -> Split {
    let own: Vec<u32> = rows
        .iter()
        .copied()
        .filter(|row| is_own(log, *row))
        .collect();
    let mut places = places(log, scorer, credential, &own);
    for place in &mut places {
        let row = &log.row(place.rows[0]);
        place.flagged |= hints.addresses.contains(&row.address)
            || place
                .rows
                .iter()
                .any(|row| hints.agents.contains(&log.row(*row).agent));
    }
    let score = together(scorer, credential, &places);
    if !places.iter().any(|place| place.flagged) {
        return unflagged(log, scorer, places, hints, score);
    }
    let mut split = Split {
        score,
        ..Split::default()
    };
    for (number, place) in places.iter().enumerate().filter(|(_, place)| place.flagged) {
        flagged(log, scorer, credential, place, number == 0, &mut split);
    }
    let start = split.thief.iter().map(|row| log.at(*row)).min();
    let start = start.unwrap_or_else(|| places[0].first);
    let start = hints.since.map_or(start, |since| start.max(since));
    assign(log, scorer, &places, start, &mut split);
    split
}

/// Whether the caller made the call himself, so that its address and client are his.
fn is_own(log: &Log, row: u32) -> bool {
    let row = &log.row(row);
    !row.invoked_by.some() && !row.flags.insight && row.address.some()
}

fn places<'s>(
    log: &Log,
    scorer: &'s Scorer<'_>,
    credential: Credential,
    rows: &[u32],
) -> Vec<Place<'s>> {
    let mut by_address: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for row in rows {
        by_address
            .entry(log.text(log.address(*row)))
            .or_default()
            .push(*row);
    }
    let mut by_address: Vec<Vec<u32>> = by_address.into_values().collect();
    by_address.sort_by_key(|rows| rows[0]);
    let mut places: Vec<Place<'s>> = Vec::new();
    // What looks like an attack is nobody's habit; at the first place both may be.
    let mut habit: Vec<u32> = Vec::new();
    for rows in by_address {
        let before: Vec<u32> = habit.iter().copied().filter(|row| *row < rows[0]).collect();
        let first = log.at(rows[0]);
        let known = Habit {
            before: &before,
            ended: habit
                .last()
                .is_some_and(|last| log.at(*last) < first + HOUR),
        };
        let place = place(log, scorer, credential, known, rows);
        if places.is_empty() || !place.flagged {
            habit.extend(&place.rows);
            habit.sort_unstable();
        }
        places.push(place);
    }
    places
}

fn place<'s>(
    log: &Log,
    scorer: &'s Scorer<'_>,
    credential: Credential,
    habit: Habit<'_>,
    rows: Vec<u32>,
) -> Place<'s> {
    let score = scorer.score(credential, &rows, habit);
    Place {
        first: log.at(rows[0]),
        families: families(scorer, &rows),
        flagged: score.points >= SUSPICIOUS,
        score,
        rows,
    }
}

/// The best score: of one place, or of all later places together for a thief who moves about.
fn together(scorer: &Scorer<'_>, credential: Credential, places: &[Place<'_>]) -> Score {
    let mut best = places
        .iter()
        .map(|place| place.score.clone())
        .max_by_key(|score| score.points)
        .unwrap_or_default();
    if let [first, later @ ..] = places
        && later.len() > 1
    {
        let mut rows: Vec<u32> = later
            .iter()
            .flat_map(|place| place.rows.iter().copied())
            .collect();
        rows.sort_unstable();
        let before: Vec<u32> = first
            .rows
            .iter()
            .copied()
            .take_while(|row| *row < rows[0])
            .collect();
        let moved = scorer.score(credential, &rows, Habit::new(&before));
        if moved.points > best.points {
            best = moved;
        }
    }
    best
}

/// Nothing looks like an attack. A key named as stolen is the thief's as far as no owner is seen.
fn unflagged(
    log: &Log,
    scorer: &Scorer<'_>,
    places: Vec<Place<'_>>,
    hints: &Hints<'_>,
    score: Score,
) -> Split {
    let mut split = Split {
        score,
        ..Split::default()
    };
    if !hints.named {
        return split;
    }
    if let Some(since) = hints.since {
        let (old, new): (Vec<&Place<'_>>, Vec<&Place<'_>>) =
            places.iter().partition(|place| place.first < since);
        split.thief = new
            .iter()
            .flat_map(|place| place.rows.iter().copied())
            .collect();
        let during = old
            .iter()
            .flat_map(|place| place.rows.iter().copied())
            .filter(|row| log.at(*row) >= since);
        if split.thief.is_empty() {
            split.thief = during.collect();
        } else {
            split.uncertain = during.collect();
        }
        return split;
    }
    let owner = places
        .first()
        .map(|place| place.rows.clone())
        .unwrap_or_default();
    let later: Vec<u32> = places
        .iter()
        .skip(1)
        .flat_map(|place| place.rows.iter().copied())
        .collect();
    if !later.is_empty() && scorer.established(&owner) {
        split.uncertain = later;
    } else {
        split.thief = owner.into_iter().chain(later).collect();
    }
    split
}

/// Some places look like an attack, which began at `start` and of which `split` holds those
/// places' parts already: gives every other place to someone.
fn assign(log: &Log, scorer: &Scorer<'_>, places: &[Place<'_>], start: i64, split: &mut Split) {
    let habit = owners(log, places, start, split);
    let owner_families: BTreeSet<&str> = families(scorer, &habit);
    let thief_families: BTreeSet<&str> = families(scorer, &split.thief);
    for (number, place) in places
        .iter()
        .enumerate()
        .filter(|(_, place)| !place.flagged)
    {
        let same_client = place.families.is_subset(&owner_families);
        let thief_client = place.families.is_subset(&thief_families)
            && place.families.is_disjoint(&owner_families);
        if place.first >= start {
            if same_client && !habit.is_empty() {
                continue;
            }
            if !thief_client
                && scorer
                    .premises()
                    .is_shared(log.address(place.rows[0]), start - HOUR)
            {
                // Where others have long called from, with neither's client: nothing tells.
                split.uncertain.extend(&place.rows);
            } else {
                split.thief.extend(&place.rows);
            }
        } else if thief_client && number > 0 {
            split.thief.extend(&place.rows);
        } else if number > 0
            && !same_as_first(places, place)
            && start - place.first < DAY
            && scorer.established(&habit)
        {
            // New, unlike the first place, shortly before the attack: perhaps the thief trying the key.
            split.uncertain.extend(&place.rows);
        }
    }
    split.thief.sort_unstable();
    split.uncertain.sort_unstable();
}

/// The owner's calls: those of places known before the attack, and what the thief left of a
/// place that both use.
fn owners(log: &Log, places: &[Place<'_>], start: i64, split: &Split) -> Vec<u32> {
    let taken: Set<u32> = split
        .thief
        .iter()
        .chain(&split.uncertain)
        .copied()
        .collect();
    let known = places.iter().filter(|place| place.first < start);
    let mut rows: Vec<u32> = known
        .flat_map(|place| place.rows.iter().copied())
        .filter(|row| !taken.contains(row) && (log.at(*row) < start))
        .collect();
    rows.sort_unstable();
    rows
}

fn families<'s>(scorer: &'s Scorer<'_>, rows: &[u32]) -> BTreeSet<&'s str> {
    let mut families: Vec<&str> = rows
        .iter()
        .map(|row| scorer.client(*row).family.as_str())
        .collect();
    // A client's calls follow each other.
    families.dedup();
    families.into_iter().collect()
}

fn same_as_first(places: &[Place<'_>], place: &Place<'_>) -> bool {
    places
        .first()
        .is_some_and(|first| place.families.is_subset(&first.families))
}

/// A place that looks like an attack may be the owner's too: told apart by client, then by time.
fn flagged(
    log: &Log,
    scorer: &Scorer<'_>,
    credential: Credential,
    place: &Place<'_>,
    is_first: bool,
    split: &mut Split,
) {
    let onset = place.score.onset.unwrap_or(place.first);
    if !is_first || onset - place.first < HOUR {
        split.thief.extend(&place.rows);
        return;
    }
    let mut by_client: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for row in &place.rows {
        by_client
            .entry(&scorer.client(*row).family)
            .or_default()
            .push(*row);
    }
    let several = by_client.len() > 1;
    for rows in by_client.values() {
        let before: Vec<u32> = place
            .rows
            .iter()
            .copied()
            .take_while(|row| *row < rows[0])
            .collect();
        let alone = scorer.score(credential, rows, Habit::new(&before));
        let first = log.at(rows[0]);
        if several && first < onset - HOUR && alone.points < SUSPICIOUS {
            continue;
        }
        let from = if onset - first >= DAY {
            onset - HOUR
        } else {
            first
        };
        let (early, late): (Vec<u32>, Vec<u32>) = rows.iter().partition(|row| log.at(**row) < from);
        split.uncertain.extend(early);
        split.thief.extend(late);
    }
}
