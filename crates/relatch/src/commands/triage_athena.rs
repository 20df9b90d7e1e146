//! `relatch triage --athena`: the logs stay where they are, and only the events that matter come.
//!
//! A first round asks for what the detections and the seeds pick out. Each further round asks for
//! everything about the actors, keys and addresses that the one before convicted, until nothing
//! new is convicted.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use relatch_aws::{Athena, AthenaOptions, TableName, TableShape, TrailUrl};
use relatch_case::Fault;
use relatch_detect::sql::{self, Dialect, Query, Table, Window};
use relatch_detect::{Level, Rule, RuleSet, builtin};
use relatch_evidence::{
    BlindSpot, Options, Problem, Seeds, Source, Triage, Verdict, triage_sources,
};

use crate::app::App;
use crate::commands::triage;
use crate::error::{CommandError, Kind, OfKind};

/// Most events that are taken in; more would not fit into the memory of a small machine.
const MOST_EVENTS: usize = 1_000_000;
/// A megabyte, the unit in which Athena counts, and how many of them a query costs at least
/// (<https://aws.amazon.com/athena/pricing/>).
const MEGABYTE: u64 = 1 << 20;
const LEAST_MEGABYTES: u64 = 10;
/// Bytes of the terabyte that is paid. The price list does not say which is meant; the smaller
/// one can only overstate the cost.
const TERABYTE: u128 = 1_000_000_000_000;
/// Names under which tables have the account and the region as partitions.
const ACCOUNT: [&str; 4] = ["account", "accountid", "account_id", "recipientaccountid"];
const REGION: [&str; 3] = ["region", "awsregion", "aws_region"];

/// Options of `triage` that lead to Athena.
#[derive(Debug, Args)]
#[command(next_help_heading = "Amazon Athena")]
pub(crate) struct AthenaArgs {
    /// Ask this table of CloudTrail records; only events that matter are fetched
    #[arg(long, value_name = "DATABASE.TABLE")]
    athena: Option<TableName>,
    /// The workgroup to ask in
    #[arg(long, value_name = "NAME")]
    athena_workgroup: Option<String>,
    /// Where Athena keeps its answers, if the workgroup does not say
    #[arg(long, value_name = "s3://BUCKET/PREFIX/")]
    athena_output: Option<String>,
    /// The region of the table, if it is not that of the credentials
    #[arg(long, value_name = "REGION")]
    athena_region: Option<String>,
    /// Only events of this account, where the table is divided by account; may be repeated
    #[arg(long = "athena-account", value_name = "ACCOUNT")]
    athena_accounts: Vec<String>,
    /// Only events of this region, where the table is divided by region; may be repeated
    #[arg(long = "athena-log-region", value_name = "REGION")]
    athena_log_regions: Vec<String>,
    /// Days before --since to fetch as well, to know what was normal
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    athena_days_before: u16,
    /// Most rounds of asking
    #[arg(long, value_name = "ROUNDS", default_value_t = 8)]
    athena_rounds: u16,
    /// US dollars for each terabyte that is read; the default is the list price of us-east-1
    #[arg(long, value_name = "DOLLARS", default_value = "5.00", value_parser = micro_dollars)]
    athena_price: u64,
    /// Look only at the table's description, print the SQL of the first round and end
    #[arg(long, requires = "athena")]
    dry_run: bool,
    /// Print the statement that makes such a table over the trail of this bucket, and end; with
    /// --athena-account, --athena-log-region and --since
    #[arg(long, value_name = "s3://BUCKET/PREFIX")]
    athena_ddl: Option<String>,
    /// The organization whose trail it is, for --athena-ddl
    #[arg(long, value_name = "ORGANIZATION ID", requires = "athena_ddl")]
    athena_organization: Option<String>,
}

/// What asking came to.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// Nothing is to be triaged: what was asked for is printed.
    pub(crate) printed: bool,
    /// The events.
    pub(crate) sources: Vec<Source>,
    problems: Vec<Problem>,
    blind_spots: Vec<BlindSpot>,
}

