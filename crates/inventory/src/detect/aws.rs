//! AWS access keys: a public id and a secret that stand in two slots.

use std::collections::BTreeMap;

use relatch_case::model::{Container, Part, Slot};
use relatch_case::{IssuerId, KeyId};
use relatch_secret::Secret;

use super::scan::{Candidate, Detected, Entry};
use super::value;
use crate::BlindSpot;

/// How names call a key id, longest first, without separators and in small letters.
const ID_WORDS: [&str; 6] = ["accesskeyid", "accessid", "accesskey", "keyid", "key", "id"];

/// How names call the secret.
const SECRET_WORDS: [&str; 7] = [
    "secretaccesskey",
    "accesskeysecret",
    "accesssecret",
    "secretkey",
    "keysecret",
    "accesskey",
    "secret",
];

/// One slot of an undecided pairing.
#[derive(Debug, Clone)]
pub struct Half {
    /// The container.
    pub container: Container,
    /// The slot.
    pub slot: Slot,
    /// What stands there.
    pub value: Secret,
}

/// Key ids and secrets that stand together and whose names do not tell which belong together.
#[derive(Debug, Clone)]
pub struct Undecided {
    /// The issuer.
    pub issuer: IssuerId,
    /// The key ids with their slots; never empty.
    pub ids: Vec<(KeyId, Half)>,
    /// The secrets; never empty.
    pub secrets: Vec<Half>,
}

impl Undecided {
    /// Pairs every id with the first secret that `verify` (which asks the issuer) accepts
    /// with it. What no answer settles becomes a blind spot.
    pub fn settle(
        self,
        verify: impl Fn(&KeyId, &Secret) -> bool,
    ) -> (Vec<Candidate>, Vec<BlindSpot>) {
        let Self {
            issuer,
            ids,
            mut secrets,
        } = self;
        let (mut candidates, mut blind_spots) = (Vec::new(), Vec::new());
        for (id, half) in ids {
            match secrets.iter().position(|secret| verify(&id, &secret.value)) {
                Some(at) => {
                    let secret = secrets.remove(at);
                    candidates.push(candidate(&issuer, secret, Part::Secret, Some(id.clone())));
                }
                None => blind_spots.push(unpaired(
                    &half,
                    &format!("which secret belongs to {id} is not clear"),
                )),
            }
            candidates.push(candidate(&issuer, half, Part::KeyId, Some(id)));
        }
        for secret in secrets {
            blind_spots.push(unpaired(
                &secret,
                "which key id belongs to this secret is not clear",
            ));
        }
        (candidates, blind_spots)
    }
}

fn candidate(issuer: &IssuerId, half: Half, part: Part, key_id: Option<KeyId>) -> Candidate {
    let Half {
        container,
        slot,
        value,
    } = half;
    Candidate {
        container,
        slot,
        part,
        issuer: issuer.clone(),
        value,
        key_id,
        mints_keys: false,
    }
}

fn unpaired(half: &Half, why: &str) -> BlindSpot {
    BlindSpot {
        what: relatch_case::model::Place::id_of(&half.container, &half.slot).to_string(),
        why: why.to_string(),
        hides: "an access key in use".to_string(),
    }
}

/// Slots that stand together: siblings in a container, or whole containers under one path.
#[derive(Default)]
struct Group<'e, 'a> {
    ids: Vec<&'e Entry<'a>>,
    secrets: Vec<&'e Entry<'a>>,
}

