//! How long a journal takes to come back: `write FILE FACTS`, then, each in a process of its
//! own so that its peak memory is its own, `check FILE` (open it and check the chain) and
//! `resume FILE` (the same, and fold the facts). `postgresql://…` in place of FILE uses a case
//! named `resume` there.

use std::io::Write;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use relatch_case::fact::{Outcome, StepResult};
use relatch_case::model::{Liveness, Probe, ProbeKind};
use relatch_case::postgres::{PostgresConfig, PostgresJournal};
use relatch_case::sqlite::SqliteJournal;
use relatch_case::{CaseId, Draft, Fact, Journal, State};

/// What a warm rotation of one credential with two places and a consumer does.
const VERBS: [&str; 10] = [
    "mint",
    "check",
    "write:secretsmanager:us-east-1:prod/payments/openai#api_key",
    "write:lambda:us-east-1:checkout#OPENAI_API_KEY",
    "roll:lambda:us-east-1:checkout",
    "watch:lambda:us-east-1:checkout",
    "observe",
    "disable",
    "delete",
    "prove",
];

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", store, facts] => write(&mut *open(store)?, facts.parse()?),
        ["check", store] => check(store),
        ["resume", store] => resume(store),
        _ => Err("write FILE FACTS, check FILE, or resume FILE".into()),
    }
}

fn open(store: &str) -> Result<Box<dyn Journal>, Error> {
    if store.starts_with("postgres") {
        let config = PostgresConfig::parse(store)?;
        return Ok(Box::new(PostgresJournal::open(
            config,
            &CaseId::from("resume"),
        )?));
    }
    Ok(Box::new(SqliteJournal::open(store.as_ref())?))
}

fn write(journal: &mut dyn Journal, facts: u64) -> Result<(), Error> {
    let began = Instant::now();
    let start: Timestamp = "2026-11-21T03:00:00.123456789Z".parse()?;
    let lease = journal.acquire("resume", start, 60)?;
    let mut seq = journal.head()?.seq;
    while seq < facts {
        let drafts = (seq..facts.min(seq + 10_000)).map(|n| draft(start, n));
        seq = journal
            .append(seq, Some(&lease), drafts.collect())?
            .last()
            .map_or(facts, |record| record.seq);
    }
    journal.release(&lease)?;
    say(&format!("{facts} facts written in {:.2?}", began.elapsed()))
}

fn draft(start: Timestamp, n: u64) -> Draft {
    let (step, ended) = (n / 2, n % 2 == 1);
    let verb = VERBS[usize::try_from(step % 10).unwrap_or(0)];
    let id = format!("cred-{:012x}:{verb}", step / 10 * 0x9_e377_79b9 % (1 << 48));
    let fact = if ended {
        Fact::StepEnded {
            step: id.as_str().into(),
            attempt: 1,
            outcome: Outcome::Done {
                result: result(verb, n),
            },
        }
    } else {
        Fact::StepIntended {
            step: id.as_str().into(),
            attempt: 1,
            baseline: baseline(verb, n).into(),
        }
    };
    Draft {
        at: start + SignedDuration::from_millis(i64::try_from(n * 7).unwrap_or(0)),
        by: "oncall@example.com".to_string(),
        fact,
    }
}

fn baseline(verb: &str, n: u64) -> serde_json::Value {
    match verb {
        "mint" => {
            serde_json::json!({"keys": [format!("key_{n:016x}"), format!("key_{:016x}", n + 1)], "name": format!("relatch-{n}")})
        }
        _ if verb.starts_with("write") => serde_json::json!({"version": format!("{n:032x}")}),
        _ => serde_json::Value::Null,
    }
}

fn result(verb: &str, n: u64) -> StepResult {
    let probe = |liveness| {
        Some(Probe {
            liveness,
            answer: "401 invalid_api_key".to_string(),
            control: true,
            how: ProbeKind::Presented,
        })
    };
    StepResult {
        key: (verb == "mint").then(|| format!("key_{n:016x}").as_str().into()),
        fingerprint: None,
        probe: match verb {
            "check" => probe(Liveness::Alive),
            "prove" => probe(Liveness::Dead),
            _ => None,
        },
        note: verb.starts_with("write").then(|| "read back".to_string()),
    }
}

fn check(store: &str) -> Result<(), Error> {
    let began = Instant::now();
    let mut facts = 0_u64;
    open(store)?.for_each_after(0, &mut |_| facts += 1)?;
    let checked = began.elapsed();
    say(&format!(
        "{facts} facts opened and checked in {checked:.2?}; {}",
        peak()
    ))
}

fn resume(store: &str) -> Result<(), Error> {
    let began = Instant::now();
    let mut state = State::default();
    open(store)?.for_each_after(0, &mut |record| state.apply(record))?;
    let (folded, steps) = (began.elapsed(), state.steps.len());
    say(&format!(
        "opened, checked and folded in {folded:.2?}; {steps} steps; {}",
        peak()
    ))
}

/// The most memory this process ever had, as Linux counts it.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    format!("peak memory {}", line.unwrap_or("not known").trim())
}

fn say(line: &str) -> Result<(), Error> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
