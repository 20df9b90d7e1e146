//! Five credentials of different kinds, their places and consumers, and a case for them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use relatch_case::model::{
    Consumer, ConsumerKind, Container, Credential, Hook, Known, Minting, Part, Place, Sheet, Slot,
};
use relatch_case::sqlite::SqliteJournal;
use relatch_case::{CredentialId, Fact, IssuerId, KeyId, Policy, Principal, State, StepId};
use relatch_executor::{
    Clock, Context, Ended, Engine, EngineError, Event, Ledger, Patience, Vault, World,
};
use relatch_rotation::{Options, make};
use relatch_secret::{CaseIdentity, Custody, FingerprintKey, OpenCustody, Protection, Secret};
use tokio::sync::watch;

use super::issuer::ModelIssuer;
use super::journal::{Kill, Mortal};
use super::model::{Model, VirtualClock};
use super::store::{ModelRoller, ModelStore};

/// A pace that a test can wait for, in virtual seconds.
pub(crate) fn quick() -> Policy {
    Policy {
        observe_s: 5,
        soak_s: 10,
        dead_probes_s: vec![0, 5],
        settle_s: 2,
        adopt_s: 30,
        poll_s: 1,
        backoff_s: 1,
        per_minute: 1_000_000,
        ..Policy::default()
    }
}

fn sheet(named: bool, disables: bool, slots: Option<u32>, lag: u32) -> Sheet {
    Sheet {
        minting: Minting::Program,
        named,
        lists: true,
        disables,
        deletes: true,
        cuts: true,
        last_used: true,
        slots,
        propagation_s: lag,
    }
}

/// A temporary folder in memory where there is such a thing: these tests kill the process and
/// never the machine, so they need not wait for a disk.
fn temp_dir() -> tempfile::TempDir {
    let in_memory = tempfile::tempdir_in("/dev/shm");
    in_memory.unwrap_or_else(|_| tempfile::tempdir().expect("temp dir"))
}

/// Everything of one test.
pub(crate) struct Setting {
    pub(crate) model: Arc<Model>,
    pub(crate) clock: VirtualClock,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) world: World,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
    sheets: Vec<(IssuerId, Sheet)>,
    facts: Vec<Fact>,
    identity: CaseIdentity,
    fingerprints: Arc<FingerprintKey>,
}

impl Setting {
    /// Nothing outside yet.
    pub(crate) fn empty(list_lag_s: u32) -> Self {
        let clock = VirtualClock::new();
        let folder = temp_dir();
        let identity = CaseIdentity::generate();
        std::fs::create_dir(folder.path().join("custody")).expect("folder");
        Custody::create(&folder.path().join("custody"), &identity.recipient()).expect("custody");
        let model = Model::new(clock, list_lag_s);
        let mut world = World::default();
        world.add_store(Arc::new(ModelStore(Arc::clone(&model))));
        world.add_roller(Arc::new(ModelRoller(Arc::clone(&model))));
        let mut setting = Self {
            model,
            clock,
            folder,
            world,
            events: Arc::default(),
            sheets: Vec::new(),
            facts: Vec::new(),
            identity,
            fingerprints: Arc::new(FingerprintKey::from_bytes([7; 32])),
        };
        setting.issuer("named", sheet(true, true, None, list_lag_s));
        setting.issuer("unnamed", sheet(false, true, Some(2), list_lag_s));
        setting.issuer("blunt", sheet(true, false, None, list_lag_s));
        setting
    }

    /// Five credentials: two of one issuer that share a container and a consumer, one in two
    /// halves, one in two containers, one whose issuer cannot disable.
    pub(crate) fn five() -> Self {
        let mut setting = Self::empty(0);
        setting.key("named", "p/0", "k0", &[("app", "k0")]);
        setting.key("named", "p/1", "k1", &[("shared", "k1")]);
        setting.key_of_two_halves("unnamed", "user/ci", "k2", "cloud");
        setting.key("named", "p/3", "k3", &[("app", "k3"), ("batch", "k3")]);
        setting.key("blunt", "p/4", "k4", &[("shared", "k4")]);
        setting.consumer("web", &["app", "shared"]);
        setting.consumer("jobs", &["batch", "cloud", "shared"]);
        setting
    }

    /// One credential of an issuer, in one place, with one consumer.
    pub(crate) fn one(issuer: &str, list_lag_s: u32) -> Self {
        let mut setting = Self::empty(list_lag_s);
        setting.key(issuer, "p/0", "k0", &[("app", "k0")]);
        setting.consumer("web", &["app"]);
        setting
    }