impl Gathered {
    /// Adds to an answer what could not be fetched, and what that could hide.
    pub(crate) fn complete(self, triage: &mut Triage) {
        triage.problems.extend(self.problems);
        triage.blind_spots.extend(self.blind_spots);
    }
}

/// Fetches what matters for these seeds, if Athena is to be asked at all. `others` is the evidence
/// from elsewhere, which takes part in following the thief.
pub(crate) async fn gather(
    app: &App,
    args: &AthenaArgs,
    seeds: &Seeds,
    others: &[Source],
) -> Result<Gathered, CommandError> {
    if let Some(bucket) = &args.athena_ddl {
        app.printer.data(&ddl(app, args, bucket, seeds.since)?);
        return Ok(printed());
    }
    let Some(name) = &args.athena else {
        return Ok(Gathered::default());
    };
    let region = args.athena_region.clone().unwrap_or_default();
    let options = AthenaOptions {
        workgroup: args.athena_workgroup.clone(),
        output: args.athena_output.clone(),
    };
    let connection = triage::connection(app).await;
    let athena = Athena::new(&connection, &region, options);
    let shape = athena.describe(name).await.map_err(refused)?;
    let table = table(name, &shape, args)?;
    let window = window(app, args, seeds, &shape)?;
    let rules = RuleSet::compile(builtin());
    if args.dry_run {
        let first = statements(&rules, &table, window, &given(seeds), Some(least(seeds)))?;
        app.printer.data(&first.sql.join(";\n\n"));
        return Ok(printed());
    }
    tell_plan(app, name, &table, &shape, window);
    let mut rounds = Rounds {
        app,
        args,
        athena: &athena,
        name,
        table: &table,
        window,
        rules: &rules,
        seeds,
        fetched: Fetched::default(),
    };
    rounds.run(others).await?;
    if rounds.fetched.events == 0 && others.is_empty() {
        let words = format!("no event of {name} fits the detections or the seeds in this time");
        return Err(CommandError::new(Kind::Incomplete, words)
            .hint("that proves nothing: look at the table's days, its partitions and the seeds"));
    }
    Ok(rounds.fetched.into_gathered(name))
}

fn printed() -> Gathered {
    Gathered {
        printed: true,
        ..Gathered::default()
    }
}

/// A refusal with what it takes.
fn refused(fault: Fault) -> CommandError {
    let denied = fault.kind == relatch_case::FaultKind::Denied;
    let error = CommandError::from(fault);
    if !denied {
        return error;
    }
    error
        .hint("on the workgroup: athena:StartQueryExecution, GetQueryExecution, GetQueryResults, StopQueryExecution; on the catalog: athena:GetTableMetadata, glue:GetTable, glue:GetPartitions")
        .hint("on the logs: s3:GetObject and s3:ListBucket (and kms:Decrypt); on the place of answers: also s3:PutObject and s3:GetBucketLocation")
}

