//! `relatch plan`: make, show, compare, explain, approve. One file for each.

mod approve;
mod args;
mod diff;
mod emergency;
mod explain;
mod make;
mod run;
mod show;
mod signed;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use approve::{Approval, by_name as approve_by_name};
pub(crate) use args::PlanArgs;
pub(crate) use run::{read, run};
