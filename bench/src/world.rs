//! A made-up company: credentials, the places that hold them, and who reads those.

use std::collections::BTreeMap;

use jiff::Timestamp;
use relatch_case::fact::{Fact, Record};
use relatch_case::model::{
    Consumer, ConsumerKind, Container, Credential, Hook, IssuedKey, Known, Minting, Part, Place,
    Sheet, Slot,
};
use relatch_case::{CredentialId, IssuerId, KeyId, Policy, Principal, State};
use relatch_secret::{CaseIdentity, FingerprintKey, Protection, Secret};

/// Kinds of stores; each holds one place of every credential.
pub(crate) const KINDS: [&str; 3] = ["secretsmanager", "ssm", "lambda"];

/// Issuers that the credentials are spread over.
const ISSUERS: usize = 4;

/// How large the company is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) credentials: usize,
    pub(crate) places: usize,
    pub(crate) consumers: usize,
}

/// One credential of it.
pub(crate) struct Key {
    pub(crate) issuer: IssuerId,
    pub(crate) principal: Principal,
    pub(crate) id: KeyId,
    pub(crate) value: String,
    pub(crate) containers: Vec<Container>,
}

/// The key under which values are known here.
pub(crate) fn fingerprints() -> FingerprintKey {
    FingerprintKey::from_bytes([7; 32])
}

/// When everything here begins.
pub(crate) fn start() -> Timestamp {
    Timestamp::from_second(1_795_230_000).unwrap_or_default()
}

/// The slot of a value within its container.
pub(crate) fn slot() -> Slot {
    Slot::key("api_key")
}

/// Every credential.
pub(crate) fn keys(size: Size) -> impl Iterator<Item = Key> {
    (0..size.credentials).map(move |n| Key {
        issuer: issuer(n % ISSUERS),
        principal: Principal::new(format!("project/proj_{n:05}/service_account/sa_{n:05}")),
        id: KeyId::new(format!("key_{n:016x}")),
        value: format!("sk-made-up-old-{n:032x}"),
        containers: containers(size, n),
    })
}

/// The issuers.
pub(crate) fn issuers() -> impl Iterator<Item = IssuerId> {
    (0..ISSUERS).map(issuer)
}

fn issuer(n: usize) -> IssuerId {
    IssuerId::new(format!("issuer-{n}"))
}

fn containers(size: Size, n: usize) -> Vec<Container> {
    let each = size.places / size.credentials;
    (0..each)
        .map(|k| Container {
            kind: KINDS[k % KINDS.len()].to_string(),
            region: "us-east-1".to_string(),
            name: format!("prod/service-{:04}/credential-{n:05}-{k}", n % 977),
        })
        .collect()
}

/// Who reads the `k`-th container of credential `n`; the last one nobody is known to read.
fn reader(size: Size, n: usize, k: usize) -> Option<usize> {
    let last = k + 1 == size.places / size.credentials;
    (!last).then(|| (n * (1 + 6 * k) + 3 * k) % size.consumers.max(1))
}

/// What an inventory would have recorded of it.
pub(crate) fn facts(size: Size) -> Vec<Fact> {
    let mut facts = vec![opened()];
    facts.extend(issuers().map(|issuer| Fact::IssuerKnown {
        issuer,
        sheet: sheet(),
    }));
    let prints = fingerprints();
    let mut reads: BTreeMap<usize, Vec<Container>> = BTreeMap::new();
    for (n, key) in keys(size).enumerate() {
        facts.push(listed(&key));
        let print = prints.fingerprint(&Secret::from(key.value.as_str()));
        let id = CredentialId::derive(&key.issuer, key.id.as_str());
        facts.push(Fact::CredentialFound {
            credential: Credential {
                id: id.clone(),
                name: format!("credential {n:05}"),
                issuer: key.issuer.clone(),
                principal: Some(key.principal.clone()),
                key_id: Some(key.id.clone()),
                fingerprint: Some(print.clone()),
                mints_keys: false,
            },
        });
        for (k, container) in key.containers.iter().enumerate() {
            facts.push(place(container, slot(), Part::Secret, &id, &print));
            if let Some(reader) = reader(size, n, k) {
                reads.entry(reader).or_default().push(container.clone());
            }
        }
    }
    facts.extend(reads.into_iter().map(|(n, reads)| consumer(n, reads)));
    facts
}

/// The case.
pub(crate) fn opened() -> Fact {
    Fact::CaseOpened {
        id: "bench".into(),
        title: "a measurement".to_string(),
        account: None,
        regions: vec!["us-east-1".to_string()],
        public_key: String::new(),
        recipient: CaseIdentity::generate().recipient(),
        protection: Protection::Passphrase,
    }
}

fn listed(key: &Key) -> Fact {
    Fact::KeysListed {
        issuer: key.issuer.clone(),
        principal: key.principal.clone(),
        keys: vec![IssuedKey {
            id: key.id.clone(),
            name: None,
            hint: None,
            active: true,
            created: Some(start()),
            last_used: None,
        }],
    }
}

/// A place that holds half a credential.
pub(crate) fn place(
    container: &Container,
    slot: Slot,
    part: Part,
    credential: &CredentialId,
    fingerprint: &relatch_secret::Fingerprint,
) -> Fact {
    Fact::PlaceFound {
        place: Place {
            id: Place::id_of(container, &slot),
            container: container.clone(),
            slot,
            part,
            credential: credential.clone(),
            fingerprint: fingerprint.clone(),
        },
    }
}

fn consumer(n: usize, reads: Vec<Container>) -> Fact {
    let hook = |what: &str| Hook::Http {
        url: format!("http://consumer-{n:04}.internal/{what}"),
    };
    Fact::ConsumerFound {
        consumer: Consumer {
            id: relatch_case::ConsumerId::new(format!("service:consumer-{n:04}")),
            kind: ConsumerKind::Service {
                reload: hook("reload"),
                health: hook("health"),
            },
            reads,
            known: Known::Declared,
        },
    }
}

/// An issuer that can do everything.
fn sheet() -> Sheet {
    Sheet {
        minting: Minting::Program,
        named: true,
        lists: true,
        disables: true,
        deletes: true,
        cuts: false,
        last_used: true,
        slots: None,
        propagation_s: 0,
    }
}

/// The state after some facts.
pub(crate) fn state(facts: Vec<Fact>) -> State {
    let mut state = State::default();
    for (seq, fact) in (1..).zip(facts) {
        state.apply(&Record {
            seq,
            at: start(),
            by: "bench".to_string(),
            prev: String::new(),
            hash: String::new(),
            fact,
        });
    }
    state
}

/// The usual policy with every wait left out and no limit of the rate.
pub(crate) fn hurried(concurrency: usize) -> Policy {
    Policy {
        observe_s: 0,
        soak_s: 0,
        dead_probes_s: vec![0],
        poll_s: 1,
        backoff_s: 1,
        settle_s: 0,
        concurrency: u32::try_from(concurrency).unwrap_or(u32::MAX),
        per_minute: u32::MAX,
        ..Policy::default()
    }
}
