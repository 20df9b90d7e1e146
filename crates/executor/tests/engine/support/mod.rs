//! A small world in memory that the engine can act on, and everything to act with: a journal
//! in a file, real custody, and time that only passes when nobody has anything to do.

mod issuer;
mod journal;
mod model;
mod setting;
mod store;

pub(crate) use journal::{Kill, Moment};
pub(crate) use model::Trouble;
pub(crate) use setting::{Setting, container, quick, run, slot, step};
