//! A company to rotate: an emulated cloud as a process of its own, a fake OpenAI, places with
//! keys in them, services that live on the keys; and the tool as it is built, run as people
//! run it.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test file uses another part of this"
)]

#[path = "../../../aws/tests/code/mod.rs"]
mod code;
mod company;
mod facts;
mod lake;
mod manual;
mod openai;
#[path = "../../../aws/tests/support/mod.rs"]
mod peers;
mod places;
mod postgres;
mod room;
mod rotation;
mod services;
mod setup;
mod tail;
mod template;
mod tool;
mod truth;

pub(crate) use company::{Cloud, Company, Hooks, Setup};
pub(crate) use facts::{Facts, assert_chained};
pub(crate) use lake::{ANSWERS, Lake, TRAIL};
pub(crate) use manual::{Manual, needs_jq, shell};
pub(crate) use places::NEIGHBOUR;
pub(crate) use postgres::{PASSWORD, Postgres};
pub(crate) use room::Room;
pub(crate) use rotation::{Rotation, person};
pub(crate) use services::Services;
pub(crate) use tail::{BUCKET, Held, Tail};
pub(crate) use template::Values;
pub(crate) use tool::{Moment, Ran, Running, Tool};
pub(crate) use truth::files;

/// The account of a company of its own.
pub(crate) const ACCOUNT: &str = "000000000000";

/// Tells the person who watches the test.
#[allow(unused_macros, reason = "not every test file says something")]
macro_rules! say {
    ($($word:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($word)*);
    }};
}
pub(crate) use say;

/// A number from the environment, to replay a run or to ask for more.
pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
