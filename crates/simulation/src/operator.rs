//! Who runs the tool: starts it, starts it again when it was killed or has nothing to do, and
//! lets happen what happens at times of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use relatch_executor::{Context, Ended, Engine, EngineError, Ledger, Patience, Vault, World};
use relatch_rotation::{Wait, Waiting, decide};
use relatch_secret::FingerprintKey;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::dice::{Luck, luck};
use crate::events::{Event, Events};
use crate::hooks::{Hooks, Shared, through};
use crate::laws::Law;
use crate::people::People;
use crate::schedule::Setup;
use crate::shape::Shape;
use crate::world::{
    CANARY, Model, ModelCustody, ModelIssuer, ModelJournal, ModelRoller, ModelStore, Ms, Port,
    Process, WallClock,
};

/// How long a rotation may take once nothing fails any more.
const PATIENCE_MS: Ms = 6 * 3600 * 1000;

/// How often the tool is started again in that time.
const MOST_RUNS: u32 = 400;

/// One run of the tool.
pub(crate) struct Running {
    pub(crate) process: Arc<Process>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) stop: watch::Sender<bool>,
    task: JoinHandle<Result<Ended, EngineError>>,
}

/// Who runs the tool.
pub(crate) struct Operator {
    pub(crate) model: Arc<Model>,
    pub(crate) people: People,
    pub(crate) shape: Shape,
    pub(crate) luck: Luck,
    pub(crate) events: Events,
    pub(crate) running: Vec<Running>,
    pub(crate) hooks: Hooks,
    pub(crate) quiet_since: Option<Ms>,
    fingerprints: Arc<FingerprintKey>,
    news: Arc<Notify>,
    start_at: Ms,
    started: u32,
    finished: bool,
    waits: Vec<Wait>,
}

impl Operator {
    pub(crate) fn new(setup: &Setup, model: &Arc<Model>, shape: Shape) -> Self {
        let news = Arc::new(Notify::new());
        let person = Port {
            model: Arc::clone(model),
            process: Process::new(0, "ada".to_string(), &news),
        };
        let journal = ModelJournal {
            port: person,
            under_fire: false,
        };
        let ledger = Ledger::open(Box::new(journal), "ada").expect("the model's journal is whole");
        Self {
            people: People::new(model, ledger),
            fingerprints: Arc::clone(&shape.fingerprints),
            events: Events::of(&mut model.lock().dice, setup.seed, shape.convicted),
            luck: luck(setup.seed, "operator"),
            model: Arc::clone(model),
            shape,
            running: Vec::new(),
            hooks: setup.hooks.clone(),
            quiet_since: None,
            news,
            start_at: 0,
            started: 0,
            finished: false,
            waits: Vec::new(),
        }
    }

