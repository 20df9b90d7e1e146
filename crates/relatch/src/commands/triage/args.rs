//! Options of `triage`.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use relatch_evidence::Seeds;

use super::athena::AthenaArgs;
use crate::error::{CommandError, Kind};

/// Options of `triage`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct TriageArgs {
    /// CloudTrail logs: files, folders, globs, `s3://bucket/prefix`
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<String>,
    /// An access key known to be the thief's; may be repeated
    #[arg(long = "key", value_name = "KEY ID")]
    pub(super) keys: Vec<String>,
    /// An identity known to be the thief's, as ARN; may be repeated
    #[arg(long = "arn", value_name = "ARN")]
    pub(super) arns: Vec<String>,
    /// An address known to be the thief's; may be repeated
    #[arg(long = "address", value_name = "ADDRESS")]
    pub(super) addresses: Vec<String>,
    /// The attack did not begin before
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<Timestamp>,
    /// The attack was over by then
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<Timestamp>,
    /// You judge that all of this actor's calls are the thief's; its id, a key id or an ARN; may
    /// be repeated
    #[arg(long = "convict", value_name = "ACTOR")]
    pub(super) convicted: Vec<String>,
    /// You judge that none of this actor's calls is the thief's; may be repeated
    #[arg(long = "acquit", value_name = "ACTOR")]
    pub(super) acquitted: Vec<String>,
    /// Why you judge so; needed where it is recorded
    #[arg(long, value_name = "REASON", value_parser = crate::commands::step::reason)]
    pub(super) because: Option<String>,
    /// Also ask CloudTrail's event history (LookupEvents) for the given keys
    #[arg(long)]
    pub(super) lookup: bool,
    /// What `aws iam get-account-authorization-details` answered: also tell what the thief could
    /// have read by policy; may be repeated, once an account
    #[arg(long, value_name = "FILE")]
    pub(super) account_details: Vec<PathBuf>,
    /// Policies of secrets, KMS keys and functions: a JSON object of ARNs with their policies,
    /// null where there is none; may be repeated
    #[arg(long, value_name = "FILE", requires = "account_details")]
    pub(super) resource_policies: Vec<PathBuf>,
    /// Service control policies: a JSON object of accounts with their levels from the root, each
    /// an object of names with policies; may be repeated
    #[arg(long, value_name = "FILE", requires = "account_details")]
    pub(super) scps: Vec<PathBuf>,
    /// Ask IAM (SimulatePrincipalPolicy) what the thief could have read by policy as it stands
    /// now; alone or beside --account-details
    #[arg(long)]
    pub(super) simulate: bool,
    /// Write the timeline, indicators, findings and rules into this folder
    #[arg(long, value_name = "FOLDER")]
    pub(super) out: Option<PathBuf>,
    /// Write into a folder that is not empty
    #[arg(long, requires = "out")]
    pub(super) force: bool,
    /// Record the findings in the open case
    #[arg(long)]
    pub(super) record: bool,
    #[command(flatten)]
    pub(super) athena: AthenaArgs,
}

impl TriageArgs {
    /// Where the attack began, and what a person decided.
    pub(super) fn seeds(&self) -> Result<Seeds, CommandError> {
        if let Some(both) = self.convicted.iter().find(|c| self.acquitted.contains(c)) {
            let words = format!("{both:?} is both convicted and acquitted");
            return Err(CommandError::new(Kind::Usage, words));
        }
        Ok(Seeds {
            access_keys: self.keys.iter().cloned().collect(),
            arns: self.arns.iter().cloned().collect(),
            addresses: self.addresses.iter().cloned().collect(),
            since: self.since,
            until: self.until,
            convicted: self.convicted.iter().cloned().collect(),
            acquitted: self.acquitted.iter().cloned().collect(),
            ..Seeds::default()
        })
    }
}
