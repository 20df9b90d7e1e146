//! Which secrets the attacker read, tried to read, or was handed.

use std::collections::{BTreeMap, BTreeSet};

use relatch_shelf::List;
use serde::{Deserialize, Serialize};

use crate::found::reads::NOTE;
use crate::log::tables::Map;
use crate::log::{Log, Row, Sym, What};
use crate::taint::actors::{Credential, Index};
use crate::text::sanitize;

/// Milliseconds within which a decryption belongs to the read that caused it.
const WITNESS: i64 = 10_000;

/// Something secret that the attacker read or tried to read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecretRead {
    /// The fullest name known: an ARN, a name, `s3://bucket/key`, or `*` for all of a region.
    pub id: String,
    /// `secretsmanager`, `ssm-parameter`, `lambda_environment`, `s3-object`, `ec2-user-data` ...
    pub kind: String,
    /// The calls, in the order of time.
    pub event_ids: Vec<String>,
    /// Region of the calls.
    pub region: Option<String>,
    /// Account that owns it, else the account called.
    pub account: Option<String>,
    /// Who read it: the actor's id.
    pub actor: String,
    /// Error codes of calls that failed; empty for what was read.
    pub errors: BTreeSet<String>,
    /// What else is worth knowing (`with decryption`, `batch by filter ...`).
    pub notes: BTreeSet<String>,
}

/// All reads of the attacker's.
#[derive(Debug, Default)]
pub(crate) struct Exposure {
    pub(crate) read: Vec<SecretRead>,
    pub(crate) attempted: Vec<SecretRead>,
    pub(crate) handed_out: Vec<SecretRead>,
    /// Calls that read something that cannot be named.
    pub(crate) unnamed: Vec<u32>,
}

