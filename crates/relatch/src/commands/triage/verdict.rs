//! From what IAM decided call by call, and what the account details told, to one verdict on a
//! secret.

use std::collections::{BTreeMap, BTreeSet};

use relatch_aws::{Simulated, Simulation, Simulations};
use relatch_case::Fault;
use relatch_evidence::{ByPolicy, SecretKnown, SecretReadable, sanitize};

use super::policy::place;

/// Parts of the names of policies that are put on principals because of a break-in: `relatch`'s
/// own, the console's "revoke sessions", and AWS's quarantine. What they deny was open before.
const CONTAINMENT: [&str; 4] = [
    "RelatchContainment",
    relatch_aws::CUT_POLICY,
    "AWSRevokeOlderSessions",
    "AWSCompromisedKeyQuarantine",
];

/// A call on a resource.
pub(super) type Call = (&'static str, String);

/// What IAM said, by call.
pub(super) type Answers = BTreeMap<&'static str, Simulations>;

/// What the account details told of a secret.
#[derive(Debug, Clone)]
pub(super) enum Offline {
    /// They were not asked.
    Silent,
    /// It could not be read.
    Refused,
    /// It could, or it is not known.
    Readable(Box<SecretReadable>),
}

/// What IAM's answers come to for one secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// This call is allowed, by these policies.
    Allowed {
        action: &'static str,
        policies: BTreeSet<String>,
    },
    /// Every call is denied by a statement or the organization.
    Denied,
    /// Not decided.
    Open { why: String },
}

/// Every call that gives the secret's value; a denial of fewer is none.
pub(super) fn calls(secret: &SecretKnown) -> Vec<Call> {
    place(secret).map_or_else(Vec::new, |place| place.calls())
}

/// What the answers come to for a secret, asked for a principal of the account `home`.
pub(super) fn word(secret: &SecretKnown, home: &str, answers: &Answers) -> Word {
    let owner = secret.arn.as_deref().and_then(|arn| arn.split(':').nth(4));
    let abroad = owner.is_some_and(|owner| owner != home);
    let mut open = None;
    let mut denied = false;
    for (action, resource) in calls(secret) {
        // Calls on everything answer for the caller's own account.
        if abroad && resource == "*" {
            continue;
        }
        let answer = answers.get(action).and_then(|all| all.get(&resource));
        match answer.map_or(Err(NOT_ASKED.to_owned()), |answer| decided(answer, abroad)) {
            Ok(true) => {
                let policies = answer.and_then(|answer| answer.as_ref().ok());
                let policies = policies.map(|one| one.policies.clone());
                let policies = policies.unwrap_or_default();
                return Word::Allowed { action, policies };
            }
            Ok(false) => denied = true,
            Err(why) => open = open.or(Some(why)),
        }
    }
    match open {
        None if denied => Word::Denied,
        why => Word::Open {
            why: why.unwrap_or_else(|| NOT_ASKED.to_owned()),
        },
    }
}

const NOT_ASKED: &str = "IAM was not asked";

/// Whether it is allowed; `Err`: why that cannot be said.
fn decided(answer: &Result<Simulation, Fault>, abroad: bool) -> Result<bool, String> {
    let answer = answer.as_ref().map_err(|fault| fault.detail.clone())?;
    let names = |all: &BTreeSet<String>| all.iter().cloned().collect::<Vec<_>>().join(", ");
    let contained = |policy: &&String| CONTAINMENT.iter().any(|part| policy.contains(part));
    match answer.decision {
        // What the organization does not let through hangs on no key that was left out.
        Simulated::OrganizationDeny => Ok(false),
        Simulated::ImplicitDeny => {
            Err("no policy of its own allows it; one of the secret may".to_owned())
        }
        _ if !answer.missing.is_empty() => Err(format!(
            "IAM was not told the request's {}",
            names(&answer.missing)
        )),
        Simulated::Allowed if abroad => {
            Err("its own policies allow it; those of the secret's account are not known".to_owned())
        }
        Simulated::Allowed => Ok(true),
        Simulated::ExplicitDeny => match answer.policies.iter().find(contained) {
            Some(policy) => Err(format!(
                "{policy} denies it, which may be younger than the attack"
            )),
            None => Ok(false),
        },
    }
}

