//! What may be done now. A function of the state and the time, nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use relatch_case::fault::{Fault, FaultKind};
use relatch_case::plan::{Action, Gate, Plan, Step};
use relatch_case::state::{PlanInForce, StepState, StepStatus};
use relatch_case::{ConsumerId, CredentialId, State, StepId};
use serde::Serialize;

use crate::agenda::Agenda;
use crate::rollback;

/// How often a pause is doubled at most.
const MOST_DOUBLINGS: u32 = 10;

/// One thing to do now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// Do the step: intent, effect, outcome. For a step that only looks: look.
    Execute {
        /// Which.
        step: StepId,
        /// Which try, from 1.
        attempt: u32,
    },
    /// Ask the outside world whether the last try happened (law 1).
    Reconcile {
        /// Which.
        step: StepId,
        /// Which try.
        attempt: u32,
    },
    /// Undo what the step did: its wave failed (requirement D1).
    Undo {
        /// Which.
        step: StepId,
        /// What failed.
        because: String,
    },
}

impl Command {
    /// The step it is about.
    pub fn step(&self) -> &StepId {
        match self {
            Self::Execute { step, .. } | Self::Reconcile { step, .. } | Self::Undo { step, .. } => {
                step
            }
        }
    }
}

/// A step that is next and cannot go on by itself, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wait {
    /// Which.
    pub step: StepId,
    /// For what.
    pub on: Waiting,
}

/// What a step waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub enum Waiting {
    /// The plan's approval.
    Approval,
    /// Containment seen to bind.
    Containment,
    /// A moment.
    Time {
        /// When.
        until: Timestamp,
    },
    /// A person has to do it.
    Person,
    /// A person has to look at what went wrong.
    Stuck {
        /// What.
        because: String,
    },
    /// A person stopped it.
    Paused {
        /// Why.
        because: String,
    },
}

/// What may be done now and what is waited for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// To do now, most urgent first.
    pub commands: Vec<Command>,
    /// What is next and waits.
    pub waits: Vec<Wait>,
    /// When to decide again at the latest, if only time is waited for.
    pub wake_at: Option<Timestamp>,
    /// Whether every step is over.
    pub finished: bool,
}

/// Says what may be done at `now`. Without a plan: nothing, and nothing is finished.
pub fn decide(state: &State, now: Timestamp) -> Decision {
    Agenda::new(state, now).map_or_else(Decision::default, |agenda| agenda.decision())
}

/// Whether a command that was decided on earlier still is due: nobody did, skipped or
/// replaced its step meanwhile.
pub fn is_due(state: &State, command: &Command, now: Timestamp) -> bool {
    let Some(in_force) = &state.plan else {
        return false;
    };
    let Some(step) = in_force.plan.step(command.step()) else {
        return false;
    };
    let next = next(state, &in_force.plan, step, now, &mut Holders::default());
    matches!(next, Next::Now(due) if &due == command)
}

/// Whether a person's part in a step is all that it waits for: its plan is approved, what
/// comes before it is over, and nobody paused it.
pub fn awaits_person(state: &State, step: &StepId, now: Timestamp) -> bool {
    let Some(in_force) = &state.plan else {
        return false;
    };
    in_force.plan.step(step).is_some_and(|step| {
        let next = next(state, &in_force.plan, step, now, &mut Holders::default());
        matches!(next, Next::Later(Waiting::Person))
    })
}

/// What comes next for one step.
pub(crate) enum Next {
    Now(Command),
    Later(Waiting),
    /// Other steps come first.
    NotYet,
    /// Nothing more.
    Over,
}

/// What comes next for a step. `holders` are of the same state and plan.
pub(crate) fn next<'a>(
    state: &State,
    plan: &'a Plan,
    step: &'a Step,
    now: Timestamp,
    holders: &mut Holders<'a>,
) -> Next {
    let next = if state.is_over(&step.id) {
        rollback::of_done(state, plan, step).map_or(Next::Over, Next::Now)
    } else {
        rollback::next(state, plan, step, now)
            .unwrap_or_else(|| onward(state, plan, step, now, holders))
    };
    match (next, paused(state, step)) {
        (Next::Now(_) | Next::Later(Waiting::Person), Some(because)) => {
            Next::Later(Waiting::Paused { because })
        }
        (next, _) => next,
    }
}

