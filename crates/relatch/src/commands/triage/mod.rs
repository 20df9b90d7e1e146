//! `relatch triage`: who, since when, what was read.

mod answer;
mod args;
mod athena;
mod bucket;
mod container;
mod copies;
mod judgements;
mod out;
mod policy;
mod record;
mod run;
mod simulate;
mod sources;
mod start;
mod verdict;

pub(crate) use args::TriageArgs;
pub(crate) use bucket::fetch;
#[cfg(feature = "drill")]
pub(crate) use record::record;
pub(crate) use run::run;
pub(crate) use sources::{connection, lookup};
