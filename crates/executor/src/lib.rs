//! Carries a plan out: intent, effect, outcome, for one step after the other and many at once.
//!
//! - [`Engine`] runs the loop: asks [`relatch_rotation::decide()`] what may be done, does it,
//!   records it, until nothing more can be done now;
//! - [`Ledger`] is the journal together with the state it adds up to;
//! - [`World`] is everything outside that steps act on;
//! - `effect` does steps, `undo` takes them back when their wave failed, `reconcile` finds out
//!   what became of interrupted ones, `sweep` looks for leftovers, `look` watches, `survey`
//!   sees whether the world has drifted;
//! - [`Clock`] is time, so that tests can hold it.
//!
//! Invariant: nothing here decides what is done, or when; and nothing outside is touched
//! before the intent is durable.

mod carry_out;
mod clock;
mod context;
mod disk;
mod effect;
mod engine;
mod event;
mod failpoint;
mod gather;
mod hand_over;
mod ledger;
mod limits;
mod look;
mod old_key;
mod process;
mod queue;
mod reconcile;
mod round;
mod survey;
mod sweep;
mod tenure;
mod undo;
mod vault;
mod world;

pub use clock::{Clock, SystemClock};
pub use context::Context;
pub use engine::{Ended, Engine, EngineError, Patience};
pub use event::Event;
pub use hand_over::HandOverError;
pub use ledger::Ledger;
pub use survey::survey;
pub use vault::{Sealed, Vault};
pub use world::{KeyUse, UseLog, World};
