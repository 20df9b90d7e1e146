//! Secrets that the log names, whoever used them: what could be readable though nobody read it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::found::events::account;
use crate::found::exposure::{Names, SecretRead, is_complete, parameter, secret_parts, split_note};
use crate::input::reader::Problem;
use crate::log::tables::Set;
use crate::log::{Log, What};
use crate::taint::actors::Index;
use crate::text::sanitize;

/// Most secrets that are named.
const MOST: usize = 20_000;

/// A place of secrets that stands somewhere in the log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecretKnown {
    /// `secretsmanager`, `ssm-parameter`, `lambda_environment` or `ecs-task-definition`.
    pub kind: String,
    /// Its name in the form of [`SecretRead::id`].
    pub id: String,
    /// Its region.
    pub region: Option<String>,
    /// The account that owns it.
    pub account: Option<String>,
    /// Its whole ARN, where the log tells enough for it.
    pub arn: Option<String>,
}

/// Whether policy would have let a convicted actor read a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ByPolicy {
    /// It would, whatever is not known.
    Allowed,
    /// It hangs on what is not known; counts as readable.
    Undecidable,
}

/// A secret that a convicted actor could read by policy, and was not seen to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretReadable {
    /// As [`SecretKnown::kind`].
    pub kind: String,
    /// As [`SecretKnown::id`].
    pub id: String,
    /// Its region.
    pub region: Option<String>,
    /// The account that owns it.
    pub account: Option<String>,
    /// Who: the actor's id.
    pub actor: String,
    /// The ARN whose policies were asked.
    pub principal: String,
    /// Whether it could.
    pub verdict: ByPolicy,
    /// The call that gives the value; empty where no call could be asked about.
    pub action: String,
    /// ARNs of the roles on the way, in their order; empty: directly.
    pub via: Vec<String>,
    /// The statements that decide, in words.
    pub statements: Vec<String>,
    /// What is not known, in words; empty where it is allowed.
    pub because: Vec<String>,
}

/// The secrets that the log names, and what is to be said if there are too many.
pub(crate) fn known(
    log: &Log,
    index: &Index,
    names: &Names,
) -> (Vec<SecretKnown>, Option<Problem>) {
    let mut seen = Set::default();
    let mut found = BTreeSet::new();
    let mut left = 0_usize;
    for at in &index.telling {
        let row = &log.row(*at);
        for fact in row.facts().iter().filter(|_| !row.error.some()) {
            let told = matches!(fact.what, What::Read | What::Witness | What::SecretNamed);
            let home = account(log, row);
            if !told || !seen.insert((fact.what, fact.name, fact.other, row.region, home)) {
                continue;
            }
            let (kind, _) = split_note(log.text(fact.other));
            let kind = match (fact.what, kind) {
                (What::SecretNamed, _) | (What::Witness, "SecretARN") => "secretsmanager",
                (What::Witness, "PARAMETER_ARN") => "ssm-parameter",
                (What::Read, kind) => kind,
                _ => continue,
            };
            let id = names.full(log, row, kind, log.text(fact.name));
            let Some(secret) = secret(kind, &id, log.text(row.region), home) else {
                continue;
            };
            if found.len() < MOST {
                found.insert(secret);
            } else if !found.contains(&secret) {
                left += 1;
            }
        }
    }
    let problem = (left > 0).then(|| Problem {
        file: "the answer".into(),
        line: None,
        offset: None,
        what: format!("at least {left} more secrets that the log names are not listed"),
    });
    (found.into_iter().collect(), problem)
}

fn secret(kind: &str, id: &str, region: &str, account: &str) -> Option<SecretKnown> {
    // A pattern names none; public parameters hold no secret (Systems Manager User Guide).
    if id.is_empty() || id.contains('*') || id.starts_with("/aws/service/") {
        return None;
    }
    let (mut account, mut region) = (account, region);
    let here = |service: &str, rest: &str, account: &str| {
        let whole = !account.is_empty() && !region.is_empty();
        whole.then(|| {
            format!(
                "arn:{}:{service}:{region}:{account}:{rest}",
                partition(region)
            )
        })
    };
    let arn = match kind {
        "secretsmanager" => {
            let parts = secret_parts(id);
            if let Some((owner, place, _)) = parts {
                (account, region) = (owner, place);
            }
            parts
                .filter(|(_, _, name)| is_complete(name))
                .map(|_| id.to_owned())
        }
        "ssm-parameter" => {
            let name = parameter(id);
            here(
                "ssm",
                &format!("parameter/{}", name.trim_start_matches('/')),
                account,
            )
        }
        "lambda_environment" => {
            let name = id.split(':').next().unwrap_or(id);
            here("lambda", &format!("function:{name}"), account)
        }
        "ecs-task-definition" if id.starts_with("arn:") => Some(id.to_owned()),
        "ecs-task-definition" => here("ecs", &format!("task-definition/{id}"), account),
        _ => return None,
    };
    let text = |text: &str| (!text.is_empty()).then(|| sanitize(text));
    Some(SecretKnown {
        kind: kind.to_owned(),
        id: sanitize(id),
        region: text(region),
        account: text(account),
        // A name with a wildcard is none that a policy can be asked about.
        arn: arn
            .filter(|arn| !arn.contains(['*', '?']))
            .as_deref()
            .map(sanitize),
    })
}