/// Why a person stopped this step's rotation, if one did.
fn paused(state: &State, step: &Step) -> Option<String> {
    let rotation = state.paused_rotations.get(&step.credential);
    rotation.or(state.paused.as_ref()).cloned()
}

fn onward<'a>(
    state: &State,
    plan: &'a Plan,
    step: &'a Step,
    now: Timestamp,
    holders: &mut Holders<'a>,
) -> Next {
    let known = state.steps.get(&step.id);
    match known.map(|known| &known.status) {
        Some(StepStatus::Intended) => reconcile(step, known),
        Some(StepStatus::Unknown { .. }) => {
            let until = known.map_or(now, |known| ask_again(plan, known, now));
            if now < until {
                Next::Later(Waiting::Time { until })
            } else {
                reconcile(step, known)
            }
        }
        Some(StepStatus::Stuck { because }) => Next::Later(Waiting::Stuck {
            because: because.clone(),
        }),
        Some(StepStatus::Failed { fault }) => known.map_or(Next::NotYet, |known| {
            retry(state, plan, step, known, fault, now, holders)
        }),
        Some(StepStatus::NotDone) if known.is_some_and(|k| k.tries >= plan.policy.max_attempts) => {
            Next::Later(Waiting::Stuck {
                because: "its answer was lost on every try, and it never had happened".to_string(),
            })
        }
        _ => ready(state, plan, step, known, now, holders),
    }
}

/// When to ask again what became of a step: after as long again as it has been unknown, so
/// that an outage does not fill the journal.
fn ask_again(plan: &Plan, known: &StepState, now: Timestamp) -> Timestamp {
    let least = i64::from(plan.policy.backoff_s);
    let unknown_for = known
        .intended_at
        .map_or(0, |since| known.at.duration_since(since).as_secs());
    pause(
        known.at,
        unknown_for.clamp(least, least << MOST_DOUBLINGS),
        now,
    )
}

fn reconcile(step: &Step, known: Option<&StepState>) -> Next {
    let attempt = known.map_or(1, |known| known.attempt);
    Next::Now(Command::Reconcile {
        step: step.id.clone(),
        attempt,
    })
}

/// A step that failed without effect: tried again if that can help, else a person is asked.
fn retry<'a>(
    state: &State,
    plan: &'a Plan,
    step: &'a Step,
    known: &StepState,
    fault: &Fault,
    now: Timestamp,
    holders: &mut Holders<'a>,
) -> Next {
    let helps = fault.is_passing() || fault.kind == FaultKind::Local;
    if !helps || known.tries >= plan.policy.max_attempts {
        return Next::Later(Waiting::Stuck {
            because: fault.detail.clone(),
        });
    }
    let until = again_at(plan, known, now);
    if now < until {
        return Next::Later(Waiting::Time { until });
    }
    ready(state, plan, step, Some(known), now, holders)
}

/// When to try again after a failed try: the pause doubles from one to the next.
pub(crate) fn again_at(plan: &Plan, known: &StepState, now: Timestamp) -> Timestamp {
    let doublings = known.tries.saturating_sub(1).min(MOST_DOUBLINGS);
    pause(known.at, i64::from(plan.policy.backoff_s) << doublings, now)
}

/// The end of a pause that only keeps us from hurrying. What happened later than now was
/// recorded by a clock that has been set back since: nobody waits for that hour to come again.
fn pause(from: Timestamp, seconds: i64, now: Timestamp) -> Timestamp {
    if now < from {
        now
    } else {
        later(from, seconds)
    }
}

/// A step that was not done: may it be, now?
fn ready<'a>(
    state: &State,
    plan: &'a Plan,
    step: &'a Step,
    known: Option<&StepState>,
    now: Timestamp,
    holders: &mut Holders<'a>,
) -> Next {
    if !step.waits_for().all(|id| is_behind(state, plan, id)) {
        return Next::NotYet;
    }
    if let Action::Roll { consumer } = &step.action
        && holders.is_busy(state, plan, step, consumer)
    {
        return Next::NotYet;
    }
    if let Some(on) = step.gates.iter().find_map(|gate| closed(state, gate, now)) {
        return Next::Later(on);
    }
    if matches!(step.action, Action::Mint { person: true, .. }) {
        return Next::Later(Waiting::Person);
    }
    let attempt = known.map_or(0, |known| known.attempt) + 1;
    Next::Now(Command::Execute {
        step: step.id.clone(),
        attempt,
    })
}

