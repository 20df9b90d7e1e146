//! Tripwires: who tries keys that were retired, and who is told.
//!
//! - [`retired`]: the keys to watch, from the facts;
//! - [`sift()`]: which uses are hits, each told once;
//! - [`window`]: what to read next, so that late events are not missed;
//! - [`queue`]: when a queue was looked through;
//! - [`alert`] and [`notify`]: telling people, by a line, a webhook or Slack;
//! - [`words`]: what silence means.
//!
//! Invariant: nothing here reads a log, asks an issuer, records a fact or reads a clock, and
//! no alert or error holds a value or a webhook's address. Silence is never called proof.

pub mod alert;
pub mod notify;
pub mod queue;
pub mod retired;
pub mod sift;
pub mod window;
pub mod words;

pub use alert::{Alert, LineFormat};
pub use notify::{Dialect, Pace, SetupError, Undelivered, Webhook, notify_all};
pub use queue::{QueueLook, is_last_receipt};
pub use retired::{Retired, retired_keys, retired_keys_ever};
pub use sift::{Hit, KeyUse, LastUse, Sifted, sift, sift_last_uses};
pub use window::{Window, Windowing};
pub use words::nothing_seen;
