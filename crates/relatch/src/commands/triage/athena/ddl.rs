//! The statement that makes the table, for those who have none.

use jiff::Timestamp;
use relatch_aws::TrailUrl;
use relatch_detect::sql;

use super::args::AthenaArgs;
use crate::app::App;
use crate::error::{CommandError, Kind, OfKind};

/// The statement that makes the table.
pub(super) fn ddl(
    app: &App,
    args: &AthenaArgs,
    bucket: &str,
    since: Option<Timestamp>,
) -> Result<String, CommandError> {
    let url = TrailUrl::parse(bucket).kind(Kind::Usage)?;
    let needs = |what: &str| CommandError::new(Kind::Usage, format!("--athena-ddl needs {what}"));
    let since = since.ok_or_else(|| needs("--since: the first day of the trail"))?;
    if args.athena_accounts.is_empty() {
        return Err(needs("--athena-account: the accounts whose logs lie there"));
    }
    let mut regions = args.athena_log_regions.clone();
    if regions.is_empty() {
        regions = app.config.regions(&[]);
    }
    if regions.is_empty() {
        return Err(needs(
            "--athena-log-region: the regions whose logs lie there",
        ));
    }
    let name = args.athena.as_ref();
    let trail = sql::Trail {
        table: name.map_or_else(
            || "default.cloudtrail".to_owned(),
            |name| format!("{}.{}", name.database, name.table),
        ),
        bucket: url.bucket,
        prefix: before_logs(&url.prefix).to_owned(),
        organization: args.athena_organization.clone().unwrap_or_default(),
        accounts: args.athena_accounts.clone(),
        regions,
        first_day: since.strftime("%Y/%m/%d").to_string(),
    };
    sql::ddl(&trail).kind(Kind::Usage)
}

/// The prefix of a trail, without the folder that CloudTrail makes in it.
fn before_logs(prefix: &str) -> &str {
    let prefix = prefix.trim_end_matches('/');
    let above = prefix.strip_suffix("AWSLogs");
    above.map_or(prefix, |above| above.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_may_name_the_folder_of_the_trail() {
        for (given, wanted) in [
            ("", ""),
            ("AWSLogs/", ""),
            ("audit/AWSLogs/", "audit"),
            ("audit/", "audit"),
        ] {
            assert_eq!(before_logs(given), wanted);
        }
    }
}
