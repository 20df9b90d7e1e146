//! Bugs that are put between the engine and the model on purpose: each must be caught.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use relatch_case::journal::Head;
use relatch_case::model::{
    Consumer, ConsumerKind, Container, IssuedKey, Liveness, Probe, Sheet, Slot,
};
use relatch_case::plan::{Action, Gate, Step};
use relatch_case::{
    Draft, Fact, Fault, FaultKind, IssuerId, Journal, JournalError, KeyId, Lease, Plan, Principal,
    Record, StepBaseline,
};
use relatch_executor::Sealed;
use relatch_issuers::{Issuer, KeyMaterial, MintRequest, Minted};
use relatch_places::{Document, Health, Roller, Store, Version};
use relatch_secret::{CustodyError, Secret};
use relatch_simulation::{Hooks, Law, Setup, run};
use serde_json::Value;

/// Runs seeds until a law is broken; it must be one of these.
fn caught(hooks: &Hooks, laws: &[Law]) {
    for seed in 1..600 {
        let setup = Setup {
            hooks: hooks.clone(),
            ..Setup::of(seed)
        };
        if let Some(violation) = run(&setup).violation {
            assert!(laws.contains(&violation.law), "seed {seed}: {violation:?}");
            return;
        }
    }
    panic!("not caught in 600 seeds");
}

fn plan_with(change: impl Fn(&mut Step) + Send + Sync + 'static) -> Hooks {
    let change = move |mut plan: Plan| {
        plan.steps.iter_mut().for_each(&change);
        plan
    };
    Hooks {
        plan: Some(Arc::new(change)),
        ..Hooks::default()
    }
}

#[test]
fn a_disable_that_does_not_wait_for_adoption() {
    let hooks = plan_with(|step| {
        if matches!(step.action, Action::Disable) {
            step.needs.clear();
        }
    });
    caught(&hooks, &[Law::NoEarlyRevoke]);
}

#[test]
fn a_plan_without_containment() {
    let hooks = plan_with(|step| step.gates.retain(|gate| *gate != Gate::Contained));
    caught(&hooks, &[Law::NoFeeding]);
}

#[test]
fn a_plan_without_approval() {
    let hooks = plan_with(|step| step.gates.retain(|gate| *gate != Gate::Approved));
    caught(&hooks, &[Law::Approval]);
}

#[test]
fn a_delete_that_does_not_wait_for_the_disable() {
    let hooks = plan_with(|step| {
        if matches!(step.action, Action::Delete) {
            step.needs.clear();
            step.gates
                .retain(|gate| !matches!(gate, Gate::After { .. }));
        }
    });
    caught(&hooks, &[Law::ReversibleFirst, Law::NoEarlyRevoke]);
}

#[test]
fn a_delete_at_once_after_the_disable() {
    let hooks = plan_with(|step| {
        if matches!(step.action, Action::Delete) {
            step.gates
                .retain(|gate| !matches!(gate, Gate::After { .. }));
        }
    });
    caught(&hooks, &[Law::ReversibleFirst]);
}

/// What a journal does wrong.
#[derive(Clone, Copy, PartialEq)]
enum Slip {
    NoFence,
    AnyLease,
    NoIntents,
    ForgottenIntents,
    NoBaseline,
}

struct Sloppy {
    inner: Box<dyn Journal>,
    slip: Slip,
}

fn harmless() -> Fact {
    Fact::Resumed { credential: None }
}

impl Sloppy {
    fn spoil(&self, draft: &mut Draft) {
        match (&mut draft.fact, self.slip) {
            (fact @ Fact::StepIntended { .. }, Slip::NoIntents) => *fact = harmless(),
            (Fact::StepIntended { baseline, .. }, Slip::NoBaseline) => {
                *baseline = StepBaseline::default();
            }
            _ => {}
        }
    }
}

impl Journal for Sloppy {
    fn head(&self) -> Result<Head, JournalError> {
        self.inner.head()
    }

    fn read_after(&self, seq: u64, limit: usize) -> Result<Vec<Record>, JournalError> {
        let mut records = self.inner.read_after(seq, limit)?;
        for record in &mut records {
            let intent = matches!(record.fact, Fact::StepIntended { .. });
            if intent && self.slip == Slip::ForgottenIntents {
                record.fact = harmless();
            }
        }
        Ok(records)
    }

    fn append(
        &mut self,
        expected: u64,
        lease: Option<&Lease>,
        mut drafts: Vec<Draft>,
    ) -> Result<Vec<Record>, JournalError> {
        for draft in &mut drafts {
            self.spoil(draft);
        }
        match (
            self.inner.append(expected, lease, drafts.clone()),
            lease,
            self.slip,
        ) {
            (Err(JournalError::Fenced { current, .. }), Some(lease), Slip::NoFence) => {
                let forged = Lease {
                    fence: current,
                    ..lease.clone()
                };
                self.inner.append(expected, Some(&forged), drafts)
            }
            (answer, _, _) => answer,
        }
    }