/// Whether what waits for a step may go on. Who lets a wave be watched no longer does not let
/// the next one begin before this one is through.
fn is_behind(state: &State, plan: &Plan, id: &StepId) -> bool {
    let settle = |step: &&Step| matches!(step.action, Action::Settle { .. });
    state.is_over(id)
        && plan
            .step(id)
            .filter(settle)
            .is_none_or(|settle| settle.needs.iter().all(|need| is_behind(state, plan, need)))
}

/// Which rotations have a consumer rolled and not yet seen it well. Found out once for each
/// consumer, as hundreds of rotations may ask for one that reads them all.
#[derive(Default)]
pub(crate) struct Holders<'a>(HashMap<&'a ConsumerId, BTreeSet<&'a CredentialId>>);

impl<'a> Holders<'a> {
    /// Whether another rotation than the step's own holds a consumer: one change at a time, so
    /// that it is known which one made it ill (requirement D8).
    fn is_busy(
        &mut self,
        state: &State,
        plan: &'a Plan,
        step: &Step,
        consumer: &'a ConsumerId,
    ) -> bool {
        let holders = self.0.entry(consumer);
        holders
            .or_insert_with(|| holders_of(state, plan, consumer))
            .iter()
            .any(|holder| **holder != step.credential)
    }
}

fn holders_of<'a>(
    state: &State,
    plan: &'a Plan,
    consumer: &ConsumerId,
) -> BTreeSet<&'a CredentialId> {
    let open = |id: &StepId| {
        state
            .steps
            .get(id)
            .is_none_or(|known| matches!(known.status, StepStatus::Retried | StepStatus::NotDone))
    };
    let rolled = |id: &StepId| {
        state.steps.get(id).is_some_and(|known| {
            matches!(
                known.status,
                StepStatus::Intended | StepStatus::Unknown { .. } | StepStatus::Done { .. }
            )
        })
    };
    plan.steps_on(consumer)
        .filter(|step| matches!(step.action, Action::Adopt { .. }) && open(&step.id))
        .filter(|adopt| adopt.needs.iter().any(rolled))
        .map(|adopt| &adopt.credential)
        .collect()
}

/// What a gate waits for, if it is closed.
fn closed(state: &State, gate: &Gate, now: Timestamp) -> Option<Waiting> {
    match gate {
        Gate::Approved => {
            let approved = state.plan.as_ref().is_some_and(PlanInForce::is_approved);
            (!approved).then_some(Waiting::Approval)
        }
        Gate::Contained => (!state.is_contained()).then_some(Waiting::Containment),
        Gate::After { step, seconds } => {
            let since = state.steps.get(step).map(|known| known.at)?;
            let until = later(since, i64::from(*seconds));
            (now < until).then_some(Waiting::Time { until })
        }
    }
}

fn later(from: Timestamp, seconds: i64) -> Timestamp {
    from.checked_add(SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}

/// What a step needs for itself alone while it runs: two steps that share one of these are
/// never done at the same time.
pub fn resources(plan: &Plan, step: &Step) -> BTreeSet<String> {
    let principal = || {
        plan.rotation(&step.credential)
            .map(|r| format!("principal {} {}", r.issuer, r.principal))
            .into_iter()
            .collect()
    };
    match &step.action {
        Action::Write { container, .. } => BTreeSet::from([format!("container {container}")]),
        Action::Roll { consumer } => BTreeSet::from([format!("consumer {consumer}")]),
        Action::Mint { .. } | Action::Cut | Action::Disable | Action::Delete | Action::Sweep => {
            principal()
        }
        Action::Keep { .. }
        | Action::Check
        | Action::Adopt { .. }
        | Action::Settle { .. }
        | Action::Observe { .. }
        | Action::Announce { .. }
        | Action::Prove => BTreeSet::new(),
    }
}

/// How many steps of a plan are over, by verb: done and all.
pub fn progress(state: &State, plan: &Plan) -> BTreeMap<&'static str, (usize, usize)> {
    let mut by_verb = BTreeMap::new();
    for step in &plan.steps {
        let (done, all) = by_verb.entry(step.action.verb()).or_insert((0, 0));
        *all += 1;
        *done += usize::from(state.is_over(&step.id));
    }
    by_verb
}
