//! What can be typed after `relatch plan`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use relatch_case::plan::Mode;
use relatch_rotation::order::Severity;
use relatch_rotation::summary::{By, Filter};

/// Options of `plan`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct PlanArgs {
    #[command(subcommand)]
    pub(super) command: Option<PlanCommand>,
    #[command(flatten)]
    pub(super) make: MakeArgs,
    /// Explain a step, credential or key of the plan in force, and make no plan
    #[arg(long, value_name = "STEP")]
    pub(super) explain: Option<String>,
}

/// Options of making a plan.
#[derive(Debug, Args)]
pub(super) struct MakeArgs {
    /// Kill every old key first and accept the outage
    #[arg(long, conflicts_with = "warm")]
    pub(super) hot: bool,
    /// Overlap old and new keys without downtime (the default)
    #[arg(long)]
    pub(super) warm: bool,
    /// Only credentials exposed at least so much
    #[arg(long, value_name = "LEVEL")]
    pub(super) exposed: Option<Level>,
    /// Only this credential; may be repeated
    #[arg(long, value_name = "CREDENTIAL")]
    pub(super) only: Vec<String>,
    /// A need not be dead before B is renewed, by your decision; may be repeated
    #[arg(long, value_name = "A:B")]
    pub(super) cut: Vec<String>,
    /// Also write the plan to a file
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    #[command(flatten)]
    pub(super) view: ViewArgs,
}

/// What is shown of a plan.
#[derive(Debug, Default, Args)]
pub(crate) struct ViewArgs {
    /// List every row, not the first twenty
    #[arg(long)]
    pub(super) all: bool,
    /// List the steps of the credentials shown
    #[arg(long)]
    pub(super) steps: bool,
    /// Count credentials by what they have in common
    #[arg(long, value_name = "WHAT")]
    pub(super) group_by: Option<GroupBy>,
    /// Show only this issuer; may be repeated, as may every filter
    #[arg(long, value_name = "ISSUER")]
    pub(super) issuer: Vec<String>,
    /// Show only this mode
    #[arg(long, value_name = "MODE")]
    pub(super) mode: Vec<ModeArg>,
    /// Show only this severity
    #[arg(long, value_name = "SEVERITY")]
    pub(super) severity: Vec<SeverityArg>,
    /// Show only this credential, by id, beginning of an id, key or name
    #[arg(long, value_name = "CREDENTIAL")]
    pub(super) credential: Vec<String>,
    /// Show only what stands in this container; a * at the end takes any ending
    #[arg(long, value_name = "CONTAINER")]
    pub(super) container: Vec<String>,
    /// Show only what this consumer reads; a * at the end takes any ending
    #[arg(long, value_name = "CONSUMER")]
    pub(super) consumer: Vec<String>,
    /// Show only what is not rotated
    #[arg(long)]
    pub(super) blocked: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Level {
    Read,
    Readable,
    Reachable,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum GroupBy {
    Issuer,
    Principal,
    Mode,
    Severity,
    Container,
    Consumer,
    Exposure,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ModeArg {
    Warm,
    Hot,
    Retire,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum SeverityArg {
    Planted,
    UsedByThief,
    MintsKeys,
    Deploys,
    Opens,
    Spends,
    Plain,
}

#[derive(Debug, Subcommand)]
pub(super) enum PlanCommand {
    /// Show a plan: the one in force, or a file
    Show {
        /// A plan file
        file: Option<PathBuf>,
        #[command(flatten)]
        view: ViewArgs,
    },
    /// What differs between two plans; with one file, between it and the plan in force
    Diff {
        /// The older plan
        old: PathBuf,
        /// The newer plan
        new: Option<PathBuf>,
        /// List every change, not the first twenty of a kind
        #[arg(long)]
        all: bool,
    },
    /// Why a step is in the plan, what it waits for, what happens if it fails
    Explain {
        /// A step, credential or key: whole, or the beginning of an id
        name: String,
    },
    /// Approve the plan in force, by its hash
    Approve(ApproveArgs),
}

/// Options of `plan approve`.
#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    /// The hash, or at least its first twelve digits
    pub(super) hash: Option<String>,
    /// Sign with this SSH key; public halves work for agents and hardware keys
    #[arg(long, value_name = "KEYFILE", conflicts_with_all = ["signature", "print_message", "emergency"])]
    pub(super) sign: Option<PathBuf>,
    /// Take in a signature that was made elsewhere
    #[arg(long, value_name = "FILE", requires = "as_name", conflicts_with_all = ["print_message", "emergency"])]
    pub(super) signature: Option<PathBuf>,
    /// Whose signature it is, as in the allowed-signers file
    #[arg(long = "as", id = "as_name", value_name = "NAME")]
    pub(super) as_name: Option<String>,
    /// Print exactly what is to be signed, and approve nothing
    #[arg(long, conflicts_with = "emergency")]
    pub(super) print_message: bool,
    /// Go on without the approvals that the plan asks for; it stands in every report
    #[arg(long, requires = "because")]
    pub(super) emergency: bool,
    /// Why, in an emergency
    #[arg(long, value_name = "REASON", requires = "emergency", value_parser = crate::commands::step::reason)]
    pub(super) because: Option<String>,
    /// Go on without typing the hash
    #[arg(long, requires = "emergency")]
    pub(super) yes: bool,
}

impl ViewArgs {
    /// What they ask for.
    pub(super) fn filter(&self) -> Filter {
        Filter {
            issuers: self.issuer.clone(),
            modes: self.mode.iter().map(|mode| mode.mode()).collect(),
            severities: self.severity.iter().map(|s| s.severity()).collect(),
            credentials: self.credential.clone(),
            containers: self.container.clone(),
            consumers: self.consumer.clone(),
            blocked: self.blocked,
        }
    }
}

impl ModeArg {
    fn mode(self) -> Mode {
        match self {
            Self::Warm => Mode::Warm,
            Self::Hot => Mode::Hot,
            Self::Retire => Mode::Retire,
        }
    }
}

impl SeverityArg {
    fn severity(self) -> Severity {
        match self {
            Self::Planted => Severity::Planted,
            Self::UsedByThief => Severity::UsedByThief,
            Self::MintsKeys => Severity::MintsKeys,
            Self::Deploys => Severity::Deploys,
            Self::Opens => Severity::Opens,
            Self::Spends => Severity::Spends,
            Self::Plain => Severity::Plain,
        }
    }
}

impl GroupBy {
    pub(super) fn by(self) -> By {
        match self {
            Self::Issuer => By::Issuer,
            Self::Principal => By::Principal,
            Self::Mode => By::Mode,
            Self::Severity => By::Severity,
            Self::Container => By::Container,
            Self::Consumer => By::Consumer,
            Self::Exposure => By::Exposure,
        }
    }
}
