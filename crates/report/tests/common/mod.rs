//! A made-up case, built from facts.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use relatch_case::fact::{EvidenceFile, Outcome, StepResult};
use relatch_case::model::{
    Consumer, ConsumerKind, Container, Credential, ExposureLevel, Hook, IssuedKey, Known, Liveness,
    Minting, Part, Place, Probe, ProbeKind, Sheet, Slot,
};
use relatch_case::plan::{Action, Baseline, Blocked, Mode, Plan, Rotation, Step, VERSION};
use relatch_case::signature::CaseKey;
use relatch_case::{
    CaseId, ConsumerId, CredentialId, Fact, Fault, FaultKind, IssuerId, KeyId, PlanHash, Policy,
    Principal, Record, State, StepId, chain,
};
use relatch_secret::Protection;
use serde_json::json;
use zeroize::Zeroizing;

/// The key of every made-up case.
pub fn key() -> CaseKey {
    CaseKey::from_seed(&Zeroizing::new([7; 32]))
}

/// A moment so many seconds after a made-up opening.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + seconds).unwrap()
}

/// Facts in the making.
#[derive(Clone, Default)]
pub struct Builder {
    pub records: Vec<Record>,
    clock: i64,
}

impl Builder {
    /// A case that has just been opened.
    pub fn opened() -> Self {
        Self::default().add(Fact::CaseOpened {
            id: CaseId::from("case-2026-11-18"),
            title: "Keys of the AI providers may be in a stranger's hands".into(),
            account: Some("111122223333".into()),
            regions: vec!["us-east-1".into()],
            public_key: key().public(),
            recipient: "age1example".into(),
            protection: Protection::Passphrase,
        })
    }

    /// Adds a fact, a minute after the one before.
    pub fn add(mut self, fact: Fact) -> Self {
        self.push(fact);
        self
    }

    /// Adds a fact, a minute after the one before.
    pub fn push(&mut self, fact: Fact) {
        let (seq, prev) = self
            .records
            .last()
            .map_or((0, chain::GENESIS.to_string()), |r| (r.seq, r.hash.clone()));
        let mut record = Record {
            seq: seq + 1,
            at: at(self.clock),
            by: "mira".into(),
            prev,
            hash: String::new(),
            fact,
        };
        record.hash = chain::hash_of(&record).unwrap();
        self.records.push(record);
        self.clock += 60;
    }

    pub fn all(mut self, facts: impl IntoIterator<Item = Fact>) -> Self {
        facts.into_iter().for_each(|fact| self.push(fact));
        self
    }

    pub fn state(&self) -> State {
        State::fold(&self.records)
    }

    /// The moment of the next fact.
    pub fn now(&self) -> Timestamp {
        at(self.clock)
    }
}

pub fn cred(n: u32) -> CredentialId {
    CredentialId::new(format!("cred-{n:012x}"))
}

pub fn secret(name: &str) -> Container {
    Container {
        kind: "secretsmanager".into(),
        region: "us-east-1".into(),
        name: name.into(),
    }
}

pub fn credential(n: u32, issuer: &str, name: &str) -> Fact {
    Fact::CredentialFound {
        credential: Credential {
            id: cred(n),
            name: name.into(),
            issuer: IssuerId::from(issuer),
            principal: Some(Principal::from("project/production")),
            key_id: Some(old_key(n)),
            fingerprint: None,
            mints_keys: false,
        },
    }
}

pub fn old_key(n: u32) -> KeyId {
    KeyId::new(format!("key_old_{n}"))
}

pub fn new_key(n: u32) -> KeyId {
    KeyId::new(format!("key_new_{n}"))
}

pub fn place(n: u32, name: &str) -> Fact {
    let container = secret(name);
    let slot = Slot::key("api_key");
    Fact::PlaceFound {
        place: Place {
            id: Place::id_of(&container, &slot),
            container,
            slot,
            part: Part::Secret,
            credential: cred(n),
            fingerprint: serde_json::from_value(json!(format!("fp_{n:032x}"))).unwrap(),
        },
    }
}

