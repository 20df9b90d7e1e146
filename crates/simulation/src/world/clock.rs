//! The wall clock of the machine: it can be set.

use std::sync::Arc;

use jiff::Timestamp;
use relatch_executor::Clock;

use super::Model;

/// What the engine is told the time is.
pub(crate) struct WallClock(pub(crate) Arc<Model>);

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        self.0.lock().wall()
    }
}
