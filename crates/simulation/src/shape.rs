//! The world of a seed: issuers, credentials, containers, consumers, what the thief has, and
//! the pace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use relatch_case::fact::Fact;
use relatch_case::model::{
    Consumer, ConsumerKind, Container, Credential, ExposureLevel, Hook, Known, Minting, Opens,
    Part, Place as KnownPlace, Sheet, Slot,
};
use relatch_case::plan::Mode;
use relatch_case::{ConsumerId, CredentialId, IssuerId, Policy, Principal};
use relatch_rotation::Options;
use relatch_secret::{FingerprintKey, Protection, Secret};

use crate::dice::{Kind, Luck, luck};
use crate::world::{Inner, KIND, Origin, Place, Reader, Text};

/// How much of the world is left out, to make a story shorter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reduced {
    /// Credentials, by number, that are left out.
    pub credentials: BTreeSet<usize>,
    /// Consumers, by number, that are left out.
    pub consumers: BTreeSet<usize>,
}

/// What a schedule starts from.
pub(crate) struct Shape {
    pub(crate) facts: Vec<Fact>,
    pub(crate) policy: Policy,
    pub(crate) options: Options,
    /// Whether somebody was convicted, so that containment is waited for.
    pub(crate) convicted: bool,
    pub(crate) fingerprints: Arc<FingerprintKey>,
}

struct Maker<'a> {
    inner: &'a mut Inner,
    luck: Luck,
    facts: Vec<Fact>,
    fingerprints: FingerprintKey,
    issuers: Vec<IssuerId>,
    containers: Vec<Container>,
    contents: BTreeMap<Container, BTreeMap<Slot, Text>>,
    principals: BTreeSet<(IssuerId, Principal)>,
}

/// How many credentials and consumers a seed has.
pub(crate) fn sizes(seed: u64) -> (usize, usize) {
    let mut luck = luck(seed, "sizes");
    let number = |n: u64| usize::try_from(n).unwrap_or(0);
    (number(luck.between(1, 4)), number(luck.between(0, 6)))
}

/// Builds the world of a seed.
pub(crate) fn build(inner: &mut Inner, seed: u64, reduced: &Reduced) -> Shape {
    let mut luck = luck(seed, "world");
    let policy = pace(&mut luck);
    let mut maker = Maker {
        inner,
        luck,
        facts: vec![opened()],
        fingerprints: FingerprintKey::from_bytes([7; 32]),
        issuers: Vec::new(),
        containers: Vec::new(),
        contents: BTreeMap::new(),
        principals: BTreeSet::new(),
    };
    let (credentials, consumers) = sizes(seed);
    maker.issuers();
    maker.containers();
    let mut stolen = Vec::new();
    for number in 0..credentials {
        maker.luck = self::luck(seed, &format!("credential {number}"));
        if !reduced.credentials.contains(&number) {
            stolen.extend(maker.credential(number));
        }
    }
    maker.fill();
    for number in 0..consumers {
        maker.luck = self::luck(seed, &format!("consumer {number}"));
        if !reduced.consumers.contains(&number) {
            maker.consumer(number, credentials);
        }
    }
    maker.luck = self::luck(seed, "thief");
    let convicted = maker.thief(stolen);
    maker.lists();
    let hot = maker.luck.percent(10);
    let options = Options {
        mode: hot.then_some(Mode::Hot),
        ..Options::default()
    };
    Shape {
        facts: maker.facts,
        policy,
        options,
        convicted,
        fingerprints: Arc::new(maker.fingerprints),
    }
}

fn opened() -> Fact {
    Fact::CaseOpened {
        id: "case-1".into(),
        title: "simulated".to_string(),
        account: None,
        regions: Vec::new(),
        public_key: String::new(),
        recipient: String::new(),
        protection: Protection::Passphrase,
    }
}

/// A pace with small numbers. What is waited for before the last look is always longer than a
/// request may be under way, as it is with any pace that people use.
pub(crate) fn pace(luck: &mut Luck) -> Policy {
    let number = |n: u64| u32::try_from(n).unwrap_or(0);
    let last_probe = [30, 65, 90];
    let mut dead_probes_s = vec![0];
    if luck.percent(50) {
        dead_probes_s.push(number(luck.between(1, 20)));
    }
    dead_probes_s.push(*luck.one_of(&last_probe).unwrap_or(&65));
    let last = dead_probes_s.last().copied().unwrap_or(0);
    Policy {
        observe_s: 65u32.saturating_sub(last).max(number(luck.between(3, 40))),
        soak_s: number(luck.below(2) * luck.between(1, 120)),
        dead_probes_s,
        tripwire_s: number(luck.below(2) * 20),
        poll_s: number(luck.between(2, 8)),
        max_attempts: number(luck.between(2, 5)),
        backoff_s: number(luck.between(1, 3)),
        concurrency: number(luck.between(1, 4)),
        per_minute: [60, 120, 600][usize::try_from(luck.below(3)).unwrap_or(0)],
        wave_growth: [0, 1, 1, 2, 4][usize::try_from(luck.below(5)).unwrap_or(0)],
        canaries: Vec::new(),
        settle_s: number(luck.between(0, 20)),
        adopt_s: number(luck.between(15, 90)),
        spends: BTreeSet::new(),
        approvals: 1,
        approvers: Vec::new(),
    }
}

