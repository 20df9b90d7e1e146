//! How long a long journal takes to come back, against reading and hashing its bytes.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use relatch_case::sqlite::SqliteJournal;
use relatch_executor::Ledger;
use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::arguments::Arguments;
use crate::output::{self, ms, ratio, spread};
use crate::story;
use crate::world::Size;

/// `resume [--facts N] [--credentials N] [--repeat N] [--keep FILE]`. Every look at the journal
/// is a process of its own, so that its peak memory is its own.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    arguments.only(&[
        "--facts",
        "--credentials",
        "--repeat",
        "--keep",
        "--write",
        "--open",
        "--hash",
    ])?;
    let facts = arguments.number("--facts", 1_000_000)?;
    let credentials = arguments.number("--credentials", 10_000)?;
    if let Some(path) = arguments.text("--open") {
        return open(Path::new(path));
    }
    if let Some(path) = arguments.text("--hash") {
        return hash(Path::new(path));
    }
    if let Some(path) = arguments.text("--write") {
        return write(Path::new(path), credentials, facts);
    }
    let folder = tempfile::tempdir_in(crate::disk())?;
    let path = arguments.text("--keep").map_or_else(
        || folder.path().join("journal.db").display().to_string(),
        str::to_string,
    );
    let story = if Path::new(&path).exists() {
        json!({"steps": null, "write_ms": null})
    } else {
        let (facts, credentials) = (facts.to_string(), credentials.to_string());
        child(&[
            "--write",
            &path,
            "--facts",
            &facts,
            "--credentials",
            &credentials,
        ])?
    };
    let mut rounds = Vec::new();
    for _ in 0..arguments.number("--repeat", 5)?.max(1) {
        rounds.push((child(&["--hash", &path])?, child(&["--open", &path])?));
    }
    report(&story, &rounds);
    Ok(())
}

fn report(story: &Value, rounds: &[(Value, Value)]) {
    let number = |value: &Value, name: &str| value[name].as_f64().unwrap_or(0.0);
    let of = |pick: &dyn Fn(&(Value, Value)) -> f64| spread(rounds.iter().map(pick).collect());
    let (hash, open) = (of(&|r| number(&r.0, "ms")), of(&|r| number(&r.1, "ms")));
    let rate = of(&|r| ratio(number(&r.1, "ms"), number(&r.0, "ms")));
    let peak = of(&|r| number(&r.1, "peak_mb"));
    let last = &rounds[rounds.len() - 1];
    output::table(
        "resume (least / median)",
        &[
            ("facts", last.1["facts"].to_string()),
            ("steps known", last.1["steps"].to_string()),
            ("bytes", last.0["bytes"].to_string()),
            (
                "open: read, check, fold (goal: under 2 s)",
                format!("{:.0} / {:.0} ms", open.0, open.1),
            ),
            (
                "bound: read, SHA-256",
                format!("{:.0} / {:.0} ms", hash.0, hash.1),
            ),
            (
                "processor time: open, bound (median)",
                format!(
                    "{:.0}, {:.0} ms",
                    of(&|r| number(&r.1, "cpu_ms")).1,
                    of(&|r| number(&r.0, "cpu_ms")).1
                ),
            ),
            ("open / bound", format!("{:.2} / {:.2}", rate.0, rate.1)),
            (
                "peak memory of open (goal: under 500 MB)",
                format!("{:.0} MB", peak.1),
            ),
            (
                "peak memory of this process",
                format!("{} MB", output::peak_mb()),
            ),
        ],
    );
    output::json(&json!({
        "bench": "resume", "facts": last.1["facts"], "steps": last.1["steps"],
        "bytes": last.0["bytes"], "open_ms": open, "bound_ms": hash, "ratio": rate,
        "open_cpu_ms": of(&|r| number(&r.1, "cpu_ms")), "bound_cpu_ms": of(&|r| number(&r.0, "cpu_ms")),
        "peak_mb": peak.1, "write_ms": story["write_ms"],
    }));
}

fn child(arguments: &[&str]) -> Result<Value, Error> {
    let child = Command::new(std::env::current_exe()?)
        .arg("resume")
        .args(arguments)
        .output()?;
    if !child.status.success() {
        return Err(String::from_utf8_lossy(&child.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&child.stdout)?)
}

fn write(path: &Path, credentials: usize, facts: usize) -> Result<(), Error> {
    let size = Size {
        credentials,
        places: credentials * 3,
        consumers: credentials / 10,
    };
    let began = Instant::now();
    let steps = story::write(path, size, facts)?;
    output::json(&json!({"steps": steps, "write_ms": ms(began.elapsed())}));
    Ok(())
}

fn open(path: &Path) -> Result<(), Error> {
    let began = Instant::now();
    let ledger = Ledger::open(Box::new(SqliteJournal::open(path)?), "bench")?;
    let took = began.elapsed();
    let (facts, steps) = ledger.with(|state| (state.head.seq, state.steps.len()));
    output::json(&json!({
        "facts": facts, "steps": steps, "ms": ms(took), "cpu_ms": ms(output::cpu()), "peak_mb": output::peak_mb(),
        "after_mb": output::now_mb(),
    }));
    Ok(())
}

/// What has to be done to these bytes whatever is made of them.
fn hash(path: &Path) -> Result<(), Error> {
    let began = Instant::now();
    let db = Connection::open(path)?;
    let mut query = db.prepare("SELECT at, by, prev, hash, fact FROM facts ORDER BY seq")?;
    let mut rows = query.query([])?;
    let (mut hash, mut bytes) = (Sha256::new(), 0_usize);
    while let Some(row) = rows.next()? {
        for column in 0..5 {
            let text = row.get_ref(column)?.as_str()?;
            hash.update(text);
            bytes += text.len();
        }
    }
    let digest = hash.finalize();
    output::json(&json!({
        "ms": ms(began.elapsed()), "cpu_ms": ms(output::cpu()), "bytes": bytes, "first": digest[0],
        "peak_mb": output::peak_mb(),
    }));
    Ok(())
}