/// The table as the SQL needs it.
fn table(name: &TableName, shape: &TableShape, args: &AthenaArgs) -> Result<Table, CommandError> {
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

/// From some days before the attack until its end, or now. Without a beginning nothing is sent:
/// the whole table would be read and paid.
fn window(
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

fn tell_plan(app: &App, name: &TableName, table: &Table, shape: &TableShape, window: Window) {
    let at = |ms| Timestamp::from_millisecond(ms).unwrap_or_default();
    let (from, to) = (at(window.from_ms), at(window.to_ms));
    let note = |words: String| app.printer.note(&words);
    note(format!(
        "{name}: asking for {from:.0} to {to:.0}; Athena tells the cost only afterwards"
    ));
    match (&table.day, shape.days()) {
        (Some(day), Some(days)) => note(format!(
            "{name}: only these days are read, by the partition `{day}` ({days})"
        )),
        (Some(day), None) => note(format!(
            "{name}: only these days are read, by the partition `{day}`"
        )),
        (None, _) => note(format!(
            "! {name}: no partition is known to hold the day as yyyy/MM/dd, so each query reads the whole table (divided by: {}); relatch triage --athena-ddl prints a table that is divided by day",
            shape.partitions.join(", ")
        )),
    }
    if !table.lacking.is_empty() {
        note(format!(
            "! {name} has no column for: {}",
            table.lacking.join(", ")
        ));
    }
}

/// The seeds as SQL knows them.
fn given(seeds: &Seeds) -> sql::Seeds {
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
fn least(seeds: &Seeds) -> Level {
    if seeds.is_empty() && seeds.convicted.is_empty() {
        Level::Medium
    } else {
        Level::High
    }
}

/// Statements for seeds, and for detections from a level on.
fn statements(
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

/// The rounds of asking.
struct Rounds<'a> {
    app: &'a App,
    args: &'a AthenaArgs,
    athena: &'a Athena,
    name: &'a TableName,
    table: &'a Table,
    window: Window,
    rules: &'a RuleSet,
    seeds: &'a Seeds,
    fetched: Fetched,
}

/// What came back so far.
#[derive(Debug, Default)]
struct Fetched {
    sources: Vec<Source>,
    problems: Vec<Problem>,
    events: usize,
    scanned_bytes: u64,
    micro_dollars: u64,
    not_pushed: usize,
    /// Shared ids and source identities, by event id.
    ties: BTreeMap<String, Ties>,
}

/// What ties an event to others that are not its actor's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Ties {
    shared: Option<String>,
    source_identity: Option<String>,
}

impl Rounds<'_> {
    async fn run(&mut self, others: &[Source]) -> Result<(), CommandError> {
        let (mut asked, mut next) = (given(self.seeds), given(self.seeds));
        for round in 1..=self.args.athena_rounds.max(1) {
            self.round(round, &next, (round == 1).then(|| least(self.seeds)))
                .await?;
            let convicted = self.convicted(others)?;
            next = beyond(&convicted, &asked);
            if count(&next) == 0 {
                self.tell_end(&format!("nothing new was convicted after round {round}"));
                return Ok(());
            }
            add(&mut asked, &next);
            if self.is_full() {
                break;
            }
        }
        let open = count(&next);
        self.tell_end(&format!(
            "stopped with {open} keys, actors and addresses not asked for"
        ));
        self.fetched.problems.push(problem(
            self.name,
            &format!("asking stopped before {open} convicted keys, actors and addresses were followed: more rounds (--athena-rounds) or a shorter window are needed"),
        ));
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.fetched.events >= MOST_EVENTS
    }

    async fn round(
        &mut self,
        round: u16,
        seeds: &sql::Seeds,
        least: Option<Level>,
    ) -> Result<(), CommandError> {
        let made = statements(self.rules, self.table, self.window, seeds, least)?;
        self.fetched.not_pushed += made.not_pushed.len();
        let before = (
            self.fetched.events,
            self.fetched.scanned_bytes,
            self.fetched.micro_dollars,
        );
        for sql in &made.sql {
            self.query(round, sql).await?;
        }
        self.app.printer.note(&format!(
            "{} round {round}: {} queries, {} events, {} read, about {}",
            self.name,
            made.sql.len(),
            self.fetched.events - before.0,
            size(self.fetched.scanned_bytes - before.1),
            dollars(self.fetched.micro_dollars - before.2)
        ));
        Ok(())
    }

    async fn query(&mut self, round: u16, sql: &str) -> Result<(), CommandError> {
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
            self.fetched.scanned_bytes += end.scanned_bytes;
            self.fetched.micro_dollars += cost(end.scanned_bytes, self.args.athena_price);
        }
        end.outcome.map_err(refused)?;
        let mut rows = self.athena.rows(&id);
        let mut page = 0;
        while let Some(some) = rows.next_page().await.map_err(refused)? {
            page += 1;
            let name = format!("{} round {round} query {id} page {page}", self.name);
            self.fetched.take(&name, &some.columns, &some.rows)?;
            if self.is_full() {
                let words = format!("more than {MOST_EVENTS} events came back: the rest was left");
                self.fetched.problems.push(problem(self.name, &words));
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
        self.app.printer.note(&format!(
            "{}: {why}; {} events, {} read in all, about {}",
            self.name,
            self.fetched.events,
            size(self.fetched.scanned_bytes),
            dollars(self.fetched.micro_dollars)
        ));
    }
}

impl Fetched {
    fn take(
        &mut self,
        name: &str,
        columns: &[String],
        rows: &[Vec<Option<String>>],
    ) -> Result<(), CommandError> {
        let mut lines = String::new();
        for row in rows {
            let pairs = columns.iter().map(String::as_str);
            let record = sql::record(pairs.zip(row.iter().map(Option::as_deref)))?;
            let value = |name: &str| {
                let at = columns
                    .iter()
                    .position(|one| one.eq_ignore_ascii_case(name))?;
                row.get(at)?.clone().filter(|text| !text.is_empty())
            };
            let ties = Ties {
                shared: value("sharedEventID"),
                source_identity: value("userIdentity.sessionContext.sourceIdentity"),
            };
            if let Some(id) = value("eventID").filter(|_| ties != Ties::default()) {
                self.ties.insert(id, ties);
            }
            lines.push_str(&record);
            lines.push('\n');
        }
        self.events += rows.len();
        if !rows.is_empty() {
            self.sources.push(Source::Bytes {
                name: name.to_owned(),
                bytes: lines.into_bytes(),
            });
        }
        Ok(())
    }

    fn into_gathered(self, name: &TableName) -> Gathered {
        let more = match self.not_pushed {
            0 => String::new(),
            rules => format!("; {rules} detections have no SQL and saw only what came back"),
        };
        let spot = BlindSpot {
            what: format!(
                "only events that the detections, the seeds and the convicted actors point to were fetched from {name}{more}"
            ),
            hides: "what the thief did under an identity that no detection, seed or conviction leads to".to_owned(),
        };
        Gathered {
            printed: false,
            sources: self.sources,
            problems: self.problems,
            blind_spots: vec![spot],
        }
    }
}

fn problem(name: &TableName, what: &str) -> Problem {
    Problem {
        file: name.to_string(),
        line: None,
        offset: None,
        what: what.to_owned(),
    }
}

/// Keys, actors and addresses that are, or may be, the thief's.
fn convicted(triage: &Triage, ties: &BTreeMap<String, Ties>) -> sql::Seeds {
    let mut found = sql::Seeds {
        addresses: triage.addresses.iter().cloned().collect(),
        access_keys: triage.created_keys.clone(),
        ..sql::Seeds::default()
    };
    let whose = |verdict| verdict != Verdict::Legitimate;
    let actors = triage.actors.iter();
    for actor in actors.filter(|actor| whose(actor.verdict) && actor.kind != "service") {
        found.access_keys.extend(actor.access_keys.iter().cloned());
        let arn = actor.arn.iter().filter(|arn| arn.starts_with("arn:"));
        found.principals.extend(arn.cloned());
    }
    let handed = triage.issued_credentials.iter().map(|read| &read.id);
    found
        .access_keys
        .extend(handed.filter(|id| is_key(id)).cloned());
    let made = triage.persistence.iter();
    found.principals.extend(made.filter_map(|made| {
        let kind = match made.kind.as_str() {
            "user" | "login_profile" => "user",
            "role" | "trust_policy" => "role",
            _ => return None,
        };
        match (&made.account, made.id.starts_with("arn:")) {
            (_, true) => Some(made.id.clone()),
            (Some(account), false) => Some(format!("arn:aws:iam::{account}:{kind}/{}", made.id)),
            (None, false) => None,
        }
    }));
    for tie in triage.tainted_events.iter().filter_map(|id| ties.get(id)) {
        found.events.extend(tie.shared.clone());
        found.source_identities.extend(tie.source_identity.clone());
    }
    found
}

fn is_key(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    ["AKIA", "ASIA"].iter().any(|start| id.starts_with(start)) && id.bytes().all(plain)
}

/// The sets of some seeds, always in the same order.
fn sets(seeds: &mut sql::Seeds) -> [&mut BTreeSet<String>; 6] {
    [
        &mut seeds.access_keys,
        &mut seeds.addresses,
        &mut seeds.user_agents,
        &mut seeds.principals,
        &mut seeds.source_identities,
        &mut seeds.events,
    ]
}

/// What was not asked for before.
fn beyond(seeds: &sql::Seeds, asked: &sql::Seeds) -> sql::Seeds {
    let (mut new, mut asked) = (seeds.clone(), asked.clone());
    for (new, asked) in sets(&mut new).into_iter().zip(sets(&mut asked)) {
        new.retain(|one| !asked.contains(one));
    }
    new
}

fn add(to: &mut sql::Seeds, more: &sql::Seeds) {
    let mut more = more.clone();
    for (to, more) in sets(to).into_iter().zip(sets(&mut more)) {
        to.append(more);
    }
}

fn count(seeds: &sql::Seeds) -> usize {
    let mut seeds = seeds.clone();
    sets(&mut seeds).into_iter().map(|set| set.len()).sum()
}

/// What a query costs in millionths of a dollar, at so many a terabyte.
fn cost(scanned_bytes: u64, price: u64) -> u64 {
    let megabytes = scanned_bytes.div_ceil(MEGABYTE).max(LEAST_MEGABYTES);
    let bytes = u128::from(megabytes) * u128::from(MEGABYTE);
    u64::try_from((bytes * u128::from(price)).div_ceil(TERABYTE)).unwrap_or(u64::MAX)
}

/// Millionths of a dollar as `$0.0123`, never less than it is.
fn dollars(micro: u64) -> String {
    let parts = micro.div_ceil(100);
    format!("${}.{:04}", parts / 10_000, parts % 10_000)
}

/// Reads `5`, `5.00` or `0.005` dollars as millionths.
fn micro_dollars(text: &str) -> Result<u64, String> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || part.len() > 6 || !digits(whole) || !digits(part) {
        return Err(
            "an amount like 5.00 is needed, with six digits behind the point at most".into(),
        );
    }
    let whole: Option<u64> = whole.parse().ok();
    let part: Option<u64> = format!("{part:0<6}").parse().ok();
    let all = whole
        .zip(part)
        .and_then(|(whole, part)| whole.checked_mul(1_000_000)?.checked_add(part));
    all.ok_or_else(|| "the amount is too large".into())
}

fn size(bytes: u64) -> String {
    let megabytes = bytes.div_ceil(MEGABYTE);
    if megabytes < 10_000 {
        format!("{megabytes} MiB")
    } else {
        format!("{} GiB", megabytes.div_ceil(1024))
    }
}

/// The statement that makes the table.
fn ddl(
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
    fn a_price_is_read_and_a_cost_never_understated() {
        assert_eq!(micro_dollars("5"), Ok(5_000_000));
        assert_eq!(micro_dollars("0.005"), Ok(5_000));
        for wrong in ["", ".5", "-1", "5,00", "1.0000001", "99999999999999999999"] {
            micro_dollars(wrong).expect_err(wrong);
        }
        // Ten megabytes at least; a terabyte of 2^40 bytes at five dollars.
        assert_eq!(cost(0, 5_000_000), 53);
        assert_eq!(cost(1 << 40, 5_000_000), 5_497_559);
        assert_eq!(dollars(53), "$0.0001");
        assert_eq!(dollars(5_497_559), "$5.4976");
    }

    #[test]
    fn each_round_asks_only_for_what_is_new() {
        let seeds = |keys: &[&str], events: &[&str]| sql::Seeds {
            access_keys: keys.iter().map(ToString::to_string).collect(),
            events: events.iter().map(ToString::to_string).collect(),
            ..sql::Seeds::default()
        };
        let mut asked = seeds(&["AKIA1"], &[]);
        let next = beyond(&seeds(&["AKIA1", "AKIA2"], &["e"]), &asked);
        assert_eq!(next, seeds(&["AKIA2"], &["e"]));
        assert_eq!(count(&next), 2);
        add(&mut asked, &next);
        assert_eq!(count(&beyond(&next, &asked)), 0);
    }

    #[test]
    fn rows_become_evidence_and_what_ties_them_to_others_is_kept() {
        let columns = ["eventID", "sharedEventID", "eventName"].map(str::to_owned);
        let text = |text: &str| Some(text.to_owned());
        let rows = [
            vec![text("1"), text("shared"), text("AssumeRole")],
            vec![text("2"), None, text("GetObject")],
        ];
        let mut fetched = Fetched::default();
        fetched.take("page 1", &columns, &rows).expect("taken");
        fetched.take("page 2", &columns, &[]).expect("taken");
        assert_eq!((fetched.events, fetched.sources.len()), (2, 1));
        let Source::Bytes { bytes, .. } = &fetched.sources[0] else {
            panic!("bytes");
        };
        assert_eq!(String::from_utf8_lossy(bytes).lines().count(), 2);
        assert_eq!(fetched.ties.len(), 1);
        assert_eq!(fetched.ties["1"].shared.as_deref(), Some("shared"));
        let wrong = ["surprise".to_owned()];
        fetched
            .take("page 3", &wrong, &[vec![None]])
            .expect_err("refused");
    }

    #[test]
    fn what_is_convicted_is_asked_for_and_nothing_else() {
        let line = |id: &str, key: &str, name: &str, address: &str, more: &str| {
            format!(
                r#"{{"eventID":"{id}","eventTime":"2026-11-10T10:00:0{id}Z","eventName":"{name}","eventSource":"iam.amazonaws.com","awsRegion":"us-east-1","sourceIPAddress":"{address}","userAgent":"x","userIdentity":{{"type":"IAMUser","userName":"{key}","arn":"arn:aws:iam::111122223333:user/{key}","accountId":"111122223333","accessKeyId":"{key}"}}{more}}}"#
            )
        };
        let made = r#","requestParameters":{"userName":"b"},"responseElements":{"accessKey":{"accessKeyId":"AKIAMADEMADEMADEMADE","userName":"b","status":"Active"}}"#;
        let lines = [
            line(
                "1",
                "AKIATHIEFTHIEFTHIEFX",
                "CreateAccessKey",
                "198.51.100.7",
                made,
            ),
            line("2", "AKIAOWNEROWNEROWNERX", "ListUsers", "203.0.113.5", ""),
        ];
        let source = Source::Bytes {
            name: "x".to_owned(),
            bytes: lines.join("\n").into_bytes(),
        };
        let seeds = Seeds {
            access_keys: ["AKIATHIEFTHIEFTHIEFX".to_owned()].into(),
            ..Seeds::default()
        };
        let triage = triage_sources(&[source], &Options::with_seeds(seeds)).expect("triaged");
        let ties = Ties {
            shared: Some("s".to_owned()),
            source_identity: None,
        };
        let ties = [("1".to_owned(), ties.clone()), ("2".to_owned(), ties)].into();
        let found = convicted(&triage, &ties);
        let keys: Vec<&str> = found.access_keys.iter().map(String::as_str).collect();
        assert_eq!(keys, ["AKIAMADEMADEMADEMADE", "AKIATHIEFTHIEFTHIEFX"]);
        assert!(found.addresses.contains("198.51.100.7"));
        assert!(!found.addresses.contains("203.0.113.5"));
        assert!(
            found
                .principals
                .contains("arn:aws:iam::111122223333:user/AKIATHIEFTHIEFTHIEFX")
        );
        assert_eq!(found.events, ["s".to_owned()].into());
    }

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
