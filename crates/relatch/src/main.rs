//! `relatch`: change the locks after a cloud breach.
//!
//! The binary holds no logic of its own: `cli` is what can be typed, `commands` has one file
//! for each command, `world` wires the configured adapters, `workspace` is the folder with
//! the cases, `output` is the one place that writes to the terminal.

mod app;
mod cli;
mod commands;
mod config;
mod error;
mod journals;
mod names;
mod outage;
mod output;
mod progress;
mod signers;
mod use_log;
mod workspace;
mod world;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let printer = output::Printer::new(cli.global.json);
    start_logging(&cli.global);
    // One TLS provider for the whole program.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            printer.note(&format!("error: cannot start: {error}"));
            return ExitCode::from(1);
        }
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            for line in error.lines() {
                printer.note(&line);
            }
            ExitCode::from(error.kind.code())
        }
    }
}

/// Logs go to standard error, and only where they are asked for.
fn start_logging(global: &cli::Global) {
    let level = match global.verbose {
        0 => "off",
        1 => "relatch=info",
        2 => "relatch=debug,info",
        _ => "trace",
    };
    let filter = global.log.clone().unwrap_or_else(|| level.to_string());
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
