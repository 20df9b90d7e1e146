//! What asking came to, as `--json` tells it.

use jiff::Timestamp;
use relatch_aws::TableName;
use relatch_detect::sql::Window;
use serde::Serialize;

/// The rounds of asking one table, and what they came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Asked {
    table: String,
    /// The span of time that was asked for, RFC 3339: from, and before.
    from: Timestamp,
    to: Timestamp,
    rounds: Vec<Round>,
    queries: usize,
    rows: usize,
    scanned_bytes: u64,
    /// At most so many millionths of a US dollar.
    cost_usd_micros: u64,
    stopped_because: Stopped,
    /// Convicted keys, actors, addresses and events that were not asked for any more.
    not_followed: usize,
    /// Detections that have no SQL and saw only what came back.
    detections_without_sql: usize,
}

/// One round.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Round {
    pub(super) round: u16,
    pub(super) queries: usize,
    /// What came back; an event that several queries found counts for each.
    pub(super) rows: usize,
    pub(super) scanned_bytes: u64,
    /// At most so many millionths of a US dollar.
    pub(super) cost_usd_micros: u64,
}

/// Why there was no further round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stopped {
    /// The last round convicted nothing new.
    NothingNew,
    /// There were as many rounds as were allowed.
    MostRounds,
    /// As many events came back as are taken in.
    MostEvents,
}

/// Why asking ended, and what it left.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) stopped: Stopped,
    pub(super) not_followed: usize,
    pub(super) without_sql: usize,
}

impl Asked {
    pub(super) fn new(table: &TableName, window: Window, rounds: Vec<Round>, end: End) -> Self {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap_or_default();
        let all = sum(&rounds);
        Self {
            table: table.to_string(),
            from: at(window.from_ms),
            to: at(window.to_ms),
            queries: all.queries,
            rows: all.rows,
            scanned_bytes: all.scanned_bytes,
            cost_usd_micros: all.cost_usd_micros,
            stopped_because: end.stopped,
            not_followed: end.not_followed,
            detections_without_sql: end.without_sql,
            rounds,
        }
    }
}

/// All rounds as one, with the number of the last.
pub(super) fn sum(rounds: &[Round]) -> Round {
    let add = |all: Round, one: &Round| Round {
        round: one.round,
        queries: all.queries + one.queries,
        rows: all.rows + one.rows,
        scanned_bytes: all.scanned_bytes.saturating_add(one.scanned_bytes),
        cost_usd_micros: all.cost_usd_micros.saturating_add(one.cost_usd_micros),
    };
    rounds.iter().fold(Round::default(), add)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_is_told_in_whole_numbers() {
        let round = |round, rows| Round {
            round,
            queries: 2,
            rows,
            scanned_bytes: 10,
            cost_usd_micros: 106,
        };
        let window = Window {
            from_ms: 0,
            to_ms: 1000,
        };
        let end = End {
            stopped: Stopped::MostRounds,
            not_followed: 3,
            without_sql: 1,
        };
        let name: TableName = "audit.trail".parse().expect("a name");
        let asked = Asked::new(&name, window, vec![round(1, 5), round(2, 0)], end);
        let wanted = json!({
            "table": "audit.trail", "from": "1970-01-01T00:00:00Z", "to": "1970-01-01T00:00:01Z",
            "rounds": [
                {"round": 1, "queries": 2, "rows": 5, "scanned_bytes": 10, "cost_usd_micros": 106},
                {"round": 2, "queries": 2, "rows": 0, "scanned_bytes": 10, "cost_usd_micros": 106},
            ],
            "queries": 4, "rows": 5, "scanned_bytes": 20, "cost_usd_micros": 212,
            "stopped_because": "most_rounds", "not_followed": 3, "detections_without_sql": 1,
        });
        assert_eq!(serde_json::to_value(asked).expect("JSON"), wanted);
    }
}
