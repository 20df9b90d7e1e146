//! One run's loop: see what changed, start what may be started, take in what ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use relatch_case::plan::{Action, Plan};
use relatch_case::state::StepStatus;
use relatch_case::{JournalError, State, StepId};
use relatch_rotation::decide::resources;
use relatch_rotation::{Agenda, Command, Wait, Waiting};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Event;
use crate::carry_out::{Brought, NotYet, carry_out};
use crate::context::{Context, Job};
use crate::engine::{Ended, Engine, EngineError, Patience};
use crate::limits::{Left, Limits, Place, Rate};
use crate::look::Watched;
use crate::queue::Queue;
use crate::tenure::{RENEWAL, Tenure};

/// Longest between two looks at what others have recorded: a person's pause or skip.
const OTHERS: Duration = Duration::from_millis(500);

/// A step that is under way.
struct Running {
    /// Its lane, until it has left it.
    lane: Option<String>,
    resources: BTreeSet<String>,
}

/// What is remembered between looks.
struct Looking {
    watched: Watched,
    said: String,
}

type Finished = (StepId, Result<Brought, JournalError>);

/// One run.
pub(crate) struct Round<'a> {
    engine: &'a Engine,
    tenure: &'a Arc<Tenure>,
    agenda: Agenda,
    queue: Queue,
    limits: Limits,
    running: BTreeMap<StepId, Running>,
    held: BTreeSet<String>,
    looking: BTreeMap<StepId, Looking>,
    tasks: JoinSet<Finished>,
    /// Where steps tell that they left their lanes, and where that is heard.
    leaving: UnboundedSender<Left>,
    left: UnboundedReceiver<Left>,
    caught_up: Instant,
}

