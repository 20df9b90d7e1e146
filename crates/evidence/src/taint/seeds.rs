//! Where the attack began: given by the user, or proposed from the log.

pub(crate) mod reported;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::input::record::show_time;
use crate::log::{IdentityKind, Log, Part, Sym, What};
use crate::taint::actors::{Credential, Index};
use crate::taint::attribution::Taint;
use crate::taint::links::{Doubt, Link, Mark};
use crate::taint::score::{SUSPICIOUS, Score, Scorer};
use crate::taint::split::{Hints, Split, split};
use crate::text::sanitize;

/// From this score on a further credential is adopted beside the first.
const FURTHER: u32 = 10;

/// From this score on a credential is adopted though nothing tells of another hand: daily work
/// of an administrator reaches less.
const ALONE: u32 = 8;

/// What is known to be the attacker's. Empty seeds ask for a proposal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seeds {
    /// Access key ids.
    pub access_keys: BTreeSet<String>,
    /// ARNs of users, roles or sessions.
    pub arns: BTreeSet<String>,
    /// Source addresses.
    pub addresses: BTreeSet<String>,
    /// User agents, whole.
    pub agents: BTreeSet<String>,
    /// The attack did not begin before.
    pub since: Option<jiff::Timestamp>,
    /// The attack was over by then, as far as the seeds go; what was derived may live longer.
    pub until: Option<jiff::Timestamp>,
    /// Actors that a person convicted, by id, access key id or ARN. They add to the seeds: where
    /// there are none, a start is proposed as well.
    #[serde(default)]
    pub convicted: BTreeSet<String>,
    /// Actors that a person acquitted, likewise: never the attacker's, whatever else is said.
    #[serde(default)]
    pub acquitted: BTreeSet<String>,
}

impl Seeds {
    /// Whether nothing is given to start from; neither a time window nor a judgement is a start.
    pub fn is_empty(&self) -> bool {
        self.access_keys.is_empty()
            && self.arns.is_empty()
            && self.addresses.is_empty()
            && self.agents.is_empty()
    }
}

/// A seed that was used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeedUsed {
    /// `access_key`, `arn`, `address`, `agent`, or the kind of a proposed actor.
    pub kind: String,
    /// The seed itself.
    pub value: String,
    /// True when Relatch proposed it.
    pub proposed: bool,
    /// The score of a proposed seed, and of a given one as far as it looks like an attack.
    pub score: u32,
    /// What raised the score.
    pub reasons: Vec<String>,
    /// Events in the log that the seed led to directly.
    pub events: u64,
}

impl SeedUsed {
    /// The id of a proposed actor, as in the list of actors.
    pub fn actor(&self) -> String {
        match self.kind.as_str() {
            "access_key" | "session" | "user" => self.value.clone(),
            kind => format!("{kind}:{}", self.value),
        }
    }
}

/// Everything that seeding needs.
pub(crate) struct Seeding<'a> {
    pub(crate) log: &'a Log,
    pub(crate) index: &'a Index,
    pub(crate) scorer: &'a Scorer,
    pub(crate) seeds: &'a Seeds,
    /// How each credential splits when nothing is known from outside.
    pub(crate) splits: &'a BTreeMap<Credential, Split>,
}

/// A credential that looks like an attack.
struct Candidate<'a> {
    credential: Credential,
    split: &'a Split,
}

