//! How much a stretch of calls looks like an attack, with the reasons.

use std::collections::{BTreeMap, BTreeSet};

use crate::input::record::show_time;
use crate::log::agents::Client;
use crate::log::classes::{Class, Classes};
use crate::log::tables::Set;
use crate::log::{IdentityKind, Log, Part, Sym, What};
use crate::taint::actors::{Credential, Index};
use crate::taint::habit::{self, Habit, Known, is_habit};
use crate::taint::premises::Premises;

/// From this score on a stretch of calls is taken for an attack.
pub(crate) const SUSPICIOUS: u32 = 5;

/// Ten minutes, the width of a burst, in milliseconds.
const BURST: i64 = 600_000;

/// One day in milliseconds.
const DAY: i64 = 24 * 3_600_000;

/// Writes that the daily administration of users is made of.
const USER_WRITES: [&str; 4] = [
    "makes a user",
    "sets a password",
    "gives a user more rights",
    "makes a long-lived key",
];

/// A score with its reasons.
#[derive(Debug, Clone, Default)]
pub(crate) struct Score {
    pub(crate) points: u32,
    pub(crate) reasons: Vec<String>,
    /// The earliest call that raised the score.
    pub(crate) onset: Option<i64>,
    /// Something tells of another hand: place, tool, or an instance's key outside.
    pub(crate) another_hand: bool,
}

impl Score {
    fn add(&mut self, points: u32, at: i64, reason: String) {
        self.points += points;
        self.reasons.push(reason);
        self.onset = Some(self.onset.map_or(at, |onset| onset.min(at)));
    }
}

/// What scoring needs to know of the whole log.
pub(crate) struct Scorer {
    classes: Classes,
    premises: Premises,
    /// What each agent tells, by the number of the origin.
    clients: Vec<Client>,
}

impl Scorer {
    /// Looks over the log once.
    pub(crate) fn new(log: &Log, index: &Index) -> Self {
        let clients = log.origins().iter();
        Scorer {
            clients: clients
                .map(|origin| Client::new(log.text(origin.agent)))
                .collect(),
            classes: Classes::new(log),
            premises: Premises::new(log, index),
        }
    }

    /// Who calls from where.
    pub(crate) fn premises(&self) -> &Premises {
        &self.premises
    }

    /// The events of a credential, to score stretches of them.
    pub(crate) fn of<'s>(&'s self, part: Part<'s>) -> Scoring<'s> {
        Scoring { scorer: self, part }
    }
}

/// The events of a credential and what scoring needs to know. All rows are numbers of `part`.
pub(crate) struct Scoring<'s> {
    scorer: &'s Scorer,
    pub(crate) part: Part<'s>,
}

