//! What happens at times of its own.

use std::sync::Arc;

use relatch_case::fact::Fact;
use relatch_case::plan::Action;
use relatch_case::{CredentialId, StepId};
use relatch_rotation::make;
use serde_json::Value;

use crate::dice::{Dice, Kind, Luck, luck};
use crate::hooks::through;
use crate::operator::{Due, Operator};
use crate::shape::pace;
use crate::world::Ms;

/// Measures of containment.
const MEASURES: [&str; 2] = ["measure-1", "measure-2"];

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// People approve the plan.
    Approve,
    /// Containment is begun.
    Contain,
    /// It binds, and was seen to.
    Contained,
    /// People look around.
    Visit,
    /// Something of that kind.
    Of(Kind, Luck),
    /// The process of that number goes on.
    Thaw(u32),
    /// Another process is started while one runs.
    Another,
    /// People let everything go on.
    Resume,
    /// Nothing fails any more.
    Quiet,
}

/// What is to come.
#[derive(Debug, Default)]
pub(crate) struct Events {
    due: Due,
    number: u32,
}

impl Events {
    /// What is to come for a seed.
    pub(crate) fn of(dice: &mut Dice, seed: u64, convicted: bool) -> Self {
        let mut luck = luck(seed, "events");
        let mut events = Self::default();
        let end = luck.between(40_000, 400_000);
        let late = if luck.percent(30) { 60_000 } else { 3000 };
        events.add(luck.below(late), Event::Approve);
        if convicted {
            events.add(luck.below(late), Event::Contain);
        }
        for kind in Kind::ALL.iter().copied().filter(|kind| kind.is_timed()) {
            for mut own in dice.timed(kind) {
                events.add(own.below(end), Event::Of(kind, own));
            }
        }
        events.add(luck.between(10_000, 40_000), Event::Visit);
        events.add(end, Event::Quiet);
        events
    }

    /// Something is to happen.
    pub(crate) fn add(&mut self, at: Ms, event: Event) {
        self.number += 1;
        self.due.insert((at, self.number), event);
    }

