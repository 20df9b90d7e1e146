//! `relatch.toml`: what is around the case. Holds no values, only where they come from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use relatch_case::Policy;
use relatch_inventory::declared::DeclaredConsumer;
use relatch_inventory::declared_dependency::DeclaredDependency;
use relatch_secret::Secret;
use serde::Deserialize;

use crate::error::{CommandError, Kind, OfKind};

/// The whole file. Unknown keys are refused: a misspelt safety setting must not be ignored.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) aws: Aws,
    pub(crate) issuers: BTreeMap<String, IssuerConfig>,
    pub(crate) consumer: Vec<DeclaredConsumer>,
    pub(crate) dependency: Vec<DeclaredDependency>,
    pub(crate) inventory: Inventory,
    pub(crate) policy: Policy,
    pub(crate) approval: Approval,
    pub(crate) journal: JournalConfig,
    pub(crate) containment: Containment,
    pub(crate) watch: Watch,
    /// A folder of issuer files that add to or replace the built-in catalog.
    pub(crate) catalog: Option<PathBuf>,
}

/// The cloud account.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Aws {
    /// Whether AWS is in scope at all.
    pub(crate) enabled: Option<bool>,
    pub(crate) profile: Option<String>,
    pub(crate) regions: Vec<String>,
    pub(crate) endpoint: Option<String>,
    /// The profile of the organization's management account, for service control policies.
    pub(crate) management_profile: Option<String>,
    /// Fixed credentials of a drill; never read from a file.
    #[serde(skip)]
    pub(crate) credentials: Option<(String, Secret)>,
    /// The same for the management account.
    #[serde(skip)]
    pub(crate) management_credentials: Option<(String, Secret)>,
}

/// One issuer besides AWS IAM.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct IssuerConfig {
    /// The catalog entry; the section's own name by default.
    pub(crate) catalog: Option<String>,
    pub(crate) base_url: Option<String>,
    /// Where the admin key comes from.
    pub(crate) admin_key: Option<ValueFrom>,
    /// Commands that mint, list and delete static keys.
    pub(crate) hooks: Option<relatch_issuers::Hooks>,
    /// How keys of this issuer are recognised in places.
    pub(crate) detect: Option<Detect>,
}

/// What keys of an issuer look like in places, where the catalog does not know.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Detect {
    /// A regular expression of the whole value.
    pub(crate) format: Option<String>,
    /// Names of variables and keys that hold one.
    pub(crate) names: Vec<String>,
    /// Whether such a key makes other keys.
    pub(crate) mints_keys: bool,
}

/// Where a value comes from. Never the value itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ValueFrom {
    /// An environment variable of this process.
    Env(String),
    /// A file's content.
    File(PathBuf),
    /// A command's output.
    Command(Vec<String>),
}

/// Where values are looked for besides the cloud.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Inventory {
    /// Files, folders and globs.
    pub(crate) files: Vec<PathBuf>,
}

/// Who approves plans.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Approval {
    /// An OpenSSH allowed-signers file; relative to where the command is run.
    pub(crate) allowed_signers: Option<PathBuf>,
}

/// Where journals are kept.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct JournalConfig {
    /// A PostgreSQL database instead of files: `postgresql://user@host:5432/database`.
    pub(crate) postgres: Option<String>,
    /// Where its password comes from.
    pub(crate) password: Option<ValueFrom>,
}

/// Containment.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Containment {
    /// Principals that stay allowed, as ARN patterns.
    pub(crate) responders: Vec<String>,
}

/// Tripwires.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Watch {
    /// Trails to read: `s3://bucket/AWSLogs/…`.
    pub(crate) trails: Vec<String>,
    /// Log files and folders to read.
    pub(crate) files: Vec<PathBuf>,
    /// Whether to ask LookupEvents.
    pub(crate) lookup: bool,
    /// Queues of SQS that tell of new log files, or bring events.
    pub(crate) queues: Vec<String>,
    /// A webhook that takes JSON.
    pub(crate) webhook: Option<ValueFrom>,
    /// A Slack-compatible webhook.
    pub(crate) slack: Option<ValueFrom>,
    /// Seconds between two looks.
    pub(crate) interval_s: Option<u64>,
}

impl Config {
    /// Reads a configuration file; a missing default file is an empty configuration.
    pub(crate) fn load(path: &Path, named: bool) -> Result<Self, CommandError> {
        match std::fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text).map_err(|error| {
                CommandError::new(Kind::Usage, format!("{}: {error}", path.display()))
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => {
                Ok(Self::default())
            }
            Err(error) => Err(CommandError::new(
                Kind::Usage,
                format!("cannot read the configuration {}: {error}", path.display()),
            )),
        }
    }

    /// The regions in scope.
    pub(crate) fn regions(&self, case: &[String]) -> Vec<String> {
        if case.is_empty() {
            self.aws.regions.clone()
        } else {
            case.to_vec()
        }
    }
}

impl ValueFrom {
    /// Fetches the value. Errors never show it.
    pub(crate) fn fetch(&self) -> Result<Secret, CommandError> {
        let text = match self {
            Self::Env(name) => Secret::from(std::env::var(name).map_err(|_| {
                CommandError::new(
                    Kind::Usage,
                    format!("environment variable {name} is not set"),
                )
            })?),
            Self::File(path) => Secret::new(std::fs::read(path).map_err(|error| {
                CommandError::new(
                    Kind::Usage,
                    format!("cannot read {}: {error}", path.display()),
                )
            })?),
            Self::Command(argv) => output_of(argv)?,
        };
        trimmed(&text)
    }
}

fn output_of(argv: &[String]) -> Result<Secret, CommandError> {
    let (program, rest) = argv
        .split_first()
        .ok_or("an empty command")
        .kind(Kind::Usage)?;
    let output = std::process::Command::new(program)
        .args(rest)
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| {
            CommandError::new(Kind::Usage, format!("cannot run {program}: {error}"))
        })?;
    let value = Secret::new(output.stdout);
    if output.status.success() {
        return Ok(value);
    }
    Err(CommandError::new(
        Kind::Usage,
        format!("{program} failed: {}", output.status),
    ))
}

fn trimmed(value: &Secret) -> Result<Secret, CommandError> {
    let text = value
        .expose_str()
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .ok_or("the value is empty or not text")
        .kind(Kind::Usage)?;
    Ok(Secret::from(text))
}
