//! Compares an answer with the truth.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::truth::Truth;

/// An answer, in as few words as the comparison needs.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Events said to be the attacker's.
    pub events: BTreeSet<String>,
    /// Secrets said to be read: kind and id.
    pub secrets: BTreeSet<(String, String)>,
    /// Addresses said to be his.
    pub addresses: BTreeSet<String>,
    /// His first call, RFC 3339.
    pub first: Option<String>,
}

/// How much was found, and how much of it is true.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// Of what is true and could be found, how much was.
    pub found: usize,
    /// What is true and could be found.
    pub of: usize,
    /// True ones that were missed, by name.
    pub missed: Vec<String>,
    /// Wrong ones, by name.
    pub wrong: Vec<String>,
}

impl Rate {
    fn new<T: Ord + Clone>(
        wanted: &BTreeSet<T>,
        allowed: &BTreeSet<T>,
        found: &BTreeSet<T>,
        show: impl Fn(&T) -> String,
    ) -> Self {
        Self {
            found: wanted.intersection(found).count(),
            of: wanted.len(),
            missed: wanted.difference(found).map(&show).collect(),
            wrong: found.difference(allowed).map(&show).collect(),
        }
    }

    /// Recall as a share of one.
    #[expect(clippy::cast_precision_loss, reason = "counts of events")]
    pub fn recall(&self) -> f64 {
        if self.of == 0 {
            1.0
        } else {
            self.found as f64 / self.of as f64
        }
    }

    /// Precision as a share of one; what may be counted either way counts as neither.
    #[expect(clippy::cast_precision_loss, reason = "counts of events")]
    pub fn precision(&self) -> f64 {
        let all = self.found + self.wrong.len();
        if all == 0 {
            1.0
        } else {
            self.found as f64 / all as f64
        }
    }
}

/// The comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// Events, those in damaged files left out.
    pub events: Rate,
    /// Secrets; those whose every read was lost are not asked for.
    pub secrets: Rate,
    /// Addresses; those whose every call was lost are not asked for.
    pub addresses: Rate,
    /// Whether the first call is right, or lost with its file.
    pub first: bool,
}

/// A secret by its name alone, without what stands before it in the ARN and the random ending.
fn name_alone(secret: &crate::SecretTruth) -> Option<(String, String)> {
    let (_, name) = secret.id.split_once(":secret:")?;
    let (name, _) = name.rsplit_once('-')?;
    Some((secret.kind.clone(), name.to_string()))
}

/// Judges an answer. What was in damaged files is neither asked for nor counted as wrong.
pub fn judge(truth: &Truth, found: &Found) -> Judgement {
    let findable = truth.findable();
    let owned = |set: &BTreeSet<&str>| set.iter().map(ToString::to_string).collect();
    let wanted: BTreeSet<String> = owned(&findable);
    let mut allowed: BTreeSet<String> = truth.tainted_events.iter().cloned().collect();
    allowed.extend(truth.either.iter().cloned());
    allowed.extend(truth.in_damaged_files.iter().cloned());
    let readable = |ids: &BTreeSet<String>| ids.iter().any(|id| findable.contains(id.as_str()));
    let pair = |secret: &crate::SecretTruth| (secret.kind.clone(), secret.id.clone());
    let mut all: BTreeSet<(String, String)> = truth.secrets_read.iter().map(pair).collect();
    // Who asked by name is recorded by name; the rest stands in the decryption, which may be lost.
    let named = truth.secrets_read.iter().filter_map(name_alone);
    all.extend(named.collect::<Vec<_>>());
    let asked = truth
        .secrets_read
        .iter()
        .filter(|secret| readable(&secret.event_ids));
    let known = truth.addresses.keys().cloned();
    let calling = truth
        .addresses
        .iter()
        .filter(|(_, ids)| readable(ids))
        .map(|(address, _)| address.clone());
    let lost_first = truth
        .tainted_events
        .first()
        .is_some_and(|id| !findable.contains(id.as_str()));
    Judgement {
        events: Rate::new(&wanted, &allowed, &found.events, Clone::clone),
        secrets: Rate::new(
            &asked.map(pair).collect(),
            &all,
            &found.secrets,
            |(kind, id)| format!("{kind} {id}"),
        ),
        addresses: Rate::new(
            &calling.collect(),
            &known.collect(),
            &found.addresses,
            Clone::clone,
        ),
        first: found.first == truth.first || lost_first,
    }
}