pub fn exposed(name: &str, level: ExposureLevel) -> Fact {
    Fact::Exposed {
        container: secret(name),
        level,
        event_ids: vec![format!("event-{}", name.replace('/', "-"))],
    }
}

pub fn consumer(id: &str, reads: &[&str]) -> Fact {
    let hook = |path: &str| Hook::Http {
        url: format!("http://127.0.0.1:9000/{path}"),
    };
    Fact::ConsumerFound {
        consumer: Consumer {
            id: ConsumerId::from(id),
            kind: ConsumerKind::Service {
                reload: hook("reload"),
                health: hook("health"),
            },
            reads: reads.iter().map(|name| secret(name)).collect(),
            known: Known::Declared,
        },
    }
}

pub fn rotation(n: u32, issuer: &str, name: &str, mode: Mode) -> Rotation {
    Rotation {
        credential: cred(n),
        name: name.into(),
        issuer: IssuerId::from(issuer),
        principal: Principal::from("project/production"),
        old_key: old_key(n),
        mode,
        why: "the thief read it".into(),
        after: Vec::new(),
    }
}

pub fn step_id(n: u32, verb: &str) -> StepId {
    StepId::new(format!("{}/{verb}", cred(n)))
}

/// The steps of a warm rotation with one place and one consumer.
pub fn warm_steps(n: u32, name: &str, consumer: &str) -> Vec<Step> {
    let slots = BTreeMap::from([(Slot::key("api_key"), Part::Secret)]);
    let actions = [
        Action::Mint {
            name: format!("relatch-{}", cred(n)),
            person: false,
        },
        Action::Check,
        Action::Write {
            container: secret(name),
            slots: slots.clone(),
        },
        Action::Roll {
            consumer: ConsumerId::from(consumer),
        },
        Action::Adopt {
            consumer: ConsumerId::from(consumer),
            slots: BTreeMap::from([(secret(name).to_string(), slots)]),
        },
        Action::Observe { quiet: true },
        Action::Disable,
        Action::Prove,
        Action::Delete,
    ];
    steps(n, actions)
}

pub fn retire_steps(n: u32) -> Vec<Step> {
    steps(n, [Action::Disable, Action::Prove])
}

fn steps(n: u32, actions: impl IntoIterator<Item = Action>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for action in actions {
        let needs = steps.last().map(|step| step.id.clone());
        steps.push(Step {
            id: step_id(n, action.verb()),
            credential: cred(n),
            action,
            needs: needs.into_iter().collect(),
            gates: Vec::new(),
            wave: None,
        });
    }
    steps
}

pub fn plan(rotations: Vec<Rotation>, steps: Vec<Step>, blocked: Vec<Blocked>) -> Fact {
    let plan = Plan {
        version: VERSION,
        case: CaseId::from("case-2026-11-18"),
        account: Some("111122223333".into()),
        policy: Policy::default(),
        rotations,
        steps,
        baseline: Baseline::default(),
        blocked,
        index: relatch_case::plan::PlanIndex::default(),
    };
    Fact::PlanRecorded {
        hash: plan.hash().unwrap(),
        plan: std::sync::Arc::new(plan),
    }
}

/// The hash of the plan that a fact records.
pub fn plan_hash(fact: &Fact) -> PlanHash {
    match fact {
        Fact::PlanRecorded { hash, .. } => hash.clone(),
        other => panic!("no plan: {other:?}"),
    }
}

pub fn done(n: u32, verb: &str, result: StepResult) -> [Fact; 2] {
    [
        Fact::StepIntended {
            step: step_id(n, verb),
            attempt: 1,
            baseline: json!({"keys": ["key_old"]}).into(),
        },
        Fact::StepEnded {
            step: step_id(n, verb),
            attempt: 1,
            outcome: Outcome::Done { result },
        },
    ]
}

/// A whole warm rotation, proof of death included; deletion is left to come.
pub fn rotated(n: u32) -> Vec<Fact> {
    let mut facts = Vec::new();
    let minted = StepResult {
        key: Some(new_key(n)),
        ..StepResult::default()
    };
    facts.extend(done(n, "mint", minted));
    for verb in ["check", "write", "roll", "adopt", "observe", "disable"] {
        facts.extend(done(n, verb, StepResult::default()));
    }
    facts.push(proved(n, probe(Liveness::Dead, true)));
    facts
}

