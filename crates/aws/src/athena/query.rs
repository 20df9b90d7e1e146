//! Queries: start, wait, stop.

use std::time::Duration;

use aws_sdk_athena::Client;
use aws_sdk_athena::types::{
    QueryExecution, QueryExecutionState as State, QueryExecutionStatus, ResultConfiguration,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use relatch_case::{Fault, FaultKind};

use super::rows::AthenaRows;
use super::table::{TableName, TableShape};
use crate::connection::Connection;
use crate::error::fault_of_read;

/// The first pause between two looks at a query; each is half as long again as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How queries are run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AthenaOptions {
    /// The workgroup; Athena's `primary` if left out.
    pub workgroup: Option<String>,
    /// Where answers are kept, `s3://bucket/prefix/`; the workgroup's place if left out.
    pub output: Option<String>,
}

/// Athena in one region, where the table is.
#[derive(Debug, Clone)]
pub struct Athena {
    client: Client,
    options: AthenaOptions,
}

/// How a query ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryEnd {
    /// Bytes that it read. A query that was cancelled is paid for what it had read by then, one
    /// that failed is not (<https://aws.amazon.com/athena/pricing/>).
    pub scanned_bytes: u64,
    /// Whether it was cancelled.
    pub cancelled: bool,
    /// Why there is no answer, in Athena's words.
    pub outcome: Result<(), Fault>,
}

impl Athena {
    /// Opens it; nothing is sent yet. `region` may be empty for the connection's own.
    pub fn new(connection: &Connection, region: &str, options: AthenaOptions) -> Self {
        Self {
            client: Client::new(&connection.read_config(region)),
            options,
        }
    }

    /// What is known of a table.
    pub async fn describe(&self, table: &TableName) -> Result<TableShape, Fault> {
        let answer = self
            .client
            .get_table_metadata()
            .catalog_name(&table.catalog)
            .database_name(&table.database)
            .table_name(&table.table)
            .set_work_group(self.options.workgroup.clone())
            .send()
            .await
            .map_err(|error| named("athena:GetTableMetadata", error))?;
        Ok(TableShape::of(answer.table_metadata))
    }

    /// Starts a query and gives its id. Sent again after a lost answer, it is the same query: the
    /// request carries a token.
    pub async fn start(&self, sql: &str) -> Result<String, Fault> {
        let output = self.options.output.clone();
        let output = output.map(|at| ResultConfiguration::builder().output_location(at).build());
        let answer = self
            .client
            .start_query_execution()
            .query_string(sql)
            .set_work_group(self.options.workgroup.clone())
            .set_result_configuration(output)
            .send()
            .await
            .map_err(|error| named("athena:StartQueryExecution", error))?;
        answer.query_execution_id.ok_or_else(|| {
            let words = "athena:StartQueryExecution: the answer names no query";
            Fault::new(FaultKind::Ambiguous, words)
        })
    }

    /// Waits for the end of a query. An error means that it could not be asked after and may
    /// still run.
    pub async fn finish(&self, id: &str) -> Result<QueryEnd, Fault> {
        let mut pause = FIRST_PAUSE;
        loop {
            let execution = self.look(id).await?;
            if let Some(end) = end(id, &execution) {
                return Ok(end);
            }
            tokio::time::sleep(pause).await;
            pause = (pause + pause / 2).min(LONGEST_PAUSE);
        }
    }

    async fn look(&self, id: &str) -> Result<QueryExecution, Fault> {
        let answer = self
            .client
            .get_query_execution()
            .query_execution_id(id)
            .send()
            .await
            .map_err(|error| named("athena:GetQueryExecution", error))?;
        answer.query_execution.ok_or_else(|| {
            let words = format!("athena:GetQueryExecution: nothing is said of query {id}");
            Fault::new(FaultKind::Unreachable, words)
        })
    }

    /// Stops a query that nobody waits for any more: it would go on to read, and to cost.
    pub async fn stop(&self, id: &str) -> Result<(), Fault> {
        let stop = self.client.stop_query_execution().query_execution_id(id);
        let sent = stop.send().await;
        sent.map(drop)
            .map_err(|error| named("athena:StopQueryExecution", error))
    }

    /// The rows of a query that ended well, page by page.
    pub fn rows(&self, id: &str) -> AthenaRows {
        AthenaRows::new(self.client.clone(), id)
    }
}

