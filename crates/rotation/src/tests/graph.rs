//! Properties of every plan, over random states.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use relatch_case::fact::{Fact, Outcome};
use relatch_case::fault::FaultKind;
use relatch_case::model::{ExposureLevel, Part, Sheet};
use relatch_case::plan::{Action, Gate, Mode, Plan, Step};
use relatch_case::{Policy, State, StepBaseline, StepId};

use crate::testing::{
    Found, able, by_person, container, credential, do_step, fault, plan_of, put_in_force, record,
    roomy, state_of,
};
use crate::{Agenda, Command, Decision, Options, Touched, decide, make};

/// One credential of a random state.
#[derive(Debug, Clone)]
struct Random {
    issuer: usize,
    principal: u8,
    secrets: BTreeSet<u8>,
    two_parts: bool,
    stolen: bool,
    planted: bool,
}

const ISSUERS: [&str; 5] = ["able", "person", "slots", "undisabled", "undeleted"];
const SECRETS: u8 = 4;

fn sheets() -> [Sheet; 5] {
    let undisabled = Sheet {
        disables: false,
        ..able()
    };
    let undeleted = Sheet {
        deletes: false,
        ..roomy(3)
    };
    [able(), by_person(), roomy(2), undisabled, undeleted]
}

fn credentials() -> impl Strategy<Value = Vec<Random>> {
    let one = (
        0..ISSUERS.len(),
        0..3u8,
        prop::collection::btree_set(0..SECRETS, 0..3),
        any::<bool>(),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.15),
    )
        .prop_map(
            |(issuer, principal, secrets, two_parts, stolen, planted)| Random {
                issuer,
                principal,
                secrets,
                two_parts,
                stolen,
                planted,
            },
        );
    prop::collection::vec(one, 1..7)
}

/// A consumer reads the secrets of its set.
type Readers = Vec<BTreeSet<u8>>;

fn found() -> impl Strategy<Value = Found> {
    let readers = prop::collection::vec(prop::collection::btree_set(0..SECRETS, 1..3), 0..4);
    let exposed = prop::collection::vec(0..4u8, usize::from(SECRETS));
    (credentials(), readers, exposed)
        .prop_map(|(all, readers, exposed)| build(&all, &readers, &exposed))
}

fn build(all: &[Random], readers: &Readers, exposed: &[u8]) -> Found {
    let mut found = Found::new();
    for (name, sheet) in ISSUERS.into_iter().zip(sheets()) {
        found = found.issuer(name, sheet);
    }
    for (n, random) in all.iter().enumerate() {
        let (key, issuer) = (format!("k{n}"), ISSUERS[random.issuer]);
        found = found.key(issuer, &format!("p/{}", random.principal), &key);
        for secret in &random.secrets {
            let secret = format!("s{secret}");
            found = found.place(&key, &secret);
            if random.two_parts {
                found = found.half(&key, &secret, &format!("{key}-id"), Part::KeyId);
            }
        }
        if random.stolen {
            found = found.stolen(&key);
        }
        if random.planted {
            found = found.planted(issuer, &key);
        }
    }
    for (n, secrets) in readers.iter().enumerate() {
        let names: Vec<String> = secrets.iter().map(|s| format!("s{s}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        found = found.consumer(&format!("c{n}"), &names);
    }
    for (n, level) in exposed.iter().enumerate() {
        let level = match level {
            1 => ExposureLevel::Reachable,
            2 => ExposureLevel::Readable,
            3 => ExposureLevel::Read,
            _ => continue,
        };
        found = found.exposed(&format!("s{n}"), level);
    }
    found
}

/// Everything that must be over before a step, however far back.
fn before<'a>(plan: &'a Plan, step: &'a Step, seen: &mut BTreeSet<&'a StepId>) {
    for need in &step.needs {
        if seen.insert(need) {
            before(plan, plan.step(need).expect("a step it needs exists"), seen);
        }
    }
}

/// The steps in an order that respects needs, or the ones caught in a cycle.
fn sorted(plan: &Plan) -> Result<Vec<&Step>, Vec<&StepId>> {
    let mut rest: Vec<&Step> = plan.steps.iter().collect();
    let (mut order, mut placed) = (Vec::new(), BTreeSet::new());
    while !rest.is_empty() {
        let (free, stuck): (Vec<&Step>, Vec<&Step>) = rest
            .into_iter()
            .partition(|step| step.needs.iter().all(|need| placed.contains(need)));
        if free.is_empty() {
            return Err(stuck.into_iter().map(|step| &step.id).collect());
        }
        placed.extend(free.iter().map(|step| &step.id));
        order.extend(free);
        rest = stuck;
    }
    Ok(order)
}

/// The consumers of a credential, by the state and not by the plan.
fn consumers_of(state: &State, key: &relatch_case::CredentialId) -> BTreeSet<String> {
    state
        .places_of(key)
        .flat_map(|place| state.consumers_of(&place.container))
        .map(|consumer| consumer.id.to_string())
        .collect()
}

fn kills(step: &Step) -> bool {
    matches!(step.action, Action::Cut | Action::Disable | Action::Delete)
}

/// A state that is followed by an agenda, as a run follows it.
struct Followed<'a> {
    state: &'a mut State,
    agenda: Agenda,
    now: Timestamp,
}

