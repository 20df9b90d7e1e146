//! Builds states for tests, fact by fact, as an inventory would.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use relatch_case::fact::{Fact, Outcome, Record, StepResult};
use relatch_case::fault::{Fault, FaultKind};
use relatch_case::model::{
    Consumer, ConsumerKind, Container, Credential, ExposureLevel, Hook, IssuedKey, Known, Minting,
    Part, Place, Sheet, Slot,
};
use relatch_case::plan::{Mode, Plan};
use relatch_case::{CredentialId, KeyId, Policy, Principal, State, StepBaseline, StepId};
use relatch_secret::{Fingerprint, FingerprintKey, Protection, Secret};

use crate::{Options, make};

/// When every test begins.
pub(crate) fn start() -> Timestamp {
    "2026-11-21T03:00:00Z".parse().expect("a time")
}

/// So many seconds after the start.
pub(crate) fn at(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

/// An issuer that can do everything.
pub(crate) fn able() -> Sheet {
    Sheet {
        minting: Minting::Program,
        named: true,
        lists: true,
        disables: true,
        deletes: true,
        cuts: true,
        last_used: true,
        slots: None,
        propagation_s: 0,
    }
}

/// One where a person makes keys at a console.
pub(crate) fn by_person() -> Sheet {
    Sheet {
        minting: Minting::Person {
            console: "https://console.example".to_string(),
            instructions: "make a key".to_string(),
        },
        ..able()
    }
}

/// One with room for so many keys.
pub(crate) fn roomy(slots: u32) -> Sheet {
    Sheet {
        slots: Some(slots),
        ..able()
    }
}

pub(crate) fn container(name: &str) -> Container {
    Container {
        kind: "secretsmanager".to_string(),
        region: "eu-west-1".to_string(),
        name: name.to_string(),
    }
}

pub(crate) fn print(value: &str) -> Fingerprint {
    FingerprintKey::from_bytes([1; 32]).fingerprint(&Secret::from(value))
}

/// The credential that holds a key: every test names credentials by their keys.
pub(crate) fn credential(key: &str) -> CredentialId {
    CredentialId::new(format!("cred-{key}"))
}

/// The step of a key's rotation.
pub(crate) fn step(key: &str, what: &str) -> StepId {
    StepId::new(format!("cred-{key}/{what}"))
}

/// What an inventory found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    facts: Vec<Fact>,
    lists: BTreeMap<(String, String), Vec<IssuedKey>>,
}

impl Found {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn fact(mut self, fact: Fact) -> Self {
        self.facts.push(fact);
        self
    }

    pub(crate) fn issuer(self, issuer: &str, sheet: Sheet) -> Self {
        self.fact(Fact::IssuerKnown {
            issuer: issuer.into(),
            sheet,
        })
    }

    /// A key that its issuer lists.
    pub(crate) fn listed(mut self, issuer: &str, principal: &str, key: &str) -> Self {
        let listed = IssuedKey {
            id: key.into(),
            name: None,
            hint: None,
            active: true,
            created: None,
            last_used: None,
        };
        self.lists
            .entry((issuer.to_string(), principal.to_string()))
            .or_default()
            .push(listed);
        self
    }

    /// A credential that its issuer lists.
    pub(crate) fn key(self, issuer: &str, principal: &str, key: &str) -> Self {
        let found = Fact::CredentialFound {
            credential: Credential {
                id: credential(key),
                name: format!("key {key}"),
                issuer: issuer.into(),
                principal: Some(Principal::from(principal)),
                key_id: Some(KeyId::from(key)),
                fingerprint: Some(print(key)),
                mints_keys: false,
            },
        };
        self.fact(found).listed(issuer, principal, key)
    }

    /// One half of a key in a slot of a secret.
    pub(crate) fn half(self, key: &str, secret: &str, slot: &str, part: Part) -> Self {
        let (container, slot) = (container(secret), Slot::key(slot));
        self.fact(Fact::PlaceFound {
            place: Place {
                id: Place::id_of(&container, &slot),
                container,
                slot,
                part,
                credential: credential(key),
                fingerprint: match part {
                    Part::Secret => print(key),
                    Part::KeyId => print(&format!("id {key}")),
                },
            },
        })
    }

    /// A key's value in a secret.
    pub(crate) fn place(self, key: &str, secret: &str) -> Self {
        self.half(key, secret, key, Part::Secret)
    }

    pub(crate) fn consumer(self, id: &str, secrets: &[&str]) -> Self {
        let hook = || Hook::Http {
            url: "http://localhost/".to_string(),
        };
        self.fact(Fact::ConsumerFound {
            consumer: Consumer {
                id: id.into(),
                kind: ConsumerKind::Service {
                    reload: hook(),
                    health: hook(),
                },
                reads: secrets.iter().map(|name| container(name)).collect(),
                known: Known::Observed,
            },
        })
    }

