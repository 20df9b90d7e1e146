//! One look at all containers.

use relatch_case::model::{Container, Part, Place, Slot};
use relatch_case::{IssuerId, KeyId, PlaceId};
use relatch_places::Document;
use relatch_secret::Secret;

use super::aws::{self, Undecided};
use super::detector::{Detector, Detectors, Verdict};
use crate::BlindSpot;

/// A slot that holds one half of a credential.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The container.
    pub container: Container,
    /// Where in it.
    pub slot: Slot,
    /// Which half.
    pub part: Part,
    /// Whose.
    pub issuer: IssuerId,
    /// What stands there.
    pub value: Secret,
    /// The key id that belongs to it: for a key id that id itself, for a secret the id it was
    /// paired with.
    pub key_id: Option<KeyId>,
    /// Whether it can make other keys.
    pub mints_keys: bool,
}

impl Candidate {
    /// The id of the place.
    pub fn place_id(&self) -> PlaceId {
        Place::id_of(&self.container, &self.slot)
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Detected {
    /// Halves of credentials.
    pub candidates: Vec<Candidate>,
    /// Key ids and secrets that fit together in more than one way.
    pub undecided: Vec<Undecided>,
    /// What a person has to look at.
    pub blind_spots: Vec<BlindSpot>,
}

/// One value with its name.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) container: &'a Container,
    pub(super) slot: &'a Slot,
    pub(super) secret: &'a Secret,
    pub(super) text: &'a str,
}

impl Entry<'_> {
    /// The last part of its path: the key, or the end of the container's name.
    pub(super) fn name(&self) -> String {
        match self.slot.parts().pop() {
            Some(key) => key,
            None => self
                .container
                .name
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_string(),
        }
    }

    pub(super) fn place(&self) -> PlaceId {
        Place::id_of(self.container, self.slot)
    }

    pub(super) fn candidate(
        &self,
        issuer: &IssuerId,
        part: Part,
        key_id: Option<KeyId>,
    ) -> Candidate {
        Candidate {
            container: self.container.clone(),
            slot: self.slot.clone(),
            part,
            issuer: issuer.clone(),
            value: self.secret.clone(),
            key_id,
            mints_keys: false,
        }
    }

    pub(super) fn blind_spot(&self, why: String, hides: &str) -> BlindSpot {
        BlindSpot {
            what: self.place().to_string(),
            why,
            hides: hides.to_string(),
        }
    }
}

/// Looks for credentials in everything that was read.
pub fn detect(containers: &[(Container, Document)], detectors: &Detectors) -> Detected {
    let mut found = Detected::default();
    let mut entries = entries(containers, &mut found.blind_spots);
    entries.retain(|entry| !judge(entry, &detectors.values, &mut found));
    if let Some(issuer) = &detectors.aws {
        aws::detect(issuer, &entries, &mut found);
    }
    found.candidates.sort_by_cached_key(Candidate::place_id);
    found
        .blind_spots
        .sort_by(|a, b| (&a.what, &a.why).cmp(&(&b.what, &b.why)));
    found
}

fn entries<'a>(
    containers: &'a [(Container, Document)],
    blind_spots: &mut Vec<BlindSpot>,
) -> Vec<Entry<'a>> {
    let mut entries = Vec::new();
    for (container, document) in containers {
        for (slot, secret) in &document.slots {
            match secret.expose_str() {
                Some(text) => entries.push(Entry {
                    container,
                    slot,
                    secret,
                    text,
                }),
                None => blind_spots.push(BlindSpot {
                    what: Place::id_of(container, slot).to_string(),
                    why: "it is not text".to_string(),
                    hides: "credentials in a binary value".to_string(),
                }),
            }
        }
    }
    entries.sort_by_cached_key(Entry::place);
    entries
}

/// Notes what the detectors say of a value; whether it is settled with that.
fn judge(entry: &Entry<'_>, detectors: &[Detector], found: &mut Detected) -> bool {
    let name = entry.name();
    let verdicts: Vec<(&Detector, Verdict)> = detectors
        .iter()
        .map(|detector| (detector, detector.judge(&name, entry.text)))
        .collect();
    let those = |wanted: fn(Verdict) -> bool| -> Vec<&Detector> {
        verdicts
            .iter()
            .filter(|(_, verdict)| wanted(*verdict))
            .map(|(d, _)| *d)
            .collect()
    };
    for certain in [
        those(|v| v == Verdict::Format { named: true }),
        those(|v| v == Verdict::Format { named: false }),
        those(|v| v == Verdict::Name),
    ] {
        if let Some(first) = certain.first() {
            note(entry, first, &certain, found);
            return true;
        }
    }
    if let Some(detector) = those(|v| v == Verdict::Embedded).first() {
        let why = format!("a {} stands within a longer text", described(detector));
        found
            .blind_spots
            .push(entry.blind_spot(why, "a credential that a person has to replace"));
        return true;
    }
    if let Some(detector) = those(|v| v == Verdict::Suspect).first() {
        let why = format!(
            "its name is that of a {}, its value does not look like one",
            described(detector)
        );
        found
            .blind_spots
            .push(entry.blind_spot(why, "a credential of another kind or a new format"));
    }
    false
}

fn note(entry: &Entry<'_>, first: &Detector, all: &[&Detector], found: &mut Detected) {
    if let Some(other) = all.iter().find(|other| other.issuer != first.issuer) {
        let why = format!("it can be of {} and of {}", first.issuer, other.issuer);
        found
            .blind_spots
            .push(entry.blind_spot(why, "a credential whose issuer is not known"));
        return;
    }
    let mut candidate = entry.candidate(&first.issuer, Part::Secret, None);
    candidate.mints_keys = first.mints_keys;
    found.candidates.push(candidate);
}

fn described(detector: &Detector) -> String {
    format!("{} {}", detector.issuer, detector.kind.replace('_', " "))
        .trim()
        .to_string()
}
