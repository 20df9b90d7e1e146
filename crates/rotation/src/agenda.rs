//! What may be done now, kept up to date from fact to fact. A plan of a hundred thousand
//! steps is looked at whole once; after that only at what a fact can have changed.
//!
//! [`crate::decide()`] is an agenda made anew, so that the two can never disagree on a rule.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use relatch_case::plan::Plan;
use relatch_case::{Fact, State, StepId};

use crate::decide::{Command, Decision, Holders, Next, Wait, Waiting, next};

/// What a fact can have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// A step, and what depends on it.
    Step(StepId),
    /// A step and the rest of its wave, and what depends on them.
    Wave(StepId),
    /// Any step.
    Anything,
}

impl Touched {
    /// What this fact can have changed; `None`: no step.
    pub fn by(fact: &Fact) -> Option<Self> {
        match fact {
            Fact::StepIntended { step, .. } | Fact::StepEnded { step, .. } => {
                Some(Self::Step(step.clone()))
            }
            Fact::StepSkipped { step, .. }
            | Fact::StepRetried { step }
            | Fact::UndoIntended { step, .. }
            | Fact::UndoEnded { step, .. } => Some(Self::Wave(step.clone())),
            Fact::TripwireHit { .. } | Fact::TripwireChecked { .. } => None,
            _ => Some(Self::Anything),
        }
    }
}

/// The open steps of a plan and what comes next for each.
#[derive(Debug, Clone)]
pub struct Agenda {
    plan: Arc<Plan>,
    /// Due now, by position in the plan.
    due: BTreeMap<usize, Command>,
    /// Next, and waiting.
    waits: BTreeMap<usize, Waiting>,
    /// When a wait for time ends.
    timers: BTreeSet<(Timestamp, usize)>,
    /// Steps that are not over.
    open: BTreeSet<usize>,
    stale: BTreeSet<usize>,
}

impl Agenda {
    /// The agenda of the plan in force. `None` without one.
    pub fn new(state: &State, now: Timestamp) -> Option<Self> {
        let plan = Arc::clone(&state.plan.as_ref()?.plan);
        let mut agenda = Self {
            stale: (0..plan.steps.len()).collect(),
            plan,
            due: BTreeMap::new(),
            waits: BTreeMap::new(),
            timers: BTreeSet::new(),
            open: BTreeSet::new(),
        };
        agenda.update(state, now);
        Some(agenda)
    }

    /// The plan it is of.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Marks what a fact can have changed. Call [`Agenda::update`] when all were taken.
    pub fn take(&mut self, touched: &Touched) {
        match touched {
            Touched::Step(step) => self.doubt(step),
            Touched::Wave(step) => {
                self.doubt(step);
                self.doubt_wave(step);
            }
            Touched::Anything => self.stale.extend(0..self.plan.steps.len()),
        }
    }

    /// Looks again at a step and whatever depends on it: the rest of its rotation, steps that
    /// wait for it, other rotations of its consumer.
    pub fn doubt(&mut self, id: &StepId) {
        let Some(step) = self.plan.step(id) else {
            return;
        };
        let plan = Arc::clone(&self.plan);
        let consumer = step.action.consumer();
        let near = plan
            .steps_of(&step.credential)
            .chain(plan.dependents(id))
            .chain(consumer.into_iter().flat_map(|on| plan.steps_on(on)));
        self.stale
            .extend(near.filter_map(|step| plan.position(&step.id)));
    }

    /// Looks again at whoever else acts on the consumers of a step's wave.
    fn doubt_wave(&mut self, id: &StepId) {
        let plan = Arc::clone(&self.plan);
        let Some(step) = plan.step(id).filter(|step| step.wave.is_some()) else {
            return;
        };
        let consumers = plan
            .steps_of(&step.credential)
            .filter(|other| other.wave == step.wave)
            .filter_map(|other| other.action.consumer());
        for consumer in consumers {
            let on = plan.steps_on(consumer);
            self.stale
                .extend(on.filter_map(|step| plan.position(&step.id)));
        }
    }

    /// Looks again at what may have changed; says which steps' commands did.
    pub fn update(&mut self, state: &State, now: Timestamp) -> Vec<usize> {
        while let Some(&(at, step)) = self.timers.first().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, step));
            self.stale.insert(step);
        }
        let plan = Arc::clone(&self.plan);
        let mut changed = Vec::new();
        let mut holders = Holders::default();
        for at in std::mem::take(&mut self.stale) {
            if let Some(step) = plan.steps.get(at)
                && self.take_in(at, next(state, &plan, step, now, &mut holders))
            {
                changed.push(at);
            }
        }
        changed
    }

    /// Takes in what comes next for a step; says whether its command changed.
    fn take_in(&mut self, at: usize, next: Next) -> bool {
        if let Some(Waiting::Time { until }) = self.waits.remove(&at) {
            self.timers.remove(&(until, at));
        }
        let before = self.due.remove(&at);
        self.open.insert(at);
        match next {
            Next::Now(command) => {
                let changed = before.as_ref() != Some(&command);
                self.due.insert(at, command);
                return changed;
            }
            Next::Later(on) => {
                if let Waiting::Time { until } = on {
                    self.timers.insert((until, at));
                }
                self.waits.insert(at, on);
            }
            Next::NotYet => {}
            Next::Over => {
                self.open.remove(&at);
            }
        }
        before.is_some()
    }

    /// What is due for a step, by its position.
    pub fn due(&self, at: usize) -> Option<&Command> {
        self.due.get(&at)
    }

    /// When to look again at the latest, if only time is waited for.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Whether every step is over.
    pub fn is_finished(&self) -> bool {
        self.open.is_empty()
    }

    /// All of it.
    pub fn decision(&self) -> Decision {
        let waits = self.waits.iter().filter_map(|(at, on)| {
            let step = self.plan.steps.get(*at)?.id.clone();
            Some(Wait {
                step,
                on: on.clone(),
            })
        });
        Decision {
            commands: self.due.values().cloned().collect(),
            waits: waits.collect(),
            wake_at: self.wake_at(),
            finished: self.is_finished(),
        }
    }
}