/// The partition of a region (AWS General Reference, "Amazon Resource Names").
fn partition(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// The secrets of which no read is told. A read of everything of a region, or of all below a
/// path, is a read of each.
pub fn not_read<'k>(known: &'k [SecretKnown], reads: &[SecretRead]) -> Vec<&'k SecretKnown> {
    let mut by_kind: BTreeMap<&str, (BTreeSet<&str>, Vec<&SecretRead>)> = BTreeMap::new();
    for read in reads {
        let (single, many) = by_kind.entry(&read.kind).or_default();
        if read.id.ends_with('*') {
            many.push(read);
        } else {
            single.insert(&read.id);
        }
    }
    let was_read = |secret: &SecretKnown| {
        by_kind
            .get(secret.kind.as_str())
            .is_some_and(|(single, many)| {
                single.contains(secret.id.as_str()) || many.iter().any(|read| covers(read, secret))
            })
    };
    known.iter().filter(|secret| !was_read(secret)).collect()
}

fn covers(read: &SecretRead, secret: &SecretKnown) -> bool {
    let fits = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
    let start = read.id.trim_end_matches('*');
    secret.id.starts_with(start)
        && fits(&read.region, &secret.region)
        && fits(&read.account, &secret.account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_whole_where_the_log_tells_enough() {
        let arn = |kind, id, region| secret(kind, id, region, "111122223333").map(|s| s.arn);
        let whole = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbC123";
        assert_eq!(arn("secretsmanager", whole, ""), Some(Some(whole.into())));
        assert_eq!(arn("secretsmanager", "db", "eu-west-1"), Some(None));
        assert_eq!(
            arn("ssm-parameter", "/prod/db", "cn-north-1"),
            Some(Some(
                "arn:aws-cn:ssm:cn-north-1:111122223333:parameter/prod/db".into()
            ))
        );
        assert_eq!(
            arn("lambda_environment", "f:live", "eu-west-1"),
            Some(Some(
                "arn:aws:lambda:eu-west-1:111122223333:function:f".into()
            ))
        );
        for (kind, id) in [
            ("ssm-parameter", "/prod/*"),
            ("ssm-parameter", "/aws/service/ami"),
            ("s3-object", "s3://b/k"),
            ("lambda_environment", "*"),
        ] {
            assert_eq!(arn(kind, id, "eu-west-1"), None, "{id}");
        }
    }

    #[test]
    fn a_read_of_a_path_is_a_read_of_all_below() {
        let known: Vec<SecretKnown> = ["/prod/a", "/stage/a"]
            .iter()
            .filter_map(|id| secret("ssm-parameter", id, "eu-west-1", "1"))
            .collect();
        let read = |id: &str, region: &str| SecretRead {
            id: id.into(),
            kind: "ssm-parameter".into(),
            event_ids: Vec::new(),
            region: Some(region.into()),
            account: None,
            actor: String::new(),
            errors: BTreeSet::new(),
            notes: BTreeSet::new(),
        };
        let left = |reads: &[SecretRead]| -> Vec<String> {
            let left = not_read(&known, reads);
            left.into_iter().map(|secret| secret.id.clone()).collect()
        };
        assert_eq!(left(&[read("/prod/*", "eu-west-1")]), ["/stage/a"]);
        assert_eq!(left(&[read("/prod/*", "us-east-1")]).len(), 2);
        assert_eq!(left(&[read("/stage/a", "eu-west-1")]), ["/prod/a"]);
        assert!(left(&[read("*", "eu-west-1")]).is_empty());
    }
}