pub fn proved(n: u32, probe: Probe) -> Fact {
    Fact::StepEnded {
        step: step_id(n, "prove"),
        attempt: 1,
        outcome: Outcome::Done {
            result: StepResult {
                probe: Some(probe),
                ..StepResult::default()
            },
        },
    }
}

pub fn probe(liveness: Liveness, control: bool) -> Probe {
    Probe {
        liveness,
        answer: match liveness {
            Liveness::Dead => "401 invalid_api_key".into(),
            Liveness::Unknown => "503".into(),
            _ => "200".into(),
        },
        control,
        how: ProbeKind::Presented,
    }
}

pub fn probed(n: u32, probe: Probe) -> Fact {
    Fact::Probed {
        credential: cred(n),
        probe,
    }
}

pub fn waived(n: u32, expires: Timestamp) -> Fact {
    Fact::Waived {
        credential: cred(n),
        because: "the vendor rotates it on Monday".into(),
        owner: "sam".into(),
        expires,
    }
}

/// One exposed credential with a place, a consumer and a plan for it.
pub fn one() -> Builder {
    Builder::opened()
        .add(exposed("prod/openai", ExposureLevel::Read))
        .add(Fact::InventoryStarted)
        .add(credential(1, "openai", "production-ai-key"))
        .add(place(1, "prod/openai"))
        .add(consumer("chat", &["prod/openai"]))
        .add(plan(
            vec![rotation(1, "openai", "production-ai-key", Mode::Warm)],
            warm_steps(1, "prod/openai", "chat"),
            vec![],
        ))
}

/// A small case that is done.
pub fn complete() -> Builder {
    one().all(rotated(1))
}

