//! One run's loop: decide, start what may be started, take in what ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use relatch_case::fact::{Fact, Outcome};
use relatch_case::plan::Plan;
use relatch_case::state::StepStatus;
use relatch_case::{JournalError, Lease, State, StepId};
use relatch_rotation::decide::resources;
use relatch_rotation::{Command, Decision, Wait, Waiting, decide};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Event;
use crate::carry_out::{Brought, carry_out};
use crate::context::{Context, Job};
use crate::engine::{Ended, Engine, EngineError, LEASE_S, Patience};
use crate::limits::{Limits, lane};
use crate::look::Seen;

/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(10);

/// A step that is under way.
struct Running {
    lane: String,
    resources: BTreeSet<String>,
}

/// What is remembered between looks.
struct Looking {
    since: Timestamp,
    again: Timestamp,
    said: String,
}

type Finished = (StepId, Result<Brought, JournalError>);

/// One run.
pub(crate) struct Round<'a> {
    engine: &'a Engine,
    lease: &'a Lease,
    plan: Arc<Plan>,
    limits: Option<Limits>,
    running: BTreeMap<StepId, Running>,
    looking: BTreeMap<StepId, Looking>,
    tasks: JoinSet<Finished>,
}

impl<'a> Round<'a> {
    /// A run of the plan in force; `None` when there is none.
    pub(crate) fn new(engine: &'a Engine, lease: &'a Lease) -> Option<Self> {
        let ledger = &engine.context().ledger;
        let plan = ledger.with(|state| state.plan.as_ref().map(|plan| Arc::clone(&plan.plan)))?;
        Some(Self {
            engine,
            lease,
            plan,
            limits: None,
            running: BTreeMap::new(),
            looking: BTreeMap::new(),
            tasks: JoinSet::new(),
        })
    }

