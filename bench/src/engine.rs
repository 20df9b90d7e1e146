//! The engine over a journal, as the program sets it up.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use relatch_case::sqlite::SqliteJournal;
use relatch_case::{Fact, Policy};
use relatch_executor::{
    Context, Ended, Engine, Event, Ledger, Patience, SystemClock, Vault, World,
};
use relatch_rotation::{Options, make};
use tokio::sync::watch;

use crate::{Error, world};

/// A ledger over a SQLite file that holds these facts, and an approved plan made of them.
pub(crate) fn planned(path: &Path, facts: Vec<Fact>, policy: &Policy) -> Result<Ledger, Error> {
    let ledger = Ledger::open(Box::new(SqliteJournal::open(path)?), "bench")?;
    ledger.record(world::start(), facts)?;
    let plan = ledger.with(|state| make(state, policy, &Options::default()))?;
    if !plan.blocked.is_empty() {
        return Err(format!("{} credentials are blocked", plan.blocked.len()).into());
    }
    let hash = plan.hash()?;
    let plan = Arc::new(plan);
    let by = "bench".to_string();
    ledger.record(
        world::start(),
        vec![
            Fact::PlanRecorded {
                hash: hash.clone(),
                plan,
            },
            Fact::PlanApproved { hash, by },
        ],
    )?;
    Ok(ledger)
}

/// Carries the plan out to its end; says how many steps did not end well the first time.
pub(crate) async fn carry_out(
    ledger: Arc<Ledger>,
    world: World,
    vault: Vault,
) -> Result<usize, Error> {
    let context = Context {
        ledger,
        world,
        vault,
        fingerprints: Arc::new(world::fingerprints()),
        clock: Arc::new(SystemClock),
    };
    let failed = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&failed);
    let engine = Arc::new(Engine::new(context, move |event| {
        if matches!(&event, Event::Ended { how, .. } if *how != "done")
            || matches!(event, Event::NotYet { .. })
        {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    }));
    let (_go_on, stop) = watch::channel(false);
    // As the program does: among its steps, not on the thread that waits for it.
    let run = tokio::spawn(async move { engine.run(Patience::Forever, stop).await });
    match run.await?? {
        Ended::Finished => Ok(failed.load(Ordering::Relaxed)),
        other => Err(format!("the run did not finish: {other:?}").into()),
    }
}
