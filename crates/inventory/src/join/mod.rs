//! One map of what was found: equal values are one credential, and every credential is
//! matched with the key that its issuer lists.
//!
//! Pure: the same findings give the same map in whatever order they come.

mod consumers;
mod facts;
mod group;
mod matching;

use std::collections::{BTreeMap, BTreeSet};

use relatch_case::model::{
    Consumer, Container, Credential, IssuedKey, KeyLists, Part, Place, Sheet,
};
use relatch_case::{CredentialId, IssuerId, KeyId, PlaceId, Principal};
use relatch_secret::{FingerprintKey, Secret};

use crate::BlindSpot;
use crate::detect::Candidate;
use group::Group;
use matching::Matched;

/// What one issuer says of its keys.
#[derive(Debug, Clone)]
pub struct IssuerKeys {
    /// The issuer.
    pub issuer: IssuerId,
    /// What it can do.
    pub sheet: Sheet,
    /// All its principals with all their keys; `None`: it has no list or it could not be read.
    pub principals: Option<Vec<(Principal, Vec<IssuedKey>)>>,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub struct JoinInput {
    /// Every container that was read, whether or not anything was found in it.
    pub containers: Vec<Container>,
    /// Halves of credentials.
    pub candidates: Vec<Candidate>,
    /// The issuers.
    pub issuers: Vec<IssuerKeys>,
    /// Consumers that sources showed.
    pub observed: Vec<Consumer>,
    /// Consumers that people wrote down.
    pub declared: Vec<Consumer>,
    /// What sources and detectors could not see.
    pub blind_spots: Vec<BlindSpot>,
}

/// Says whether a listed key can be the one with this value, by the hint its issuer shows.
pub type Recognise<'a> = dyn Fn(&IssuerId, &IssuedKey, &Secret) -> bool + 'a;

/// The map. Everything in it is in the order of its ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Joined {
    /// Credentials: found in places, and known to issuers alone.
    pub credentials: Vec<Credential>,
    /// Places with whose value they hold.
    pub places: Vec<Place>,
    /// Consumers: all declared ones, and those observed that read a place.
    pub consumers: Vec<Consumer>,
    /// What the issuers can do.
    pub sheets: BTreeMap<IssuerId, Sheet>,
    /// The issuers' lists, as they were given.
    pub key_lists: KeyLists,
    /// Keys that their issuer lists and that were found in no place.
    pub orphans: Vec<CredentialId>,
    /// Credentials found in places that could not be matched with a key of their issuer's list.
    pub unmatched: Vec<CredentialId>,
    /// Places that no known consumer reads.
    pub without_consumer: Vec<PlaceId>,
    /// What could not be seen or decided.
    pub blind_spots: Vec<BlindSpot>,
}

/// Joins what was found.
pub fn join(input: JoinInput, recognises: &Recognise<'_>, key: &FingerprintKey) -> Joined {
    let mut joined = Joined {
        blind_spots: input.blind_spots,
        ..Joined::default()
    };
    let mut lists = KeyLists::new();
    for IssuerKeys {
        issuer,
        sheet,
        principals,
    } in input.issuers
    {
        joined.sheets.insert(issuer.clone(), sheet);
        if let Some(principals) = principals {
            add_list(lists.entry(issuer).or_default(), principals);
        }
    }
    let (secrets, ids): (Vec<_>, Vec<_>) = input
        .candidates
        .iter()
        .partition(|candidate| candidate.part == Part::Secret);
    let groups = group::by_value(&secrets, key);
    group::shared_by_issuers(&groups, &mut joined.blind_spots);
    let matches = matching::decide(&groups, &lists, recognises, &mut joined.blind_spots);
    for (group, matched) in groups.iter().zip(matches) {
        joined.add_found(group, matched, lists.contains_key(&group.issuer));
    }
    joined.key_lists = lists;
    joined.add_orphans();
    joined.add_key_ids(&ids, key);
    joined.credentials.sort_by(|a, b| a.id.cmp(&b.id));
    joined.places.sort_by(|a, b| a.id.cmp(&b.id));
    joined.places.dedup();
    consumers::attach(
        &mut joined,
        input.observed,
        input.declared,
        &input.containers,
    );
    joined
        .blind_spots
        .sort_by(|a, b| (&a.what, &a.why, &a.hides).cmp(&(&b.what, &b.why, &b.hides)));
    joined.blind_spots.dedup();
    joined
}

