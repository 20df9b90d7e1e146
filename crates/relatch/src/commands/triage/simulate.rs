//! What the thief could have read, asked of IAM.

use std::collections::{BTreeMap, BTreeSet};

use relatch_aws::PolicySimulator;
use relatch_case::FaultKind;
use relatch_evidence::{BlindSpot, SecretKnown, SecretReadable, Triage, not_read, sanitize};

use super::policy::{Held, principals, undecided};
use super::sources::connection;
use super::verdict::{Answers, Offline, Word, calls, merged, word};
use crate::app::App;

/// Asks IAM for every convicted principal about the secrets that it was not seen to read, and
/// joins that with what the account details told, if they were given (`held`).
pub(super) async fn fill(app: &App, triage: &mut Triage, held: &Held) {
    let known = not_read(&triage.secrets_known, &triage.secrets_read);
    let known: Vec<SecretKnown> = known.into_iter().cloned().collect();
    let mut round = Round {
        simulator: PolicySimulator::new(&connection(app).await),
        questions: questions(&known),
        answers: BTreeMap::new(),
        blind: BTreeSet::new(),
    };
    let mut offline = by_secret(triage.secrets_readable.take().unwrap_or_default());
    let mut readable = Vec::new();
    for (arn, actor) in principals(triage) {
        app.printer.note(&format!(
            "asking IAM about {arn} and {} secrets",
            known.len()
        ));
        let words = round.words(arn, &known).await;
        for (secret, word) in known.iter().zip(words) {
            let plain = undecided(secret, actor, arn);
            let told = offline.remove(&key(&plain));
            let roles = held.get(arn).copied().unwrap_or_default();
            let told = match told {
                Some(told) => Offline::Readable(Box::new(told)),
                None if held.contains_key(arn) => Offline::Refused,
                None => Offline::Silent,
            };
            let found = match word {
                Some(word) => merged(told, &word, plain, roles),
                // The log does not tell its whole ARN.
                None => Some(plain),
            };
            readable.extend(found);
        }
    }
    readable.extend(offline.into_values());
    triage.blind_spots.extend(round.blind);
    triage.secrets_readable = Some(readable);
}

type Key = (String, String, String, Option<String>, Option<String>);

fn key(one: &SecretReadable) -> Key {
    let (kind, id) = (one.kind.clone(), one.id.clone());
    let (region, account) = (one.region.clone(), one.account.clone());
    (one.principal.clone(), kind, id, region, account)
}

fn by_secret(readable: Vec<SecretReadable>) -> BTreeMap<Key, SecretReadable> {
    readable.into_iter().map(|one| (key(&one), one)).collect()
}

/// By call, the resources to ask about.
type Questions = BTreeMap<&'static str, BTreeSet<String>>;

fn questions(known: &[SecretKnown]) -> Questions {
    let mut questions = Questions::new();
    for (action, resource) in known.iter().flat_map(calls) {
        questions.entry(action).or_default().insert(resource);
    }
    questions
}

struct Round {
    simulator: PolicySimulator,
    questions: Questions,
    /// By the ARN of a user or role: its sessions are not asked about one by one.
    answers: BTreeMap<String, Answers>,
    blind: BTreeSet<BlindSpot>,
}

impl Round {
    /// What IAM says of each secret; `None` for those that it cannot be asked about.
    async fn words(&mut self, arn: &str, known: &[SecretKnown]) -> Vec<Option<Word>> {
        let Some(identity) = identity(arn) else {
            self.blind(
                format!("{arn} is no user or role: IAM cannot simulate its policies"),
                "what it could have read",
            );
            let why = "IAM cannot simulate its policies".to_owned();
            return whole(known, |_| Word::Open { why: why.clone() });
        };
        let home = identity.split(':').nth(4).unwrap_or_default().to_owned();
        if !self.answers.contains_key(&identity) {
            let answers = self.ask(&identity).await;
            self.tell(&identity, &answers);
            self.answers.insert(identity.clone(), answers);
        }
        let words = whole(known, |secret| {
            word(secret, &home, &self.answers[&identity])
        });
        let denied = words.iter().flatten().filter(|word| **word == Word::Denied);
        let denied = denied.count();
        if denied > 0 {
            self.blind(
                format!("{denied} secrets are denied to {identity} by policies as they stand now"),
                "what it could have read before they were put there, or as a role",
            );
        }
        words
    }