/// Finds access keys in values that nothing else was found in.
pub(super) fn detect(issuer: &IssuerId, entries: &[Entry<'_>], found: &mut Detected) {
    let mut groups: BTreeMap<(Container, String), Group<'_, '_>> = BTreeMap::new();
    for entry in entries {
        if value::is_access_key_id(entry.text) {
            groups.entry(group_of(entry)).or_default().ids.push(entry);
        } else if is_secret(entry) {
            groups
                .entry(group_of(entry))
                .or_default()
                .secrets
                .push(entry);
        } else if value::is_temporary_id(entry.text) {
            let why = "it is the id of temporary credentials, which run out by themselves";
            found
                .blind_spots
                .push(entry.blind_spot(why.into(), "a session that may still be used"));
        } else if value::has_access_key_within(entry.text) {
            let why = format!("an {issuer} access key stands within a longer text");
            found
                .blind_spots
                .push(entry.blind_spot(why, "a credential that a person has to replace"));
        }
    }
    for group in groups.into_values() {
        pair(issuer, group, found);
    }
}

/// Where the name says what it is, hex counts too: emulators and other services of that kind
/// hand such secrets out.
fn is_secret(entry: &Entry<'_>) -> bool {
    value::can_be_aws_secret(entry.text)
        || (value::has_form_of_aws_secret(entry.text) && says_aws_secret(&entry.name()))
}

fn group_of(entry: &Entry<'_>) -> (Container, String) {
    let mut parts = entry.slot.parts();
    if parts.pop().is_some() {
        return (entry.container.clone(), parts.join("/"));
    }
    let name = &entry.container.name;
    let parent = name
        .rsplit_once('/')
        .map_or("", |(parent, _)| parent)
        .to_string();
    (
        Container {
            name: parent,
            ..entry.container.clone()
        },
        String::new(),
    )
}

fn pair(issuer: &IssuerId, mut group: Group<'_, '_>, found: &mut Detected) {
    pair_by_name(issuer, &mut group, found);
    let Group { ids, secrets } = group;
    match (ids.as_slice(), secrets.as_slice()) {
        ([id], [secret]) => add(issuer, id, secret, found),
        (ids, []) => ids.iter().for_each(|id| add_id(issuer, id, found)),
        // Without an id beside it only its name tells a secret from any other Base64.
        ([], secrets) => secrets
            .iter()
            .filter(|secret| says_aws_secret(&secret.name()))
            .for_each(|secret| {
                found
                    .candidates
                    .push(secret.candidate(issuer, Part::Secret, None));
            }),
        (ids, secrets) => found.undecided.push(Undecided {
            issuer: issuer.clone(),
            ids: ids
                .iter()
                .map(|id| (KeyId::new(id.text), half(id)))
                .collect(),
            secrets: secrets.iter().map(|secret| half(secret)).collect(),
        }),
    }
}

/// Takes those out of the group whose names match up with exactly one other.
fn pair_by_name(issuer: &IssuerId, group: &mut Group<'_, '_>, found: &mut Detected) {
    let stems = |entries: &[&Entry<'_>], words: &[&str]| -> Vec<Option<String>> {
        entries
            .iter()
            .map(|entry| stem(&entry.name(), words))
            .collect()
    };
    let id_stems = stems(&group.ids, &ID_WORDS);
    let secret_stems = stems(&group.secrets, &SECRET_WORDS);
    let only = |stems: &[Option<String>], wanted: &Option<String>| -> Option<usize> {
        let mut found = stems.iter().enumerate().filter(|(_, stem)| *stem == wanted);
        let (at, _) = found.next()?;
        found.next().is_none().then_some(at)
    };
    let pairs: Vec<(usize, usize)> = id_stems
        .iter()
        .enumerate()
        .filter(|(at, stem)| stem.is_some() && only(&id_stems, stem) == Some(*at))
        .filter_map(|(at, stem)| Some((at, only(&secret_stems, stem)?)))
        .collect();
    for (id, secret) in &pairs {
        add(issuer, group.ids[*id], group.secrets[*secret], found);
    }
    group.ids = without(&group.ids, |at| pairs.iter().any(|(id, _)| *id == at));
    group.secrets = without(&group.secrets, |at| {
        pairs.iter().any(|(_, secret)| *secret == at)
    });
}

fn without<T: Copy>(items: &[T], taken: impl Fn(usize) -> bool) -> Vec<T> {
    items
        .iter()
        .enumerate()
        .filter(|(at, _)| !taken(*at))
        .map(|(_, item)| *item)
        .collect()
}

/// A name without the words for its half: equal for the two halves of one key.
fn stem(name: &str, words: &[&str]) -> Option<String> {
    let plain = plain(name);
    let word = words.iter().find(|word| plain.contains(**word))?;
    Some(plain.replacen(word, "", 1))
}

fn plain(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase()
}

fn says_aws_secret(name: &str) -> bool {
    let plain = plain(name);
    plain.contains("secretaccesskey") || (plain.contains("aws") && plain.contains("secret"))
}

fn add(issuer: &IssuerId, id: &Entry<'_>, secret: &Entry<'_>, found: &mut Detected) {
    let key_id = Some(KeyId::new(id.text));
    found
        .candidates
        .push(secret.candidate(issuer, Part::Secret, key_id));
    add_id(issuer, id, found);
}

fn add_id(issuer: &IssuerId, id: &Entry<'_>, found: &mut Detected) {
    let key_id = Some(KeyId::new(id.text));
    found
        .candidates
        .push(id.candidate(issuer, Part::KeyId, key_id));
}

fn half(entry: &Entry<'_>) -> Half {
    Half {
        container: entry.container.clone(),
        slot: entry.slot.clone(),
        value: entry.secret.clone(),
    }
}