fn add_list(
    list: &mut BTreeMap<Principal, Vec<IssuedKey>>,
    principals: Vec<(Principal, Vec<IssuedKey>)>,
) {
    for (principal, keys) in principals {
        list.entry(principal).or_default().extend(keys);
    }
    for keys in list.values_mut() {
        keys.sort_by(|a, b| a.id.cmp(&b.id));
    }
}

impl Joined {
    /// Adds a credential that was found in places.
    fn add_found(&mut self, group: &Group<'_>, matched: Matched<'_>, has_list: bool) {
        let first = group
            .places()
            .next()
            .map(|place| place.to_string())
            .unwrap_or_default();
        let (key_id, principal, name) = match matched {
            Matched::Listed { principal, key } => (
                Some(key.id.clone()),
                Some(principal.clone()),
                key.name.clone().or_else(|| Some(principal.to_string())),
            ),
            Matched::Paired(id) => (Some(id.clone()), None, None),
            Matched::Not => (None, None, None),
        };
        let known_as = key_id
            .as_ref()
            .map_or(group.fingerprint.as_str(), KeyId::as_str);
        let id = CredentialId::derive(&group.issuer, known_as);
        if principal.is_none() && has_list {
            self.unmatched.push(id.clone());
        }
        for candidate in &group.candidates {
            self.places.push(Place {
                id: candidate.place_id(),
                container: candidate.container.clone(),
                slot: candidate.slot.clone(),
                part: Part::Secret,
                credential: id.clone(),
                fingerprint: group.fingerprint.clone(),
            });
        }
        self.credentials.push(Credential {
            id,
            name: name.unwrap_or(first),
            issuer: group.issuer.clone(),
            principal,
            key_id,
            fingerprint: Some(group.fingerprint.clone()),
            mints_keys: group
                .candidates
                .iter()
                .any(|candidate| candidate.mints_keys),
        });
        self.unmatched.sort();
    }

    /// Adds the keys that issuers list and no place holds.
    fn add_orphans(&mut self) {
        let found: BTreeSet<(IssuerId, KeyId)> = self
            .credentials
            .iter()
            .filter_map(|credential| Some((credential.issuer.clone(), credential.key_id.clone()?)))
            .collect();
        let listed = self.key_lists.iter().flat_map(|(issuer, principals)| {
            let keys = |(principal, keys)| std::iter::repeat(principal).zip::<&Vec<_>>(keys);
            principals
                .iter()
                .flat_map(keys)
                .map(move |(principal, key)| (issuer, principal, key))
        });
        for (issuer, principal, key) in listed {
            if found.contains(&(issuer.clone(), key.id.clone())) {
                continue;
            }
            let id = CredentialId::derive(issuer, key.id.as_str());
            self.orphans.push(id.clone());
            self.credentials.push(Credential {
                id,
                name: key
                    .name
                    .clone()
                    .unwrap_or_else(|| format!("{} of {principal}", key.id)),
                issuer: issuer.clone(),
                principal: Some(principal.clone()),
                key_id: Some(key.id.clone()),
                fingerprint: None,
                mints_keys: false,
            });
        }
        self.orphans.sort();
    }

    /// Adds the places that hold key ids to the credentials they belong to.
    fn add_key_ids(&mut self, ids: &[&Candidate], key: &FingerprintKey) {
        for candidate in ids {
            let place = candidate.place_id();
            let owner = self.credentials.iter().find(|credential| {
                credential.issuer == candidate.issuer && credential.key_id == candidate.key_id
            });
            match owner {
                Some(credential) if candidate.key_id.is_some() => self.places.push(Place {
                    id: place,
                    container: candidate.container.clone(),
                    slot: candidate.slot.clone(),
                    part: Part::KeyId,
                    credential: credential.id.clone(),
                    fingerprint: key.fingerprint(&candidate.value),
                }),
                _ => self.blind_spots.push(BlindSpot {
                    what: place.to_string(),
                    why: "the secret of this key id was found nowhere, and its issuer does not list it"
                        .to_string(),
                    hides: "a key of another account, or one that is gone".to_string(),
                }),
            }
        }
    }
}

#[cfg(test)]
mod tests;