    async fn ask(&self, identity: &str) -> Answers {
        let mut identity = identity.to_owned();
        let mut answers = Answers::new();
        for (action, resources) in &self.questions {
            let mut told = self.simulator.ask(&identity, action, resources).await;
            let missing = |answer: &Result<_, relatch_case::Fault>| matches!(answer, Err(fault) if fault.kind == FaultKind::NotFound);
            if told.values().any(missing)
                && let Some(found) = self.under_a_path(&identity).await
            {
                told = self.simulator.ask(&found, action, resources).await;
                identity = found;
            }
            // A principal that is not there, or a call that is not granted, stays so.
            let end = told.values().find_map(|answer| answer.as_ref().err());
            let end = end
                .filter(|fault| fault.kind != FaultKind::Invalid)
                .cloned();
            answers.insert(action, told);
            if let Some(fault) = end {
                for (action, resources) in &self.questions {
                    answers.entry(action).or_insert_with(|| {
                        let all = resources.iter();
                        all.map(|one| (one.clone(), Err(fault.clone()))).collect()
                    });
                }
                break;
            }
        }
        answers
    }

    /// A role of that name with a path, of which its sessions' ARNs tell nothing.
    async fn under_a_path(&self, identity: &str) -> Option<String> {
        let (account, name) = identity.split_once(":role/")?;
        let found = self.simulator.role_arn(name).await.ok()?;
        let same = found.split_once(":role/")?.0 == account;
        (same && found != identity).then_some(found)
    }

    /// Names what kept IAM from telling.
    fn tell(&mut self, identity: &str, answers: &Answers) {
        let mut faults: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for (resource, answer) in answers.values().flatten() {
            if let Err(fault) = answer {
                let resources = faults.entry(fault.detail.clone()).or_default();
                resources.insert(resource);
            }
        }
        for (why, resources) in faults {
            let count = resources.len();
            self.blind(
                format!("IAM did not tell of {identity} and {count} resources: {why}"),
                "whether it could have read them",
            );
        }
    }

    fn blind(&mut self, what: String, hides: &str) {
        self.blind.insert(BlindSpot {
            what: sanitize(&what),
            hides: hides.to_owned(),
        });
    }
}

/// A word on each secret that is named by a whole ARN.
fn whole(known: &[SecretKnown], word: impl Fn(&SecretKnown) -> Word) -> Vec<Option<Word>> {
    let known = known.iter();
    known
        .map(|secret| secret.arn.as_ref().map(|_| word(secret)))
        .collect()
}

/// The user or role whose policies count; `None` for root, federated users and others.
fn identity(arn: &str) -> Option<String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let &["arn", partition, service, _, account, resource] = parts.as_slice() else {
        return None;
    };
    let (kind, name) = resource.split_once('/')?;
    match (service, kind) {
        ("iam", "user" | "role") => Some(arn.to_owned()),
        ("sts", "assumed-role") => {
            let (role, _) = name.split_once('/')?;
            Some(format!("arn:{partition}:iam::{account}:role/{role}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_asked_about_as_their_role() {
        for (arn, whose) in [
            (
                "arn:aws:iam::111122223333:user/team/app",
                Some("arn:aws:iam::111122223333:user/team/app"),
            ),
            (
                "arn:aws-cn:sts::111122223333:assumed-role/ops/anna",
                Some("arn:aws-cn:iam::111122223333:role/ops"),
            ),
            ("arn:aws:iam::111122223333:root", None),
            ("arn:aws:sts::111122223333:federated-user/x", None),
            ("app", None),
        ] {
            assert_eq!(identity(arn).as_deref(), whose, "{arn}");
        }
    }
}
