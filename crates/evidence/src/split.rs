//! Separates the thief from the rightful owner on one credential.

use std::collections::{BTreeMap, BTreeSet};

use crate::actors::Credential;
use crate::log::{Log, Sym};
use crate::rows::is_caller_address;
use crate::score::{SUSPICIOUS, Score, Scorer};

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

/// The use of a credential from one address.
struct Place {
    rows: Vec<u32>,
    first: i64,
    families: BTreeSet<String>,
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
        let row = &log.rows[place.rows[0] as usize];
        place.flagged |= hints.addresses.contains(&row.address)
            || place
                .rows
                .iter()
                .any(|row| hints.agents.contains(&log.rows[*row as usize].agent));
    }
    let score = together(scorer, credential, &places);
    if !places.iter().any(|place| place.flagged) {
        return unflagged(log, scorer, places, hints, score);
    }
    let start = places
        .iter()
        .filter(|place| place.flagged)
        .map(|place| place.first)
        .min()
        .unwrap_or_default();
    let start = hints.since.map_or(start, |since| start.max(since));
    assign(log, scorer, credential, &places, start, score)
}

/// Whether the caller made the call himself, so that its address and client are his.
fn is_own(log: &Log, row: u32) -> bool {
    let row = &log.rows[row as usize];
    !row.invoked_by.some() && !row.flags.insight && is_caller_address(&log.texts, row.address)
}

fn places(log: &Log, scorer: &Scorer<'_>, credential: Credential, rows: &[u32]) -> Vec<Place> {
    let mut by_address: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for row in rows {
        by_address
            .entry(log.text(log.rows[*row as usize].address))
            .or_default()
            .push(*row);
    }
    let mut places: Vec<Place> = by_address
        .into_values()
        .map(|own| place(log, scorer, credential, rows, own))
        .collect();
    places.sort_by_key(|place| place.rows[0]);
    places
}

fn place(
    log: &Log,
    scorer: &Scorer<'_>,
    credential: Credential,
    all: &[u32],
    rows: Vec<u32>,
) -> Place {
    let before: Vec<u32> = all
        .iter()
        .copied()
        .take_while(|row| *row < rows[0])
        .collect();
    let score = scorer.score(credential, &rows, &before);
    let families = rows
        .iter()
        .map(|row| scorer.client(*row).family.clone())
        .collect();
    Place {
        first: log.rows[rows[0] as usize].at(),
        families,
        flagged: score.points >= SUSPICIOUS,
        score,
        rows,
    }
}

/// The best score: of one place, or of all later places together for a thief who moves about.
fn together(scorer: &Scorer<'_>, credential: Credential, places: &[Place]) -> Score {
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
        let moved = scorer.score(credential, &rows, &before);
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
    places: Vec<Place>,
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
        let (old, new): (Vec<&Place>, Vec<&Place>) =
            places.iter().partition(|place| place.first < since);
        split.thief = new
            .iter()
            .flat_map(|place| place.rows.iter().copied())
            .collect();
        let during = old
            .iter()
            .flat_map(|place| place.rows.iter().copied())
            .filter(|row| log.rows[*row as usize].at() >= since);
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

/// Some places look like an attack, which began at `start`: gives every place to someone.
fn assign(
    log: &Log,
    scorer: &Scorer<'_>,
    credential: Credential,
    places: &[Place],
    start: i64,
    score: Score,
) -> Split {
    let mut split = Split {
        score,
        ..Split::default()
    };
    let owners: Vec<&Place> = places
        .iter()
        .filter(|place| !place.flagged && place.first < start)
        .collect();
    let owner_families: BTreeSet<&String> =
        owners.iter().flat_map(|place| &place.families).collect();
    let thief_families: BTreeSet<&String> = places
        .iter()
        .filter(|place| place.flagged)
        .flat_map(|place| &place.families)
        .collect();
    let habit: Vec<u32> = owners
        .iter()
        .flat_map(|place| place.rows.iter().copied())
        .collect();
    for (number, place) in places.iter().enumerate() {
        let same_client = place
            .families
            .iter()
            .all(|family| owner_families.contains(family));
        let thief_client = place
            .families
            .iter()
            .all(|family| thief_families.contains(family) && !owner_families.contains(family));
        if place.flagged {
            flagged(log, scorer, credential, place, number == 0, &mut split);
        } else if place.first >= start {
            if owners.is_empty() || !same_client {
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
    split
}

fn same_as_first(places: &[Place], place: &Place) -> bool {
    places.first().is_some_and(|first| {
        place
            .families
            .iter()
            .all(|family| first.families.contains(family))
    })
}

/// A place that looks like an attack may be the owner's too: told apart by client, then by time.
fn flagged(
    log: &Log,
    scorer: &Scorer<'_>,
    credential: Credential,
    place: &Place,
    is_first: bool,
    split: &mut Split,
) {
    let onset = place.score.onset.unwrap_or(place.first);
    if !is_first || onset - place.first < HOUR {
        split.thief.extend(&place.rows);
        return;
    }
    let mut by_client: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for row in &place.rows {
        by_client
            .entry(scorer.client(*row).family.clone())
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
        let alone = scorer.score(credential, rows, &before);
        let first = log.rows[rows[0] as usize].at();
        if several && first < onset - HOUR && alone.points < SUSPICIOUS {
            continue;
        }
        let from = if onset - first >= DAY {
            onset - HOUR
        } else {
            first
        };
        let (early, late): (Vec<u32>, Vec<u32>) = rows
            .iter()
            .partition(|row| log.rows[**row as usize].at() < from);
        split.uncertain.extend(early);
        split.thief.extend(late);
    }
}
