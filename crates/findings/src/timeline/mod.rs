//! The attacker's events in the order of time: a page for people, tables for tools.

mod chapters;
mod fold;
mod page;
mod tables;

pub use page::html;
pub use tables::{csv, json_lines};

pub(crate) use tables::{line, list};
