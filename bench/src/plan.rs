//! How long a large plan takes to make, hash and begin.

use std::time::{Duration, Instant};

use relatch_case::chain::{canonical, sha256_hex};
use relatch_case::plan::Plan;
use relatch_case::state::PlanInForce;
use relatch_case::{Policy, State};
use relatch_rotation::{Agenda, Options, diff, estimate, make, summary};
use serde_json::json;

use crate::Error;
use crate::arguments::Arguments;
use crate::output::{self, ms, ratio, spread};
use crate::world::{self, Size};

/// What one repetition took.
struct Took {
    make: Duration,
    hash: Duration,
    canonical: Duration,
    agenda: Duration,
    bound: Duration,
    summary: Duration,
    diff: Duration,
    estimate: Duration,
}

impl Took {
    fn all(&self) -> Duration {
        self.make + self.hash + self.canonical + self.agenda
    }
}

/// `plan [--credentials N] [--places N] [--consumers N] [--repeat N]`
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    arguments.only(&["--credentials", "--places", "--consumers", "--repeat"])?;
    let credentials = arguments.number("--credentials", 10_000)?;
    let size = Size {
        credentials,
        places: arguments.number("--places", credentials * 3)?,
        consumers: arguments.number("--consumers", credentials / 10)?,
    };
    let mut state = world::state(world::facts(size));
    let known_mb = output::now_mb();
    let mut took = Vec::new();
    let (mut bytes, mut steps) = (0, 0);
    for _ in 0..arguments.number("--repeat", 5)?.max(1) {
        let (one, plan, length) = once(&mut state)?;
        (bytes, steps) = (length, plan.steps.len());
        took.push(one);
    }
    let of = |what: fn(&Took) -> Duration| spread(took.iter().map(|t| ms(what(t))).collect());
    let bounds: Vec<f64> = took
        .iter()
        .map(|t| ratio(ms(t.all()), ms(t.bound)))
        .collect();
    let shown = |what| {
        let (least, middle) = of(what);
        format!("{least:.0} / {middle:.0} ms")
    };
    output::table(
        &format!("plan: {size:?}, {steps} steps, {bytes} bytes (least / median)"),
        &[
            ("make", shown(|t| t.make)),
            ("hash", shown(|t| t.hash)),
            ("canonical JSON", shown(|t| t.canonical)),
            ("agenda", shown(|t| t.agenda)),
            ("all four (goal: under 2 s)", shown(Took::all)),
            ("bound: write as JSON, SHA-256", shown(|t| t.bound)),
            (
                "all four / bound",
                format!("{:.1}", spread(bounds.clone()).1),
            ),
            ("summary", shown(|t| t.summary)),
            ("diff", shown(|t| t.diff)),
            ("estimate", shown(|t| t.estimate)),
            ("memory with the facts folded", format!("{known_mb} MB")),
            ("peak memory", format!("{} MB", output::peak_mb())),
        ],
    );
    output::json(&json!({
        "bench": "plan", "steps": steps, "bytes": bytes,
        "make_ms": of(|t| t.make), "hash_ms": of(|t| t.hash),
        "canonical_ms": of(|t| t.canonical), "agenda_ms": of(|t| t.agenda),
        "all_ms": of(Took::all), "bound_ms": of(|t| t.bound),
        "ratio": spread(bounds), "summary_ms": of(|t| t.summary), "diff_ms": of(|t| t.diff),
        "estimate_ms": of(|t| t.estimate), "peak_mb": output::peak_mb(),
    }));
    Ok(())
}

fn once(state: &mut State) -> Result<(Took, std::sync::Arc<Plan>, usize), Error> {
    state.plan = None;
    let policy = Policy::default();
    let (plan, made) = timed(|| make(state, &policy, &Options::default()));
    let plan = std::sync::Arc::new(plan?);
    let (hash, hashed) = timed(|| plan.hash());
    let hash = hash?;
    let (text, written) = timed(|| canonical(&*plan));
    let length = text?.len();
    state.plan = Some(PlanInForce {
        hash,
        plan: std::sync::Arc::clone(&plan),
        recorded_at: world::start(),
        approved_by: ["bench".to_string()].into(),
        bypassed: None,
    });
    let (agenda, begun) = timed(|| Agenda::new(state, world::start()));
    drop(agenda.ok_or("there is no plan")?);
    let (bound, bound_took) = timed(|| serde_json::to_vec(&*plan).map(|text| sha256_hex(&text)));
    bound?;
    let (summarised, summary) = timed(|| {
        let rows = summary::rows(&plan, Some(state));
        summary::summarise(&plan, &rows)
    });
    drop(summarised);
    let other = without_some(&plan);
    let (difference, diff) = timed(|| diff::diff(&plan, &other));
    drop(difference);
    let (_, estimate) = timed(|| estimate::duration(&plan));
    let took = Took {
        make: made,
        hash: hashed,
        canonical: written,
        agenda: begun,
        bound: bound_took,
        summary,
        diff,
        estimate,
    };
    Ok((took, plan, length))
}

/// The plan without its last hundred rotations.
fn without_some(plan: &Plan) -> Plan {
    let mut other = plan.clone();
    let gone = other
        .rotations
        .split_off(other.rotations.len().saturating_sub(100));
    other
        .steps
        .retain(|step| gone.iter().all(|r| r.credential != step.credential));
    other
}

fn timed<T>(what: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let result = what();
    (result, began.elapsed())
}
