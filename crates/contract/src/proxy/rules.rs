//! What happens to which request, and what came.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use super::{Deed, WireFault};

type Predicate = dyn Fn(&Seen, &[u8]) -> bool + Send + Sync;

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its number among all requests since the start, from 0.
    pub ordinal: u64,
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// What it asks for, where the path does not tell: the `X-Amz-Target` header or the
    /// `Action` of a form.
    pub action: Option<String>,
    /// The name of the fault that it met.
    pub fault: Option<&'static str>,
    /// A keyed hash of its body and query, to tell whether two requests are the same. The key
    /// is forgotten with the process.
    pub same: u64,
}

impl Seen {
    /// The action, or method and path.
    pub fn name(&self) -> String {
        match &self.action {
            Some(action) => action.clone(),
            None => format!("{} {}", self.method, self.path),
        }
    }
}

/// Which requests are meant.
pub struct Matching(Box<Predicate>);

impl std::fmt::Debug for Matching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Matching")
    }
}

impl Matching {
    /// All.
    pub fn all() -> Self {
        Self::by(|_, _| true)
    }

    /// Those of a method, whose path and body contain the texts (empty: any).
    pub fn request(method: &str, path: &str, body: &str) -> Self {
        let (method, path) = (method.to_string(), path.to_string());
        let body = body.as_bytes().to_vec();
        Self::by(move |seen, bytes| {
            (method.is_empty() || seen.method == method)
                && seen.path.contains(&path)
                && contains(bytes, &body)
        })
    }

    /// Those for which a function of the request and its body says so.
    pub fn by(matches: impl Fn(&Seen, &[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self(Box::new(matches))
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
}

/// Faults at random, by a seed: the same request number always meets the same fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Random {
    /// The seed.
    pub seed: u64,
    /// How many of a thousand requests fail.
    pub per_mille: u16,
    /// In which ways.
    pub faults: Vec<WireFault>,
}

impl Random {
    /// The fate of the request with this number.
    pub fn fate(&self, ordinal: u64) -> Option<WireFault> {
        let drawn = mix(self.seed ^ mix(ordinal));
        if self.faults.is_empty() || drawn % 1_000 >= u64::from(self.per_mille) {
            return None;
        }
        let count = u64::try_from(self.faults.len()).ok()?;
        let pick = usize::try_from(mix(drawn) % count).ok()?;
        self.faults.get(pick).cloned()
    }
}

/// The output function of the SplitMix64 generator (Steele, Lea and Flood, 2014).
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What is done to a request.
pub(super) enum Act {
    Fail(WireFault),
    /// Taken when it is done.
    Do(Option<Deed>),
}

struct Rule {
    matching: Matching,
    act: Act,
    left: Option<usize>,
}

/// All rules and everything seen.
#[derive(Default)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    random: Option<Random>,
    injected: BTreeMap<&'static str, u64>,
    seen: Vec<Seen>,
    next: u64,
    hash: RandomState,
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").finish_non_exhaustive()
    }
}

/// What is to be done to a request that has come.
pub(super) struct Fate {
    pub(super) deed: Option<Deed>,
    pub(super) fault: Option<WireFault>,
}

impl Rules {
    pub(super) fn add(&mut self, matching: Matching, act: Act, times: Option<usize>) {
        self.rules.push(Rule {
            matching,
            act,
            left: times,
        });
    }

    pub(super) fn randomly(&mut self, random: Random) {
        self.random = Some(random);
    }

    pub(super) fn calm(&mut self) {
        self.rules.clear();
        self.random = None;
    }

    pub(super) fn injected(&self) -> BTreeMap<&'static str, u64> {
        self.injected.clone()
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.clone()
    }

    pub(super) fn forget(&mut self) {
        self.seen.clear();
    }

    /// Takes a request in and tells its fate.
    pub(super) fn meet(&mut self, mut seen: Seen, query: &str, body: &[u8]) -> Fate {
        seen.ordinal = self.next;
        seen.same = self.hash.hash_one((query, body));
        self.next += 1;
        let fate = self.fate(&seen, body);
        seen.fault = fate.fault.as_ref().map(WireFault::name);
        if let Some(name) = seen.fault {
            *self.injected.entry(name).or_default() += 1;
        }
        self.seen.push(seen);
        fate
    }

    fn fate(&mut self, seen: &Seen, body: &[u8]) -> Fate {
        for rule in &mut self.rules {
            if rule.left == Some(0) || !(rule.matching.0)(seen, body) {
                continue;
            }
            rule.left = rule.left.map(|left| left - 1);
            return match &mut rule.act {
                Act::Fail(fault) => Fate {
                    deed: None,
                    fault: Some(fault.clone()),
                },
                Act::Do(deed) => Fate {
                    deed: deed.take(),
                    fault: None,
                },
            };
        }
        let random = self.random.as_ref();
        Fate {
            deed: None,
            fault: random.and_then(|random| random.fate(seen.ordinal)),
        }
    }
}