impl Followed<'_> {
    fn record(&mut self, fact: Fact) {
        record(self.state, self.now, fact.clone());
        if let Some(touched) = Touched::by(&fact) {
            self.agenda.take(&touched);
        }
    }

    fn intend(&mut self, step: &StepId) {
        let attempt = self.state.steps.get(step).map_or(0, |known| known.attempt) + 1;
        let baseline = StepBaseline::default();
        self.record(Fact::StepIntended {
            step: step.clone(),
            attempt,
            baseline,
        });
    }

    fn end(&mut self, step: &StepId, outcome: Outcome) {
        let attempt = self.state.steps.get(step).map_or(1, |known| known.attempt);
        self.record(Fact::StepEnded {
            step: step.clone(),
            attempt,
            outcome,
        });
    }

    /// What is due, which has to be the same when it is thought through from the beginning.
    fn decide(&mut self) -> Decision {
        self.agenda.update(self.state, self.now);
        let decision = self.agenda.decision();
        assert_eq!(
            decision,
            decide(self.state, self.now),
            "the agenda is behind"
        );
        decision
    }
}

/// Carries a plan out in a random order; with faults of the given kinds in between. Returns
/// the steps in the order in which they were done, and not undone.
fn carry_out(state: &mut State, mut dice: impl FnMut(usize) -> usize, faults: bool) -> Vec<StepId> {
    let now = crate::testing::start();
    let agenda = Agenda::new(state, now).expect("a plan");
    let mut run = Followed { state, agenda, now };
    let mut order: Vec<StepId> = Vec::new();
    for _ in 0..6000 {
        let decision = run.decide();
        if decision.finished {
            return order;
        }
        if decision.commands.is_empty() {
            if let Some(at) = decision.wake_at {
                run.now = at;
                continue;
            }
            let Some(wait) = decision.waits.first() else {
                panic!("nothing to do and nothing to wait for");
            };
            // Only a person can go on: the key is handed over, a stuck step sent back.
            let step = wait.step.clone();
            match &wait.on {
                crate::Waiting::Person => {
                    order.push(step.clone());
                    run.intend(&step);
                    run.end(&step, crate::testing::done());
                }
                crate::Waiting::Stuck { .. } => run.record(Fact::StepRetried { step }),
                on => panic!("waits for {on:?}"),
            }
            continue;
        }
        let command = decision.commands[dice(decision.commands.len())].clone();
        let step = command.step().clone();
        let plan = Arc::clone(run.agenda.plan());
        let action = &plan.step(&step).expect("planned").action;
        let luck = if faults { dice(10) } else { 9 };
        match (&command, luck) {
            (Command::Execute { .. }, 0..4) if watches_consumers(action) => {
                let kind = if luck == 0 {
                    FaultKind::Unwell
                } else {
                    FaultKind::Local
                };
                let fault = fault(kind);
                run.end(&step, Outcome::Failed { fault });
            }
            (Command::Execute { .. }, 0) => {
                run.intend(&step);
                let fault = fault(FaultKind::Throttled);
                run.end(&step, Outcome::Failed { fault });
            }
            (Command::Execute { .. }, 1) => {
                run.intend(&step);
                let fault = fault(FaultKind::Ambiguous);
                run.end(&step, Outcome::Unknown { fault });
            }
            (Command::Execute { .. }, 2) => run.intend(&step),
            (Command::Reconcile { .. }, 0..4) => {
                let how = "asked".to_string();
                run.end(&step, Outcome::NotDone { how });
            }
            (Command::Undo { because, .. }, _) => {
                let because = because.clone();
                run.record(Fact::UndoIntended {
                    step: step.clone(),
                    because,
                });
                let lost = Outcome::Unknown {
                    fault: fault(FaultKind::Ambiguous),
                };
                let outcome = if luck < 3 {
                    lost
                } else {
                    crate::testing::done()
                };
                run.record(Fact::UndoEnded {
                    step: step.clone(),
                    outcome,
                });
                order.retain(|done| run.state.is_over(done));
            }
            (Command::Execute { .. }, _) => {
                run.intend(&step);
                run.end(&step, crate::testing::done());
                order.push(step);
            }
            (Command::Reconcile { .. }, _) => {
                run.end(&step, crate::testing::done());
                order.push(step);
            }
        }
    }
    panic!("it never ends");
}