    pub(crate) fn next(&self) -> Option<Ms> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn take(&mut self, now: Ms) -> Option<Event> {
        let first = self.due.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

impl Operator {
    fn later(&mut self, ms: Ms, event: Event) {
        let at = self.model.ms() + ms;
        self.events.add(at, event);
    }

    pub(crate) async fn on(&mut self, event: Event) {
        match event {
            Event::Approve => self.people.approve(),
            Event::Contain => self.contain(),
            Event::Contained => self.contained(),
            Event::Visit => self.look_around().await,
            Event::Of(kind, luck) => self.strikes(kind, luck),
            Event::Thaw(number) => self.thaw(Some(number)),
            Event::Another => self.start(),
            Event::Resume => self.people.resume(),
            Event::Quiet => self.quiet(),
        }
    }

    async fn look_around(&mut self) {
        if self.quiet_since.is_some() && self.shape.convicted {
            self.contained_again();
        }
        if self.quiet_since.is_some() || self.luck.percent(40) {
            self.visit().await;
        }
        let next = if self.quiet_since.is_some() {
            120_000
        } else {
            30_000
        };
        self.later(next, Event::Visit);
    }

    /// Puts a plan in force.
    pub(crate) fn make_plan(&mut self) {
        let (policy, options) = (&self.shape.policy, &self.shape.options);
        let plan = self
            .people
            .ledger
            .with(|state| make(state, policy, options));
        let Ok(plan) = plan else {
            return;
        };
        let plan = through(self.hooks.plan.as_ref(), plan);
        let Ok(hash) = plan.hash() else {
            return;
        };
        self.people.say(vec![Fact::PlanRecorded {
            hash,
            plan: Arc::new(plan),
        }]);
    }

    fn contain(&mut self) {
        if self.luck.percent(12) {
            self.people.say(vec![Fact::ContainmentWaived {
                because: "the business must go on".to_string(),
                people: vec!["ada".to_string(), "grace".to_string()],
            }]);
            let mut inner = self.model.lock();
            inner.laws.waived = true;
            inner.laws.gate_is_open = true;
            return;
        }
        for id in MEASURES {
            self.people.say(vec![
                Fact::MeasureIntended {
                    id: id.to_string(),
                    measure: Value::Null,
                    snapshot: Value::Null,
                },
                Fact::MeasureApplied { id: id.to_string() },
            ]);
        }
        let ms = self.luck.between(500, 40_000);
        self.later(ms, Event::Contained);
    }

    fn contained(&mut self) {
        self.model.lock().laws.thief_reads.clear();
        for id in MEASURES {
            self.people.say(vec![Fact::MeasureVerified {
                id: id.to_string(),
                binds: Some(true),
                how: "seen".to_string(),
            }]);
        }
        let mut inner = self.model.lock();
        inner.tell("ada", || "the thief is contained".to_string());
        // A clock that was set back leaves the verification before the conviction.
        inner.laws.gate_is_open = inner.book.state.is_contained();
    }

    fn strikes(&mut self, kind: Kind, mut luck: Luck) {
        self.model.lock().laws.see(kind.name());
        match kind {
            Kind::Crash => {
                if let Some(run) = self.running.first() {
                    run.process.kill();
                    let name = run.process.name.clone();
                    self.model.lock().tell(&name, || "is killed".to_string());
                }
            }
            Kind::ClockJump => self.set_clock(&mut luck),
            Kind::SecondProcess => self.start(),
            Kind::Stall => self.stall(&mut luck),
            Kind::Reconviction => self.convict_again(),
            Kind::Pause => self.pause(&mut luck),
            Kind::Meddling => self.meddle(&mut luck),
            Kind::NewPlan => {
                self.shape.policy = pace(&mut luck);
                self.make_plan();
                let ms = luck.between(100, 20_000);
                self.later(ms, Event::Approve);
            }
            Kind::Restart => {
                for run in &self.running {
                    let _ = run.stop.send(true);
                }
            }
            _ => self.model.lock().drift(kind, &mut luck),
        }
    }

    fn set_clock(&mut self, luck: &mut Luck) {
        let long = if luck.percent(20) { 3 * 3600 } else { 600 };
        let by = i64::try_from(luck.between(1, long)).unwrap_or(1) * 1000;
        let by = if luck.percent(50) { -by } else { by };
        let mut inner = self.model.lock();
        inner.offset_ms += by;
        let ahead = Ms::try_from(inner.offset_ms).unwrap_or(0);
        inner.ahead_ms = inner.ahead_ms.max(ahead);
        inner.clock_was_set = true;
        inner.tell("fault", || format!("the clock is set by {} s", by / 1000));
    }

    fn stall(&mut self, luck: &mut Luck) {
        let Some(run) = self.running.first() else {
            return;
        };
        run.process.freeze();
        let (number, name) = (run.process.number, run.process.name.clone());
        let ms = luck.between(20_000, 110_000);
        self.model
            .lock()
            .tell(&name, || format!("stands still for {ms} ms"));
        self.later(ms, Event::Thaw(number));
        self.later(luck.between(15_000, 60_000), Event::Another);
        self.later(luck.between(60_000, 90_000), Event::Another);
    }

    fn thaw(&mut self, number: Option<u32>) {
        for run in &self.running {
            let is_it = number.is_none_or(|number| run.process.number == number);
            if is_it && run.process.is_frozen() {
                self.model
                    .lock()
                    .tell(&run.process.name, || "goes on".to_string());
                run.process.thaw();
            }
        }
    }

    fn convict_again(&mut self) {
        if !self.shape.convicted {
            return;
        }
        self.people.say(vec![Fact::ActorConvicted {
            keys: Vec::new(),
            arns: vec!["thief-2".to_string()],
            addresses: Vec::new(),
            first: None,
            last: None,
            why: vec!["simulated".to_string()],
        }]);
        {
            let mut inner = self.model.lock();
            inner.laws.gate_is_open = inner.laws.waived;
        }
        let ms = self.luck.between(1000, 40_000);
        let begun = !self.model.lock().book.state.measures.is_empty();
        self.later(
            ms,
            if begun {
                Event::Contained
            } else {
                Event::Contain
            },
        );
    }

    fn some_credential(&self, luck: &mut Luck) -> Option<CredentialId> {
        let inner = self.model.lock();
        let all: Vec<_> = inner.book.state.credentials.keys().cloned().collect();
        luck.one_of(&all).cloned()
    }

    fn pause(&mut self, luck: &mut Luck) {
        let credential = if luck.percent(50) {
            self.some_credential(luck)
        } else {
            None
        };
        self.people.say(vec![Fact::Paused {
            credential,
            because: "lunch".to_string(),
        }]);
        let ms = luck.between(1000, 60_000);
        self.later(ms, Event::Resume);
    }

    /// Somebody sends a step back to work, or skips one that only watches.
    fn meddle(&mut self, luck: &mut Luck) {
        let steps: Vec<(StepId, bool)> = {
            let inner = self.model.lock();
            let Some(plan) = inner.book.state.plan.as_ref() else {
                return;
            };
            let open = plan
                .plan
                .steps
                .iter()
                .filter(|step| !inner.book.state.is_over(&step.id));
            open.map(|step| {
                let may = matches!(
                    step.action,
                    Action::Adopt { .. } | Action::Settle { .. } | Action::Observe { .. }
                );
                (step.id.clone(), may)
            })
            .collect()
        };
        let Some((step, may_skip)) = luck.one_of(&steps).cloned() else {
            return;
        };
        let fact = if may_skip && luck.percent(50) {
            Fact::StepSkipped {
                step,
                because: "a person decided so".to_string(),
            }
        } else {
            Fact::StepRetried { step }
        };
        self.people.say(vec![fact]);
    }

    /// From now on nothing fails, and people see to everything.
    fn quiet(&mut self) {
        self.thaw(None);
        self.people.resume();
        let now = self.model.ms();
        self.quiet_since = Some(now);
        let mut inner = self.model.lock();
        inner.dice.quiet = true;
        inner.out_until.clear();
        inner.busy_until.clear();
        inner.dead_until.clear();
        inner.offset_ms = 0;
        inner.tell("world", || "nothing fails any more".to_string());
        drop(inner);
        self.people.approve();
        if self.shape.convicted {
            self.contained_again();
        }
    }

    /// Containment that was not verified since the last conviction is verified again.
    fn contained_again(&mut self) {
        let (contained, begun, wait) = {
            let inner = self.model.lock();
            let state = &inner.book.state;
            let wait = state.convicted_at.map_or(0, |at| {
                Ms::try_from(at.duration_since(inner.wall()).as_millis()).unwrap_or(0)
            });
            (state.is_contained(), !state.measures.is_empty(), wait)
        };
        if !contained {
            self.later(
                wait + 1,
                if begun {
                    Event::Contained
                } else {
                    Event::Contain
                },
            );
        }
    }
}
