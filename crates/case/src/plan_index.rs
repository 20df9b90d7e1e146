//! Finding things in a plan of a hundred thousand steps.

use std::sync::OnceLock;

use foldhash::{HashMap, HashMapExt as _};

use crate::model::Container;
use crate::plan::Plan;
use crate::{ConsumerId, CredentialId, StepId};

/// Positions by name, made on first use. No part of what a plan is: two plans are compared
/// without it, and a copy of a plan, which may then be changed, makes its own.
#[derive(Debug, Default)]
pub struct PlanIndex(OnceLock<Positions>);

/// Where things stand in a plan.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    pub(crate) steps: HashMap<StepId, usize>,
    pub(crate) rotations: HashMap<CredentialId, usize>,
    pub(crate) steps_of: HashMap<CredentialId, Vec<usize>>,
    pub(crate) steps_on: HashMap<ConsumerId, Vec<usize>>,
    dependents: Dependents,
    pub(crate) baseline: HashMap<Container, usize>,
}

/// The steps that wait for each step, by its position: one list, and where in it those of each
/// step begin.
#[derive(Debug, Default)]
struct Dependents {
    starts: Vec<usize>,
    waiting: Vec<usize>,
}

impl PlanIndex {
    pub(crate) fn of(&self, plan: &Plan) -> &Positions {
        self.0.get_or_init(|| Positions::of(plan))
    }
}

impl Clone for PlanIndex {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for PlanIndex {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for PlanIndex {}

impl Positions {
    fn of(plan: &Plan) -> Self {
        let mut positions = Self {
            steps: HashMap::with_capacity(plan.steps.len()),
            steps_of: HashMap::with_capacity(plan.rotations.len()),
            rotations: HashMap::with_capacity(plan.rotations.len()),
            baseline: HashMap::with_capacity(plan.baseline.places.len()),
            ..Self::default()
        };
        for (at, step) in plan.steps.iter().enumerate() {
            positions.steps.insert(step.id.clone(), at);
            if let Some(consumer) = step.action.consumer() {
                let on = positions.steps_on.entry(consumer.clone()).or_default();
                on.push(at);
            }
        }
        // The steps of a credential stand together.
        let mut start = 0;
        for of_one in plan.steps.chunk_by(|a, b| a.credential == b.credential) {
            let of = positions.steps_of.entry(of_one[0].credential.clone());
            of.or_default().extend(start..start + of_one.len());
            start += of_one.len();
        }
        positions.dependents = Dependents::of(plan, &positions.steps);
        for (at, rotation) in plan.rotations.iter().enumerate() {
            positions.rotations.insert(rotation.credential.clone(), at);
        }
        for (at, place) in plan.baseline.places.iter().enumerate() {
            positions.baseline.insert(place.container.clone(), at);
        }
        positions
    }

    /// The steps that wait for the one at a position, in order.
    pub(crate) fn dependents(&self, of: usize) -> &[usize] {
        let (starts, waiting) = (&self.dependents.starts, &self.dependents.waiting);
        &waiting[starts[of]..starts[of + 1]]
    }
}

impl Dependents {
    fn of(plan: &Plan, positions: &HashMap<StepId, usize>) -> Self {
        let mut pairs = Vec::with_capacity(plan.steps.len() * 2);
        for (at, step) in plan.steps.iter().enumerate() {
            let before = step.waits_for().filter_map(|id| positions.get(id));
            pairs.extend(before.map(|before| (*before, at)));
        }
        let mut starts = vec![0; plan.steps.len() + 1];
        for (before, _) in &pairs {
            starts[before + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut waiting = vec![0; pairs.len()];
        for (before, at) in pairs {
            waiting[next[before]] = at;
            next[before] += 1;
        }
        Self { starts, waiting }
    }
}