    fn acquire(&mut self, holder: &str, now: Timestamp, ttl_s: u32) -> Result<Lease, JournalError> {
        match (self.inner.acquire(holder, now, ttl_s), self.slip) {
            (Err(JournalError::Held { until, .. }), Slip::AnyLease) => {
                self.inner.acquire(holder, until, ttl_s)
            }
            (answer, _) => answer,
        }
    }

    fn must_hold(&self, lease: &Lease) -> Result<(), JournalError> {
        match (self.inner.must_hold(lease), self.slip) {
            (Err(JournalError::Fenced { .. }), Slip::NoFence | Slip::AnyLease) => Ok(()),
            (answer, _) => answer,
        }
    }

    fn renew(&mut self, lease: &Lease, now: Timestamp, ttl_s: u32) -> Result<(), JournalError> {
        match (self.inner.renew(lease, now, ttl_s), self.slip) {
            (Err(JournalError::Fenced { .. }), Slip::NoFence | Slip::AnyLease) => Ok(()),
            (answer, _) => answer,
        }
    }

    fn release(&mut self, lease: &Lease) -> Result<(), JournalError> {
        self.inner.release(lease)
    }
}

fn journal_that(slip: Slip) -> Hooks {
    let wrap =
        move |inner: Box<dyn Journal>| -> Box<dyn Journal> { Box::new(Sloppy { inner, slip }) };
    Hooks {
        journal: Some(Arc::new(wrap)),
        ..Hooks::default()
    }
}

#[test]
fn a_journal_that_does_not_check_fences() {
    caught(&journal_that(Slip::NoFence), &[Law::OneHand, Law::Intent]);
}

#[test]
fn a_lease_that_everybody_gets() {
    caught(&journal_that(Slip::AnyLease), &[Law::OneHand, Law::Intent]);
}

#[test]
fn effects_without_intents() {
    caught(&journal_that(Slip::NoIntents), &[Law::Intent]);
}

#[test]
fn intents_that_are_forgotten_by_the_next_process() {
    caught(&journal_that(Slip::ForgottenIntents), &[Law::Intent]);
}

#[test]
fn a_mint_without_a_baseline() {
    caught(&journal_that(Slip::NoBaseline), &[Law::Intent]);
}

/// Custody that keeps what it seals to itself, or not at all.
struct Forgetful {
    inner: Arc<dyn Sealed>,
    held: Option<Mutex<BTreeMap<String, Secret>>>,
}

impl Sealed for Forgetful {
    fn seal(&self, values: &[(String, Secret)]) -> Result<(), CustodyError> {
        if let Some(held) = &self.held {
            held.lock().expect("held").extend(values.iter().cloned());
        }
        Ok(())
    }

    fn take(&self, name: &str) -> Result<Option<Secret>, CustodyError> {
        match &self.held {
            Some(held) => Ok(held.lock().expect("held").get(name).cloned()),
            None => self.inner.take(name),
        }
    }

    fn discard(&self, name: &str) -> Result<(), CustodyError> {
        self.inner.discard(name)
    }
}

fn custody_that(remembers: bool) -> Hooks {
    let wrap = move |inner: Arc<dyn Sealed>| -> Arc<dyn Sealed> {
        let held = remembers.then(Mutex::default);
        Arc::new(Forgetful { inner, held })
    };
    Hooks {
        custody: Some(Arc::new(wrap)),
        ..Hooks::default()
    }
}

#[test]
fn custody_that_loses_what_it_sealed() {
    caught(&custody_that(false), &[Law::NoKeyLost]);
}

#[test]
fn custody_in_memory_only() {
    caught(&custody_that(true), &[Law::NoKeyLost]);
}

/// A store that writes over whatever stands there.
struct Clobbering(Arc<dyn Store>);

#[async_trait]
impl Store for Clobbering {
    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    async fn read(&self, container: &Container) -> Result<Document, Fault> {
        self.0.read(container).await
    }

    async fn write(
        &self,
        container: &Container,
        version: &Version,
        changes: &BTreeMap<Slot, Secret>,
    ) -> Result<Version, Fault> {
        match self.0.write(container, version, changes).await {
            Err(fault) if fault.kind == FaultKind::Conflict => {
                let now = self.0.read(container).await?;
                self.0.write(container, &now.version, changes).await
            }
            answer => answer,
        }
    }
}

#[test]
fn a_store_that_ignores_versions() {
    let hooks = Hooks {
        store: Some(Arc::new(|inner| Arc::new(Clobbering(inner)))),
        ..Hooks::default()
    };
    caught(&hooks, &[Law::NoClobber]);
}

/// What an issuer's adapter does wrong.
#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    SaysUnreachable,
    Resends,
    CallsUnknownDead,
}

struct Flawed {
    inner: Arc<dyn Issuer>,
    flaw: Flaw,
}

#[async_trait]
impl Issuer for Flawed {
    fn id(&self) -> &IssuerId {
        self.inner.id()
    }

    fn sheet(&self) -> &Sheet {
        self.inner.sheet()
    }

    async fn list_all(&self) -> Result<Vec<(Principal, Vec<IssuedKey>)>, Fault> {
        self.inner.list_all().await
    }