impl<'a> Round<'a> {
    /// A run of the plan in force; `None` when there is none.
    pub(crate) fn new(engine: &'a Engine, tenure: &'a Arc<Tenure>) -> Option<Self> {
        let ctx = engine.context();
        ctx.ledger.touched();
        let agenda = ctx
            .ledger
            .with(|state| Agenda::new(state, ctx.clock.now()))?;
        let limits = Limits::new(&agenda.plan().policy);
        let (leaving, left) = unbounded_channel();
        let mut round = Self {
            engine,
            tenure,
            agenda,
            queue: Queue::default(),
            limits,
            running: BTreeMap::new(),
            held: BTreeSet::new(),
            looking: BTreeMap::new(),
            tasks: JoinSet::new(),
            leaving,
            left,
            caught_up: Instant::now(),
        };
        round.queue_all();
        Some(round)
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
            self.see(now);
            self.start(now);
            let wake = self.wake_at(now);
            if self.tasks.is_empty() {
                if self.agenda.is_finished() {
                    return Ok(Ended::Finished);
                }
                if !worth_waiting(patience, wake, now) {
                    return Ok(Ended::Waiting(self.waits()));
                }
            }
            let pause = wake.map_or(Duration::from_hours(1), |at| until(at, now));
            tokio::select! {
                // In this order, so that a run is the same every time it is simulated.
                biased;
                Ok(()) = stop.changed() => {}
                _ = renewal.tick() => self.renew()?,
                Some(task) = self.tasks.join_next() => {
                    self.take_in(task.map_err(EngineError::Crashed)?)?;
                    self.take_in_more()?;
                }
                Some(left) = self.left.recv() => self.leave(left),
                () = self.engine.changed.notified() => {}
                () = tokio::time::sleep(pause.min(OTHERS)) => {}
            }
            self.take_leaves();
            if self.caught_up.elapsed() >= OTHERS || self.tasks.is_empty() {
                self.ctx().ledger.catch_up()?;
                self.caught_up = Instant::now();
            }
        }
    }

    /// Takes in whatever else has ended by now.
    fn take_in_more(&mut self) -> Result<(), EngineError> {
        while let Some(task) = self.tasks.try_join_next() {
            self.take_in(task.map_err(EngineError::Crashed)?)?;
        }
        Ok(())
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
                biased;
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
        Ok(self.tenure.renew(&self.ctx().ledger, self.now())?)
    }

    /// Brings the agenda up to date, or begins another should another plan be in force.
    fn see(&mut self, now: Timestamp) {
        let ledger = &self.engine.context().ledger;
        for touched in ledger.touched() {
            self.agenda.take(&touched);
        }
        let current = Arc::clone(self.agenda.plan());
        let replaced = ledger.with(|state| {
            let in_force = state.plan.as_ref()?;
            (!Arc::ptr_eq(&in_force.plan, &current)).then(|| Agenda::new(state, now))?
        });
        if let Some(agenda) = replaced {
            self.agenda = agenda;
            self.queue = Queue::default();
            self.looking.clear();
            self.queue_all();
            return;
        }
        let changed = ledger.with(|state| self.agenda.update(state, now));
        for at in changed {
            self.queue.update(&current, &self.agenda, at);
            if self.agenda.due(at).is_none() {
                // A person skipped what was looked at.
                self.looking.remove(&current.steps[at].id);
            }
        }
        self.queue.wake(&current, &self.agenda, now);
    }

    fn queue_all(&mut self) {
        let plan = Arc::clone(self.agenda.plan());
        for at in 0..plan.steps.len() {
            if self.agenda.due(at).is_some() {
                self.queue.update(&plan, &self.agenda, at);
            }
        }
    }

    /// Starts every command that is free to go.
    fn start(&mut self, now: Timestamp) {
        let plan = Arc::clone(self.agenda.plan());
        let mut free = Vec::new();
        for (lane, due) in self.queue.lanes() {
            for &at in due {
                if self.limits.is_closed(lane) {
                    break;
                }
                let step = &plan.steps[at];
                let needed = resources(&plan, step);
                if self.running.contains_key(&step.id) || !self.held.is_disjoint(&needed) {
                    continue;
                }
                let Some(rate) = self.limits.enter(lane) else {
                    break;
                };
                self.held.extend(needed.iter().cloned());
                let running = Running {
                    lane: Some(lane.clone()),
                    resources: needed,
                };
                self.running.insert(step.id.clone(), running);
                free.push((at, lane.clone(), rate));
            }
        }
        for (at, lane, rate) in free {
            self.queue.begin(&lane, at);
            self.spawn(&plan, at, rate, now);
        }
    }

    fn spawn(&mut self, plan: &Arc<Plan>, at: usize, rate: Rate, now: Timestamp) {
        let id = &plan.steps[at].id;
        let (Some(command), Some(job)) =
            (self.agenda.due(at).cloned(), Job::new(self.ctx(), plan, id))
        else {
            self.free(id);
            return;
        };
        let place = Place::of(id.clone(), self.leaving.clone());
        let watched = self.watch_from(&job, now);
        self.announce(&job, &command, watched.first == now);
        let (job, tenure) = (job.within(self.tenure), Arc::clone(self.tenure));
        self.tasks.spawn(async move {
            rate.turn().await;
            let brought = carry_out(&job, &command, &tenure, watched, place).await;
            (job.step.id, brought)
        });
    }

    /// Since when a step is looked at.
    fn watch_from(&mut self, job: &Job, now: Timestamp) -> Watched {
        let anew = Watched {
            first: now,
            since: now,
        };
        if !job.step.action.only_looks() {
            return anew;
        }
        self.looking
            .entry(job.step.id.clone())
            .or_insert(Looking {
                watched: anew,
                said: String::new(),
            })
            .watched
    }

    fn take_leaves(&mut self) {
        while let Ok(left) = self.left.try_recv() {
            self.leave(left);
        }
    }

    fn leave(&mut self, Left { step, throttled }: Left) {
        if let Some(lane) = self.running.get_mut(&step).and_then(|run| run.lane.take()) {
            self.limits.leave(&lane, throttled);
        }
    }

    fn free(&mut self, id: &StepId) {
        if let Some(running) = self.running.remove(id) {
            for resource in &running.resources {
                self.held.remove(resource);
            }
            if let Some(lane) = running.lane {
                self.limits.leave(&lane, false);
            }
        }
    }

    fn take_in(&mut self, (id, brought): Finished) -> Result<(), EngineError> {
        // It was told before the step ended whether it was throttled.
        self.take_leaves();
        self.free(&id);
        // Whatever came of it, what is due is asked for again.
        self.agenda.doubt(&id);
        if let Some(at) = self.agenda.plan().position(&id) {
            let plan = Arc::clone(self.agenda.plan());
            self.queue.update(&plan, &self.agenda, at);
        }
        match brought? {
            Brought::Recorded => {
                self.looking.remove(&id);
                self.report(&id);
            }
            Brought::Stale => {
                self.looking.remove(&id);
            }
            Brought::Looking(missing) => self.not_yet(&id, missing),
        }
        Ok(())
    }

    fn not_yet(&mut self, id: &StepId, missing: NotYet) {
        let NotYet { detail, anew } = missing;
        let now = self.now();
        let pause = SignedDuration::from_secs(i64::from(self.agenda.plan().policy.poll_s.max(1)));
        let again = now.checked_add(pause).unwrap_or(Timestamp::MAX);
        if let Some(at) = self.agenda.plan().position(id) {
            self.queue.sleep(at, again);
        }
        let Some(looking) = self.looking.get_mut(id) else {
            return;
        };
        if anew {
            looking.watched.since = now;
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
        if let (Action::Announce { consumers }, true) = (&job.step.action, first) {
            self.engine.tell(Event::Outage {
                name: job.rotation.name.clone(),
                consumers: consumers.clone(),
            });
        }
        match command {
            Command::Undo { step, because } => self.engine.tell(Event::Undoing {
                step: step.clone(),
                because: because.clone(),
            }),
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
        let Some(job) = Job::new(self.ctx(), self.agenda.plan(), id) else {
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
    /// for something that is under way, or for a lane to open.
    fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        let opens = self.limits.opens_at().map(|at| {
            let wait = SignedDuration::try_from(at.saturating_duration_since(Instant::now()));
            now.checked_add(wait.unwrap_or_default())
                .unwrap_or(Timestamp::MAX)
        });
        [self.agenda.wake_at(), self.queue.next_alarm(), opens]
            .into_iter()
            .flatten()
            .min()
    }

    /// What is waited for, with what is looked at again and again.
    fn waits(&self) -> Vec<Wait> {
        let plan = self.agenda.plan();
        let looks = self.queue.sleepers().map(|(at, until)| Wait {
            step: plan.steps[at].id.clone(),
            on: Waiting::Time { until },
        });
        let waits = self.agenda.decision().waits;
        waits.into_iter().chain(looks).collect()
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
        Some(StepStatus::Undone { because }) => ("undone", because.clone()),
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
