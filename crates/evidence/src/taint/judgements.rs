//! What a person decided about actors, which stands above what the log suggests.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::found::exposure::actor_id;
use crate::log::Log;
use crate::taint::actors::Index;
use crate::taint::attribution::Taint;
use crate::taint::links::Link;
use crate::taint::seeds::Seeds;
use crate::text::sanitize;

/// What a person decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Judgement {
    /// All that it did is the attacker's, and what follows from it.
    Convicted,
    /// Nothing that it did is the attacker's, and nothing follows from it.
    Acquitted,
}

/// A judgement as it was applied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Judged {
    /// The actor as it was named.
    pub actor: String,
    /// What was decided.
    pub judgement: Judgement,
    /// Its events in this log; 0 means that the name fits nobody here.
    pub events: u64,
}

/// Applies what a person decided. An event of both an acquitted and a convicted actor is
/// acquitted.
pub(crate) fn judge(log: &Log, index: &Index, seeds: &Seeds, taint: &mut Taint<'_>) -> Vec<Judged> {
    let mut judged = Vec::new();
    for (actors, judgement) in [
        (&seeds.acquitted, Judgement::Acquitted),
        (&seeds.convicted, Judgement::Convicted),
    ] {
        for actor in actors {
            let rows = rows(log, index, actor);
            for row in &rows {
                match judgement {
                    Judgement::Acquitted => taint.spare(*row),
                    Judgement::Convicted => taint.taint(*row, Link::Convicted, None),
                }
            }
            judged.push(Judged {
                actor: sanitize(actor),
                judgement,
                events: rows.len() as u64,
            });
        }
    }
    taint.spread();
    judged
}

/// The events of an actor by its id, or by an access key id, an ARN or a role's ARN.
fn rows(log: &Log, index: &Index, actor: &str) -> BTreeSet<u32> {
    let mut rows: BTreeSet<u32> = index
        .by_credential
        .iter(log)
        .filter(|(credential, _)| actor_id(log, *credential) == actor)
        .flat_map(|(_, part)| part.rows().iter().copied())
        .collect();
    if let Some(sym) = log.find(actor).filter(|sym| sym.some()) {
        rows.extend(index.by_key(sym));
        rows.extend(index.by_arn(sym));
        rows.extend(index.by_issuer(sym));
    }
    rows
}
