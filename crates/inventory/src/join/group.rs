//! Equal values are one credential.

use std::collections::{BTreeMap, BTreeSet};

use relatch_case::{IssuerId, KeyId, PlaceId};
use relatch_secret::{Fingerprint, FingerprintKey};

use crate::BlindSpot;
use crate::detect::Candidate;

/// One value of one issuer with everywhere it was found.
pub(super) struct Group<'a> {
    pub(super) issuer: IssuerId,
    pub(super) fingerprint: Fingerprint,
    /// In the order of their places; never empty.
    pub(super) candidates: Vec<&'a Candidate>,
    /// The key ids it was paired with.
    pub(super) key_ids: BTreeSet<KeyId>,
}

impl Group<'_> {
    pub(super) fn places(&self) -> impl Iterator<Item = PlaceId> {
        self.candidates.iter().map(|candidate| candidate.place_id())
    }

    pub(super) fn blind_spot(&self, why: String) -> BlindSpot {
        let places: Vec<String> = self.places().map(|place| place.to_string()).collect();
        let hides = "which key of the issuer it is".to_string();
        BlindSpot {
            what: places.join(", "),
            why,
            hides,
        }
    }
}

/// Groups secrets by issuer and value.
pub(super) fn by_value<'a>(secrets: &[&'a Candidate], key: &FingerprintKey) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<(IssuerId, Fingerprint), Group<'a>> = BTreeMap::new();
    for candidate in secrets {
        let fingerprint = key.fingerprint(&candidate.value);
        let group = groups
            .entry((candidate.issuer.clone(), fingerprint.clone()))
            .or_insert_with(|| Group {
                issuer: candidate.issuer.clone(),
                fingerprint,
                candidates: Vec::new(),
                key_ids: BTreeSet::new(),
            });
        group.candidates.push(candidate);
        group.key_ids.extend(candidate.key_id.clone());
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    for group in &mut groups {
        group
            .candidates
            .sort_by_cached_key(|candidate| candidate.place_id());
    }
    groups
}

/// A value can have one issuer only: where names made it two, a person has to say which.
pub(super) fn shared_by_issuers(groups: &[Group<'_>], blind_spots: &mut Vec<BlindSpot>) {
    let mut issuers: BTreeMap<&Fingerprint, Vec<&Group<'_>>> = BTreeMap::new();
    for group in groups {
        issuers.entry(&group.fingerprint).or_default().push(group);
    }
    for same in issuers.into_values().filter(|same| same.len() > 1) {
        let names: Vec<&str> = same.iter().map(|group| group.issuer.as_str()).collect();
        let why = format!(
            "one value is taken for a credential of each of {}",
            names.join(", ")
        );
        blind_spots.extend(same.iter().map(|group| group.blind_spot(why.clone())));
    }
}
