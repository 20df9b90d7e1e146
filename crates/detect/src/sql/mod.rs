//! The same rules and seeds as SQL, for the engine that already holds the logs: Amazon Athena and
//! other Trino over the CloudTrail table that AWS documents.
//!
//! The SQL picks a little too much and never too little: what Sigma can say and SQL cannot is
//! left out of a condition, and what comes back goes through the same rules as a local file.
//! DuckDB is a second dialect, so that another engine can be asked whether that holds.
//!
//! Every value is a quoted literal and every name is checked, so nothing in a rule, a seed or a
//! table's name is ever run as SQL.

mod bounds;
mod columns;
mod ddl;
mod dialect;
mod query;
mod row;
mod seeds;

pub use columns::{Kind, columns};
pub use ddl::{Trail, ddl};
pub use dialect::Dialect;
pub use query::{MOST_SQL, Query, SqlError, Statements, Table, Window};
pub use row::{RowError, record};
pub use seeds::Seeds;
