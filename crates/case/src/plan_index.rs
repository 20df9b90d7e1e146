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
    pub(crate) dependents: HashMap<StepId, Vec<usize>>,
    pub(crate) baseline: HashMap<Container, usize>,
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
            dependents: HashMap::with_capacity(plan.steps.len()),
            steps_of: HashMap::with_capacity(plan.rotations.len()),
            rotations: HashMap::with_capacity(plan.rotations.len()),
            baseline: HashMap::with_capacity(plan.baseline.places.len()),
            ..Self::default()
        };
        for (at, step) in plan.steps.iter().enumerate() {
            positions.steps.insert(step.id.clone(), at);
            positions
                .steps_of
                .entry(step.credential.clone())
                .or_default()
                .push(at);
            if let Some(consumer) = step.action.consumer() {
                let on = positions.steps_on.entry(consumer.clone()).or_default();
                on.push(at);
            }
            for before in step.waits_for() {
                let after = positions.dependents.entry(before.clone()).or_default();
                after.push(at);
            }
        }
        for (at, rotation) in plan.rotations.iter().enumerate() {
            positions.rotations.insert(rotation.credential.clone(), at);
        }
        for (at, place) in plan.baseline.places.iter().enumerate() {
            positions.baseline.insert(place.container.clone(), at);
        }
        positions
    }
}
