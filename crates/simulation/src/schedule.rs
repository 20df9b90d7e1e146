//! One schedule: a rotation from its plan to its end, under fire.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::dice::{Dice, FaultId, Muted};
use crate::hooks::Hooks;
use crate::laws::{Law, Violation};
use crate::operator::Operator;
use crate::shape::{self, Reduced};
use crate::story::Story;
use crate::world::{Inner, Model};

/// What is run.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The seed.
    pub seed: u64,
    /// What does not strike.
    pub muted: Muted,
    /// What is left out of the world.
    pub reduced: Reduced,
    /// Whether the story is kept.
    pub tells: bool,
    /// What stands between the engine and the model.
    pub hooks: Hooks,
}

impl Setup {
    /// A schedule as its seed says.
    pub fn of(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }
}

/// What came of a schedule.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// The first law that was broken.
    pub violation: Option<Violation>,
    /// A number that is the same only if everything happened the same way.
    pub hash: u64,
    /// The story, if it was to be told.
    pub lines: Vec<String>,
    /// Every fault that struck, in order.
    pub struck: Vec<FaultId>,
    /// How often each law was checked.
    pub checks: BTreeMap<Law, u64>,
    /// How often what was seen.
    pub seen: BTreeMap<&'static str, u64>,
    /// Virtual time in milliseconds.
    pub ms: u64,
}

/// Runs a schedule.
pub fn run(setup: &Setup) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without input and output needs nothing from the system");
    let report = runtime.block_on(play(setup));
    runtime.shutdown_timeout(Duration::ZERO);
    report
}

async fn play(setup: &Setup) -> Report {
    let dice = Dice::new(setup.seed, setup.muted.clone());
    let mut inner = Inner::new(dice, Story::new(setup.tells));
    let shape = shape::build(&mut inner, setup.seed, &setup.reduced);
    let model = Model::new(inner);
    let mut operator = Operator::new(setup, &model, shape);
    operator.go().await;
    drop(operator);
    report(setup.seed, &model)
}

fn report(seed: u64, model: &Arc<Model>) -> Report {
    let mut inner = model.lock();
    let violation = inner.laws.violation.take();
    Report {
        seed,
        violation,
        hash: inner.story.hash(),
        lines: inner.story.lines().to_vec(),
        struck: inner.dice.struck.clone(),
        checks: std::mem::take(&mut inner.laws.checks),
        seen: std::mem::take(&mut inner.laws.seen),
        ms: inner.now,
    }
}
