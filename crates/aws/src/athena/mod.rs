//! Amazon Athena: SQL over the logs where they lie.
//!
//! A query is started, waited for, and its rows are read page by page; what it scanned, and so
//! what it costs, is told also when it fails. A table's own description says which of its
//! partitions hold days and which columns it lacks.

mod query;
mod rows;
mod table;

pub use query::{Athena, AthenaOptions, QueryEnd};
pub use rows::{AthenaRows, RowPage};
pub use table::{TableName, TableShape};
