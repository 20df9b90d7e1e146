//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    apply, case, certificate, contain, init, inventory, pause, plan, probe, report, status, step,
    tasks, triage, verify, waive, watch,
};

/// Change the locks after a cloud breach: find every compromised secret, replace it without
/// downtime, prove that the old one is dead.
#[derive(Debug, Parser)]
#[command(name = "relatch", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Write JSON for programs instead of text for people
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The folder with the fingerprint key and the cases
    #[arg(
        long,
        global = true,
        env = "RELATCH_HOME",
        default_value = ".relatch",
        value_name = "DIR"
    )]
    pub(crate) workspace: PathBuf,
    /// The configuration [default: relatch.toml beside the workspace]
    #[arg(long, global = true, env = "RELATCH_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The case [default: the one open case]
    #[arg(long, global = true, env = "RELATCH_CASE", value_name = "ID")]
    pub(crate) case: Option<String>,
    /// A file with the case's passphrase, instead of being asked
    #[arg(
        long,
        global = true,
        env = "RELATCH_PASSPHRASE_FILE",
        value_name = "FILE"
    )]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Log more to standard error: -v, -vv, -vvv
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// A log filter, as RUST_LOG has it
    #[arg(
        long,
        global = true,
        env = "RELATCH_LOG",
        value_name = "FILTER",
        hide = true
    )]
    pub(crate) log: Option<String>,
}

/// The commands, in the order of a response.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Carry out a whole response on the practice range
    #[cfg(feature = "drill")]
    Drill(crate::commands::drill::DrillArgs),
    /// Make a workspace and a configuration to start from
    Init(init::InitArgs),
    /// Open, list, show, read and close cases
    #[command(subcommand)]
    Case(case::CaseCommand),
    /// 1 Confirm: who, since when, what was read
    Triage(Box<triage::TriageArgs>),
    /// 1 Contain the thief, reversibly
    #[command(subcommand)]
    Contain(contain::ContainCommand),
    /// 2 What is exposed, where it lives, who uses it
    Inventory(inventory::InventoryArgs),
    /// 2 Which keys are alive
    Probe(probe::ProbeArgs),
    /// 3-5 The rotation as a file with a hash
    Plan(Box<plan::PlanArgs>),
    /// 3-5 Carry the plan out; stop and resume at will
    Apply(apply::ApplyArgs),
    /// How far the plan is and what it waits for
    Status(status::StatusArgs),
    /// What people have to do, and handing a new key over
    Tasks(tasks::TasksArgs),
    /// Begin nothing new, in one rotation or in all
    Pause(pause::PauseArgs),
    /// Let what was paused go on
    Resume(pause::ResumeArgs),
    /// Leave a step out, by name and with a reason
    Skip(step::SkipArgs),
    /// Send a stuck step back to work
    Retry(step::RetryArgs),
    /// Except a credential from rotation, with reason, owner and expiry
    Waive(waive::WaiveArgs),
    /// 6 Look for uses of retired keys
    Watch(watch::WatchArgs),
    /// 6 The report
    Report(report::ReportArgs),
    /// 6 The signed proof
    Certificate(certificate::CertificateArgs),
    /// 6 Check a certificate, offline
    Verify(verify::VerifyArgs),
}
