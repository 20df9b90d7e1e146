//! `relatch triage --athena`: the logs stay where they are, and only the events that matter come.
//!
//! A first round asks for what the detections and the seeds pick out. Each further round asks for
//! everything about the actors, keys and addresses that the one before convicted, until nothing
//! new is convicted.
//!
//! `gather` is the whole of it: `table` and `questions` say what is asked, `rounds` asks,
//! `fetched` keeps what comes back, `follow` says what is asked next, `asked` tells what all of
//! it came to. `ddl` makes a table for those who have none.

mod args;
mod asked;
mod cost;
mod ddl;
mod fetched;
mod follow;
mod gather;
mod questions;
mod rounds;
mod table;

pub(crate) use args::AthenaArgs;
pub(crate) use asked::Asked;
pub(crate) use gather::gather;