    /// Goes round until there is a reason to end. Tasks may still be under way.
    pub(crate) async fn go(
        &mut self,
        patience: Patience,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Ended, EngineError> {
        let mut renewal = tokio::time::interval(RENEWAL);
        loop {
            if *stop.borrow() {
                return Ok(Ended::Stopped);
            }
            let now = self.now();
            self.follow_plan();
            let decision = self.ctx().ledger.with(|state| decide(state, now));
            self.forget_looks(&decision);
            self.start(&decision, now);
            let wake = self.wake_at(&decision, now);
            if self.tasks.is_empty() {
                if decision.finished {
                    return Ok(Ended::Finished);
                }
                if !worth_waiting(patience, wake, now) {
                    return Ok(Ended::Waiting(self.waits(decision)));
                }
            }
            let pause = wake.map_or(Duration::from_hours(1), |at| until(at, now));
            tokio::select! {
                Some(task) = self.tasks.join_next() => {
                    self.take_in(task.map_err(EngineError::Crashed)?)?;
                }
                () = tokio::time::sleep(pause) => {}
                () = self.engine.changed.notified() => {}
                _ = renewal.tick() => self.renew()?,
                Ok(()) = stop.changed() => {}
            }
            self.ctx().ledger.catch_up()?;
        }
    }

    /// Whatever happened, what was begun is finished and recorded before the lease goes. The
    /// first thing that went wrong is what is told.
    pub(crate) async fn finish(
        &mut self,
        mut ended: Result<Ended, EngineError>,
    ) -> Result<Ended, EngineError> {
        let mut renewal = tokio::time::interval(RENEWAL);
        while !self.tasks.is_empty() {
            let went = tokio::select! {
                Some(task) = self.tasks.join_next() => task
                    .map_err(EngineError::Crashed)
                    .and_then(|finished| self.take_in(finished)),
                _ = renewal.tick() => self.renew(),
            };
            if let (Ok(_), Err(error)) = (&ended, went) {
                ended = Err(error);
            }
        }
        ended
    }

    fn renew(&self) -> Result<(), EngineError> {
        Ok(self.ctx().ledger.renew(self.lease, self.now(), LEASE_S)?)
    }

    /// Goes on with the plan in force, should another have been recorded meanwhile.
    fn follow_plan(&mut self) {
        let in_force = self
            .ctx()
            .ledger
            .with(|state| state.plan.as_ref().map(|plan| Arc::clone(&plan.plan)));
        if let Some(plan) = in_force.filter(|plan| !Arc::ptr_eq(plan, &self.plan)) {
            self.plan = plan;
        }
    }

    /// Forgets looks at steps that a person skipped or that another plan replaced.
    fn forget_looks(&mut self, decision: &Decision) {
        let running = &self.running;
        self.looking.retain(|id, _| {
            running.contains_key(id) || decision.commands.iter().any(|c| c.step() == id)
        });
    }

    /// Starts every command that is free to go.
    fn start(&mut self, decision: &Decision, now: Timestamp) {
        for command in &decision.commands {
            let id = command.step();
            if self.running.contains_key(id)
                || self
                    .looking
                    .get(id)
                    .is_some_and(|looking| looking.again > now)
            {
                continue;
            }
            let Some(job) = Job::new(self.ctx(), &self.plan, id) else {
                continue;
            };
            let (lane, needed) = (
                lane(&self.plan, &job.step),
                resources(&self.plan, &job.step),
            );
            let taken = self
                .running
                .values()
                .any(|r| !r.resources.is_disjoint(&needed));
            let policy = self.plan.policy.clone();
            let limits = self.limits.get_or_insert_with(|| Limits::new(&policy));
            let Some(rate) = (!taken).then(|| limits.enter(&lane)).flatten() else {
                continue;
            };
            self.running.insert(
                id.clone(),
                Running {
                    lane,
                    resources: needed,
                },
            );
            let since = self.watch_from(id, now);
            self.announce(&job, command, since == now);
            let (command, lease) = (command.clone(), self.lease.clone());
            self.tasks.spawn(async move {
                rate.until_ready().await;
                let brought = carry_out(&job, &command, &lease, since).await;
                (job.step.id, brought)
            });
        }
    }

    /// When the observation of a step that looks began: on its first look in this run.
    fn watch_from(&mut self, id: &StepId, now: Timestamp) -> Timestamp {
        let looks = self
            .plan
            .step(id)
            .is_some_and(|step| step.action.only_looks());
        if !looks {
            return now;
        }
        self.looking
            .entry(id.clone())
            .or_insert(Looking {
                since: now,
                again: now,
                said: String::new(),
            })
            .since
    }

    fn take_in(&mut self, (id, brought): Finished) -> Result<(), EngineError> {
        if let Some(running) = self.running.remove(&id)
            && let Some(limits) = &mut self.limits
        {
            limits.leave(&running.lane);
        }
        match brought? {
            Brought::Recorded => {
                self.looking.remove(&id);
                self.report(&id);
            }
            Brought::Stale => {}
            Brought::Looked(Seen::Over(outcome)) => self.looked(&id, outcome)?,
            Brought::Looked(Seen::NotYet(detail)) => self.not_yet(&id, detail, false),
            Brought::Looked(Seen::Anew(detail)) => self.not_yet(&id, detail, true),
        }
        Ok(())
    }

    fn looked(&mut self, id: &StepId, outcome: Outcome) -> Result<(), EngineError> {
        self.looking.remove(id);
        let attempt = self
            .ctx()
            .ledger
            .with(|state| state.steps.get(id).map_or(0, |known| known.attempt))
            + 1;
        let fact = Fact::StepEnded {
            step: id.clone(),
            attempt,
            outcome,
        };
        // A person may have skipped it while we looked.
        let open = |state: &State| !state.is_over(id);
        let ledger = &self.ctx().ledger;
        if ledger.record_if(self.lease, self.now(), vec![fact], open)? {
            self.report(id);
        }
        Ok(())
    }

    fn not_yet(&mut self, id: &StepId, detail: String, anew: bool) {
        let now = self.now();
        let pause = SignedDuration::from_secs(i64::from(self.plan.policy.poll_s.max(1)));
        let again = now.checked_add(pause).unwrap_or(Timestamp::MAX);
        let looking = self.looking.entry(id.clone()).or_insert(Looking {
            since: now,
            again,
            said: String::new(),
        });
        looking.again = again;
        if anew {
            looking.since = now;
        }
        if looking.said != detail {
            looking.said.clone_from(&detail);
            self.engine.tell(Event::NotYet {
                step: id.clone(),
                detail,
            });
        }
    }

    fn announce(&self, job: &Job, command: &Command, first: bool) {
        match command {
            Command::Execute { step, .. } if first => self.engine.tell(Event::Started {
                step: step.clone(),
                verb: job.step.action.verb(),
                name: job.rotation.name.clone(),
            }),
            Command::Execute { .. } => {}
            Command::Reconcile { step, .. } => {
                self.engine.tell(Event::Reconciling { step: step.clone() });
            }
        }
    }

    fn report(&self, id: &StepId) {
        let Some(job) = Job::new(self.ctx(), &self.plan, id) else {
            return;
        };
        let (how, detail) = self.ctx().ledger.with(|state| how_it_stands(state, id));
        self.engine.tell(Event::Ended {
            step: id.clone(),
            verb: job.step.action.verb(),
            name: job.rotation.name,
            how,
            detail,
        });
    }

    /// The next moment at which something may be due. What is due and was not started waits
    /// for something that is under way, and not for time.
    fn wake_at(&self, decision: &Decision, now: Timestamp) -> Option<Timestamp> {
        let again = self
            .looking
            .iter()
            .filter(|(id, _)| !self.running.contains_key(*id))
            .map(|(_, looking)| looking.again)
            .filter(|again| *again > now)
            .min();
        match (decision.wake_at, again) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// What is waited for, with what is looked at again and again.
    fn waits(&self, decision: Decision) -> Vec<Wait> {
        let looks = self.looking.iter().map(|(id, looking)| Wait {
            step: id.clone(),
            on: Waiting::Time {
                until: looking.again,
            },
        });
        decision.waits.into_iter().chain(looks).collect()
    }

    fn ctx(&self) -> &Context {
        self.engine.context()
    }

    fn now(&self) -> Timestamp {
        self.engine.context().clock.now()
    }
}

fn how_it_stands(state: &State, id: &StepId) -> (&'static str, String) {
    match state.steps.get(id).map(|known| &known.status) {
        Some(StepStatus::Done { result }) => {
            let key = result.key.as_ref().map(ToString::to_string);
            let probe = result.probe.as_ref().map(|probe| probe.answer.clone());
            (
                "done",
                key.or(probe)
                    .or_else(|| result.note.clone())
                    .unwrap_or_default(),
            )
        }
        Some(StepStatus::Failed { fault }) => ("failed", fault.detail.clone()),
        Some(StepStatus::Unknown { fault }) => ("unknown", fault.detail.clone()),
        Some(StepStatus::Stuck { because }) => ("stuck", because.clone()),
        Some(StepStatus::NotDone) => ("not done", "it will be tried again".to_string()),
        _ => ("open", String::new()),
    }
}

fn worth_waiting(patience: Patience, wake: Option<Timestamp>, now: Timestamp) -> bool {
    match (patience, wake) {
        (_, None) => false,
        (Patience::Forever, Some(_)) => true,
        (Patience::Seconds(seconds), Some(at)) => {
            at.duration_since(now) <= SignedDuration::from_secs(i64::from(seconds))
        }
    }
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    let wait = at.duration_since(now);
    if wait.is_positive() {
        Duration::try_from(wait).unwrap_or_default()
    } else {
        Duration::ZERO
    }
}