/// One thing read by one actor: id, kind, region, account, actor.
type Slot = (String, &'static str, String, String, String);

/// Collects what the attacker's events read.
pub(crate) fn exposure(log: &Log, names: &Names, tainted: &[u32]) -> Exposure {
    let mut exposure = Exposure::default();
    let (mut read, mut attempted, mut handed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for at in tainted {
        let row = &log.row(*at);
        let failed = row.error.some() && !log.text(row.error).contains("DryRun");
        for fact in row.facts() {
            match fact.what {
                What::Read => {
                    let (kind, note) = split_note(log.text(fact.other));
                    let id = names.full(log, row, kind, log.text(fact.name));
                    let slots = if failed { &mut attempted } else { &mut read };
                    let witnesses = if id == "*" && kind == "secretsmanager" && !failed {
                        names.witnesses(log, row, kind)
                    } else {
                        Vec::new()
                    };
                    if id == "*" && !failed && kind != "lambda_environment" && witnesses.is_empty()
                    {
                        exposure.unnamed.push(*at);
                    }
                    for witness in &witnesses {
                        add(
                            log,
                            slots,
                            row,
                            *at,
                            witness,
                            kind,
                            "named by the decryption",
                        );
                    }
                    if witnesses.is_empty() {
                        add(log, slots, row, *at, &id, kind, note);
                    }
                }
                // A decryption of the attacker's that no read explains is itself a read.
                What::Witness if !failed => {
                    let kind = if log.text(fact.other) == "SecretARN" {
                        "secretsmanager"
                    } else {
                        "ssm-parameter"
                    };
                    if log.text(fact.other) != "aws:lambda:FunctionArn" {
                        add(
                            log,
                            &mut read,
                            row,
                            *at,
                            &names.full(log, row, kind, log.text(fact.name)),
                            kind,
                            "seen as decryption",
                        );
                    }
                }
                What::Minted if !failed => add(
                    log,
                    &mut handed,
                    row,
                    *at,
                    log.text(fact.name),
                    "sts-credentials",
                    "",
                ),
                _ => {}
            }
        }
    }
    drop_echoes(&mut read);
    exposure.read = finish(log, read);
    exposure.attempted = finish(log, attempted);
    exposure.handed_out = finish(log, handed);
    exposure
}

#[derive(Default)]
struct Hits {
    rows: Vec<u32>,
    errors: BTreeSet<String>,
    notes: BTreeSet<String>,
}

/// A kind and its note.
pub(crate) fn split_note(other: &str) -> (&str, &str) {
    other.split_once(NOTE).unwrap_or((other, ""))
}

fn add(
    log: &Log,
    slots: &mut BTreeMap<Slot, Hits>,
    row: &Row<'_>,
    at: u32,
    id: &str,
    kind: &str,
    note: &str,
) {
    let kind = KINDS
        .iter()
        .find(|known| **known == kind)
        .copied()
        .unwrap_or("other");
    let owner = if id.starts_with("arn:") {
        id.split(':').nth(4).unwrap_or_default()
    } else {
        ""
    };
    let account = [owner, log.text(row.recipient), log.text(row.account)]
        .into_iter()
        .find(|account| !account.is_empty())
        .unwrap_or_default();
    let actor = actor_id(log, Credential::of(log, row));
    let slot = (
        sanitize(id),
        kind,
        log.text(row.region).to_owned(),
        account.to_owned(),
        actor,
    );
    let hits = slots.entry(slot).or_default();
    if hits.rows.last() != Some(&at) {
        hits.rows.push(at);
    }
    if row.error.some() {
        hits.errors.insert(log.text(row.error).to_owned());
    }
    if !note.is_empty() {
        hits.notes.insert(sanitize(note));
    }
}

/// Every kind that a read can have.
const KINDS: [&str; 15] = [
    "secretsmanager",
    "ssm-parameter",
    "lambda_environment",
    "s3-object",
    "ec2-password",
    "ec2-user-data",
    "ecs-task-definition",
    "codebuild-environment",
    "apprunner-environment",
    "beanstalk-environment",
    "batch-environment",
    "glue-connection",
    "amplify-environment",
    "apigateway-key",
    "redshift-credentials",
];

/// A decryption beside the read it belongs to adds nothing: it goes where the read has the id.
fn drop_echoes(read: &mut BTreeMap<Slot, Hits>) {
    let echo = |hits: &Hits| hits.notes.len() == 1 && hits.notes.contains("seen as decryption");
    let explained: BTreeSet<(String, &str)> = read
        .iter()
        .filter(|(_, hits)| !echo(hits))
        .map(|(slot, _)| (slot.0.clone(), slot.1))
        .collect();
    read.retain(|slot, hits| !echo(hits) || !explained.contains(&(slot.0.clone(), slot.1)));
}

fn finish(log: &Log, slots: BTreeMap<Slot, Hits>) -> Vec<SecretRead> {
    let text = |text: String| (!text.is_empty()).then(|| sanitize(&text));
    slots
        .into_iter()
        .map(|((id, kind, region, account, actor), hits)| SecretRead {
            id,
            kind: if kind == "other" {
                "sts-credentials".to_owned()
            } else {
                kind.to_owned()
            },
            event_ids: hits.rows.iter().map(|row| log.event_id(*row)).collect(),
            region: text(region),
            account: text(account),
            actor,
            errors: hits.errors,
            notes: hits.notes,
        })
        .collect()
}

/// The id of an actor in the output.
pub(crate) fn actor_id(log: &Log, credential: Credential) -> String {
    let name = sanitize(log.text(credential.name()));
    match credential {
        Credential::Key(_) | Credential::Session(_) | Credential::User(_) => name,
        other => format!("{}:{name}", other.kind()),
    }
}

/// Full names of secrets, learnt from the whole log.
pub(crate) struct Names {
    /// Secret ARNs by account, region and name.
    secrets: Map<(String, String, String), BTreeSet<String>>,
    /// Decryptions with the name of a secret, in order: the caller's ARN, time, full name, field.
    decryptions: List<(Sym, i64, Sym, Sym)>,
}

impl Names {
    pub(crate) fn new(log: &Log, index: &Index) -> Self {
        let mut names = Names {
            secrets: Map::default(),
            decryptions: List::default(),
        };
        let mut seen = List::of(false, log.texts());
        for row in index.telling.iter().map(|row| log.row(*row)) {
            for fact in row.facts() {
                let id = log.text(fact.name);
                if !std::mem::replace(&mut seen[fact.name.0 as usize], true)
                    && let Some((account, region, name)) = secret_parts(id)
                    && is_complete(name)
                {
                    let key = (
                        account.to_owned(),
                        region.to_owned(),
                        plain(name).to_owned(),
                    );
                    names.secrets.entry(key).or_default().insert(id.to_owned());
                }
                if fact.what == What::Witness {
                    let decryption = (row.arn, row.at(), fact.name, fact.other);
                    names.decryptions.push(decryption);
                }
            }
        }
        names.decryptions.sort_unstable();
        names
    }

    /// The fullest form of an id: a name or an ARN without its last six characters completed,
    /// if exactly one secret of that account and region fits.
    pub(crate) fn full(&self, log: &Log, row: &Row<'_>, kind: &str, id: &str) -> String {
        if kind == "ssm-parameter" {
            return parameter(id);
        }
        if kind != "secretsmanager" {
            return id.to_owned();
        }
        let here = [log.text(row.recipient), log.text(row.account)]
            .into_iter()
            .find(|account| !account.is_empty())
            .unwrap_or_default();
        let (account, region, name) = match secret_parts(id) {
            Some((account, region, name)) => (account, region, name),
            None => (here, log.text(row.region), id),
        };
        let find = |name: &str| {
            self.secrets
                .get(&(account.to_owned(), region.to_owned(), name.to_owned()))
                .filter(|found| found.len() == 1)
                .and_then(BTreeSet::first)
        };
        if id.starts_with("arn:")
            && self
                .secrets
                .get(&(
                    account.to_owned(),
                    region.to_owned(),
                    plain(name).to_owned(),
                ))
                .is_some_and(|found| found.contains(id))
        {
            return id.to_owned();
        }
        find(name).cloned().unwrap_or_else(|| id.to_owned())
    }

    /// The secrets decrypted for this caller within seconds.
    fn witnesses(&self, log: &Log, row: &Row<'_>, kind: &str) -> Vec<String> {
        let field = if kind == "secretsmanager" {
            "SecretARN"
        } else {
            "PARAMETER_ARN"
        };
        let (first, last) = (row.at() - WITNESS, row.at() + WITNESS);
        let from = |(arn, at, ..): &(Sym, i64, Sym, Sym)| (*arn, *at) < (row.arn, first);
        let near = self.decryptions[self.decryptions.partition_point(from)..]
            .iter()
            .take_while(|(arn, at, ..)| *arn == row.arn && *at <= last)
            .filter(|(.., other)| log.text(*other) == field);
        near.map(|(.., id, _)| log.text(*id).to_owned())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }
}

/// Account, region and name of a secret's ARN.
pub(crate) fn secret_parts(id: &str) -> Option<(&str, &str, &str)> {
    let rest = id.strip_prefix("arn:")?;
    let mut parts = rest.splitn(6, ':');
    let (_, service, region, account) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    (service == "secretsmanager" && parts.next()? == "secret").then_some((
        account,
        region,
        parts.next()?,
    ))
}

/// Whether a name ends in the dash and six characters that Secrets Manager appends.
pub(crate) fn is_complete(name: &str) -> bool {
    name.rsplit_once('-')
        .is_some_and(|(_, end)| end.len() == 6 && end.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn plain(name: &str) -> &str {
    name.rsplit_once('-').map_or(name, |(name, _)| name)
}

/// Whether an id, as somebody asked by it, is that of the secret or parameter with a full ARN.
pub(crate) fn names_secret(arn: &str, id: &str) -> bool {
    let Some((.., full)) = secret_parts(arn) else {
        let bare = |id: &str| parameter(id).trim_start_matches('/').to_owned();
        return bare(arn) == bare(id);
    };
    let asked = secret_parts(id).map_or(id, |(.., name)| name);
    asked == full || asked == plain(full)
}

/// A parameter's name, from an ARN if need be.
pub(crate) fn parameter(id: &str) -> String {
    match id.split_once(":parameter/") {
        Some((_, rest)) if rest.contains('/') => format!("/{rest}"),
        Some((_, rest)) => rest.to_owned(),
        None => id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_asked_for_in_several_ways() {
        let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbC123";
        for id in [arn, &arn[..arn.len() - 7], "prod/db", "prod/db-AbC123"] {
            assert!(names_secret(arn, id), "{id}");
        }
        assert!(!names_secret(arn, "prod/db2") && !names_secret(arn, "prod"));
        let arn = "arn:aws:ssm:eu-west-1:111122223333:parameter/app/token";
        assert!(names_secret(arn, "/app/token") && names_secret(arn, arn));
        assert!(!names_secret(arn, "/app/other"));
        // A parameter has no random ending that could be left out.
        let longer = format!("{arn}-old");
        assert!(!names_secret(&longer, arn) && !names_secret(&longer, "/app/token"));
    }

    #[test]
    fn secret_arns_come_apart() {
        let id = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbC123";
        assert_eq!(
            secret_parts(id),
            Some(("111122223333", "eu-west-1", "prod/db-AbC123"))
        );
        assert!(is_complete("prod/db-AbC123") && !is_complete("prod/db"));
        assert_eq!(plain("prod/db-AbC123"), "prod/db");
        assert_eq!(
            parameter("arn:aws:ssm:eu-west-1:1:parameter/plain"),
            "plain"
        );
    }
}
