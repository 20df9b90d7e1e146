//! Made-up worlds: accounts, policies and requests.

#![allow(dead_code, reason = "each of its users needs another part")]

use proptest::prelude::*;
use proptest::sample::select;
use relatch_access::{Answer, Context, Query, Session, Verdict, World};
use serde_json::{Value, json};

pub(crate) const HOME: &str = "111122223333";
pub(crate) const ABROAD: &str = "444455556666";
pub(crate) const USER: &str = "arn:aws:iam::111122223333:user/anna";
pub(crate) const ROLE: &str = "arn:aws:iam::111122223333:role/reader";
pub(crate) const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/reader/s1";

/// One statement of an identity policy.
pub(crate) fn allow(action: &str, resource: &str) -> Value {
    json!({ "Effect": "Allow", "Action": action, "Resource": resource })
}

/// The same that denies.
pub(crate) fn deny(action: &str, resource: &str) -> Value {
    json!({ "Effect": "Deny", "Action": action, "Resource": resource })
}

/// A policy of statements.
pub(crate) fn policy(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// Everything that a decision may rest on.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// The user, or the session of the role.
    pub(crate) of_role: bool,
    pub(crate) identity: Vec<Value>,
    pub(crate) boundary: Option<Value>,
    pub(crate) session: Vec<Value>,
    /// The resource's policy; null: it has none.
    pub(crate) resource_policy: Option<Value>,
    pub(crate) service_control: Option<Vec<Vec<Value>>>,
    pub(crate) action: String,
    pub(crate) resource: String,
    /// Key, values; none: the request does not have the key.
    pub(crate) context: Vec<(String, Vec<String>)>,
}

impl Case {
    /// The user reads a secret at home; nothing allows it.
    pub(crate) fn new() -> Self {
        Self {
            of_role: false,
            identity: Vec::new(),
            boundary: None,
            session: Vec::new(),
            resource_policy: None,
            service_control: None,
            action: "secretsmanager:GetSecretValue".into(),
            resource: secret(HOME, "app"),
            context: Vec::new(),
        }
    }

    pub(crate) fn principal(&self) -> &'static str {
        if self.of_role { SESSION } else { USER }
    }

    pub(crate) fn world(&self) -> World {
        let mut world = World::new();
        let faults = world
            .add_details(&self.details().to_string())
            .expect("details");
        assert!(faults.is_empty(), "{faults:?}");
        match &self.resource_policy {
            Some(policy) => world.set_resource_policy(&self.resource, &policy.to_string()),
            None => world.set_no_resource_policy(&self.resource),
        }
        if let Some(levels) = &self.service_control {
            let named = |policy: &Value| ("scp".to_owned(), policy.to_string());
            let levels: Vec<Vec<_>> = levels
                .iter()
                .map(|level| level.iter().map(named).collect())
                .collect();
            world.set_service_control_policies(HOME, &levels);
        }
        world
    }

    fn details(&self) -> Value {
        let inline = |list: &[Value]| -> Vec<Value> {
            let named = |(at, policy): (usize, &Value)| json!({ "PolicyName": format!("p{at}"), "PolicyDocument": policy });
            list.iter().enumerate().map(named).collect()
        };
        let boundary = "arn:aws:iam::111122223333:policy/boundary";
        let mut user = json!({ "Arn": USER, "UserId": "AIDAANNA", "UserPolicyList": [] });
        let mut role = json!({
            "Arn": ROLE, "RoleName": "reader", "RoleId": "AROAREADER", "RolePolicyList": [],
            "AssumeRolePolicyDocument": policy(&[]),
        });
        let (mine, list) = if self.of_role {
            (&mut role, "RolePolicyList")
        } else {
            (&mut user, "UserPolicyList")
        };
        mine[list] = inline(&self.identity).into();
        let mut policies = Vec::new();
        if let Some(document) = &self.boundary {
            mine["PermissionsBoundary"] = json!({ "PermissionsBoundaryArn": boundary });
            let version = json!({ "IsDefaultVersion": true, "Document": document });
            policies.push(json!({ "Arn": boundary, "PolicyVersionList": [version] }));
        }
        json!({ "UserDetailList": [user], "RoleDetailList": [role], "Policies": policies })
    }

    /// What is known of the request, all keys but those left out.
    pub(crate) fn context_without(&self, forgotten: &[usize]) -> Context {
        let mut context = Context::unknown();
        for (at, (key, values)) in self.context.iter().enumerate() {
            if forgotten.contains(&at) {
                context = context.forget(key);
            } else {
                context = context.with(key, values.clone());
            }
        }
        context
    }

    pub(crate) fn answer(&self) -> Answer {
        self.answer_with(&self.context_without(&[]))
    }

    pub(crate) fn answer_with(&self, context: &Context) -> Answer {
        let named = |policy: &Value| ("session policy".to_owned(), policy.to_string());
        let session = Session {
            policies: self.session.iter().map(named).collect(),
            tags: None,
        };
        let query = Query {
            principal: self.principal(),
            session: &session,
            action: &self.action,
            resource: &self.resource,
            resource_account: None,
            context,
        };
        self.world().decide(&query).expect("a question")
    }
}

