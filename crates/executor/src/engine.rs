//! The engine: carries a plan out, one run at a time, under the lease.

use std::sync::{Arc, Mutex, PoisonError};

use relatch_case::{JournalError, Lease};
use relatch_rotation::Wait;
use tokio::sync::{Notify, watch};

use crate::Event;
use crate::context::Context;
use crate::failpoint::pass;
use crate::round::Round;
use crate::tenure::Tenure;

/// How long to stay when nothing can be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Until every step is over or only people can go on.
    Forever,
    /// While something is due within so many seconds.
    Seconds(u32),
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Every step is over.
    Finished,
    /// Nothing more can be done now; what is waited for.
    Waiting(Vec<Wait>),
    /// It was asked to stop; what was begun is finished and recorded.
    Stopped,
}

/// A run that cannot go on. What was recorded stays; run again to resume.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal failed, so nothing more may be done.
    #[error("{}", in_words(.0))]
    Journal(#[from] JournalError),
    /// There is nothing to carry out.
    #[error("there is no plan: make one first")]
    NoPlan,
    /// A step crashed.
    #[error("a step crashed; its outcome will be reconciled on the next run")]
    Crashed(#[source] tokio::task::JoinError),
}

fn in_words(error: &JournalError) -> &'static str {
    match error {
        JournalError::Held { .. } => "another run is at work on this case",
        JournalError::Fenced { .. } => "stopped: another executor took this case over",
        _ => "stopped: the journal cannot be written, and nothing is done that is not recorded",
    }
}

/// Carries the plan in force out.
pub struct Engine {
    ctx: Context,
    events: Box<dyn Fn(Event) + Send + Sync>,
    pub(crate) changed: Notify,
    lease: Mutex<Option<Lease>>,
    /// Held while a person hands a key over: one at a time, across the probe.
    pub(crate) handing: tokio::sync::Mutex<()>,
}

impl Engine {
    /// An engine; `events` is told what happens and must not block.
    pub fn new(ctx: Context, events: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self {
            ctx,
            events: Box::new(events),
            changed: Notify::new(),
            lease: Mutex::new(None),
            handing: tokio::sync::Mutex::new(()),
        }
    }

    /// What it works with.
    pub fn context(&self) -> &Context {
        &self.ctx
    }

    /// Runs until nothing more can be done now, or `stop` turns true.
    pub async fn run(
        &self,
        patience: Patience,
        mut stop: watch::Receiver<bool>,
    ) -> Result<Ended, EngineError> {
        let tenure = Arc::new(Tenure::begin(&self.ctx.ledger, self.ctx.clock.now())?);
        pass("lease/taken");
        self.hold(Some(tenure.lease.clone()));
        let ended = self.run_under(&tenure, patience, &mut stop).await;
        self.hold(None);
        pass("lease/before-release");
        let released = self.ctx.ledger.release(&tenure.lease);
        let ended = ended?;
        released?;
        Ok(ended)
    }

    /// Tells a running loop that facts were recorded by other hands.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    /// The lease in force, while a run is under way.
    pub(crate) fn lease(&self) -> Option<Lease> {
        self.lease
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn hold(&self, lease: Option<Lease>) {
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = lease;
    }

    async fn run_under(
        &self,
        tenure: &Arc<Tenure>,
        patience: Patience,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Ended, EngineError> {
        let mut round = Round::new(self, tenure).ok_or(EngineError::NoPlan)?;
        let ended = round.go(patience, stop).await;
        round.finish(ended).await
    }

    pub(crate) fn tell(&self, event: Event) {
        (self.events)(event);
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("ctx", &self.ctx)
            .finish_non_exhaustive()
    }
}