/// A failed call under the name of the permission that it needs.
pub(super) fn named<E: ProvideErrorMetadata>(
    permission: &str,
    error: SdkError<E, HttpResponse>,
) -> Fault {
    let fault = fault_of_read(error);
    Fault::new(fault.kind, format!("{permission}: {}", fault.detail))
}

/// How the query ended, if it did.
fn end(id: &str, execution: &QueryExecution) -> Option<QueryEnd> {
    let status = execution.status()?;
    let scanned = execution
        .statistics()
        .and_then(aws_sdk_athena::types::QueryExecutionStatistics::data_scanned_in_bytes);
    let ended = |cancelled, outcome| {
        Some(QueryEnd {
            scanned_bytes: scanned.and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
            cancelled,
            outcome,
        })
    };
    match status.state()? {
        State::Succeeded => ended(false, Ok(())),
        State::Failed => ended(false, Err(failure(id, "failed", status))),
        // Somebody stopped it, or a limit of the workgroup on scanned bytes did.
        State::Cancelled => ended(true, Err(failure(id, "was cancelled", status))),
        _ => None,
    }
}

fn failure(id: &str, what: &str, status: &QueryExecutionStatus) -> Fault {
    let error = status.athena_error();
    let why = status
        .state_change_reason()
        .filter(|reason| !reason.is_empty())
        .or_else(|| error.and_then(|error| error.error_message()))
        .unwrap_or("no reason given");
    let kind = match error {
        _ if is_refusal(why) => FaultKind::Denied,
        Some(error) if error.retryable() => FaultKind::Unreachable,
        _ => FaultKind::Invalid,
    };
    Fault::new(kind, format!("the Athena query {id} {what}: {why}"))
}

/// Whether a query failed for want of a permission, on the table, the logs or the answer's place.
fn is_refusal(why: &str) -> bool {
    let why = why.to_ascii_lowercase().replace(' ', "");
    ["accessdenied", "notauthorized", "insufficientpermission"]
        .iter()
        .any(|sign| why.contains(sign))
}

#[cfg(test)]
mod tests {
    use aws_sdk_athena::types::{AthenaError, QueryExecutionStatistics};

    use super::*;

    fn execution(state: State, why: &str, retryable: bool) -> QueryExecution {
        let error = AthenaError::builder().retryable(retryable).build();
        QueryExecution::builder()
            .status(
                QueryExecutionStatus::builder()
                    .state(state)
                    .state_change_reason(why)
                    .athena_error(error)
                    .build(),
            )
            .statistics(
                QueryExecutionStatistics::builder()
                    .data_scanned_in_bytes(7)
                    .build(),
            )
            .build()
    }

    #[test]
    fn each_end_is_told_with_its_reason_and_what_was_read() {
        let ended = |state, why, retryable| end("q", &execution(state, why, retryable));
        assert_eq!(ended(State::Queued, "", false), None);
        assert_eq!(ended(State::Running, "", false), None);
        let well = ended(State::Succeeded, "", false).expect("ended");
        assert_eq!(
            (well.scanned_bytes, well.outcome, well.cancelled),
            (7, Ok(()), false)
        );
        for (state, why, retryable, kind) in [
            (
                State::Failed,
                "Access denied when writing to s3://x",
                false,
                FaultKind::Denied,
            ),
            (
                State::Failed,
                "Insufficient permissions to execute the query",
                true,
                FaultKind::Denied,
            ),
            (
                State::Failed,
                "Query exhausted resources",
                true,
                FaultKind::Unreachable,
            ),
            (
                State::Failed,
                "COLUMN_NOT_FOUND: line 1:8",
                false,
                FaultKind::Invalid,
            ),
            (
                State::Cancelled,
                "Bytes scanned limit was exceeded",
                false,
                FaultKind::Invalid,
            ),
        ] {
            let end = ended(state.clone(), why, retryable).expect("ended");
            let fault = end.outcome.expect_err("no answer");
            assert_eq!(fault.kind, kind, "{why}");
            assert!(fault.detail.contains(why), "{fault}");
            assert_eq!(
                (end.scanned_bytes, end.cancelled),
                (7, state == State::Cancelled)
            );
        }
    }
}
