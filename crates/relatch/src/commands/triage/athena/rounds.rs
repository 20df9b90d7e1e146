//! The rounds of asking.

use relatch_aws::{Athena, TableName};
use relatch_detect::RuleSet;
use relatch_detect::sql::{self, Table, Window};
use relatch_evidence::{Options, Seeds, Source, triage_sources};

use super::args::AthenaArgs;
use super::asked::{Asked, End, Round, Stopped, sum};
use super::cost::{cost, dollars, size};
use super::fetched::{Fetched, MOST_EVENTS};
use super::follow::{add, beyond, convicted, count};
use super::gather::refused;
use super::questions::{given, least, statements};
use crate::app::App;
use crate::error::{CommandError, Kind};

/// Asking, under way.
pub(super) struct Rounds<'a> {
    pub(super) app: &'a App,
    pub(super) args: &'a AthenaArgs,
    pub(super) athena: &'a Athena,
    pub(super) name: &'a TableName,
    pub(super) table: &'a Table,
    pub(super) window: Window,
    pub(super) rules: &'a RuleSet,
    pub(super) seeds: &'a Seeds,
    pub(super) fetched: Fetched,
    pub(super) rounds: Vec<Round>,
}

impl Rounds<'_> {
    /// Asks until nothing new is convicted, or a bound is met.
    pub(super) async fn run(&mut self, others: &[Source]) -> Result<Asked, CommandError> {
        let (mut asked, mut next) = (given(self.seeds), given(self.seeds));
        let mut stopped = Stopped::MostRounds;
        for round in 1..=self.args.athena_rounds.max(1) {
            self.round(round, &next).await?;
            let convicted = self.convicted(others)?;
            next = beyond(&convicted, &asked);
            if count(&next) == 0 {
                self.tell_end(&format!("nothing new was convicted after round {round}"));
                return Ok(self.ended(Stopped::NothingNew, 0));
            }
            add(&mut asked, &next);
            if self.fetched.is_full() {
                stopped = Stopped::MostEvents;
                break;
            }
        }
        Ok(self.stop(stopped, count(&next)))
    }

    /// Ends with something that was not followed.
    fn stop(&mut self, stopped: Stopped, open: usize) -> Asked {
        self.tell_end(&format!(
            "stopped with {open} keys, actors and addresses not asked for"
        ));
        self.fetched.problem(
            self.name,
            format!("asking stopped before {open} convicted keys, actors and addresses were followed: more rounds (--athena-rounds) or a shorter window are needed"),
        );
        self.ended(stopped, open)
    }

    fn ended(&mut self, stopped: Stopped, not_followed: usize) -> Asked {
        let end = End {
            stopped,
            not_followed,
            without_sql: self.fetched.not_pushed,
        };
        let rounds = std::mem::take(&mut self.rounds);
        Asked::new(self.name, self.window, rounds, end)
    }

    /// One round; the first also asks for what the detections pick out.
    async fn round(&mut self, number: u16, seeds: &sql::Seeds) -> Result<(), CommandError> {
        let least = (number == 1).then(|| least(self.seeds));
        let made = statements(self.rules, self.table, self.window, seeds, least)?;
        self.fetched.not_pushed += made.not_pushed.len();
        let mut round = Round {
            round: number,
            queries: made.sql.len(),
            ..Round::default()
        };
        for sql in &made.sql {
            self.query(&mut round, sql).await?;
        }
        self.app.printer.note(&format!(
            "{} round {number}: {} queries, {} events, {} read, about {}",
            self.name,
            round.queries,
            round.rows,
            size(round.scanned_bytes),
            dollars(round.cost_usd_micros)
        ));
        self.rounds.push(round);
        Ok(())
    }

    async fn query(&mut self, round: &mut Round, sql: &str) -> Result<(), CommandError> {
        let id = self.athena.start(sql).await.map_err(refused)?;
        let end = tokio::select! {
            end = self.athena.finish(&id) => end,
            stop = tokio::signal::ctrl_c() => {
                stop?;
                // What nobody waits for would go on to read, and to cost.
                self.athena.stop(&id).await?;
                return Err(CommandError::new(Kind::Failed, format!("the query {id} was stopped")));
            }
        };
        let end = end.map_err(refused)?;
        if end.cancelled || end.outcome.is_ok() {
            round.scanned_bytes += end.scanned_bytes;
            round.cost_usd_micros += cost(end.scanned_bytes, self.args.athena_price);
        }
        end.outcome.map_err(refused)?;
        self.take(round, &id).await
    }

    /// Takes in the rows of a query that ended well.
    async fn take(&mut self, round: &mut Round, id: &str) -> Result<(), CommandError> {
        let mut rows = self.athena.rows(id);
        let mut page = 0;
        while let Some(some) = rows.next_page().await.map_err(refused)? {
            page += 1;
            let number = round.round;
            let name = format!("{} round {number} query {id} page {page}", self.name);
            self.fetched.take(&name, &some)?;
            round.rows += some.rows.len();
            if self.fetched.is_full() {
                let words = format!("more than {MOST_EVENTS} events came back: the rest was left");
                self.fetched.problem(self.name, words);
                break;
            }
        }
        Ok(())
    }

    /// What is to be asked for, by all that is known now.
    fn convicted(&self, others: &[Source]) -> Result<sql::Seeds, CommandError> {
        let sources: Vec<Source> = others
            .iter()
            .chain(&self.fetched.sources)
            .cloned()
            .collect();
        if sources.is_empty() {
            return Ok(sql::Seeds::default());
        }
        let triage = triage_sources(&sources, &Options::with_seeds(self.seeds.clone()))?;
        Ok(convicted(&triage, &self.fetched.ties))
    }

    fn tell_end(&self, why: &str) {
        let all = sum(&self.rounds);
        self.app.printer.note(&format!(
            "{}: {why}; {} events, {} read in all, about {}",
            self.name,
            all.rows,
            size(all.scanned_bytes),
            dollars(all.cost_usd_micros)
        ));
    }
}