impl<'s> Scoring<'s> {
    /// Who calls from where.
    pub(crate) fn premises(&self) -> &'s Premises {
        &self.scorer.premises
    }

    fn class(&self, row: u32) -> &'s Class {
        self.scorer.classes.get(self.part.call_number(row))
    }

    fn at(&self, row: u32) -> i64 {
        self.part.at(row)
    }

    /// What the user agent of an event tells.
    pub(crate) fn client(&self, row: u32) -> &'s Client {
        &self.scorer.clients[self.part.origin_number(row) as usize]
    }

    /// Scores `rows`, given what the same credential did before; both sorted by time.
    pub(crate) fn score(&self, credential: Credential, rows: &[u32], habit: Habit<'_>) -> Score {
        let before = habit.before;
        let mut score = Score::default();
        if rows.is_empty() {
            return score;
        }
        let known = Known::new(&self.part, before, rows);
        self.place(credential, rows, habit, &mut score);
        self.instance(credential, rows, before, &mut score);
        self.tool(rows, &mut score);
        self.denied(rows, &known.calls, &mut score);
        self.survey(rows, &known.calls, &mut score);
        self.impact(rows, &known.calls, &mut score);
        self.secrets(rows, before, &known.secrets, &mut score);
        self.logins(rows, &mut score);
        self.sweep(rows, &mut score);
        score
    }

    fn call(&self, row: u32) -> (Sym, Sym) {
        habit::call(&self.part, row)
    }

    /// Whether there is a habit to compare with.
    pub(crate) fn established(&self, before: &[u32]) -> bool {
        is_habit(before, |row| self.at(row))
    }

    fn place(&self, credential: Credential, rows: &[u32], habit: Habit<'_>, score: &mut Score) {
        let before = habit.before;
        let moved = habit.ended && self.carries_on(rows, before);
        if !self.established(before) {
            return;
        }
        let column = |row: &u32| self.part.address(*row);
        let places: Set<Sym> = before.iter().map(column).collect();
        let Some(row) = rows.iter().find(|row| !places.contains(&column(row))) else {
            return;
        };
        let address = column(row);
        let first_here = self.premises().is_first(credential, address);
        // A caller that changes addresses all the time tells little by one more.
        let points = if places.len() >= 4 || moved || self.premises().is_shared(address, i64::MAX) {
            1
        } else if first_here {
            4
        } else {
            1
        };
        let text = self.part.text(address);
        let since = show_time(self.at(*row)).unwrap_or_default();
        score.add(
            points,
            self.at(*row),
            format!(
                "address {text} is new for it, first used {since}, after {} calls from elsewhere",
                before.len()
            ),
        );
        score.another_hand |= points >= 4;
        let clients: Set<&str> = before
            .iter()
            .map(|row| self.client(*row).family.as_str())
            .collect();
        if let Some(row) = rows
            .iter()
            .find(|row| !clients.contains(self.client(**row).family.as_str()))
        {
            score.add(
                2,
                self.at(*row),
                format!("client {} is new for it", self.client(*row).family),
            );
        }
    }

    /// Whether calls go on with what was done before, as after a move: within a day and for more
    /// than a moment, with the same clients, and four of five of a kind made before.
    fn carries_on(&self, rows: &[u32], before: &[u32]) -> bool {
        let Some(last) = before.last() else {
            return false;
        };
        let client = |row: &u32| self.client(*row).family.as_str();
        let clients: Set<&str> = before.iter().map(client).collect();
        let calls: Set<(Sym, Sym)> = before.iter().map(|row| self.call(*row)).collect();
        let known = rows.iter().filter(|row| calls.contains(&self.call(**row)));
        self.established(rows)
            && self.at(rows[0]) - self.at(*last) < DAY
            && rows.iter().all(|row| clients.contains(client(row)))
            && known.count() * 5 >= rows.len() * 4
    }

    /// The key of an instance's role, used where no instance is.
    fn instance(&self, credential: Credential, rows: &[u32], before: &[u32], score: &mut Score) {
        let Credential::Session(arn) = credential else {
            return;
        };
        let name = self.part.text(arn).rsplit('/').next().unwrap_or_default();
        if !is_instance_session(self.part.text(arn)) {
            return;
        }
        let habit: Set<Sym> = before.iter().map(|row| self.part.address(*row)).collect();
        for row in rows {
            let at = self.at(*row);
            let address = self.part.address(*row);
            let moved = !habit.is_empty() && !habit.contains(&address);
            if self.client(*row).desktop {
                score.add(
                    6,
                    at,
                    format!("credentials of instance {name} used on a desktop system"),
                );
            } else if moved {
                score.add(
                    5,
                    at,
                    format!(
                        "credentials of instance {name} used from {}, where the instance is not",
                        self.part.text(address)
                    ),
                );
            } else if self.premises().has_people(address) && self.client(*row).hand_tool {
                score.add(
                    4,
                    at,
                    format!(
                        "credentials of instance {name} used by hand from {}, where people work",
                        self.part.text(address)
                    ),
                );
            } else {
                continue;
            }
            score.another_hand = true;
            return;
        }
    }

    fn tool(&self, rows: &[u32], score: &mut Score) {
        if let Some(row) = rows.iter().find(|row| self.client(**row).attack_tool) {
            score.add(
                SUSPICIOUS,
                self.at(*row),
                format!(
                    "the client names an attack tool: {}",
                    self.client(*row).family
                ),
            );
            score.another_hand = true;
        }
    }

    /// The most distinct values within ten minutes, and when that began. A sliding window.
    fn burst<K: Ord + Copy>(&self, rows: impl Iterator<Item = (u32, K)>) -> (usize, i64) {
        let mut window: std::collections::VecDeque<(i64, K)> = std::collections::VecDeque::new();
        let mut counts: BTreeMap<K, usize> = BTreeMap::new();
        let mut best = (0, 0);
        for (row, value) in rows {
            let now = self.at(row);
            window.push_back((now, value));
            *counts.entry(value).or_default() += 1;
            while let Some((_, old)) = window
                .front()
                .copied()
                .filter(|(then, _)| now - then > BURST)
            {
                window.pop_front();
                if let Some(count) = counts.get_mut(&old) {
                    *count -= 1;
                    if *count == 0 {
                        counts.remove(&old);
                    }
                }
            }
            if counts.len() > best.0 {
                best = (counts.len(), window.front().map_or(now, |(then, _)| *then));
            }
        }
        best
    }

    fn denied(&self, rows: &[u32], known: &Set<(Sym, Sym)>, score: &mut Score) {
        let is_denied = |row: &u32| is_denied(self.part.text(self.part.call(*row).error));
        let hits = rows
            .iter()
            .filter(|row| is_denied(row) && !known.contains(&self.call(**row)))
            .map(|row| (*row, self.call(*row)));
        let (count, at) = self.burst(hits);
        let console = rows.iter().all(|row| self.client(*row).console);
        let points = match count {
            10.. if !console => 5,
            10.. => 2,
            3.. if !console => 3,
            _ => return,
        };
        score.add(
            points,
            at,
            format!("{count} different calls denied within ten minutes"),
        );
        let asked = rows.iter().flat_map(|row| {
            self.part
                .facts(*row)
                .iter()
                .filter(|fact| fact.what == What::RoleAsked)
                .map(|fact| (*row, fact.name))
        });
        let (roles, at) = self.burst(asked);
        if roles >= 4 {
            score.add(
                2,
                at,
                format!("{roles} different roles tried within ten minutes"),
            );
        }
    }

    /// Looking around: many kinds of reads, or the calls that show what a key may do.
    fn survey(&self, rows: &[u32], known: &Set<(Sym, Sym)>, score: &mut Score) {
        let by_hand = |row: &&u32| {
            !self.client(**row).console
                && !self.client(**row).builder
                && !known.contains(&self.call(**row))
        };
        let (kinds, at) = self.burst(
            rows.iter()
                .filter(by_hand)
                .filter(|row| self.class(**row).survey)
                .map(|row| (*row, self.call(*row))),
        );
        if kinds >= 4 {
            score.add(3, at, format!("{kinds} different calls that show what is there and what is allowed, within ten minutes"));
        }
        let (reads, at) = self.burst(
            rows.iter()
                .filter(by_hand)
                .filter(|row| self.class(**row).read)
                .map(|row| (*row, self.call(*row))),
        );
        if reads >= 15 {
            score.add(2, at, format!("{reads} different reads within ten minutes"));
        }
        let first = rows[0];
        if self.class(first).name == "GetCallerIdentity" && by_hand(&&first) {
            score.add(1, self.at(first), "begins by asking who it is".into());
        }
    }

    /// Writes that attackers make, each kind counted once and only if it is new for the caller.
    fn impact(&self, rows: &[u32], known: &Set<(Sym, Sym)>, score: &mut Score) {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let (mut total, mut for_users) = (0, 0);
        for row in rows {
            let Some((what, points)) = self.class(*row).impact else {
                continue;
            };
            let builder = self.client(*row).builder && points < 4;
            if self.part.call(*row).error.some()
                || builder
                || known.contains(&self.call(*row))
                || total >= 10
            {
                continue;
            }
            // Hiring and leaving make several such writes in a row: together they tell little more.
            let points = if USER_WRITES.contains(&what) {
                points.min(5 - for_users)
            } else {
                points
            };
            if seen.insert(what) && points > 0 {
                for_users += if USER_WRITES.contains(&what) {
                    points
                } else {
                    0
                };
                total += points;
                score.add(points, self.at(*row), what.to_owned());
            }
        }
    }

    fn secrets(&self, rows: &[u32], before: &[u32], known: &Set<Sym>, score: &mut Score) {
        let by_hand = |row: &&u32| !self.client(**row).builder;
        let hits = rows.iter().filter(by_hand).flat_map(|row| {
            habit::secrets(&self.part, *row)
                .filter(|id| !known.contains(id))
                .map(|id| (*row, id))
        });
        let (count, at) = self.burst(hits);
        match count {
            5.. => score.add(
                4,
                at,
                format!("{count} different secrets read within ten minutes"),
            ),
            1.. if self.established(before) => score.add(
                1,
                at,
                format!("{count} secrets read that it never read before"),
            ),
            _ => {}
        }
    }

    fn logins(&self, rows: &[u32], score: &mut Score) {
        let mut failures = 0;
        for row in rows {
            let mut facts = self.part.facts(*row).iter();
            let Some(login) = facts.find(|fact| fact.what == What::Login) else {
                continue;
            };
            if self.part.call(*row).error.some() {
                failures += 1;
                continue;
            }
            if failures >= 3 {
                score.add(
                    2,
                    self.at(*row),
                    format!("console login after {failures} failed ones"),
                );
            }
            if self.part.text(login.other) == "No"
                && self.part.who(*row).kind != IdentityKind::Session
            {
                score.add(
                    1,
                    self.at(*row),
                    "console login without a second factor".into(),
                );
            }
            break;
        }
        if let Some(row) = rows
            .iter()
            .find(|row| self.part.who(**row).kind == IdentityKind::Root)
        {
            score.add(3, self.at(*row), "root used".into());
        }
    }

    /// One call over many regions.
    fn sweep(&self, rows: &[u32], score: &mut Score) {
        let mut calls: BTreeMap<(Sym, Sym), Vec<u32>> = BTreeMap::new();
        for row in rows {
            calls.entry(self.call(*row)).or_default().push(*row);
        }
        let best = calls
            .values()
            .map(|rows| self.burst(rows.iter().map(|row| (*row, self.part.call(*row).region))))
            .max_by_key(|(count, at)| (*count, -at));
        if let Some((count, at)) = best.filter(|(count, _)| *count >= 5) {
            score.add(
                3,
                at,
                format!("one call made in {count} regions within ten minutes"),
            );
        }
    }
}

/// Whether an error code says that permission was missing.
pub(crate) fn is_denied(error: &str) -> bool {
    ["AccessDenied", "Unauthorized", "Forbidden", "NotAuthorized"]
        .iter()
        .any(|word| error.contains(word))
}

/// Whether a session's ARN ends in the id of an instance: the instance's own role session.
pub(crate) fn is_instance_session(arn: &str) -> bool {
    let name = arn.rsplit('/').next().unwrap_or_default();
    name.strip_prefix("i-")
        .is_some_and(|id| id.len() >= 8 && id.bytes().all(|b| b.is_ascii_hexdigit()))
}
