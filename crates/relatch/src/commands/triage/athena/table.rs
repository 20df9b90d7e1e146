//! The table, as the SQL needs it.

use relatch_aws::{TableName, TableShape};
use relatch_detect::sql::{self, Table};

use super::args::AthenaArgs;
use crate::error::{CommandError, Kind};

/// Names under which tables have the account and the region as partitions.
const ACCOUNT: [&str; 4] = ["account", "accountid", "account_id", "recipientaccountid"];
const REGION: [&str; 3] = ["region", "awsregion", "aws_region"];

/// The table, narrowed to the accounts and regions that were named.
pub(super) fn table(
    name: &TableName,
    shape: &TableShape,
    args: &AthenaArgs,
) -> Result<Table, CommandError> {
    let fields = sql::columns().map(|(field, _)| field.to_owned());
    Ok(Table {
        name: name.to_string(),
        day: shape.day().map(str::to_owned),
        accounts: part(shape, &ACCOUNT, &args.athena_accounts, "account")?,
        regions: part(shape, &REGION, &args.athena_log_regions, "region")?,
        lacking: fields.filter(|field| shape.lacks(field)).collect(),
    })
}

fn part(
    shape: &TableShape,
    names: &[&str],
    wanted: &[String],
    what: &str,
) -> Result<Option<(String, Vec<String>)>, CommandError> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let named = |column: &&String| names.contains(&column.as_str());
    let column = shape.partitions.iter().find(named).ok_or_else(|| {
        let words = format!("the table is not divided by {what}: it cannot be narrowed so");
        CommandError::new(Kind::Usage, words)
    })?;
    Ok(Some((column.clone(), wanted.to_vec())))
}