impl Maker<'_> {
    fn issuers(&mut self) {
        for number in 0..self.luck.between(1, 3) {
            let id = IssuerId::new(format!("issuer-{number}"));
            let sheet = sheet(&mut self.luck);
            self.inner.sheets.insert(id.clone(), sheet.clone());
            self.facts.push(Fact::IssuerKnown {
                issuer: id.clone(),
                sheet,
            });
            self.issuers.push(id);
        }
    }

    fn containers(&mut self) {
        for number in 0..self.luck.between(1, 4) {
            let container = Container {
                kind: KIND.to_string(),
                region: String::new(),
                name: format!("place-{number}"),
            };
            self.containers.push(container);
        }
    }

    /// One credential; gives back what the thief may have used of it.
    fn credential(&mut self, number: usize) -> Option<relatch_case::KeyId> {
        let mut luck = self.luck;
        let issuer = luck.one_of(&self.issuers)?.clone();
        let sheet = self.inner.sheets.get(&issuer)?.clone();
        let mut principal = Principal::new(format!("p/{number}"));
        let shared = Principal::from("p/shared");
        let held = |inner: &Inner| {
            let of = inner
                .keys
                .values()
                .filter(|k| k.issuer == issuer && k.principal == shared);
            of.count()
        };
        if luck.percent(30)
            && sheet
                .slots
                .is_none_or(|slots| held(self.inner) < slots as usize)
        {
            principal = shared;
        }
        let name = sheet.named.then(|| format!("app-{number}"));
        let planted = luck.percent(10);
        let origin = if planted { Origin::Thief } else { Origin::Old };
        let key = self.inner.make_key(&issuer, &principal, name, origin);
        let value = self.inner.keys.get(&key)?.value.clone();
        self.principals.insert((issuer.clone(), principal.clone()));
        let id = CredentialId::new(format!("cred-{number}"));
        let secret = Secret::from(&*value);
        let mut places = 0;
        if !planted {
            places = *luck.one_of(&[0, 1, 1, 1, 2, 2, 3])?;
        }
        let halves = luck.percent(30);
        for _ in 0..places {
            let container = luck.one_of(&self.containers)?.clone();
            self.place(&id, &container, number, Part::Secret, &value);
            if halves {
                self.place(&id, &container, number, Part::KeyId, &key.as_str().into());
            }
        }
        self.inner.laws.old.insert(id.clone(), (key.clone(), value));
        self.facts.push(Fact::CredentialFound {
            credential: Credential {
                id: id.clone(),
                name: format!("key {number}"),
                issuer: issuer.clone(),
                principal: Some(principal),
                key_id: Some(key.clone()),
                fingerprint: (places > 0).then(|| self.fingerprints.fingerprint(&secret)),
                mints_keys: luck.percent(10),
            },
        });
        if planted {
            self.facts.push(Fact::KeyPlanted {
                issuer,
                key: key.clone(),
                event_id: "event".to_string(),
            });
        } else if luck.percent(20) {
            let opens = match luck.below(3) {
                0 => Opens::Container {
                    container: luck.one_of(&self.containers)?.clone(),
                },
                1 => Opens::Issuer {
                    issuer: luck.one_of(&self.issuers)?.clone(),
                },
                _ => Opens::Consumer {
                    consumer: ConsumerId::new(format!("consumer-{}", luck.below(6))),
                },
            };
            self.facts.push(Fact::DependencyFound {
                credential: id,
                opens,
            });
        }
        luck.percent(25).then_some(key)
    }

    fn place(
        &mut self,
        credential: &CredentialId,
        container: &Container,
        number: usize,
        part: Part,
        value: &Text,
    ) {
        let slot = Slot::key(&match part {
            Part::Secret => format!("key-{number}"),
            Part::KeyId => format!("id-{number}"),
        });
        let known = self.contents.entry(container.clone()).or_default();
        if known.insert(slot.clone(), value.clone()).is_some() {
            return;
        }
        self.facts.push(Fact::PlaceFound {
            place: KnownPlace {
                id: KnownPlace::id_of(container, &slot),
                container: container.clone(),
                slot,
                part,
                credential: credential.clone(),
                fingerprint: self.fingerprints.fingerprint(&Secret::from(&**value)),
            },
        });
    }

    /// Puts what was found, and what is nobody's business, into the containers.
    fn fill(&mut self) {
        for container in self.containers.clone() {
            let mut slots = self.contents.get(&container).cloned().unwrap_or_default();
            let other: Text = format!("other of {}", container.name).into();
            let slot = Slot::key("other");
            let key = (container.clone(), slot.clone());
            self.inner.laws.bystanders.insert(key, other.clone());
            slots.insert(slot, other);
            let mut place = Place::default();
            place.set(0, Some(slots));
            self.inner.places.insert(container, place);
        }
    }

    fn consumer(&mut self, number: usize, credentials: usize) {
        let id = ConsumerId::new(format!("consumer-{number}"));
        let mut luck = self.luck;
        let mut reads = Vec::new();
        for _ in 0..*luck.one_of(&[1, 1, 1, 2, 2, 3]).unwrap_or(&1) {
            if let Some(container) = luck.one_of(&self.containers)
                && !reads.contains(container)
            {
                reads.push(container.clone());
            }
        }
        let hook = || Hook::Command {
            argv: vec!["true".to_string()],
        };
        self.facts.push(Fact::ConsumerFound {
            consumer: Consumer {
                id: id.clone(),
                kind: ConsumerKind::Service {
                    reload: hook(),
                    health: hook(),
                },
                reads: reads.clone(),
                known: Known::Declared,
            },
        });
        let of = luck.below(credentials as u64);
        let allergy = self
            .inner
            .dice
            .strike(Kind::Allergy, id.as_str())
            .map(|mut luck| {
                let after = *luck.one_of(&[0, 0, 2000, 12_000]).unwrap_or(&0);
                (CredentialId::new(format!("cred-{of}")), after)
            });
        let reader = Reader {
            reads,
            is_open: luck.percent(50),
            allergy,
            ..Reader::default()
        };
        self.inner.readers.insert(id.clone(), reader);
        self.inner.restart(&id);
    }

    /// What the thief did; says whether he was convicted.
    fn thief(&mut self, stolen: Vec<relatch_case::KeyId>) -> bool {
        let convicted = !stolen.is_empty() || self.luck.percent(50);
        for container in self.containers.clone() {
            let levels = [
                ExposureLevel::Reachable,
                ExposureLevel::Readable,
                ExposureLevel::Read,
            ];
            let Some(level) = self.luck.one_of(&levels).copied().filter(|_| convicted) else {
                continue;
            };
            if self.luck.percent(25) {
                continue;
            }
            if level > ExposureLevel::Reachable {
                self.inner.laws.thief_reads.insert(container.clone());
            }
            self.facts.push(Fact::Exposed {
                container,
                level,
                event_ids: vec!["event".to_string()],
            });
        }
        if convicted {
            self.facts.push(Fact::ActorConvicted {
                keys: stolen,
                arns: vec!["thief".to_string()],
                addresses: Vec::new(),
                first: None,
                last: None,
                why: vec!["simulated".to_string()],
            });
        }
        self.inner.laws.gate_is_open = !convicted;
        convicted
    }

    fn lists(&mut self) {
        for (id, (key, _)) in self.inner.laws.old.clone() {
            let Some(known) = self.inner.keys.get(&key) else {
                continue;
            };
            let sheet = self.inner.sheets.get(&known.issuer);
            let held = self.inner.keys.values().filter(|other| {
                (&other.issuer, &other.principal) == (&known.issuer, &known.principal)
            });
            let slots = sheet.and_then(|sheet| sheet.slots);
            if slots.is_some_and(|slots| held.count() >= slots as usize) {
                self.inner.laws.full.insert(id);
            }
        }
        for (issuer, principal) in self.principals.clone() {
            let listed = self.inner.list(&issuer, Some(&principal), 0);
            if self
                .inner
                .sheets
                .get(&issuer)
                .is_some_and(|sheet| sheet.lists)
            {
                self.facts.push(Fact::KeysListed {
                    issuer,
                    principal,
                    keys: listed.into_iter().map(|(_, key)| key).collect(),
                });
            }
        }
    }
}

fn sheet(luck: &mut Luck) -> Sheet {
    let disables = luck.percent(75);
    let lists = luck.percent(88);
    let minting = if lists && luck.percent(12) {
        Minting::Person {
            console: "https://console.invalid/".to_string(),
            instructions: "make a key".to_string(),
        }
    } else {
        Minting::Program
    };
    Sheet {
        minting,
        named: luck.percent(60),
        lists,
        disables,
        deletes: !disables || luck.percent(80),
        cuts: luck.percent(40),
        last_used: luck.percent(60),
        slots: *luck
            .one_of(&[None, None, Some(1), Some(2), Some(2), Some(3)])
            .unwrap_or(&None),
        propagation_s: *luck.one_of(&[0, 0, 5, 60]).unwrap_or(&0),
    }
}