/// The verdict of both; `None`: it could not be read. `plain` is the entry of which nothing is
/// known, `roles` whether the principal could become a role.
pub(super) fn merged(
    offline: Offline,
    word: &Word,
    plain: SecretReadable,
    roles: bool,
) -> Option<SecretReadable> {
    let open = |because: &str| SecretReadable {
        because: vec![sanitize(because)],
        ..plain.clone()
    };
    match (offline, word) {
        // What cannot be decided changes nothing.
        (Offline::Readable(known), Word::Open { .. }) => Some(*known),
        (Offline::Refused, Word::Open { .. } | Word::Denied) | (Offline::Silent, Word::Denied) => {
            None
        }
        (Offline::Silent, Word::Open { why }) => Some(open(why)),
        (Offline::Refused, Word::Allowed { .. }) => {
            Some(open("the account details refuse what IAM allows now"))
        }
        (Offline::Readable(known), Word::Allowed { .. }) if known.verdict == ByPolicy::Allowed => {
            Some(*known)
        }
        (_, Word::Allowed { action, policies }) => Some(allowed(action, policies, plain)),
        // A denial to itself is none to the roles that it could become.
        (Offline::Readable(known), Word::Denied) if roles || !known.via.is_empty() => Some(*known),
        (Offline::Readable(known), Word::Denied) => (known.verdict == ByPolicy::Allowed)
            .then(|| open("IAM denies now what the account details allow")),
    }
}

fn allowed(action: &str, policies: &BTreeSet<String>, plain: SecretReadable) -> SecretReadable {
    let by_name = policies.iter();
    let statements = by_name.map(|policy| sanitize(&format!("IAM's simulation: {policy}")));
    let mut statements: Vec<String> = statements.collect();
    if statements.is_empty() {
        statements.push("IAM's simulation".to_owned());
    }
    SecretReadable {
        verdict: ByPolicy::Allowed,
        action: action.to_owned(),
        statements,
        because: Vec::new(),
        ..plain
    }
}

#[cfg(test)]
mod tests {
    use relatch_case::FaultKind;

    use super::*;

    const HOME: &str = "111122223333";
    const READ: &str = "secretsmanager:GetSecretValue";

    fn secret(kind: &str, arn: &str) -> SecretKnown {
        SecretKnown {
            kind: kind.into(),
            id: "x".into(),
            region: None,
            account: None,
            arn: Some(arn.into()),
        }
    }

    fn simulation(decision: Simulated, policy: &str, missing: &[&str]) -> Simulation {
        Simulation {
            decision,
            policies: [policy.to_owned()].into(),
            missing: missing.iter().map(ToString::to_string).collect(),
        }
    }

    /// The word on a secret of the account `home` if IAM says so of every call.
    fn on(secret: &SecretKnown, home: &str, answer: &Result<Simulation, Fault>) -> Word {
        let mut answers = Answers::new();
        for (action, resource) in calls(secret) {
            let of = answers.entry(action).or_default();
            of.insert(resource, answer.clone());
        }
        word(secret, home, &answers)
    }

    fn db() -> SecretKnown {
        let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbC123";
        secret("secretsmanager", arn)
    }

    fn entry(verdict: ByPolicy, via: &[&str]) -> SecretReadable {
        SecretReadable {
            kind: "secretsmanager".into(),
            id: "x".into(),
            region: None,
            account: None,
            actor: "a".into(),
            principal: "p".into(),
            verdict,
            action: String::new(),
            via: via.iter().map(ToString::to_string).collect(),
            statements: Vec::new(),
            because: vec!["so".into()],
        }
    }