pub(crate) fn secret(account: &str, name: &str) -> String {
    format!("arn:aws:secretsmanager:eu-central-1:{account}:secret:{name}-AbCdEf")
}

pub(crate) fn key(account: &str) -> String {
    format!("arn:aws:kms:eu-central-1:{account}:key/0b5c1f00-0000-4000-8000-000000000001")
}

/// Keys of requests in generated policies, and values that policies and requests take.
const KEYS: [(&str, &[&str]); 5] = [
    ("aws:ResourceTag/team", &["red", "blue", "re*"]),
    (
        "secretsmanager:VersionStage",
        &["AWSCURRENT", "AWSPREVIOUS", "AWS*"],
    ),
    ("aws:SecureTransport", &["true", "false"]),
    ("aws:TagKeys", &["a", "b", "c"]),
    ("aws:MultiFactorAuthAge", &["10", "3600", "86400"]),
];

fn condition() -> impl Strategy<Value = (String, Value)> {
    let texts = select(vec![
        "StringEquals",
        "StringNotEquals",
        "StringLike",
        "StringNotLike",
        "StringEqualsIgnoreCase",
        "StringEqualsIfExists",
        "StringNotEqualsIfExists",
    ]);
    let of_text = (texts, select(vec![0_usize, 1]));
    let of_many = (
        select(vec![
            "ForAllValues:StringEquals",
            "ForAnyValue:StringEquals",
            "ForAllValues:StringLike",
            "ForAnyValue:StringNotEquals",
            "ForAllValues:StringNotEquals",
        ]),
        Just(3_usize),
    );
    let of_number = (
        select(vec![
            "NumericLessThan",
            "NumericGreaterThanEquals",
            "NumericEquals",
        ]),
        Just(4_usize),
    );
    let of_truth = (select(vec!["Bool", "BoolIfExists"]), Just(2_usize));
    let null = (Just("Null"), 0_usize..5);
    prop_oneof![of_text, of_many, of_number, of_truth, null].prop_flat_map(|(operator, at)| {
        let (key, values) = KEYS[at];
        let values = if operator == "Null" {
            &["true", "false"][..]
        } else {
            values
        };
        let most = if matches!(operator, "Null" | "Bool" | "BoolIfExists") || at == 4 {
            1
        } else {
            2
        };
        proptest::sample::subsequence(values.to_vec(), 1..=most)
            .prop_map(move |values| (operator.to_owned(), json!({ key: values })))
    })
}

/// The element or its negation, with one or two values.
fn element(
    name: &'static str,
    values: &'static [&'static str],
) -> impl Strategy<Value = (String, Value)> {
    let list = proptest::sample::subsequence(values.to_vec(), 1..=2);
    (list, prop::bool::weighted(0.15)).prop_map(move |(values, negated)| {
        let name = if negated {
            format!("Not{name}")
        } else {
            name.to_owned()
        };
        (name, json!(values))
    })
}

const ACTIONS: &[&str] = &[
    "*",
    "secretsmanager:*",
    "secretsmanager:GetSecretValue",
    "SecretsManager:get*",
    "kms:Decrypt",
    "kms:*",
    "secretsmanager:Describe?ecret",
    "s3:GetObject",
];

