//! What is asked: a span of time, seeds and detections, as statements.

use jiff::{SignedDuration, Timestamp};
use relatch_aws::TableShape;
use relatch_detect::sql::{self, Dialect, Query, Table, Window};
use relatch_detect::{Level, Rule, RuleSet};
use relatch_evidence::Seeds;

use super::args::AthenaArgs;
use super::follow::is_key;
use crate::app::App;
use crate::error::{CommandError, Kind, OfKind};

/// From some days before the attack until its end, or now. Without a beginning nothing is sent:
/// the whole table would be read and paid.
pub(super) fn window(
    app: &App,
    args: &AthenaArgs,
    seeds: &Seeds,
    shape: &TableShape,
) -> Result<Window, CommandError> {
    let Some(since) = seeds.since else {
        let days = shape.days().unwrap_or("unknown");
        let words = "--athena needs --since: without it the whole table is read and paid";
        let hint = format!(
            "its days: {days}; it is divided by: {}",
            shape.partitions.join(", ")
        );
        return Err(CommandError::new(Kind::Usage, words).hint(hint));
    };
    let before = SignedDuration::from_hours(24 * i64::from(args.athena_days_before));
    let from = since.checked_sub(before).unwrap_or(Timestamp::MIN);
    let to = seeds.until.unwrap_or_else(|| app.now());
    Ok(Window {
        from_ms: from.as_millisecond(),
        to_ms: to.as_millisecond().saturating_add(1000),
    })
}

/// The seeds as SQL knows them.
pub(super) fn given(seeds: &Seeds) -> sql::Seeds {
    let mut given = sql::Seeds {
        access_keys: seeds.access_keys.clone(),
        addresses: seeds.addresses.clone(),
        user_agents: seeds.agents.clone(),
        principals: seeds.arns.clone(),
        ..sql::Seeds::default()
    };
    for actor in &seeds.convicted {
        if actor.starts_with("arn:") {
            given.principals.insert(actor.clone());
        } else if is_key(actor) {
            given.access_keys.insert(actor.clone());
        }
    }
    given
}

/// Who knows the thief asks for less beside him.
pub(super) fn least(seeds: &Seeds) -> Level {
    if seeds.is_empty() && seeds.convicted.is_empty() {
        Level::Medium
    } else {
        Level::High
    }
}

/// Statements for seeds, and for detections from a level on.
pub(super) fn statements(
    rules: &RuleSet,
    table: &Table,
    window: Window,
    seeds: &sql::Seeds,
    least: Option<Level>,
) -> Result<sql::Statements, CommandError> {
    let query = Query {
        dialect: Dialect::Athena,
        table,
        window: Some(window),
        seeds,
    };
    let pick = |rule: &Rule| least.is_some_and(|least| rule.level >= Some(least));
    query.statements(rules, &pick).kind(Kind::Usage)
}
