//! How much is done at once, and how fast, at each issuer and store.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use relatch_case::fact::{Fact, Outcome};
use relatch_case::plan::{Action, Plan, Step};
use relatch_case::{FaultKind, Policy, StepId};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

/// How often the pause after being throttled is doubled at most.
const MOST_DOUBLINGS: u32 = 5;

/// Lanes by name: each has its own rate and its own number of places.
pub(crate) struct Limits {
    concurrency: usize,
    quota: Quota,
    backoff: Duration,
    lanes: BTreeMap<String, Lane>,
}

/// One lane.
struct Lane {
    busy: usize,
    rate: Rate,
    /// Throttled so often in a row.
    throttled: u32,
    /// Nobody enters before.
    closed_until: Option<Instant>,
}

impl Limits {
    pub(crate) fn new(policy: &Policy) -> Self {
        let per_minute = NonZeroU32::new(policy.per_minute).unwrap_or(NonZeroU32::MIN);
        Self {
            concurrency: policy.concurrency.max(1) as usize,
            quota: Quota::per_minute(per_minute),
            backoff: Duration::from_secs(u64::from(policy.backoff_s.max(1))),
            lanes: BTreeMap::new(),
        }
    }

    /// Whether a lane takes nobody now: full, or closed for a while.
    pub(crate) fn is_closed(&self, lane: &str) -> bool {
        self.lanes
            .get(lane)
            .is_some_and(|lane| lane.busy >= self.concurrency || lane.opens_later())
    }

    /// Takes a place in a lane, if there is one.
    pub(crate) fn enter(&mut self, name: &str) -> Option<Rate> {
        if self.is_closed(name) {
            return None;
        }
        let quota = self.quota;
        let lane = self.lanes.entry(name.to_string()).or_insert_with(|| Lane {
            busy: 0,
            rate: Rate::new(quota),
            throttled: 0,
            closed_until: None,
        });
        lane.busy += 1;
        Some(lane.rate.clone())
    }

    /// Gives the place back. Who was asked to slow down closes the lane for a while, longer
    /// each time in a row.
    pub(crate) fn leave(&mut self, name: &str, throttled: bool) {
        let backoff = self.backoff;
        let Some(lane) = self.lanes.get_mut(name) else {
            return;
        };
        lane.busy = lane.busy.saturating_sub(1);
        if !throttled {
            lane.throttled = 0;
        } else if !lane.opens_later() {
            lane.closed_until = Some(Instant::now() + backoff * (1 << lane.throttled));
            lane.throttled = (lane.throttled + 1).min(MOST_DOUBLINGS);
        }
    }

    /// When the next closed lane opens.
    pub(crate) fn opens_at(&self) -> Option<Instant> {
        self.lanes
            .values()
            .filter(|lane| lane.opens_later())
            .filter_map(|lane| lane.closed_until)
            .min()
    }
}

/// A step's place in its lane. It is given back when nothing more is asked outside, while what came
/// of it has yet to be recorded; at the latest when the step ends.
pub(crate) struct Place {
    step: StepId,
    left: UnboundedSender<Left>,
}

/// A step that left its lane.
pub(crate) struct Left {
    pub(crate) step: StepId,
    pub(crate) throttled: bool,
}

impl Place {
    pub(crate) fn of(step: StepId, left: UnboundedSender<Left>) -> Self {
        Self { step, left }
    }

    /// Gives the place back; `fact` is what came of the step.
    pub(crate) fn leave(self, fact: &Fact) {
        // Where nobody listens any more, nothing is begun any more.
        let _ = self.left.send(Left {
            step: self.step,
            throttled: is_throttled(fact),
        });
    }
}

fn is_throttled(fact: &Fact) -> bool {
    let (Fact::StepEnded { outcome, .. } | Fact::UndoEnded { outcome, .. }) = fact else {
        return false;
    };
    matches!(outcome, Outcome::Failed { fault } if fault.kind == FaultKind::Throttled)
}

impl Lane {
    fn opens_later(&self) -> bool {
        self.closed_until.is_some_and(|at| at > Instant::now())
    }
}

/// A rate, by the runtime's own time.
#[derive(Clone)]
pub(crate) struct Rate {
    limiter: Arc<RateLimiter<NotKeyed, InMemoryState, Monotonic, NoOpMiddleware<Nanos>>>,
    clock: Monotonic,
}

impl Rate {
    fn new(quota: Quota) -> Self {
        let clock = Monotonic(Instant::now());
        Self {
            limiter: Arc::new(RateLimiter::direct_with_clock(quota, clock.clone())),
            clock,
        }
    }

    /// Waits for one's turn.
    pub(crate) async fn turn(&self) {
        while let Err(later) = self.limiter.check() {
            tokio::time::sleep(later.wait_time_from(self.clock.now())).await;
        }
    }
}

/// The runtime's time since a start; it stands still where a test holds it.
#[derive(Debug, Clone)]
struct Monotonic(Instant);

impl Clock for Monotonic {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
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
