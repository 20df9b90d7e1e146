//! What the engine itself costs: everything outside is in memory, the journal on disk.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use relatch_executor::Vault;
use relatch_rotation::estimate;
use serde_json::{Value, json};

use crate::Error;
use crate::arguments::Arguments;
use crate::engine;
use crate::memory::{OpenDrawer, outside};
use crate::output::{self, ms};
use crate::world::{self, Size};

/// `apply-memory [--credentials N] [--places N] [--consumers N] [--concurrency N]
/// [--latency-us N]`; without `--credentials` three sizes, each in a process of its own.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    arguments.only(&[
        "--credentials",
        "--places",
        "--consumers",
        "--concurrency",
        "--latency-us",
    ])?;
    if arguments.text("--credentials").is_none() {
        return each_size(arguments);
    }
    let credentials = arguments.number("--credentials", 10_000)?;
    let size = Size {
        credentials,
        places: arguments.number("--places", credentials * 3)?,
        consumers: arguments.number("--consumers", credentials / 10)?,
    };
    let latency = u64::try_from(arguments.number("--latency-us", 1000)?)?;
    let found = one(
        size,
        arguments.number("--concurrency", 64)?,
        Duration::from_micros(latency),
    )?;
    show(&found);
    output::json(&found);
    Ok(())
}

fn each_size(arguments: &Arguments) -> Result<(), Error> {
    let concurrency = arguments.number("--concurrency", 64)?.to_string();
    let latency = arguments.number("--latency-us", 1000)?.to_string();
    let mut all = Vec::new();
    for size in ["1000", "3000", "10000"] {
        let child = Command::new(std::env::current_exe()?)
            .args(["apply-memory", "--credentials", size])
            .args(["--concurrency", &concurrency, "--latency-us", &latency])
            .output()?;
        let text = String::from_utf8_lossy(&child.stdout).into_owned();
        if !child.status.success() {
            let why = String::from_utf8_lossy(&child.stderr).into_owned();
            return Err(why.into());
        }
        let last = text.lines().last().unwrap_or_default();
        let found: Value = serde_json::from_str(last)?;
        show(&found);
        all.push(found);
    }
    let per_step = |n: usize| all[n]["cpu_us_per_step"].as_f64().unwrap_or(0.0);
    let growth = output::ratio(per_step(2), per_step(0));
    output::line(&format!(
        "processor time per step, 10,000 against 1,000 credentials: {growth}"
    ));
    output::json(&json!({"bench": "apply-memory", "growth": growth, "sizes": all}));
    Ok(())
}

fn one(size: Size, concurrency: usize, latency: Duration) -> Result<Value, Error> {
    let folder = tempfile::tempdir_in(crate::disk())?;
    let facts = world::facts(size);
    let sheet = facts.iter().find_map(|fact| match fact {
        relatch_case::Fact::IssuerKnown { sheet, .. } => Some(sheet.clone()),
        _ => None,
    });
    let sheet = sheet.ok_or("there is no issuer")?;
    let policy = world::hurried(concurrency);
    let path = folder.path().join("journal.db");
    let ledger = Arc::new(engine::planned(&path, facts, &policy)?);
    let (before, steps, limits) = ledger.with(|state| {
        let plan = state.plan.as_ref().map(|p| Arc::clone(&p.plan));
        let usual = plan.as_ref().map(|plan| {
            let mut plan = (**plan).clone();
            plan.policy = relatch_case::Policy::default();
            estimate::duration(&plan)
        });
        let steps = plan.map_or(0, |plan| plan.steps.len());
        (state.head.seq, steps, usual)
    });
    let ready_mb = output::now_mb();
    let world = outside(size, &sheet, latency);
    let vault = Vault::new(OpenDrawer::default());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let (began, cpu) = (Instant::now(), output::cpu());
    let not_well = runtime.block_on(engine::carry_out(Arc::clone(&ledger), world, vault))?;
    let (took, cpu) = (
        began.elapsed(),
        output::cpu().checked_sub(cpu).unwrap_or_default(),
    );
    let facts = ledger.with(|state| state.head.seq) - before;
    let each = |time: Duration, n: f64| (time.as_secs_f64() * 1e9 / n).round() / 1e3;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let (n_steps, n_facts) = (steps as f64, facts as f64);
    let queue_s = limits
        .as_ref()
        .and_then(|l| l.slowest.as_ref())
        .map_or(0, |l| l.seconds);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let against_limits = output::ratio(took.as_secs_f64(), queue_s as f64);
    Ok(json!({
        "bench": "apply-memory",
        "credentials": size.credentials, "places": size.places, "consumers": size.consumers,
        "concurrency": concurrency, "latency_us": u64::try_from(latency.as_micros()).unwrap_or(u64::MAX),
        "steps": steps, "facts": facts, "not_well": not_well,
        "took_ms": ms(took), "cpu_ms": ms(cpu),
        "facts_per_s": (n_facts / took.as_secs_f64()).round(),
        "us_per_step": each(took, n_steps), "cpu_us_per_step": each(cpu, n_steps),
        "default_limits_s": queue_s, "ratio_to_default_limits": against_limits,
        "ready_mb": ready_mb, "peak_mb": output::peak_mb(),
    }))
}

fn show(found: &Value) {
    let text = |name: &str| found[name].to_string();
    output::table(
        &format!(
            "apply-memory: {} credentials, {} places, {} consumers; {} steps; {} at once a lane, \
             {} us an answer",
            found["credentials"],
            found["places"],
            found["consumers"],
            found["steps"],
            found["concurrency"],
            found["latency_us"]
        ),
        &[
            ("facts recorded", text("facts")),
            ("time, ms", text("took_ms")),
            ("facts per second", text("facts_per_s")),
            ("time per step, us", text("us_per_step")),
            ("processor time per step, us", text("cpu_us_per_step")),
            ("steps not well at once", text("not_well")),
            ("the default rates need, s", text("default_limits_s")),
            ("time / default rates", text("ratio_to_default_limits")),
            ("memory before the run, MB", text("ready_mb")),
            ("peak memory, MB", text("peak_mb")),
        ],
    );
}