impl Seeding<'_> {
    /// Marks what the seeds lead to, directly and in the end.
    pub(crate) fn run(&self, taint: &mut Taint<'_>) -> Vec<SeedUsed> {
        let mut used = if self.seeds.is_empty() {
            self.propose(taint)
        } else {
            self.given(taint)
        };
        self.pivot(taint);
        taint.spread();
        used.sort();
        used
    }

    fn in_window(&self, row: u32) -> bool {
        let at = self.log.at(row);
        self.seeds
            .since
            .is_none_or(|since| at >= since.as_millisecond())
            && self
                .seeds
                .until
                .is_none_or(|until| at <= until.as_millisecond())
    }

    fn find(&self, texts: &BTreeSet<String>) -> BTreeSet<Sym> {
        texts
            .iter()
            .filter_map(|text| self.log.find(text))
            .collect()
    }

    fn given(&self, taint: &mut Taint<'_>) -> Vec<SeedUsed> {
        let (addresses, agents) = (
            self.find(&self.seeds.addresses),
            self.find(&self.seeds.agents),
        );
        let hints = Hints {
            addresses: &addresses,
            agents: &agents,
            since: self.seeds.since.map(jiff::Timestamp::as_millisecond),
            named: true,
        };
        let mut used = Vec::new();
        for key in &self.seeds.access_keys {
            let rows = self
                .log
                .find(key)
                .map(|sym| self.index.by_key(sym))
                .unwrap_or_default();
            used.push(self.given_credential("access_key", key, &rows, &hints, taint));
        }
        for arn in &self.seeds.arns {
            let mut rows = Vec::new();
            if let Some(sym) = self.log.find(arn) {
                rows = self.index.by_arn(sym);
                rows.extend(self.index.by_issuer(sym));
            }
            rows.sort_unstable();
            rows.dedup();
            used.push(self.given_credential("arn", arn, &rows, &hints, taint));
        }
        for (kind, texts, by_agent) in [
            ("address", &self.seeds.addresses, false),
            ("agent", &self.seeds.agents, true),
        ] {
            for text in texts {
                let sym = self.log.find(text);
                let hit = |row: &u32| {
                    let event = &self.log.row(*row);
                    sym == Some(if by_agent { event.agent } else { event.address })
                        && self.in_window(*row)
                        && !taint.is_spared(*row)
                };
                let rows: Vec<u32> = self.log.numbers().filter(hit).collect();
                for row in &rows {
                    taint.taint(*row, Link::Seed, None);
                }
                used.push(seed_used(kind, text, false, &Score::default(), rows.len()));
            }
        }
        let thief = taint.tainted_seeds();
        taint.spread();
        let none = BTreeSet::new();
        self.climb(
            thief,
            &Hints {
                addresses: &none,
                agents: &none,
                since: hints.since,
                named: false,
            },
            taint,
            &mut used,
            false,
        );
        used
    }

    /// One credential named as stolen; its owner's part is left out.
    fn given_credential(
        &self,
        kind: &str,
        text: &str,
        rows: &[u32],
        hints: &Hints<'_>,
        taint: &mut Taint<'_>,
    ) -> SeedUsed {
        let mut groups: std::collections::BTreeMap<Credential, Vec<u32>> =
            std::collections::BTreeMap::new();
        for row in rows {
            groups
                .entry(Credential::of(self.log, &self.log.row(*row)))
                .or_default()
                .push(*row);
        }
        let (mut best, mut events) = (Score::default(), 0);
        for (credential, rows) in groups {
            let columns = self.log.columns_of(&rows);
            let part = Part::new(self.log, &rows, &columns, 0..rows.len());
            let split = split(self.scorer, credential, part, hints);
            events += self.mark(&split, taint);
            if split.score.points >= best.points {
                best = split.score;
            }
        }
        seed_used(kind, text, false, &best, events)
    }

    fn mark(&self, split: &Split, taint: &mut Taint<'_>) -> usize {
        let hit: Vec<u32> = split
            .thief
            .iter()
            .copied()
            .filter(|row| self.in_window(*row) && !taint.is_spared(*row))
            .collect();
        for row in &hit {
            taint.taint(*row, Link::Seed, None);
        }
        for row in &split.uncertain {
            taint.doubt(*row, Doubt::Credential, hit.first().copied());
        }
        hit.len()
    }

    /// Ranks all credentials and adopts what stands out.
    fn propose(&self, taint: &mut Taint<'_>) -> Vec<SeedUsed> {
        let none = BTreeSet::new();
        let hints = Hints {
            addresses: &none,
            agents: &none,
            since: None,
            named: false,
        };
        let mut ranked: Vec<Candidate<'_>> = self
            .splits
            .iter()
            .filter(|(_, split)| split.score.points >= SUSPICIOUS)
            .filter(|(_, split)| split.thief.iter().any(|row| !taint.is_spared(*row)))
            .map(|(credential, split)| Candidate {
                credential: *credential,
                split,
            })
            .collect();
        // Most points first; then whoever acted first, which is nearer to the root.
        ranked.sort_by_key(|candidate| {
            (
                std::cmp::Reverse(candidate.split.score.points),
                candidate.split.thief[0],
            )
        });
        let mut used = Vec::new();
        let Some(top) = ranked.first().map(|candidate| candidate.split.score.points) else {
            return used;
        };
        for candidate in &ranked {
            let score = &candidate.split.score;
            let tells = score.another_hand || score.points >= ALONE;
            let fresh = candidate
                .split
                .thief
                .iter()
                .any(|row| taint.mark(*row) != Mark::Tainted && !taint.is_spared(*row));
            let strong =
                score.another_hand && score.points >= FURTHER && score.points * 10 >= top * 6;
            if fresh
                && tells
                && (used.is_empty() || strong || self.shares_address(candidate, taint))
            {
                self.adopt(candidate, &hints, taint, &mut used);
            }
        }
        used
    }

    /// Whether a suspicious credential was used from an address that only the attacker used first.
    fn shares_address(&self, candidate: &Candidate<'_>, taint: &Taint<'_>) -> bool {
        candidate.split.score.another_hand
            && candidate.split.thief.iter().any(|row| {
                let address = self.log.address(*row);
                let first = self.scorer.premises().first_from(address);
                first.is_some_and(|first| taint.mark(first) == Mark::Tainted)
            })
    }

    fn adopt(
        &self,
        candidate: &Candidate<'_>,
        hints: &Hints<'_>,
        taint: &mut Taint<'_>,
        used: &mut Vec<SeedUsed>,
    ) {
        let events = self.mark(candidate.split, taint);
        used.push(seed_used(
            candidate.credential.kind(),
            self.log.text(candidate.credential.name()),
            true,
            &candidate.split.score,
            events,
        ));
        taint.spread();
        self.climb(candidate.split.thief.clone(), hints, taint, used, true);
    }

    /// Up the chain: whoever made this session from the attacker's address is the attacker too.
    ///
    /// Without `any`, only a maker whose calls look like an attack by themselves is adopted.
    fn climb(
        &self,
        mut thief: Vec<u32>,
        hints: &Hints<'_>,
        taint: &mut Taint<'_>,
        used: &mut Vec<SeedUsed>,
        any: bool,
    ) {
        for _ in 0..16 {
            thief.retain(|row| !taint.is_spared(*row));
            let Some(maker) = self.maker(&thief, taint) else {
                return;
            };
            let event = &self.log.row(maker);
            let credential = Credential::of(self.log, event);
            let Some(part) = self.index.by_credential.get(self.log, credential) else {
                return;
            };
            let rows = part.rows();
            let above = split(self.scorer, credential, part, hints);
            let mut chosen = above.thief.clone();
            if !chosen.contains(&maker) {
                let from_there = rows
                    .iter()
                    .copied()
                    .filter(|row| self.log.address(*row) == event.address);
                chosen.extend(from_there);
                if !any {
                    // Not telling by itself; perhaps what stands above it is.
                    thief = chosen;
                    continue;
                }
                chosen.retain(|row| *row >= maker || above.thief.contains(row));
            }
            let mut score = above.score.clone();
            score.reasons.push(format!(
                "opened a session that is the attacker's, from the same address, at {}",
                show_time(event.at()).unwrap_or_default()
            ));
            let events = self.mark(
                &Split {
                    thief: chosen.clone(),
                    uncertain: above.uncertain,
                    score: Score::default(),
                },
                taint,
            );
            used.push(seed_used(
                credential.kind(),
                self.log.text(credential.name()),
                true,
                &score,
                events,
            ));
            taint.spread();
            thief = chosen;
        }
    }

    /// The untainted call, made from an address of the thief's, that handed out his credentials.
    fn maker(&self, thief: &[u32], taint: &Taint<'_>) -> Option<u32> {
        let addresses: BTreeSet<Sym> = thief.iter().map(|row| self.log.address(*row)).collect();
        let keys: BTreeSet<Sym> = thief
            .iter()
            .map(|row| self.log.row(*row).key)
            .filter(|key| key.some())
            .collect();
        let makers = keys.into_iter().flat_map(|key| taint.announcers(key));
        makers
            .filter(|row| {
                let event = &self.log.row(*row);
                taint.mark(*row) != Mark::Tainted
                    && !taint.is_spared(*row)
                    && event.kind != IdentityKind::Service
                    && addresses.contains(&event.address)
            })
            .min()
    }
}

fn seed_used(kind: &str, value: &str, proposed: bool, score: &Score, events: usize) -> SeedUsed {
    SeedUsed {
        kind: kind.to_owned(),
        value: sanitize(value),
        proposed,
        score: score.points,
        reasons: score
            .reasons
            .iter()
            .map(|reason| sanitize(reason))
            .collect(),
        events: events as u64,
    }
}

/// The words for seeds that are not in the log at all.
pub(crate) fn missing(used: &[SeedUsed]) -> Vec<&SeedUsed> {
    used.iter().filter(|seed| seed.events == 0).collect()
}

/// Keys that the attacker made or was given, by the facts of his events.
pub(crate) fn keys_made(log: &Log, tainted: &[u32], what: What) -> BTreeSet<String> {
    let facts = tainted
        .iter()
        .filter(|row| !log.error(**row).some())
        .flat_map(|row| log.facts(*row));
    facts
        .filter(|fact| fact.what == what)
        .map(|fact| log.text(fact.name).to_owned())
        .collect()
}
