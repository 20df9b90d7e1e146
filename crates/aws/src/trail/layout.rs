//! How CloudTrail lays its files out in a bucket:
//! `[prefix/]AWSLogs/[organization/]account/CloudTrail/region/YYYY/MM/DD/file.json.gz`.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Days after the end of the window in which its events may still have been delivered.
/// CloudTrail delivers within minutes as a rule, and late ones within hours.
const LATE_DAYS: i64 = 2;

/// Where a prefix stands in the layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Level {
    /// Above `AWSLogs/`, or in no layout that is known.
    Outside,
    /// Below `AWSLogs/` or an organization: its children are accounts (or organizations).
    Accounts,
    /// An account: its child `CloudTrail/` is what we want.
    Account,
    /// Below `CloudTrail/`: its children are regions.
    Regions,
    /// A region: its keys begin with dates and can be listed from one to another.
    Dated,
    /// Narrower than a region.
    Within,
}

/// Where `prefix`, which ends with `/` or is empty, stands.
pub(super) fn level(prefix: &str) -> Level {
    let Some(below) = below_logs(prefix) else {
        return Level::Outside;
    };
    let below = match below.split_first() {
        Some((first, rest)) if is_organization(first) => rest,
        _ => &below,
    };
    match below {
        [] => Level::Accounts,
        [account] if is_account(account) => Level::Account,
        [account, "CloudTrail"] if is_account(account) => Level::Regions,
        [account, "CloudTrail", _region] if is_account(account) => Level::Dated,
        [account, "CloudTrail", ..] if is_account(account) => Level::Within,
        _ => Level::Outside,
    }
}

/// The segments after the last `AWSLogs`, if there is one.
fn below_logs(prefix: &str) -> Option<Vec<&str>> {
    let segments: Vec<&str> = prefix.split_terminator('/').collect();
    let logs = segments.iter().rposition(|segment| *segment == "AWSLogs")?;
    Some(segments[logs + 1..].to_vec())
}

/// Whether the last segment of `child` names an account or an organization.
pub(super) fn leads_to_accounts(child: &str) -> bool {
    let last = child.split_terminator('/').next_back().unwrap_or_default();
    is_account(last) || is_organization(last)
}

fn is_account(segment: &str) -> bool {
    segment.len() == 12 && segment.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_organization(segment: &str) -> bool {
    segment
        .strip_prefix("o-")
        .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Account and region of a key in the known layout.
pub(super) fn account_and_region(key: &str) -> Option<(&str, &str)> {
    let segments = below_logs(key)?;
    let at = segments
        .iter()
        .position(|segment| *segment == "CloudTrail")?;
    let account = segments[..at]
        .last()
        .filter(|segment| is_account(segment))?;
    Some((account, segments.get(at + 1)?))
}

/// Whether a key is a log file by its ending.
pub(super) fn is_log(key: &str) -> bool {
    [".json.gz", ".json"]
        .iter()
        .any(|ending| key.ends_with(ending))
}

/// The key after which files of events since `since` stand under a region's prefix: a file
/// lies under the day it was made, which is never before its events.
pub(super) fn first_key(prefix: &str, since: Timestamp) -> String {
    format!("{prefix}{}", day(since))
}

/// The first key under a region's prefix that is too late for events until `until`.
pub(super) fn end_key(prefix: &str, until: Timestamp) -> String {
    let late = until
        .to_zoned(TimeZone::UTC)
        .checked_add((LATE_DAYS + 1).days());
    let end = late.map_or(Timestamp::MAX, |zoned| zoned.timestamp());
    format!("{prefix}{}", day(end))
}

fn day(moment: Timestamp) -> String {
    moment.strftime("%Y/%m/%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_placed_in_the_layout() {
        for (prefix, expected) in [
            ("", Level::Outside),
            ("audit/", Level::Outside),
            ("AWSLogs/", Level::Accounts),
            ("audit/AWSLogs/o-a1b2c3d4e5/", Level::Accounts),
            ("AWSLogs/111122223333/", Level::Account),
            ("AWSLogs/o-a1b2c3d4e5/111122223333/", Level::Account),
            ("AWSLogs/111122223333/CloudTrail/", Level::Regions),
            (
                "x/y/AWSLogs/111122223333/CloudTrail/eu-west-1/",
                Level::Dated,
            ),
            (
                "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/",
                Level::Within,
            ),
            ("AWSLogs/111122223333/Config/", Level::Outside),
            ("AWSLogs/1111/CloudTrail/", Level::Outside),
        ] {
            assert_eq!(level(prefix), expected, "{prefix}");
        }
    }

    #[test]
    fn keys_tell_account_and_region() {
        let key = "p/AWSLogs/o-abc/111122223333/CloudTrail/eu-west-1/2026/11/20/f.json.gz";
        assert_eq!(account_and_region(key), Some(("111122223333", "eu-west-1")));
        assert_eq!(account_and_region("logs/f.json.gz"), None);
    }

    #[test]
    fn the_window_keeps_late_files_and_whole_days() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a timestamp");
        let since = first_key("r/", at("2026-11-20T23:59:59Z"));
        let end = end_key("r/", at("2026-11-20T00:00:01Z"));
        let inside = |key: &str| key > since.as_str() && key < end.as_str();
        assert!(inside("r/2026/11/20/a.json.gz"));
        assert!(inside("r/2026/11/22/a.json.gz"), "delivered late");
        assert!(!inside("r/2026/11/19/z.json.gz"));
        assert!(!inside("r/2026/11/23/a.json.gz"));
    }
}