/// A case with a little of everything: one rotated, one half way, one retired, one blocked,
/// one waived.
pub fn rich() -> Builder {
    let fault = |kind, words: &str| Fault::new(kind, words);
    let plan = plan(
        vec![
            rotation(1, "openai", "production-ai-key", Mode::Warm),
            rotation(2, "anthropic", "batch <b>jobs</b> | key", Mode::Hot),
            rotation(3, "aws-iam", "AKIAPLANTED000000003", Mode::Retire),
        ],
        [
            warm_steps(1, "prod/openai", "chat"),
            warm_steps(2, "prod/anthropic", "batch"),
            retire_steps(3),
        ]
        .concat(),
        vec![Blocked {
            credential: cred(4),
            name: "legacy-webhook".into(),
            because: "its issuer lists no key that matches this value".into(),
        }],
    );
    let hash = plan_hash(&plan);
    Builder::opened()
        .add(Fact::EvidenceTaken {
            files: vec![EvidenceFile {
                path: "s3://logs/2026/11/18.json.gz".into(),
                sha256: "ab".repeat(32),
                bytes: 131_072,
            }],
            events: 7_180,
        })
        .add(Fact::ActorConvicted {
            keys: vec![KeyId::from("ASIATHIEF00000000001")],
            arns: vec!["arn:aws:sts::111122223333:assumed-role/ci/\u{1b}[31mx".into()],
            addresses: vec!["198.51.100.66".into()],
            first: Some(at(-86_400)),
            last: Some(at(-3_600)),
            why: vec!["new address".into(), "read 50 secrets in 4 minutes".into()],
        })
        .add(exposed("prod/openai", ExposureLevel::Read))
        .add(exposed("prod/anthropic", ExposureLevel::Readable))
        .add(exposed("prod/webhook", ExposureLevel::Reachable))
        .add(Fact::KeyPlanted {
            issuer: IssuerId::from("aws-iam"),
            key: old_key(3),
            event_id: "event-create-access-key".into(),
        })
        .add(Fact::BlindSpotFound {
            what: "data events of S3".into(),
            why: "no trail records them".into(),
            hides: "which objects were read".into(),
        })
        .add(Fact::MeasureIntended {
            id: "scp-1".into(),
            measure: json!({"kind": "scp", "target": "111122223333", "policy": {"Version": "2012-10-17"}}),
            snapshot: json!(null),
        })
        .add(Fact::MeasureApplied { id: "scp-1".into() })
        .add(Fact::MeasureVerified {
            id: "scp-1".into(),
            binds: Some(true),
            how: "AccessDenied with an explicit deny".into(),
        })
        .add(Fact::MeasureIntended {
            id: "sessions-1".into(),
            measure: json!("revoke sessions of role ci"),
            snapshot: json!({}),
        })
        .add(Fact::MeasureFailed {
            id: "sessions-1".into(),
            fault: fault(FaultKind::Denied, "iam:PutRolePolicy is denied"),
        })
        .add(Fact::ContainmentWaived {
            because: "the role ci is deleted tonight".into(),
            people: vec!["mira".into(), "sam".into()],
        })
        .add(Fact::InventoryStarted)
        .add(Fact::IssuerKnown {
            issuer: IssuerId::from("openai"),
            sheet: Sheet {
                minting: Minting::Program,
                named: true,
                lists: true,
                disables: false,
                deletes: true,
                cuts: false,
                last_used: true,
                slots: None,
                propagation_s: 60,
            },
        })
        .add(Fact::KeysListed {
            issuer: IssuerId::from("openai"),
            principal: Principal::from("project/production"),
            keys: vec![IssuedKey {
                id: old_key(1),
                name: Some("production-ai-key".into()),
                hint: None,
                active: true,
                created: None,
                last_used: None,
            }],
        })
        .add(credential(1, "openai", "production-ai-key"))
        .add(credential(2, "anthropic", "batch <b>jobs</b> | key"))
        .add(credential(3, "aws-iam", "AKIAPLANTED000000003"))
        .add(credential(4, "hooks", "legacy-webhook"))
        .add(credential(5, "vendor", "slack-bot"))
        .add(credential(6, "openai", "staging-key"))
        .add(place(1, "prod/openai"))
        .add(place(2, "prod/anthropic"))
        .add(place(4, "prod/webhook"))
        .add(consumer("chat", &["prod/openai"]))
        .add(consumer("batch", &["prod/anthropic"]))
        .add(plan)
        .add(Fact::PlanApproved { hash, by: "sam".into() })
        .all(rotated(1))
        .all(done(2, "mint", StepResult { key: Some(new_key(2)), ..StepResult::default() }))
        .add(Fact::StepSkipped {
            step: step_id(2, "check"),
            because: "the workspace has no budget left".into(),
        })
        .add(Fact::StepEnded {
            step: step_id(2, "write"),
            attempt: 1,
            outcome: Outcome::Unknown {
                fault: fault(FaultKind::Ambiguous, "the answer was cut off"),
            },
        })
        .add(Fact::StepEnded {
            step: step_id(2, "write"),
            attempt: 1,
            outcome: Outcome::NotDone {
                how: "the place still holds the old value".into(),
            },
        })
        .add(Fact::StepEnded {
            step: step_id(2, "write"),
            attempt: 2,
            outcome: Outcome::Failed {
                fault: fault(FaultKind::Throttled, "slow down"),
            },
        })
        .add(Fact::StepEnded {
            step: step_id(2, "write"),
            attempt: 3,
            outcome: Outcome::Stuck {
                because: "somebody changed the place: look, then retry or skip".into(),
            },
        })
        .add(Fact::StepRetried { step: step_id(2, "write") })
        .all(done(3, "disable", StepResult::default()))
        .add(proved(3, probe(Liveness::Dead, false)))
        .add(probed(4, probe(Liveness::Unknown, true)))
        .add(waived(5, at(86_400 * 30)))
        .add(Fact::TripwireHit {
            key: old_key(1),
            event_id: "event-hit".into(),
            at: at(9_000),
            seen: "bedrock:InvokeModel from 198.51.100.66 by <script>alert(1)</script>".into(),
        })
        .add(Fact::TripwireChecked {
            source: "lookup:us-east-1".into(),
            through: at(9_100),
        })
        .add(Fact::MeasureRestored { id: "scp-1".into() })
        .add(Fact::CustodyShredded)
        .add(Fact::CertificateIssued { sha256: "cd".repeat(32) })
        .add(Fact::CaseClosed { remark: "closed for the drill".into() })
}