fn watches_consumers(action: &Action) -> bool {
    matches!(action, Action::Adopt { .. } | Action::Settle { .. })
}

/// Containment out of the way, and everything else too.
fn ready(found: &Found) -> State {
    let mut state = found.state();
    let plan = plan_of(&state, &Options::default());
    put_in_force(&mut state, plan);
    let waived = Fact::ContainmentWaived {
        because: "test".to_string(),
        people: vec!["a".to_string(), "b".to_string()],
    };
    record(&mut state, crate::testing::start(), waived);
    state
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_need_exists_and_there_is_no_cycle(found in found()) {
        let plan = found.plan();
        let ids: BTreeSet<&StepId> = plan.steps.iter().map(|step| &step.id).collect();
        prop_assert_eq!(ids.len(), plan.steps.len(), "ids are unique");
        for step in &plan.steps {
            prop_assert!(step.needs.iter().all(|need| ids.contains(need)), "{}", step.id);
            prop_assert!(plan.rotation(&step.credential).is_some());
            for gate in &step.gates {
                if let Gate::After { step: other, .. } = gate {
                    prop_assert!(ids.contains(other), "{}", step.id);
                }
            }
        }
        prop_assert_eq!(sorted(&plan).map(|order| order.len()), Ok(plan.steps.len()));
    }

    #[test]
    fn every_credential_is_planned_for_or_blocked_with_a_reason(found in found()) {
        let (state, plan) = (found.state(), found.plan());
        for id in state.credentials.keys() {
            let planned = plan.rotation(id).is_some();
            let blocked = plan.blocked.iter().any(|b| &b.credential == id && !b.because.is_empty());
            prop_assert!(planned != blocked, "{id}");
        }
        for rotation in &plan.rotations {
            let killed = plan.steps.iter().any(|s| s.credential == rotation.credential && kills(s));
            let proven = plan.steps.iter().any(|s| s.credential == rotation.credential && s.action == Action::Prove);
            prop_assert!(killed && proven, "{}", rotation.name);
        }
    }

    #[test]
    fn warm_kills_only_after_every_write_and_every_consumer(found in found()) {
        let (state, plan) = (found.state(), found.plan());
        for rotation in plan.rotations.iter().filter(|r| r.mode == Mode::Warm) {
            let steps = || plan.steps.iter().filter(|s| s.credential == rotation.credential);
            let adopted: BTreeSet<String> = steps()
                .filter_map(|s| match &s.action {
                    Action::Adopt { consumer, .. } => Some(consumer.to_string()),
                    _ => None,
                })
                .collect();
            prop_assert_eq!(&adopted, &consumers_of(&state, &rotation.credential));
            for kill in steps().filter(|s| kills(s)) {
                let mut earlier = BTreeSet::new();
                before(&plan, kill, &mut earlier);
                for must in steps().filter(|s| matches!(s.action, Action::Adopt { .. } | Action::Write { .. } | Action::Observe { .. })) {
                    prop_assert!(earlier.contains(&must.id), "{} before {}", must.id, kill.id);
                }
            }
        }
    }

    #[test]
    fn new_values_wait_for_containment_and_approval(found in found()) {
        for step in &found.plan().steps {
            match step.action {
                Action::Mint { .. } | Action::Write { .. } => {
                    prop_assert!(step.gates.contains(&Gate::Contained), "{}", step.id);
                    prop_assert!(step.gates.contains(&Gate::Approved), "{}", step.id);
                }
                _ if kills(step) => prop_assert!(step.gates.contains(&Gate::Approved)),
                _ => {}
            }
        }
    }

    #[test]
    fn delete_never_comes_before_disable_where_there_is_one(found in found()) {
        let plan = found.plan();
        for delete in plan.steps.iter().filter(|s| s.action == Action::Delete) {
            let disable = StepId::new(format!("{}/disable", delete.credential));
            if plan.step(&disable).is_some() {
                let mut earlier = BTreeSet::new();
                before(&plan, delete, &mut earlier);
                prop_assert!(earlier.contains(&disable), "{}", delete.id);
            }
        }
    }

    #[test]
    fn the_hash_does_not_depend_on_the_order_of_facts(found in found(), seed in any::<u64>()) {
        let mut facts = found.facts();
        let expected = found.plan().hash().expect("hash");
        shuffle(&mut facts, seed);
        let plan = plan_of(&state_of(facts), &Options::default());
        prop_assert_eq!(plan.hash().expect("hash"), expected);
    }

    #[test]
    fn a_plan_survives_being_written_and_read(found in found()) {
        let plan = found.plan();
        let text = serde_json::to_string_pretty(&plan).expect("text");
        let read: Plan = serde_json::from_str(&text).expect("plan");
        prop_assert_eq!(read.hash().expect("hash"), plan.hash().expect("hash"));
        prop_assert_eq!(read, plan);
    }

    #[test]
    fn every_plan_can_be_carried_out_to_the_end(found in found(), seed in any::<u64>(), faults in any::<bool>()) {
        let mut state = ready(&found);
        let plan = state.plan.as_ref().expect("plan").plan.clone();
        let mut dice = dice(seed);
        let order = carry_out(&mut state, &mut dice, faults);
        let mut times: BTreeMap<&StepId, usize> = BTreeMap::new();
        for (n, id) in order.iter().enumerate() {
            prop_assert!(times.insert(id, n).is_none(), "{id} was done twice");
        }
        prop_assert_eq!(times.len(), plan.steps.len());
        for step in &plan.steps {
            for need in &step.needs {
                prop_assert!(times[need] < times[&step.id], "{} before {}", need, step.id);
            }
        }
    }

    #[test]
    fn nothing_happens_before_approval_but_keeping(found in found()) {
        let mut state = found.state();
        let plan = plan_of(&state, &Options::default());
        let hash = plan.hash().expect("hash");
        record(&mut state, crate::testing::start(), Fact::PlanRecorded { hash, plan: std::sync::Arc::new(plan.clone()) });
        for _ in 0..plan.steps.len() {
            let Some(command) = decide(&state, crate::testing::start()).commands.into_iter().next() else {
                break;
            };
            let step = plan.step(command.step()).expect("step");
            let keep = matches!(step.action, Action::Keep { .. });
            prop_assert!(keep, "{}", step.id);
            do_step(&mut state, crate::testing::start(), command.step());
        }
        prop_assert!(decide(&state, crate::testing::start()).commands.is_empty());
    }
}

/// A small generator; the same seed gives the same throws.
fn dice(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |sides| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).expect("31 bits") % sides
    }
}

fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut dice = dice(seed);
    for n in (1..items.len()).rev() {
        items.swap(n, dice(n + 1));
    }
}

#[test]
fn the_random_states_are_not_all_alike() {
    let all = [Random {
        issuer: 2,
        principal: 0,
        secrets: BTreeSet::from([0]),
        two_parts: true,
        stolen: false,
        planted: false,
    }];
    let found = build(&all, &vec![BTreeSet::from([0])], &[3, 0, 0, 0]);
    let plan = make(&found.state(), &Policy::default(), &Options::default()).expect("plan");
    let writes: Vec<&Step> = plan
        .steps
        .iter()
        .filter(|s| matches!(s.action, Action::Write { .. }))
        .collect();
    assert_eq!(writes.len(), 1);
    assert!(
        matches!(&writes[0].action, Action::Write { container: c, .. } if *c == container("s0"))
    );
    assert_eq!(writes[0].credential, credential("k0"));
}
