//! How fast Relatch is, as ratios: against a bare loop of the same calls, against the bytes
//! that have to be read or written anyway, and against the pace that issuers allow.
//!
//! Invariant: touches nothing outside loopback and temporary folders, and never decides
//! whether a test passes.

mod apply_iam;
mod apply_memory;
mod arguments;
mod bare;
mod engine;
mod evidence;
mod memory;
mod output;
mod peer;
mod plan;
mod proxy;
mod resume;
mod story;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use arguments::Arguments;

type Error = Box<dyn std::error::Error + Send + Sync>;

const USAGE: &str =
    "relatch-bench apply-iam | plan | apply-memory | resume | evidence (see bench/README.md)";

fn main() -> ExitCode {
    let mut given = std::env::args().skip(1);
    let what = given.next().unwrap_or_default();
    let arguments = Arguments::new(given.collect());
    let went = match what.as_str() {
        "apply-iam" => apply_iam::run(&arguments),
        "plan" => plan::run(&arguments),
        "apply-memory" => apply_memory::run(&arguments),
        "resume" => resume::run(&arguments),
        "evidence" => evidence::run(&arguments),
        _ => Err(USAGE.into()),
    };
    match went {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&*error);
            ExitCode::FAILURE
        }
    }
}

fn complain(error: &(dyn std::error::Error + 'static)) {
    use std::io::Write as _;
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    let _ = writeln!(std::io::stderr(), "error: {words}");
}

/// A folder on the real disk: a sync in memory would cost nothing.
fn disk() -> PathBuf {
    let named = std::env::var_os("RELATCH_BENCH_DISK");
    named.map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from)
}
