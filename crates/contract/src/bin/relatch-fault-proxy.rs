//! The fault proxy as a program, for tests that start other programs.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use relatch_contract::proxy::{Proxy, Random, WireFault};

const USAGE: &str = "relatch-fault-proxy --upstream URL --seed N --per-mille N \
                     [--listen 127.0.0.1:0]";

struct Arguments {
    upstream: String,
    listen: SocketAddr,
    seed: u64,
    per_mille: u16,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(arguments) = read(std::env::args().skip(1)) else {
        let _ = writeln!(std::io::stderr(), "usage: {USAGE}");
        return ExitCode::from(2);
    };
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "{why}");
            ExitCode::FAILURE
        }
    }
}

/// The arguments, if all are there and are what they must be.
fn read(arguments: impl Iterator<Item = String>) -> Option<Arguments> {
    let arguments: Vec<String> = arguments.collect();
    let mut given = BTreeMap::new();
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { return None };
        given.insert(name.strip_prefix("--")?, value.as_str());
    }
    let read = Arguments {
        upstream: given.remove("upstream")?.to_string(),
        listen: given
            .remove("listen")
            .unwrap_or("127.0.0.1:0")
            .parse()
            .ok()?,
        seed: given.remove("seed")?.parse().ok()?,
        per_mille: given.remove("per-mille")?.parse().ok()?,
    };
    (given.is_empty() && read.per_mille <= 1_000).then_some(read)
}

/// Runs until it is stopped from outside.
async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let proxy = Proxy::listen(&arguments.upstream, arguments.listen).await?;
    let mut faults = WireFault::before();
    faults.extend(WireFault::after());
    faults.push(WireFault::Latency(Duration::from_millis(300)));
    proxy.randomly(Random {
        seed: arguments.seed,
        per_mille: arguments.per_mille,
        faults,
    });
    let mut out = std::io::stdout();
    writeln!(out, "{}", proxy.url())?;
    out.flush()?;
    std::future::pending().await
}
