//! Which key of its issuer a value is.

use std::collections::BTreeMap;

use relatch_case::model::{IssuedKey, KeyLists};
use relatch_case::{IssuerId, KeyId, Principal};

use super::Recognise;
use super::group::Group;
use crate::BlindSpot;

/// What is known of a value's key.
#[derive(Clone, Copy)]
pub(super) enum Matched<'a> {
    /// The issuer lists it.
    Listed {
        /// For whom.
        principal: &'a Principal,
        /// The key.
        key: &'a IssuedKey,
    },
    /// It stands beside this key id, which the issuer does not list or was not asked for.
    Paired(&'a KeyId),
    /// Nothing.
    Not,
}

impl<'a> Matched<'a> {
    fn key_id(&self) -> Option<&'a KeyId> {
        match self {
            Self::Listed { key, .. } => Some(&key.id),
            Self::Paired(id) => Some(id),
            Self::Not => None,
        }
    }
}

/// Decides for every group. Only a match that is unique both ways counts.
pub(super) fn decide<'a>(
    groups: &'a [Group<'_>],
    lists: &'a KeyLists,
    recognises: &Recognise<'_>,
    blind_spots: &mut Vec<BlindSpot>,
) -> Vec<Matched<'a>> {
    let mut matches: Vec<Matched<'a>> = groups
        .iter()
        .map(|group| look_up(group, lists, recognises, blind_spots))
        .collect();
    let mut claims: BTreeMap<(&IssuerId, &KeyId), Vec<usize>> = BTreeMap::new();
    for (at, (group, matched)) in groups.iter().zip(&matches).enumerate() {
        if let Some(id) = matched.key_id() {
            claims.entry((&group.issuer, id)).or_default().push(at);
        }
    }
    for ((_, id), claimed_by) in claims.into_iter().filter(|(_, groups)| groups.len() > 1) {
        for at in claimed_by {
            matches[at] = Matched::Not;
            let why = format!("several different values seem to be the key {id}");
            blind_spots.push(groups[at].blind_spot(why));
        }
    }
    matches
}

fn look_up<'a>(
    group: &'a Group<'_>,
    lists: &'a KeyLists,
    recognises: &Recognise<'_>,
    blind_spots: &mut Vec<BlindSpot>,
) -> Matched<'a> {
    let ids: Vec<&KeyId> = group.key_ids.iter().collect();
    match ids.as_slice() {
        [] => by_hint(group, lists, recognises, blind_spots),
        [id] => listed(lists, &group.issuer)
            .find(|(_, key)| key.id == **id)
            .map_or(Matched::Paired(id), |(principal, key)| Matched::Listed {
                principal,
                key,
            }),
        several => {
            let names: Vec<&str> = several.iter().map(|id| id.as_str()).collect();
            let why = format!(
                "one value stands beside several key ids: {}",
                names.join(", ")
            );
            blind_spots.push(group.blind_spot(why));
            Matched::Not
        }
    }
}

fn by_hint<'a>(
    group: &'a Group<'_>,
    lists: &'a KeyLists,
    recognises: &Recognise<'_>,
    blind_spots: &mut Vec<BlindSpot>,
) -> Matched<'a> {
    let Some(candidate) = group.candidates.first() else {
        return Matched::Not;
    };
    let fitting: Vec<_> = listed(lists, &group.issuer)
        .filter(|(_, key)| recognises(&group.issuer, key, &candidate.value))
        .collect();
    match fitting.as_slice() {
        [] => Matched::Not,
        [(principal, key)] => Matched::Listed { principal, key },
        several => {
            let names: Vec<&str> = several.iter().map(|(_, key)| key.id.as_str()).collect();
            let why = format!("its issuer's hint fits several keys: {}", names.join(", "));
            blind_spots.push(group.blind_spot(why));
            Matched::Not
        }
    }
}

fn listed<'a>(
    lists: &'a KeyLists,
    issuer: &IssuerId,
) -> impl Iterator<Item = (&'a Principal, &'a IssuedKey)> {
    lists
        .get(issuer)
        .into_iter()
        .flatten()
        .flat_map(|(principal, keys)| keys.iter().map(move |key| (principal, key)))
}
