//! How long a plan takes: its time gates one after the other, and the longest queue.

use std::collections::BTreeMap;

use relatch_case::plan::{Action, Gate, Plan, Step};
use serde::Serialize;

/// Seconds that one effect is taken to last where nothing else limits a lane.
const EFFECT_S: u64 = 1;

/// How long a plan takes if nothing fails, in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Duration {
    /// All of it: the time gates, and the queue of the slowest lane before them.
    pub expected_s: u64,
    /// The longest chain of time gates and windows.
    pub gates_s: u64,
    /// The lane that takes longest; `None` without steps.
    pub slowest: Option<Lane>,
}

/// The queue at one issuer or store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lane {
    /// Which.
    pub name: String,
    /// Calls in it, looks that are repeated not counted.
    pub calls: u64,
    /// How long they take at the policy's pace.
    pub seconds: u64,
}

/// Says how long a plan takes, from its policy alone.
pub fn duration(plan: &Plan) -> Duration {
    let gates_s = longest_chain(plan);
    let slowest = slowest_lane(plan);
    let queue = slowest.as_ref().map_or(0, |lane| lane.seconds);
    Duration {
        expected_s: gates_s + queue,
        gates_s,
        slowest,
    }
}

fn slowest_lane(plan: &Plan) -> Option<Lane> {
    let mut lanes: BTreeMap<String, u64> = BTreeMap::new();
    for step in &plan.steps {
        *lanes.entry(lane(plan, step)).or_default() += 1;
    }
    let per_minute = u64::from(plan.policy.per_minute.max(1));
    let at_once = u64::from(plan.policy.concurrency.max(1));
    let lanes = lanes.into_iter().map(|(name, calls)| Lane {
        name,
        calls,
        seconds: (calls * 60)
            .div_ceil(per_minute)
            .max((calls * EFFECT_S).div_ceil(at_once)),
    });
    lanes.max_by(|a, b| (a.seconds, &b.name).cmp(&(b.seconds, &a.name)))
}

/// The queue that a step stands in, as the engine has them.
fn lane(plan: &Plan, step: &Step) -> String {
    match &step.action {
        Action::Keep { container, .. } | Action::Write { container, .. } => {
            format!("{} {}", container.kind, container.region)
                .trim_end()
                .to_string()
        }
        Action::Roll { .. } | Action::Adopt { .. } | Action::Observe { .. } => {
            "consumers".to_string()
        }
        _ => plan
            .rotation(&step.credential)
            .map_or_else(String::new, |r| format!("issuer {}", r.issuer)),
    }
}

/// The end of the last step if every effect took no time, in seconds from the start.
fn longest_chain(plan: &Plan) -> u64 {
    let before: Vec<Vec<(usize, u64)>> = plan.steps.iter().map(|s| waits(plan, s)).collect();
    let mut open: Vec<usize> = before.iter().map(Vec::len).collect();
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); plan.steps.len()];
    for (at, before) in before.iter().enumerate() {
        for (earlier, _) in before {
            after[*earlier].push(at);
        }
    }
    let mut free: Vec<usize> = (0..open.len()).filter(|at| open[*at] == 0).collect();
    let mut ends = vec![0_u64; plan.steps.len()];
    while let Some(at) = free.pop() {
        let begin = before[at].iter().map(|(earlier, s)| ends[*earlier] + s);
        ends[at] = begin.max().unwrap_or(0) + window(plan, &plan.steps[at]);
        for next in &after[at] {
            open[*next] -= 1;
            if open[*next] == 0 {
                free.push(*next);
            }
        }
    }
    ends.into_iter().max().unwrap_or(0)
}

/// What a step waits for, by position, and how long after it ended.
fn waits(plan: &Plan, step: &Step) -> Vec<(usize, u64)> {
    let needs = step.needs.iter().map(|id| (id, 0));
    let gates = step.gates.iter().filter_map(|gate| match gate {
        Gate::After { step, seconds } => Some((step, u64::from(*seconds))),
        Gate::Approved | Gate::Contained => None,
    });
    needs
        .chain(gates)
        .filter_map(|(id, seconds)| Some((plan.position(id)?, seconds)))
        .collect()
}

/// How long a step watches.
fn window(plan: &Plan, step: &Step) -> u64 {
    match step.action {
        Action::Settle { .. } => u64::from(plan.policy.settle_s),
        Action::Observe { .. } => u64::from(plan.policy.observe_s),
        _ => 0,
    }
}