    pub(crate) fn exposed(self, secret: &str, level: ExposureLevel) -> Self {
        self.fact(Fact::Exposed {
            container: container(secret),
            level,
            event_ids: vec!["e-1".to_string()],
        })
    }

    /// The thief used this key; from here on containment counts.
    pub(crate) fn stolen(self, key: &str) -> Self {
        self.fact(Fact::ActorConvicted {
            keys: vec![key.into()],
            arns: Vec::new(),
            addresses: Vec::new(),
            first: None,
            last: None,
            why: Vec::new(),
        })
    }

    pub(crate) fn planted(self, issuer: &str, key: &str) -> Self {
        self.fact(Fact::KeyPlanted {
            issuer: issuer.into(),
            key: key.into(),
            event_id: "e-2".to_string(),
        })
    }

    /// Every fact but the opening of the case.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        let lists = self
            .lists
            .iter()
            .map(|((issuer, principal), keys)| Fact::KeysListed {
                issuer: issuer.as_str().into(),
                principal: Principal::from(principal.as_str()),
                keys: keys.clone(),
            });
        self.facts.iter().cloned().chain(lists).collect()
    }

    pub(crate) fn state(&self) -> State {
        state_of(self.facts())
    }

    pub(crate) fn plan(&self) -> Plan {
        plan_of(&self.state(), &Options::default())
    }

    /// The state with an approved plan in force.
    pub(crate) fn approved(&self) -> State {
        let mut state = self.state();
        let plan = plan_of(&state, &Options::default());
        put_in_force(&mut state, plan);
        state
    }
}

/// The state after a case was opened and these facts were recorded.
pub(crate) fn state_of(facts: Vec<Fact>) -> State {
    let mut state = State::default();
    let opened = Fact::CaseOpened {
        id: "case-1".into(),
        title: "test".to_string(),
        account: Some("111122223333".to_string()),
        regions: vec!["eu-west-1".to_string()],
        public_key: String::new(),
        recipient: String::new(),
        protection: Protection::Passphrase,
    };
    record(&mut state, start(), opened);
    for fact in facts {
        record(&mut state, start(), fact);
    }
    state
}

pub(crate) fn plan_of(state: &State, options: &Options) -> Plan {
    make(state, &Policy::default(), options).expect("a plan")
}

pub(crate) fn put_in_force(state: &mut State, plan: Plan) {
    let hash = plan.hash().expect("a hash");
    let recorded = Fact::PlanRecorded {
        hash: hash.clone(),
        plan: std::sync::Arc::new(plan),
    };
    record(state, start(), recorded);
    let by = "somebody".to_string();
    record(state, start(), Fact::PlanApproved { hash, by });
}

/// Takes one more fact in.
pub(crate) fn record(state: &mut State, at: Timestamp, fact: Fact) {
    let record = Record {
        seq: state.head.seq + 1,
        at,
        by: "test".to_string(),
        prev: state.head.hash.clone(),
        hash: format!("hash {}", state.head.seq + 1),
        fact,
    };
    state.apply(&record);
}

pub(crate) fn intend(state: &mut State, at: Timestamp, step: &StepId) {
    let attempt = state.steps.get(step).map_or(0, |known| known.attempt) + 1;
    let intended = Fact::StepIntended {
        step: step.clone(),
        attempt,
        baseline: StepBaseline::default(),
    };
    record(state, at, intended);
}

pub(crate) fn end(state: &mut State, at: Timestamp, step: &StepId, outcome: Outcome) {
    let ended = Fact::StepEnded {
        step: step.clone(),
        attempt: state.steps.get(step).map_or(1, |known| known.attempt),
        outcome,
    };
    record(state, at, ended);
}

pub(crate) fn done() -> Outcome {
    Outcome::Done {
        result: StepResult::default(),
    }
}

/// Intends a step and ends it well.
pub(crate) fn do_step(state: &mut State, at: Timestamp, step: &StepId) {
    intend(state, at, step);
    end(state, at, step, done());
}

pub(crate) fn fault(kind: FaultKind) -> Fault {
    Fault::new(kind, "as tested")
}

/// How a plan deals with a key.
pub(crate) fn mode(plan: &Plan, key: &str) -> Option<Mode> {
    plan.rotation(&credential(key))
        .map(|rotation| rotation.mode)
}

/// Why a plan does not deal with a key.
pub(crate) fn blocked<'a>(plan: &'a Plan, key: &str) -> Option<&'a str> {
    plan.blocked
        .iter()
        .find(|blocked| blocked.credential == credential(key))
        .map(|blocked| blocked.because.as_str())
}