    #[test]
    fn only_what_hangs_on_nothing_is_decided() {
        use Simulated::{Allowed, ExplicitDeny, ImplicitDeny, OrganizationDeny};
        let word = |decision, policy: &str, missing: &[&str]| {
            on(&db(), HOME, &Ok(simulation(decision, policy, missing)))
        };
        let policies = ["mine".to_string()].into();
        let action = READ;
        assert_eq!(
            word(Allowed, "mine", &[]),
            Word::Allowed { action, policies }
        );
        assert_eq!(word(ExplicitDeny, "mine", &[]), Word::Denied);
        assert_eq!(word(OrganizationDeny, "", &["aws:SourceIp"]), Word::Denied);
        for (decision, policy, missing, why) in [
            (ImplicitDeny, "", vec![], "one of the secret may"),
            (Allowed, "mine", vec!["aws:SourceIp"], "aws:SourceIp"),
            (ExplicitDeny, "mine", vec!["aws:SourceVpc"], "aws:SourceVpc"),
            (ExplicitDeny, "user_app_RelatchDenyAll", vec![], "younger"),
            (
                ExplicitDeny,
                "AWSCompromisedKeyQuarantineV3",
                vec![],
                "younger",
            ),
        ] {
            match word(decision, policy, &missing) {
                Word::Open { why: told } => assert!(told.contains(why), "{told}"),
                other => panic!("{decision:?} {policy}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_fault_is_no_refusal_and_another_account_has_its_own_say() {
        for kind in [FaultKind::NotFound, FaultKind::Denied, FaultKind::Throttled] {
            let word = on(&db(), HOME, &Err(Fault::new(kind, "because")));
            assert_eq!(
                word,
                Word::Open {
                    why: "because".into()
                }
            );
        }
        let allowed = Ok(simulation(Simulated::Allowed, "mine", &[]));
        let word = on(&db(), "444455556666", &allowed);
        assert!(matches!(word, Word::Open { .. }), "{word:?}");
    }

    #[test]
    fn one_call_that_is_left_is_a_way() {
        let token = secret(
            "ssm-parameter",
            "arn:aws:ssm:eu-west-1:111122223333:parameter/prod/db/token",
        );
        let calls = calls(&token);
        let by_path = calls
            .iter()
            .filter(|call| call.0 == "ssm:GetParametersByPath");
        let by_path: Vec<&str> = by_path
            .filter_map(|call| call.1.split_once(":parameter"))
            .map(|(_, path)| path)
            .collect();
        assert_eq!(by_path, ["/", "/prod", "/prod/", "/prod/db", "/prod/db/"]);
        for (left, _) in calls.iter().enumerate() {
            let mut answers = Answers::new();
            for (at, (action, resource)) in calls.iter().enumerate() {
                let decision = if at == left {
                    Simulated::Allowed
                } else {
                    Simulated::ExplicitDeny
                };
                let of = answers.entry(action).or_default();
                of.insert(resource.clone(), Ok(simulation(decision, "p", &[])));
            }
            let word = word(&token, HOME, &answers);
            assert!(matches!(word, Word::Allowed { .. }), "{left}: {word:?}");
        }
    }

    #[test]
    fn what_the_details_told_gives_way_only_to_a_decision() {
        let plain = || entry(ByPolicy::Undecidable, &[]);
        let open = Word::Open { why: "why".into() };
        let allowed = Word::Allowed {
            action: READ,
            policies: BTreeSet::new(),
        };
        let of = |offline: &Offline, word: &Word, roles| {
            let merged = merged(offline.clone(), word, plain(), roles);
            merged.map(|one| (one.verdict, one.because.concat()))
        };
        let sure = Offline::Readable(Box::new(entry(ByPolicy::Allowed, &[])));
        let perhaps = Offline::Readable(Box::new(plain()));
        let by_role = Offline::Readable(Box::new(entry(ByPolicy::Undecidable, &["role"])));
        let yes = |because: &str| Some((ByPolicy::Allowed, because.to_string()));
        let maybe = |because: &str| Some((ByPolicy::Undecidable, because.to_string()));
        assert_eq!(of(&Offline::Silent, &open, false), maybe("why"));
        assert_eq!(of(&Offline::Silent, &Word::Denied, false), None);
        assert_eq!(of(&Offline::Silent, &allowed, false), yes(""));
        assert_eq!(of(&Offline::Refused, &open, false), None);
        let differ = "the account details refuse what IAM allows now";
        assert_eq!(of(&Offline::Refused, &allowed, false), maybe(differ));
        assert_eq!(of(&perhaps, &open, false), maybe("so"));
        assert_eq!(of(&perhaps, &allowed, false), yes(""));
        assert_eq!(of(&perhaps, &Word::Denied, false), None);
        assert_eq!(of(&perhaps, &Word::Denied, true), maybe("so"));
        assert_eq!(of(&by_role, &Word::Denied, false), maybe("so"));
        assert_eq!(of(&sure, &open, false), yes("so"));
        let differ = "IAM denies now what the account details allow";
        assert_eq!(of(&sure, &Word::Denied, false), maybe(differ));
    }
}