const RESOURCES: &[&str] = &[
    "*",
    "arn:aws:secretsmanager:eu-central-1:111122223333:secret:app-??????",
    "arn:aws:secretsmanager:eu-central-1:111122223333:secret:*",
    "arn:aws:secretsmanager:*:*:secret:app*",
    "arn:aws:secretsmanager:eu-central-1:444455556666:secret:*",
    "arn:aws:kms:eu-central-1:111122223333:key/*",
    "arn:aws:kms:*:444455556666:key/*",
    "arn:aws:s3:::*",
];

const PRINCIPALS: &[&str] = &[
    "*",
    "111122223333",
    "arn:aws:iam::111122223333:root",
    USER,
    ROLE,
    SESSION,
    "arn:aws:iam::444455556666:root",
    "arn:aws:iam::111122223333:user/bert",
];

/// One statement, with a principal or without.
pub(crate) fn statement(with_principal: bool) -> impl Strategy<Value = Value> {
    let parts = (
        prop::bool::weighted(0.25),
        element("Action", ACTIONS),
        element("Resource", RESOURCES),
        proptest::option::weighted(0.35, condition()),
        proptest::sample::subsequence(PRINCIPALS.to_vec(), 1..=2),
    );
    parts.prop_map(move |(denies, action, resource, condition, principals)| {
        let mut statement = json!({ "Effect": if denies { "Deny" } else { "Allow" } });
        statement[action.0] = action.1;
        statement[resource.0] = resource.1;
        if let Some((operator, keys)) = condition {
            statement["Condition"] = json!({ operator: keys });
        }
        if with_principal {
            statement["Principal"] = json!({ "AWS": principals });
        }
        statement
    })
}

pub(crate) fn any_policy(with_principal: bool) -> impl Strategy<Value = Value> {
    prop::collection::vec(statement(with_principal), 1..4).prop_map(|list| policy(&list))
}

/// Values of all keys, or that the request does not have them.
fn request() -> impl Strategy<Value = Vec<(String, Vec<String>)>> {
    KEYS.map(|(key, values)| {
        let plain: Vec<&str> = values
            .iter()
            .copied()
            .filter(|v| !v.contains('*'))
            .collect();
        let most = if key == "aws:TagKeys" { 2 } else { 1 };
        proptest::sample::subsequence(plain, 0..=most).prop_map(move |values| {
            (
                key.to_owned(),
                values.into_iter().map(str::to_owned).collect(),
            )
        })
    })
    .to_vec()
}

prop_compose! {
    /// A question with all that it may rest on, all of it known.
    pub(crate) fn case()(
        of_role: bool,
        identity in prop::collection::vec(any_policy(false), 0..3),
        boundary in proptest::option::weighted(0.3, any_policy(false)),
        session in prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(any_policy(false), 1..3)],
        resource_policy in proptest::option::weighted(0.6, any_policy(true)),
        which in 0_usize..4,
        context in request(),
    ) -> Case {
        let (action, resource) = match which {
            0 | 1 => ("secretsmanager:GetSecretValue", secret(HOME, "app")),
            2 => ("secretsmanager:GetSecretValue", secret(ABROAD, "app")),
            _ => ("kms:Decrypt", key(HOME)),
        };
        Case {
            of_role,
            identity,
            boundary,
            session: if of_role { session } else { Vec::new() },
            resource_policy,
            service_control: None,
            action: action.into(),
            resource,
            context,
        }
    }
}

/// What an answer says, in one word.
pub(crate) fn word(answer: &Answer) -> &'static str {
    match answer.verdict {
        Verdict::Allowed => "allowed",
        Verdict::Denied { explicit: true, .. } => "denied",
        Verdict::Denied {
            explicit: false, ..
        } => "not allowed",
        Verdict::Undecidable { .. } => "undecidable",
    }
}

/// Fails if the answer is another; gives it back.
pub(crate) fn check(case: &Case, expected: &str) -> Answer {
    let answer = case.answer();
    assert_eq!(word(&answer), expected, "{answer:#?}");
    answer
}

/// The everyday call.
pub(crate) const READ: &str = "secretsmanager:GetSecretValue";

/// One policy that lets its owner read all secrets.
pub(crate) fn reads() -> Vec<Value> {
    vec![policy(&[allow(READ, "*")])]
}