    /// Carries the rotation out to its end.
    pub(crate) async fn go(&mut self) {
        self.people.say(std::mem::take(&mut self.shape.facts));
        self.make_plan();
        while !self.is_over() {
            self.happen().await;
            self.bury();
            self.take_in().await;
            if self.running.is_empty() && self.model.ms() >= self.start_at && !self.finished {
                self.start();
            }
            if self.is_over() {
                break;
            }
            let next = self.next();
            let wait = Duration::from_millis(next.saturating_sub(self.model.ms()));
            tokio::select! {
                biased;
                () = self.news.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        for run in self.running.drain(..) {
            run.process.kill();
            run.task.abort();
        }
        self.look_back().await;
    }

    fn is_over(&self) -> bool {
        self.finished || self.model.lock().laws.violation.is_some()
    }

    /// The next moment at which there is something to do.
    fn next(&self) -> Ms {
        let event = self.events.next().unwrap_or(Ms::MAX);
        if self.running.is_empty() {
            event.min(self.start_at)
        } else {
            event
        }
        .min(self.model.ms() + 3600 * 1000)
    }

    /// Everything that is due happens.
    async fn happen(&mut self) {
        let now = self.model.ms();
        while let Some(event) = self.events.take(now) {
            self.on(event).await;
        }
        if let Some(since) = self.quiet_since {
            let waits = &self.waits;
            let mut inner = self.model.lock();
            // What was recorded by a clock that ran ahead is waited for until that hour comes.
            let patience = PATIENCE_MS + inner.ahead_ms;
            let late = now > since + patience || self.started > MOST_RUNS;
            let open = if late { inner.open_steps() } else { Vec::new() };
            inner.must(Law::Liveness, !late, || {
                format!("nothing fails any more and it does not end: {waits:?}; {open:?}")
            });
        }
    }

    /// Who was killed is gone.
    fn bury(&mut self) {
        let (dead, running) = self
            .running
            .drain(..)
            .partition(|run| run.process.is_dead());
        self.running = running;
        for run in dead {
            run.task.abort();
            let here = self.luck.percent(50);
            let mut inner = self.model.lock();
            inner.laws.see("ended: killed");
            if here && run.process.fence() == inner.book.fence {
                inner.book.holder_is_gone();
            }
            drop(inner);
            self.again_in(0, 60_000);
        }
    }

    /// Starts the tool, some time from now.
    pub(crate) fn again_in(&mut self, least: Ms, most: Ms) {
        self.start_at = self.model.ms() + self.luck.between(least, most);
    }

    async fn take_in(&mut self) {
        while let Some(at) = self.running.iter().position(|run| run.task.is_finished()) {
            let run = self.running.remove(at);
            let ended = (&mut { run.task }).await;
            let engine = run.engine;
            match ended {
                Ok(Ok(Ended::Finished)) => {
                    self.told("finished");
                    self.finished = true;
                }
                Ok(Ok(Ended::Stopped)) => {
                    self.told("stopped");
                    self.again_in(500, 5000);
                }
                Ok(Ok(Ended::Waiting(waits))) => {
                    self.told("waiting");
                    self.waits = waits;
                    self.wait_well(&engine).await;
                }
                Ok(Err(error)) => {
                    let what = how(&error);
                    self.told(what);
                    self.again_in(500, 10_000);
                    let held = self.model.lock().book.held_until();
                    if let (Some(until), Some(_)) = (held, self.quiet_since) {
                        self.start_at += self.ms_until(until);
                    }
                }
                Err(panic) => {
                    let mut inner = self.model.lock();
                    inner.must(Law::Liveness, panic.is_cancelled(), || {
                        format!("panic: {panic}")
                    });
                }
            }
        }
    }

    fn told(&self, how: &'static str) {
        let mut inner = self.model.lock();
        inner.tell("tool", || format!("ended: {how}"));
        inner.laws.see(how);
    }

    /// Nothing can be done now: people do their part, or time passes.
    async fn wait_well(&mut self, engine: &Engine) {
        let attentive = self.quiet_since.is_some() || self.luck.percent(50);
        let waits = self.waits.clone();
        if attentive {
            let mut luck = self.luck;
            let attend = self.people.attend(&waits, engine, &mut luck);
            // A process may be killed while a key is handed over to it.
            let _ = tokio::time::timeout(Duration::from_secs(90), attend).await;
            self.luck = luck;
        }
        let only_time = waits
            .iter()
            .all(|wait| matches!(wait.on, Waiting::Time { .. }));
        let until = waits.iter().filter_map(|wait| match wait.on {
            Waiting::Time { until } => Some(until),
            _ => None,
        });
        match until.min().filter(|_| only_time) {
            Some(until) => {
                let wait = self.ms_until(until);
                self.start_at = self.model.ms() + wait.max(1);
            }
            None if self.quiet_since.is_some() => self.again_in(500, 90_000),
            None => self.again_in(500, 15_000),
        }
    }

    fn ms_until(&self, at: Timestamp) -> Ms {
        let wall = self.model.lock().wall();
        Ms::try_from(at.duration_since(wall).as_millis()).unwrap_or(0)
    }

    /// Starts a process.
    pub(crate) fn start(&mut self) {
        self.started += 1;
        let process = Process::new(
            self.started,
            format!("process {}", self.started),
            &self.news,
        );
        let port = Port {
            model: Arc::clone(&self.model),
            process: Arc::clone(&process),
        };
        let Some(engine) = self.engine(&port) else {
            self.told("ended: the journal cannot be read");
            self.again_in(500, 5000);
            return;
        };
        let patience = match self.luck.below(3) {
            0 => Patience::Forever,
            _ => Patience::Seconds(u32::try_from(self.luck.between(20, 120)).unwrap_or(60)),
        };
        self.model
            .lock()
            .tell(&process.name, || "starts".to_string());
        let (stop, stopped) = watch::channel(false);
        let (own, news) = (Arc::clone(&process), Arc::clone(&self.news));
        let its = Arc::clone(&engine);
        let task = tokio::spawn(async move {
            let ended = own.run(its.run(patience, stopped)).await;
            news.notify_one();
            ended
        });
        self.running.push(Running {
            process,
            engine,
            stop,
            task,
        });
    }

    fn engine(&self, port: &Port) -> Option<Arc<Engine>> {
        let journal = ModelJournal {
            port: port.clone(),
            under_fire: true,
        };
        let journal = through(self.hooks.journal.as_ref(), Box::new(journal));
        let ledger = Ledger::open(journal, port.process.name.clone()).ok()?;
        let custody = through(
            self.hooks.custody.as_ref(),
            Arc::new(ModelCustody(port.clone())),
        );
        let ctx = Context {
            ledger: Arc::new(ledger),
            world: self.world(port),
            vault: Vault::new(Shared(custody)),
            fingerprints: Arc::clone(&self.fingerprints),
            clock: Arc::new(WallClock(Arc::clone(&self.model))),
        };
        let model = Arc::clone(&self.model);
        let name = port.process.name.clone();
        let told = move |event: relatch_executor::Event| {
            let text = serde_json::to_string(&event).unwrap_or_default();
            let mut inner = model.lock();
            inner.must(Law::NoLeak, !text.contains(CANARY), || {
                "a value is in an event".to_string()
            });
            if let relatch_executor::Event::NotYet { step, detail } = &event {
                inner.tell(&name, || format!("{step}: not yet: {detail}"));
            }
        };
        Some(Arc::new(Engine::new(ctx, told)))
    }

    fn world(&self, port: &Port) -> World {
        let mut world = World::default();
        let sheets = self.model.lock().sheets.clone();
        for (id, sheet) in sheets {
            let issuer = ModelIssuer {
                id,
                sheet,
                port: port.clone(),
            };
            world.add_issuer(through(self.hooks.issuer.as_ref(), Arc::new(issuer)));
        }
        world.add_store(through(
            self.hooks.store.as_ref(),
            Arc::new(ModelStore(port.clone())),
        ));
        world.add_roller(through(
            self.hooks.roller.as_ref(),
            Arc::new(ModelRoller(port.clone())),
        ));
        world
    }

    /// People look around: what is waited for, and whether the world is as it was said to be.
    pub(crate) async fn visit(&mut self) {
        let waits = {
            let inner = self.model.lock();
            decide(&inner.book.state, inner.wall()).waits
        };
        let alive = |run: &&Running| !run.process.is_dead() && !run.process.is_frozen();
        let Some(engine) = self
            .running
            .iter()
            .find(alive)
            .map(|run| Arc::clone(&run.engine))
        else {
            return;
        };
        let mut luck = self.luck;
        let attend = self.people.attend(&waits, &engine, &mut luck);
        let _ = tokio::time::timeout(Duration::from_secs(90), attend).await;
        self.luck = luck;
        if let Some(since) = self.quiet_since {
            let mut inner = self.model.lock();
            inner.switch_off_by_hand();
            inner.restart_stragglers();
            let late = inner.now > since + 3600 * 1000;
            let facts = if late {
                inner.observed_for_long()
            } else {
                Vec::new()
            };
            drop(inner);
            self.people.say(facts);
        }
    }

    /// Whatever was under way lands; then the laws of the end.
    async fn look_back(&mut self) {
        self.model.lock().dice.quiet = true;
        if self.model.lock().laws.violation.is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(130)).await;
        self.model.lock().at_the_end();
    }
}

fn how(error: &EngineError) -> &'static str {
    use relatch_case::JournalError;
    match error {
        EngineError::Journal(JournalError::Held { .. }) => "refused: somebody holds the lease",
        EngineError::Journal(JournalError::Fenced { .. }) => "stopped: fenced off",
        EngineError::Journal(JournalError::Store { .. }) => "stopped: the journal failed",
        EngineError::Journal(_) => "stopped: another journal error",
        EngineError::NoPlan => "stopped: no plan",
        EngineError::Crashed(_) => "stopped: a step crashed",
    }
}

/// Events that are due, by time.
pub(crate) type Due = BTreeMap<(Ms, u32), Event>;