    pub(crate) fn issuer(&mut self, id: &str, sheet: Sheet) {
        self.sheets.retain(|(known, _)| known.as_str() != id);
        self.sheets.push((id.into(), sheet.clone()));
        self.world.add_issuer(Arc::new(ModelIssuer {
            id: id.into(),
            sheet,
            model: Arc::clone(&self.model),
        }));
    }

    pub(crate) fn sheet_of(&self, id: &str) -> Sheet {
        let known = self.sheets.iter().find(|(known, _)| known.as_str() == id);
        known.expect("an issuer").1.clone()
    }

    /// A key with its value in slots of containers.
    pub(crate) fn key(&mut self, issuer: &str, principal: &str, id: &str, places: &[(&str, &str)]) {
        let value = self.model.add_key(principal, id);
        self.credential(issuer, principal, id, &value);
        for (name, slot) in places {
            self.place(id, name, slot, Part::Secret, &value);
        }
    }

    pub(crate) fn key_of_two_halves(
        &mut self,
        issuer: &str,
        principal: &str,
        id: &str,
        name: &str,
    ) {
        let value = self.model.add_key(principal, id);
        self.credential(issuer, principal, id, &value);
        self.place(id, name, "secret", Part::Secret, &value);
        self.place(id, name, "id", Part::KeyId, id);
    }

    fn credential(&mut self, issuer: &str, principal: &str, id: &str, value: &str) {
        let credential = Credential {
            id: credential(id),
            name: format!("key {id}"),
            issuer: issuer.into(),
            principal: Some(Principal::from(principal)),
            key_id: Some(KeyId::from(id)),
            fingerprint: Some(self.fingerprints.fingerprint(&Secret::from(value))),
            mints_keys: false,
        };
        self.facts.push(Fact::CredentialFound { credential });
    }

    fn place(&mut self, id: &str, name: &str, slot: &str, part: Part, value: &str) {
        let (container, slot) = (container(name), Slot::key(slot));
        self.model
            .lock()
            .places
            .entry(container.clone())
            .or_default()
            .1
            .insert(slot.clone(), value.to_string());
        let place = Place {
            id: Place::id_of(&container, &slot),
            container,
            slot,
            part,
            credential: credential(id),
            fingerprint: self.fingerprints.fingerprint(&Secret::from(value)),
        };
        self.facts.push(Fact::PlaceFound { place });
    }

    pub(crate) fn consumer(&mut self, id: &str, reads: &[&str]) {
        let hook = || Hook::Command {
            argv: vec!["true".to_string()],
        };
        let consumer = Consumer {
            id: id.into(),
            kind: ConsumerKind::Service {
                reload: hook(),
                health: hook(),
            },
            reads: reads.iter().map(|name| container(name)).collect(),
            known: Known::Declared,
        };
        let mut inner = self.model.lock();
        inner.roll(&consumer.id, &consumer.reads);
        inner.effects.clear();
        drop(inner);
        self.facts.push(Fact::ConsumerFound { consumer });
    }