    async fn list(&self, principal: &Principal) -> Result<Vec<IssuedKey>, Fault> {
        self.inner.list(principal).await
    }

    async fn mint(&self, request: &MintRequest) -> Result<Minted, Fault> {
        match self.inner.mint(request).await {
            Err(fault) if fault.kind == FaultKind::Ambiguous => match self.flaw {
                Flaw::SaysUnreachable => Err(Fault::new(FaultKind::Unreachable, "no answer")),
                Flaw::Resends => self.inner.mint(request).await,
                Flaw::CallsUnknownDead => Err(fault),
            },
            answer => answer,
        }
    }

    async fn disable(&self, principal: &Principal, key: &KeyId) -> Result<(), Fault> {
        self.inner.disable(principal, key).await
    }

    async fn enable(&self, principal: &Principal, key: &KeyId) -> Result<(), Fault> {
        self.inner.enable(principal, key).await
    }

    async fn delete(&self, principal: &Principal, key: &KeyId) -> Result<(), Fault> {
        self.inner.delete(principal, key).await
    }

    async fn cut(&self, principal: &Principal) -> Result<(), Fault> {
        self.inner.cut(principal).await
    }

    async fn uncut(&self, principal: &Principal) -> Result<(), Fault> {
        self.inner.uncut(principal).await
    }

    async fn last_used(
        &self,
        principal: &Principal,
        key: &KeyId,
    ) -> Result<Option<Timestamp>, Fault> {
        self.inner.last_used(principal, key).await
    }

    async fn probe(&self, key: &KeyMaterial) -> Probe {
        let probe = self.inner.probe(key).await;
        if probe.liveness == Liveness::Unknown && self.flaw == Flaw::CallsUnknownDead {
            return Probe {
                liveness: Liveness::Dead,
                control: true,
                ..probe
            };
        }
        probe
    }

    fn recognises(&self, listed: &IssuedKey, secret: &Secret) -> bool {
        self.inner.recognises(listed, secret)
    }
}

fn issuer_that(flaw: Flaw) -> Hooks {
    let wrap =
        move |inner: Arc<dyn Issuer>| -> Arc<dyn Issuer> { Arc::new(Flawed { inner, flaw }) };
    Hooks {
        issuer: Some(Arc::new(wrap)),
        ..Hooks::default()
    }
}

#[test]
fn an_adapter_that_calls_a_lost_answer_unreachable() {
    caught(
        &issuer_that(Flaw::SaysUnreachable),
        &[Law::Intent, Law::NoOrphan],
    );
}

#[test]
fn an_adapter_that_sends_a_mint_again() {
    caught(&issuer_that(Flaw::Resends), &[Law::Intent, Law::NoOrphan]);
}

#[test]
fn a_prober_that_calls_unknown_dead() {
    caught(&issuer_that(Flaw::CallsUnknownDead), &[Law::NoSilence]);
}

/// What a roller only says.
#[derive(Clone, Copy, PartialEq)]
enum Claim {
    Rolled,
    Well,
    RolledBack,
}

struct Boasting {
    inner: Arc<dyn Roller>,
    claim: Claim,
}

#[async_trait]
impl Roller for Boasting {
    fn handles(&self, kind: &ConsumerKind) -> bool {
        self.inner.handles(kind)
    }

    async fn baseline(&self, consumer: &Consumer) -> Result<Value, Fault> {
        self.inner.baseline(consumer).await
    }

    async fn roll(&self, consumer: &Consumer) -> Result<(), Fault> {
        match self.claim {
            Claim::Rolled => Ok(()),
            _ => self.inner.roll(consumer).await,
        }
    }

    async fn roll_back(&self, consumer: &Consumer, baseline: &Value) -> Result<(), Fault> {
        match self.claim {
            Claim::RolledBack => Ok(()),
            _ => self.inner.roll_back(consumer, baseline).await,
        }
    }

    async fn health(&self, consumer: &Consumer) -> Result<Health, Fault> {
        let health = self.inner.health(consumer).await?;
        Ok(Health {
            well: health.well || self.claim == Claim::Well,
            ..health
        })
    }

    async fn runs_with(
        &self,
        consumer: &Consumer,
        container: &Container,
    ) -> Result<Option<Document>, Fault> {
        self.inner.runs_with(consumer, container).await
    }
}

fn roller_that(claim: Claim) -> Hooks {
    let wrap =
        move |inner: Arc<dyn Roller>| -> Arc<dyn Roller> { Arc::new(Boasting { inner, claim }) };
    Hooks {
        roller: Some(Arc::new(wrap)),
        ..Hooks::default()
    }
}

#[test]
fn a_roller_that_only_says_that_it_rolled() {
    caught(&roller_that(Claim::Rolled), &[Law::NoEarlyRevoke]);
}

#[test]
fn a_roller_that_calls_everybody_well() {
    caught(
        &roller_that(Claim::Well),
        &[Law::NoEarlyRevoke, Law::Outcome],
    );
}

#[test]
fn a_roll_back_that_does_nothing() {
    caught(
        &roller_that(Claim::RolledBack),
        &[Law::ReversibleFirst, Law::NoEarlyRevoke],
    );
}
