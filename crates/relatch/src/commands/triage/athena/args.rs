//! Options of `triage` that lead to Athena.

use clap::Args;
use relatch_aws::TableName;

use super::cost::micro_dollars;

/// Options of `triage` that lead to Athena.
#[derive(Debug, Args)]
#[command(next_help_heading = "Amazon Athena")]
pub(crate) struct AthenaArgs {
    /// Ask this table of CloudTrail records; only events that matter are fetched
    #[arg(long, value_name = "DATABASE.TABLE")]
    pub(super) athena: Option<TableName>,
    /// The workgroup to ask in
    #[arg(long, value_name = "NAME")]
    pub(super) athena_workgroup: Option<String>,
    /// Where Athena keeps its answers, if the workgroup does not say
    #[arg(long, value_name = "s3://BUCKET/PREFIX/")]
    pub(super) athena_output: Option<String>,
    /// The region of the table, if it is not that of the credentials
    #[arg(long, value_name = "REGION")]
    pub(super) athena_region: Option<String>,
    /// Only events of this account, where the table is divided by account; may be repeated
    #[arg(long = "athena-account", value_name = "ACCOUNT")]
    pub(super) athena_accounts: Vec<String>,
    /// Only events of this region, where the table is divided by region; may be repeated
    #[arg(long = "athena-log-region", value_name = "REGION")]
    pub(super) athena_log_regions: Vec<String>,
    /// Days before --since to fetch as well, to know what was normal
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    pub(super) athena_days_before: u16,
    /// Most rounds of asking
    #[arg(long, value_name = "ROUNDS", default_value_t = 8)]
    pub(super) athena_rounds: u16,
    /// US dollars for each terabyte that is read; the default is the list price of us-east-1
    #[arg(long, value_name = "DOLLARS", default_value = "5.00", value_parser = micro_dollars)]
    pub(super) athena_price: u64,
    /// Look only at the table's description, print the SQL of the first round and end
    #[arg(long, requires = "athena")]
    pub(super) dry_run: bool,
    /// Print the statement that makes such a table over the trail of this bucket, and end; with
    /// --athena-account, --athena-log-region and --since
    #[arg(long, value_name = "s3://BUCKET/PREFIX")]
    pub(super) athena_ddl: Option<String>,
    /// The organization whose trail it is, for --athena-ddl
    #[arg(long, value_name = "ORGANIZATION ID", requires = "athena_ddl")]
    pub(super) athena_organization: Option<String>,
}