    pub(crate) fn fact(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    pub(crate) fn journal_path(&self) -> PathBuf {
        self.folder.path().join("journal.db")
    }

    pub(crate) fn journal(&self) -> SqliteJournal {
        SqliteJournal::open(&self.journal_path()).expect("journal")
    }

    /// Opens the case, records what was found and puts an approved plan in force.
    pub(crate) async fn begin(&self, policy: &Policy) {
        self.begin_with(policy, &Options::default()).await;
    }

    pub(crate) async fn begin_with(&self, policy: &Policy, options: &Options) {
        let ledger = self.ledger("planner", &Kill::never());
        let opened = Fact::CaseOpened {
            id: "case-1".into(),
            title: "test".to_string(),
            account: None,
            regions: Vec::new(),
            public_key: String::new(),
            recipient: self.identity.recipient(),
            protection: Protection::Passphrase,
        };
        let mut facts = vec![opened];
        for (issuer, sheet) in &self.sheets {
            facts.push(Fact::IssuerKnown {
                issuer: issuer.clone(),
                sheet: sheet.clone(),
            });
            facts.extend(self.lists(issuer).await);
        }
        facts.extend(self.facts.clone());
        let now = self.clock.now();
        ledger.record(now, facts).expect("recorded");
        let plan = ledger.with(|state| make(state, policy, options).expect("plan"));
        let hash = plan.hash().expect("hash");
        let recorded = Fact::PlanRecorded {
            hash: hash.clone(),
            plan: std::sync::Arc::new(plan),
        };
        let by = "somebody".to_string();
        let approved = Fact::PlanApproved { hash, by };
        ledger
            .record(now, vec![recorded, approved])
            .expect("recorded");
    }

    /// The lists of the principals whose credentials this issuer issued.
    async fn lists(&self, issuer: &IssuerId) -> Vec<Fact> {
        let mut facts = Vec::new();
        for fact in &self.facts {
            let Fact::CredentialFound { credential } = fact else {
                continue;
            };
            let principal = credential.principal.clone().expect("given");
            if &credential.issuer == issuer {
                let issuer = self.world.issuer(issuer).expect("issuer");
                facts.push(Fact::KeysListed {
                    issuer: issuer.id().clone(),
                    keys: issuer.list(&principal).await.expect("list"),
                    principal,
                });
            }
        }
        facts
    }

    pub(crate) fn ledger(&self, by: &str, kill: &Arc<Kill>) -> Arc<Ledger> {
        let journal = Mortal {
            journal: self.journal(),
            kill: Arc::clone(kill),
        };
        Arc::new(Ledger::open(Box::new(journal), by).expect("the chain holds"))
    }

    fn custody(&self) -> OpenCustody {
        Custody::load(&self.folder.path().join("custody"))
            .and_then(|custody| custody.open(&self.identity))
            .expect("custody")
    }

    /// Whether a value of that name is sealed.
    pub(crate) fn custody_holds(&self, name: &str) -> bool {
        self.custody().take(name).expect("custody").is_some()
    }

    /// A process: its own ledger on the one journal.
    pub(crate) fn engine(&self, kill: &Arc<Kill>) -> Engine {
        let custody = self.custody();
        let ctx = Context {
            ledger: self.ledger("executor", kill),
            world: self.world.clone(),
            vault: Vault::new(custody),
            fingerprints: Arc::clone(&self.fingerprints),
            clock: Arc::new(self.clock),
        };
        let events = Arc::clone(&self.events);
        Engine::new(ctx, move |event| {
            events.lock().expect("events").push(event);
        })
    }

    /// Runs until only people can go on.
    pub(crate) async fn run(&self) -> Result<Ended, EngineError> {
        run(&self.engine(&Kill::never())).await
    }

    /// Runs in a new process until the end; whoever held the lease has been gone for a while.
    pub(crate) async fn resume_to_the_end(&self) {
        tokio::time::sleep(Duration::from_secs(31)).await;
        let ended = self.run().await.expect("it goes on");
        assert_eq!(ended, Ended::Finished);
    }

    /// Runs until the kill strikes, and drops everything at that moment; says how it ended if
    /// it came to an end before.
    pub(crate) async fn run_until_killed(&self, kill: &Arc<Kill>) -> Option<Ended> {
        let engine = self.engine(kill);
        let run = run(&engine);
        tokio::select! {
            biased;
            () = kill.killed.notified() => None,
            ended = run => match ended {
                Ok(ended) => Some(ended),
                Err(error) => {
                    assert!(kill.is_dead(), "{error:?}");
                    None
                }
            },
        }
    }

    /// What is known now.
    pub(crate) fn state(&self) -> State {
        self.ledger("reader", &Kill::never()).with(State::clone)
    }

    pub(crate) fn record(&self, fact: Fact) {
        let ledger = self.ledger("person", &Kill::never());
        ledger
            .record(self.clock.now(), vec![fact])
            .expect("recorded");
    }
}

pub(crate) async fn run(engine: &Engine) -> Result<Ended, EngineError> {
    let (_keep, stop) = watch::channel(false);
    engine.run(Patience::Forever, stop).await
}

pub(crate) fn container(name: &str) -> Container {
    Container {
        kind: "model".to_string(),
        region: String::new(),
        name: name.to_string(),
    }
}

pub(crate) fn slot(key: &str) -> Slot {
    Slot::key(key)
}

pub(crate) fn credential(key: &str) -> CredentialId {
    CredentialId::new(format!("cred-{key}"))
}

pub(crate) fn step(key: &str, what: &str) -> StepId {
    StepId::new(format!("cred-{key}/{what}"))
}
