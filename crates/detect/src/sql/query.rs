//! Whole statements: rules and seeds over a table and a span of time.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::bounds::{Compiler, Cond};
use super::columns::select;
use super::dialect::{Dialect, list, quoted};
use super::seeds::Seeds;
use crate::ast::Expr;
use crate::compile::RuleSet;
use crate::rule::{Rule, RuleIndex};

/// The most bytes of one statement: Athena takes 262,144
/// (<https://docs.aws.amazon.com/athena/latest/ug/service-limits.html>).
pub const MOST_SQL: usize = 250_000;

/// A table of CloudTrail records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// `database.table` or `catalog.database.table`.
    pub name: String,
    /// The partition column that holds the day as `2026/11/21`, if there is one.
    pub day: Option<String>,
    /// The partition column of accounts, and which to look at.
    pub accounts: Option<(String, Vec<String>)>,
    /// The partition column of regions, and which to look at.
    pub regions: Option<(String, Vec<String>)>,
    /// Fields for which the table has no column, such as `vpcEndpointAccountId`.
    pub lacking: Vec<String>,
}

/// A span of time in milliseconds since 1970: from the first on, before the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first moment.
    pub from_ms: i64,
    /// The first moment after it.
    pub to_ms: i64,
}

/// What to ask for.
#[derive(Clone, Copy, Debug)]
pub struct Query<'q> {
    /// Whose SQL.
    pub dialect: Dialect,
    /// The table.
    pub table: &'q Table,
    /// The span of time. Without it the whole table is read.
    pub window: Option<Window>,
    /// What is known of the thief.
    pub seeds: &'q Seeds,
}

/// Statements that together return every event asked for. An event may come back from several of
/// them: tell them apart by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statements {
    /// The statements.
    pub sql: Vec<String>,
    /// Rules of which SQL can say nothing, so that they would return the whole table. They are
    /// not part of the statements and see only what comes back for other reasons.
    pub not_pushed: Vec<RuleIndex>,
}

/// No statement can be made.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// A name that is not made of letters, digits and underscores.
    #[error("`{name}` cannot be the name of {what}")]
    Name {
        /// What it should name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A value that stands in a statement is not what it should be.
    #[error("`{value}` is not {what}")]
    Value {
        /// What it should be.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// A time that no calendar has.
    #[error("{milliseconds} milliseconds since 1970 is not a time")]
    Time {
        /// The number.
        milliseconds: i64,
    },
    /// A rule or seed whose condition alone is longer than a statement may be.
    #[error("a condition of {bytes} bytes does not fit into a statement of {MOST_SQL}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

impl Query<'_> {
    /// Statements for the seeds, and for those rules of a set that `pick` chooses. Rules that only
    /// feed correlations are offered to it as well.
    pub fn statements(
        &self,
        rules: &RuleSet,
        pick: &dyn Fn(&Rule) -> bool,
    ) -> Result<Statements, SqlError> {
        let mut conditions = self.seeds.conditions(self.dialect);
        let mut not_pushed = Vec::new();
        for (index, rule) in (0..).map(RuleIndex).zip(rules.rules()) {
            match self.condition(&rule.expr) {
                _ if !pick(rule) => {}
                Cond::Always => not_pushed.push(index),
                Cond::Never => {}
                Cond::Sql(text) if conditions.contains(&text) => {}
                Cond::Sql(text) => conditions.push(text),
            }
        }
        Ok(Statements {
            sql: self.assemble(conditions)?,
            not_pushed,
        })
    }

    fn condition(&self, expr: &Expr) -> Cond {
        Compiler {
            dialect: self.dialect,
            lacking: &self.table.lacking,
        }
        .over(expr)
    }

    fn assemble(&self, conditions: Vec<String>) -> Result<Vec<String>, SqlError> {
        let head = self.head()?;
        let room = MOST_SQL.saturating_sub(head.len() + 8);
        let mut all: Vec<String> = Vec::new();
        let mut part = String::new();
        for condition in conditions {
            if condition.len() > room {
                return Err(SqlError::TooLong {
                    bytes: condition.len(),
                });
            }
            if !part.is_empty() && part.len() + condition.len() + 8 > room {
                all.push(format!("{head}({part})"));
                part.clear();
            }
            if !part.is_empty() {
                part.push_str("\n    OR ");
            }
            part.push_str(&condition);
        }
        if !part.is_empty() {
            all.push(format!("{head}({part})"));
        }
        Ok(all)
    }

    fn head(&self) -> Result<String, SqlError> {
        let Table {
            name,
            day,
            accounts,
            regions,
            lacking,
        } = self.table;
        let mut wheres = Vec::new();
        if let Some(window) = self.window {
            if let Some(day) = day {
                wheres.push(days(&identifier("a column", day)?, window)?);
            }
            let (from, to) = (instant(window.from_ms)?, instant(window.to_ms)?);
            // Times of the log are text of one form, in UTC and whole seconds.
            let seconds = |at: Timestamp| quoted(&at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
            wheres.push(format!("eventtime >= {}", seconds(from)));
            wheres.push(format!("eventtime < {}", seconds(up(to))));
        }
        for (column, values) in [accounts, regions].into_iter().flatten() {
            let column = identifier("a column", column)?;
            if values.is_empty() {
                let what = "a list of accounts or regions";
                return Err(SqlError::Value {
                    what,
                    value: String::new(),
                });
            }
            wheres.push(format!("{column} IN ({})", list(values)));
        }
        wheres.push(String::new());
        let columns = select(self.dialect, lacking);
        let name = name.split('.').map(|part| identifier("a table", part));
        let name = name.collect::<Result<Vec<_>, _>>()?.join(".");
        Ok(format!(
            "SELECT {columns}\nFROM {name}\nWHERE {}",
            wheres.join("\n  AND ")
        ))
    }
}

/// A checked and quoted name.
fn identifier(what: &'static str, name: &str) -> Result<String, SqlError> {
    let plain = !name.is_empty()
        && name.len() <= 255
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let faulty = || SqlError::Name {
        what,
        name: name.to_owned(),
    };
    plain.then(|| format!("\"{name}\"")).ok_or_else(faulty)
}

fn instant(milliseconds: i64) -> Result<Timestamp, SqlError> {
    Timestamp::from_millisecond(milliseconds).map_err(|_| SqlError::Time { milliseconds })
}

/// The next whole second.
fn up(at: Timestamp) -> Timestamp {
    let rest = at.subsec_nanosecond() > 0;
    at.checked_add(jiff::SignedDuration::from_secs(i64::from(rest)))
        .unwrap_or(at)
}

/// The days of the window and one more on each side: a record lies under the day on which it was
/// delivered.
fn days(column: &str, window: Window) -> Result<String, SqlError> {
    let date = |milliseconds| Ok(instant(milliseconds)?.to_zoned(TimeZone::UTC).date());
    let text = |date: Date| quoted(&date.strftime("%Y/%m/%d").to_string());
    let first = date(window.from_ms)?.yesterday();
    let last = date(window.to_ms)?.tomorrow();
    let out = |milliseconds| SqlError::Time { milliseconds };
    let first = first.map_err(|_| out(window.from_ms))?;
    let last = last.map_err(|_| out(window.to_ms))?;
    Ok(format!(
        "{column} BETWEEN {} AND {}",
        text(first),
        text(last)
    ))
}
