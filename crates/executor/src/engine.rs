//! The loop: decide, start what may be started, take in what ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use relatch_case::fact::{Fact, Outcome};
use relatch_case::plan::Plan;
use relatch_case::state::StepStatus;
use relatch_case::{JournalError, Lease, State, StepId};
use relatch_rotation::decide::{is_due, resources};
use relatch_rotation::{Command, Decision, Wait, Waiting, decide};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::context::{Context, Job};
use crate::limits::{Limits, lane};
use crate::look::{self, Seen};
use crate::{Event, effect, reconcile};

/// How long a lease lasts without being renewed, in seconds: how long the case stays locked
/// after a crash on another machine.
const LEASE_S: u32 = 30;

/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(10);

/// How long to stay when nothing can be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Until every step is over or only people can go on.
    Forever,
    /// While something is due within so many seconds.
    Seconds(u32),
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Every step is over.
    Finished,
    /// Nothing more can be done now; what is waited for.
    Waiting(Vec<Wait>),
    /// It was asked to stop; what was begun is finished and recorded.
    Stopped,
}

/// A run that cannot go on. What was recorded stays; run again to resume.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal failed, so nothing more may be done.
    #[error("stopped: the journal cannot be written, and nothing is done that is not recorded")]
    Journal(#[from] JournalError),
    /// There is nothing to carry out.
    #[error("there is no plan: make one first")]
    NoPlan,
    /// A step crashed.
    #[error("a step crashed; its outcome will be reconciled on the next run")]
    Crashed(#[source] tokio::task::JoinError),
}

/// Carries the plan in force out.
pub struct Engine {
    ctx: Context,
    events: Box<dyn Fn(Event) + Send + Sync>,
    changed: Notify,
    lease: Mutex<Option<Lease>>,
    /// Held while a person hands a key over: one at a time, across the probe.
    pub(crate) handing: tokio::sync::Mutex<()>,
}

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

/// What a task brings home.
enum Brought {
    Recorded,
    Looked(Seen),
    /// The state moved on while it was on its way; nothing was done.
    Stale,
}

type Finished = (StepId, Result<Brought, JournalError>);

impl Engine {
    /// An engine; `events` is told what happens and must not block.
    pub fn new(ctx: Context, events: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self {
            ctx,
            events: Box::new(events),
            changed: Notify::new(),
            lease: Mutex::new(None),
            handing: tokio::sync::Mutex::new(()),
        }
    }

    /// What it works with.
    pub fn context(&self) -> &Context {
        &self.ctx
    }

    /// Runs until nothing more can be done now, or `stop` turns true.
    pub async fn run(
        &self,
        patience: Patience,
        mut stop: watch::Receiver<bool>,
    ) -> Result<Ended, EngineError> {
        let lease = self.ctx.ledger.acquire(self.ctx.clock.now(), LEASE_S)?;
        self.hold(Some(lease.clone()));
        let ended = self.run_under(&lease, patience, &mut stop).await;
        self.hold(None);
        let released = self.ctx.ledger.release(&lease);
        let ended = ended?;
        released?;
        Ok(ended)
    }

    /// Tells a running loop that facts were recorded by other hands.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    /// The lease in force, while a run is under way.
    pub(crate) fn lease(&self) -> Option<Lease> {
        self.lease
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn hold(&self, lease: Option<Lease>) {
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = lease;
    }

    async fn run_under(
        &self,
        lease: &Lease,
        patience: Patience,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Ended, EngineError> {
        let plan = self
            .ctx
            .ledger
            .with(|state| state.plan.as_ref().map(|plan| Arc::clone(&plan.plan)))
            .ok_or(EngineError::NoPlan)?;
        let mut round = Round {
            engine: self,
            lease,
            plan,
            limits: None,
            running: BTreeMap::new(),
            looking: BTreeMap::new(),
            tasks: JoinSet::new(),
        };
        let ended = round.go(patience, stop).await;
        round.finish(ended).await
    }

    fn tell(&self, event: Event) {
        (self.events)(event);
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("ctx", &self.ctx)
            .finish_non_exhaustive()
    }
}

/// One run.
struct Round<'a> {
    engine: &'a Engine,
    lease: &'a Lease,
    plan: Arc<Plan>,
    limits: Option<Limits>,
    running: BTreeMap<StepId, Running>,
    looking: BTreeMap<StepId, Looking>,
    tasks: JoinSet<Finished>,
}

impl Round<'_> {
    async fn go(
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
    async fn finish(
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
        &self.engine.ctx
    }

    fn now(&self) -> Timestamp {
        self.engine.ctx.clock.now()
    }
}

/// Carries one command out, recording before and after.
async fn carry_out(
    job: &Job,
    command: &Command,
    lease: &Lease,
    since: Timestamp,
) -> Result<Brought, JournalError> {
    let ledger = &job.ctx.ledger;
    let (attempt, outcome) = match command {
        Command::Execute { .. } if job.step.action.only_looks() => {
            return Ok(Brought::Looked(look::look(job, since).await));
        }
        Command::Reconcile { attempt, .. } => (*attempt, reconcile::reconcile(job, *attempt).await),
        Command::Execute { attempt, .. } => match effect::baseline(job, *attempt).await {
            Err(fault) => (*attempt, Outcome::Failed { fault }),
            Ok(baseline) => {
                let intent = Fact::StepIntended {
                    step: job.step.id.clone(),
                    attempt: *attempt,
                    baseline: baseline.clone(),
                };
                let now = job.ctx.clock.now();
                let still_due = |state: &State| {
                    state
                        .plan
                        .as_ref()
                        .is_some_and(|p| Arc::ptr_eq(&p.plan, &job.plan))
                        && is_due(state, command, now)
                };
                if !ledger.record_if(lease, now, vec![intent], still_due)? {
                    return Ok(Brought::Stale);
                }
                (*attempt, effect::execute(job, *attempt, &baseline).await)
            }
        },
    };
    let fact = Fact::StepEnded {
        step: job.step.id.clone(),
        attempt,
        outcome,
    };
    ledger.record_under(lease, job.ctx.clock.now(), vec![fact])?;
    Ok(Brought::Recorded)
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
