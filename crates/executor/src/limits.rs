//! How much is done at once, and how fast, at each issuer and store.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use relatch_case::Policy;
use relatch_case::plan::{Action, Plan, Step};

/// Lanes by name: each has its own rate and its own number of places.
pub(crate) struct Limits {
    concurrency: usize,
    quota: Quota,
    busy: BTreeMap<String, usize>,
    rates: BTreeMap<String, Arc<DefaultDirectRateLimiter>>,
}

impl Limits {
    pub(crate) fn new(policy: &Policy) -> Self {
        let per_minute = NonZeroU32::new(policy.per_minute).unwrap_or(NonZeroU32::MIN);
        Self {
            concurrency: policy.concurrency.max(1) as usize,
            quota: Quota::per_minute(per_minute),
            busy: BTreeMap::new(),
            rates: BTreeMap::new(),
        }
    }

    /// Takes a place in a lane, if there is one.
    pub(crate) fn enter(&mut self, lane: &str) -> Option<Arc<DefaultDirectRateLimiter>> {
        let busy = self.busy.entry(lane.to_string()).or_insert(0);
        if *busy >= self.concurrency {
            return None;
        }
        *busy += 1;
        let quota = self.quota;
        let rate = self
            .rates
            .entry(lane.to_string())
            .or_insert_with(|| Arc::new(RateLimiter::direct(quota)));
        Some(Arc::clone(rate))
    }

    /// Gives the place back.
    pub(crate) fn leave(&mut self, lane: &str) {
        if let Some(busy) = self.busy.get_mut(lane) {
            *busy = busy.saturating_sub(1);
        }
    }
}

/// The lane of a step: the issuer or the kind of store it talks to.
pub(crate) fn lane(plan: &Plan, step: &Step) -> String {
    match &step.action {
        Action::Keep { container, .. } | Action::Write { container, .. } => {
            format!("{} {}", container.kind, container.region)
        }
        Action::Roll { .. } | Action::Adopt { .. } | Action::Observe { .. } => {
            "consumers".to_string()
        }
        _ => plan
            .rotation(&step.credential)
            .map_or_else(String::new, |rotation| {
                format!("issuer {}", rotation.issuer)
            }),
    }
}
