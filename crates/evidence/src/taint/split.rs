//! Separates the thief from the rightful owner on one credential.

use std::collections::{BTreeMap, BTreeSet};

use crate::log::tables::{Map, Set};
use crate::log::{Part, Sym};
use crate::taint::actors::Credential;
use crate::taint::habit::Habit;
use crate::taint::score::{SUSPICIOUS, Score, Scorer, Scoring};

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

/// Splits the calls of one credential.
pub(crate) fn split(
    scorer: &Scorer,
    credential: Credential,
    part: Part<'_>,
    hints: &Hints<'_>,
) -> Split {
    let scoring = scorer.of(part);
    let mut split = within(&scoring, credential, hints);
    for rows in [&mut split.thief, &mut split.uncertain] {
        for row in rows {
            *row = part.rows()[*row as usize];
        }
    }
    split
}

/// As [`split`], in the numbers of the part.
fn within(scoring: &Scoring<'_>, credential: Credential, hints: &Hints<'_>) -> Split {
    let part = &scoring.part;
    let mut places = places(scoring, credential);
    for place in &mut places {
        let is_told = |row: &u32| hints.agents.contains(&part.origin(*row).agent);
        place.flagged |= hints.addresses.contains(&part.address(place.rows[0]))
            || (!hints.agents.is_empty() && place.rows.iter().any(is_told));
    }
    let score = together(scoring, credential, &places);
    if !places.iter().any(|place| place.flagged) {
        return unflagged(scoring, places, hints, score);
    }
    let mut split = Split {
        score,
        ..Split::default()
    };
    for (number, place) in places.iter().enumerate().filter(|(_, place)| place.flagged) {
        flagged(scoring, credential, place, number == 0, &mut split);
    }
    let start = split.thief.iter().map(|row| part.at(*row)).min();
    let start = start.unwrap_or_else(|| places[0].first);
    let start = hints.since.map_or(start, |since| start.max(since));
    assign(scoring, &places, start, &mut split);
    split
}

/// Whether the caller made the call himself, so that its address and client are his.
fn is_own(part: &Part<'_>, row: u32) -> bool {
    let origin = part.origin(row);
    !origin.service
        && origin.address.some()
        && !part.who(row).invoked_by.some()
        && !part.call(row).flags.insight
}

fn places<'s>(scoring: &Scoring<'s>, credential: Credential) -> Vec<Place<'s>> {
    let part = &scoring.part;
    let mut by_address: Map<Sym, Vec<u32>> = Map::default();
    for row in part.numbers().filter(|row| is_own(part, *row)) {
        by_address.entry(part.address(row)).or_default().push(row);
    }
    let mut by_address: Vec<Vec<u32>> = by_address.into_values().collect();
    by_address.sort_by_key(|rows| rows[0]);
    let mut places: Vec<Place<'s>> = Vec::new();
    // What looks like an attack is nobody's habit; at the first place both may be.
    let mut habit: Vec<u32> = Vec::new();
    for rows in by_address {
        let before: Vec<u32> = habit.iter().copied().filter(|row| *row < rows[0]).collect();
        let first = part.at(rows[0]);
        let known = Habit {
            before: &before,
            ended: habit
                .last()
                .is_some_and(|last| part.at(*last) < first + HOUR),
        };
        let place = place(scoring, credential, known, rows);
        if places.is_empty() || !place.flagged {
            habit.extend(&place.rows);
            habit.sort_unstable();
        }
        places.push(place);
    }
    places
}

fn place<'s>(
    scoring: &Scoring<'s>,
    credential: Credential,
    habit: Habit<'_>,
    rows: Vec<u32>,
) -> Place<'s> {
    let score = scoring.score(credential, &rows, habit);
    Place {
        first: scoring.part.at(rows[0]),
        families: families(scoring, &rows),
        flagged: score.points >= SUSPICIOUS,
        score,
        rows,
    }
}

/// The best score: of one place, or of all later places together for a thief who moves about.
fn together(scoring: &Scoring<'_>, credential: Credential, places: &[Place<'_>]) -> Score {
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
        let moved = scoring.score(credential, &rows, Habit::new(&before));
        if moved.points > best.points {
            best = moved;
        }
    }
    best
}

/// Nothing looks like an attack. A key named as stolen is the thief's as far as no owner is seen.
fn unflagged(
    scoring: &Scoring<'_>,
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
            .filter(|row| scoring.part.at(*row) >= since);
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
    if !later.is_empty() && scoring.established(&owner) {
        split.uncertain = later;
    } else {
        split.thief = owner.into_iter().chain(later).collect();
    }
    split
}

/// Some places look like an attack, which began at `start` and of which `split` holds those
/// places' parts already: gives every other place to someone.
fn assign(scoring: &Scoring<'_>, places: &[Place<'_>], start: i64, split: &mut Split) {
    let habit = owners(scoring, places, start, split);
    let owner_families: BTreeSet<&str> = families(scoring, &habit);
    let thief_families: BTreeSet<&str> = families(scoring, &split.thief);
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
                && scoring
                    .premises()
                    .is_shared(scoring.part.address(place.rows[0]), start - HOUR)
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
            && scoring.established(&habit)
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
fn owners(scoring: &Scoring<'_>, places: &[Place<'_>], start: i64, split: &Split) -> Vec<u32> {
    let taken: Set<u32> = split
        .thief
        .iter()
        .chain(&split.uncertain)
        .copied()
        .collect();
    let known = places.iter().filter(|place| place.first < start);
    let mut rows: Vec<u32> = known
        .flat_map(|place| place.rows.iter().copied())
        .filter(|row| !taken.contains(row) && scoring.part.at(*row) < start)
        .collect();
    rows.sort_unstable();
    rows
}

fn families<'s>(scoring: &Scoring<'s>, rows: &[u32]) -> BTreeSet<&'s str> {
    let mut families: Vec<&str> = rows
        .iter()
        .map(|row| scoring.client(*row).family.as_str())
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
    scoring: &Scoring<'_>,
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
            .entry(&scoring.client(*row).family)
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
        let alone = scoring.score(credential, rows, Habit::new(&before));
        let first = scoring.part.at(rows[0]);
        if several && first < onset - HOUR && alone.points < SUSPICIOUS {
            continue;
        }
        let from = if onset - first >= DAY {
            onset - HOUR
        } else {
            first
        };
        let (early, late): (Vec<u32>, Vec<u32>) =
            rows.iter().partition(|row| scoring.part.at(**row) < from);
        split.uncertain.extend(early);
        split.thief.extend(late);
    }
}
