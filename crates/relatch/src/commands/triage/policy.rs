//! What the thief could have read by policy, beside what he was seen to read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use relatch_access::{
    Cited, Context, Doubt, Encryption, Limits, Place, PlaceKind, Reading, Session,
    Verdict as Decision, World,
};
use relatch_evidence::{
    Actor, BlindSpot, ByPolicy, Problem, SecretKnown, SecretReadable, Triage, Verdict, not_read,
    sanitize,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::args::TriageArgs;
use crate::error::{CommandError, Kind};

/// The policies that were given.
pub(super) struct Policies(World);

impl Policies {
    /// Reads the files named; `None` if there are none.
    pub(super) fn read(args: &TriageArgs) -> Result<Option<Self>, CommandError> {
        if args.account_details.is_empty() {
            return Ok(None);
        }
        let mut world = World::new();
        for path in &args.account_details {
            world
                .add_details(&text(path)?)
                .map_err(|error| unusable(path, error))?;
        }
        for path in &args.resource_policies {
            for (arn, policy) in parsed::<BTreeMap<String, Value>>(path)? {
                match document(&policy) {
                    Some(policy) => world.set_resource_policy(&arn, &policy),
                    None => world.set_no_resource_policy(&arn),
                }
            }
        }
        for path in &args.scps {
            for (account, levels) in parsed::<BTreeMap<String, Levels>>(path)? {
                world.set_service_control_policies(&account, &named(levels));
            }
        }
        Ok(Some(Self(world)))
    }

    /// Adds what convicted actors could read and were not seen to read, and what kept that from
    /// being told. Returns whose policies were asked, and whether they could become a role.
    pub(super) fn fill(&self, triage: &mut Triage) -> Held {
        let known: Vec<SecretKnown> = not_read(&triage.secrets_known, &triage.secrets_read)
            .into_iter()
            .cloned()
            .collect();
        let mut found = Found::default();
        for (arn, actor) in principals(triage) {
            self.ask(actor, arn, &known, &mut found);
        }
        for fault in self.0.faults() {
            found.problems.insert(Problem {
                file: sanitize(&fault.about),
                line: None,
                offset: None,
                what: sanitize(&fault.why),
            });
        }
        triage.blind_spots.extend(found.blind);
        triage.problems.extend(found.problems);
        triage.secrets_readable = Some(found.readable);
        found.held
    }

    fn ask(&self, actor: &Actor, arn: &str, known: &[SecretKnown], found: &mut Found) {
        let (whole, unnamed): (Vec<&SecretKnown>, Vec<&SecretKnown>) =
            known.iter().partition(|secret| secret.arn.is_some());
        let places: Vec<Place> = whole.iter().filter_map(|secret| place(secret)).collect();
        let answer = self.0.readings(
            arn,
            &Session::default(),
            &places,
            &Context::unknown(),
            Limits::default(),
        );
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                found.blind.insert(BlindSpot {
                    what: sanitize(&format!("the policies of {arn} were not asked: {error}")),
                    hides: "what it could have read".to_string(),
                });
                return;
            }
        };
        found.held.insert(arn.to_owned(), !answer.chains.is_empty());
        for (secret, reading) in whole.iter().zip(&answer.readings) {
            found.readable.extend(readable(secret, actor, arn, reading));
        }
        for secret in unnamed {
            found.readable.push(undecided(secret, actor, arn));
        }
        for spot in answer.blind_spots {
            found.blind.insert(BlindSpot {
                what: sanitize(&format!("{}: {}", spot.about, spot.why)),
                hides: "whether more could have been read by policy".to_string(),
            });
        }
    }
}

/// By ARN, whose policies were asked: whether, as far as they tell, it could become a role.
pub(super) type Held = BTreeMap<String, bool>;

