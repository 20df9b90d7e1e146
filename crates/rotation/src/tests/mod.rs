//! Tests of the core, on states that are built fact by fact.

mod decide;
mod diff;
mod drift;
mod explain;
mod graph;
mod order;
mod plan;
mod rollback;
mod summary;