/// Convicted actors by ARN, in their order. A user and its keys are several actors with one set
/// of policies: the first stands for them.
pub(super) fn principals(triage: &Triage) -> Vec<(&str, &Actor)> {
    let mut seen = BTreeSet::new();
    let convicted = |actor: &&Actor| matches!(actor.verdict, Verdict::Attacker | Verdict::Mixed);
    let named = triage.actors.iter().filter(convicted);
    let named = named.filter_map(|actor| Some((actor.arn.as_deref()?, actor)));
    named.filter(|(arn, _)| seen.insert(*arn)).collect()
}

#[derive(Default)]
struct Found {
    held: Held,
    readable: Vec<SecretReadable>,
    blind: BTreeSet<BlindSpot>,
    problems: BTreeSet<Problem>,
}

pub(super) fn place(secret: &SecretKnown) -> Option<Place> {
    let kind = match secret.kind.as_str() {
        "secretsmanager" => PlaceKind::SecretsManager,
        "ssm-parameter" => PlaceKind::Ssm,
        "lambda_environment" => PlaceKind::LambdaEnvironment,
        "ecs-task-definition" => PlaceKind::EcsTaskDefinition,
        _ => return None,
    };
    Some(Place {
        arn: secret.arn.clone()?,
        kind,
        encryption: Encryption::Unknown,
        account: secret.account.clone(),
    })
}

/// `None` where policy refuses.
fn readable(
    secret: &SecretKnown,
    actor: &Actor,
    principal: &str,
    reading: &Reading,
) -> Option<SecretReadable> {
    let (verdict, because) = match &reading.verdict {
        Decision::Denied { .. } => return None,
        Decision::Allowed => (ByPolicy::Allowed, Vec::new()),
        Decision::Undecidable { because } => {
            (ByPolicy::Undecidable, because.iter().map(doubt).collect())
        }
    };
    Some(SecretReadable {
        verdict,
        because,
        action: reading.action.clone(),
        via: reading.via.iter().map(|hop| sanitize(&hop.role)).collect(),
        statements: reading.statements.iter().map(cited).collect(),
        ..undecided(secret, actor, principal)
    })
}

/// A secret of which no question can be asked counts as readable.
pub(super) fn undecided(secret: &SecretKnown, actor: &Actor, principal: &str) -> SecretReadable {
    SecretReadable {
        kind: secret.kind.clone(),
        id: secret.id.clone(),
        region: secret.region.clone(),
        account: secret.account.clone(),
        actor: actor.id.clone(),
        principal: principal.to_string(),
        verdict: ByPolicy::Undecidable,
        action: String::new(),
        via: Vec::new(),
        statements: Vec::new(),
        because: vec!["the log does not tell its whole ARN".to_string()],
    }
}

fn cited(cited: &Cited) -> String {
    let statement = cited.statement.as_deref();
    let statement = statement.map_or(String::new(), |name| format!(", statement {name}"));
    sanitize(&format!("{} {}{statement}", cited.layer, cited.policy))
}

fn doubt(doubt: &Doubt) -> String {
    sanitize(&format!("{} ({})", doubt.why, cited(&doubt.cited)))
}

/// Levels from the root, each of names with policies.
type Levels = Vec<BTreeMap<String, Value>>;

fn named(levels: Levels) -> Vec<Vec<(String, String)>> {
    let level = |level: BTreeMap<String, Value>| {
        let texts = level.into_iter();
        texts
            .map(|(name, policy)| (name, document(&policy).unwrap_or_default()))
            .collect()
    };
    levels.into_iter().map(level).collect()
}

/// A policy as text, whether it stands as text or as an object; `None` for null.
fn document(policy: &Value) -> Option<String> {
    match policy {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn parsed<T: DeserializeOwned>(path: &Path) -> Result<T, CommandError> {
    serde_json::from_str(&text(path)?).map_err(|error| unusable(path, error))
}

fn text(path: &Path) -> Result<String, CommandError> {
    fs::read_to_string(path).map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, error: impl std::error::Error) -> CommandError {
    let why = error.source().map(|source| format!(": {source}"));
    let why = why.unwrap_or_default();
    let words = format!("{} cannot be used: {error}{why}", path.display());
    CommandError::new(Kind::Usage, words)
}
