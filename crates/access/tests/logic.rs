//! The evaluation logic as the IAM User Guide, the Organizations User Guide and the KMS
//! Developer Guide describe it, point by point.

use relatch_access::{Answer, Cited, Context, Layer, Query, Session, Verdict, World};
use serde_json::{Value, json};

mod support;

use support::{
    ABROAD, Case, HOME, READ, ROLE, SESSION, USER, allow, check, deny, policy, reads, secret, word,
};

fn granted(to: &str) -> Value {
    policy(&[
        json!({ "Effect": "Allow", "Action": READ, "Resource": "*", "Principal": { "AWS": to } }),
    ])
}

/// A limit that lets something else through.
fn narrow() -> Value {
    policy(&[allow("s3:*", "*")])
}

/// Where the answer says that nothing allows.
fn lacking(answer: &Answer) -> Vec<Layer> {
    match &answer.verdict {
        Verdict::Denied { by, .. } => by.iter().map(|cited| cited.layer).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_is_allowed_that_no_policy_allows() {
    let answer = check(&Case::new(), "not allowed");
    assert_eq!(lacking(&answer), [Layer::Identity, Layer::Resource]);
}

#[test]
fn in_one_account_an_allow_on_either_side_is_enough() {
    let by_identity = Case {
        identity: reads(),
        ..Case::new()
    };
    let answer = check(&by_identity, "allowed");
    let cited = Cited {
        layer: Layer::Identity,
        policy: format!("p0 of {USER}"),
        statement: Some("#0".into()),
    };
    assert_eq!(answer.statements, [cited]);
    check(
        &Case {
            resource_policy: Some(granted(USER)),
            ..Case::new()
        },
        "allowed",
    );
    check(
        &Case {
            resource_policy: Some(granted("*")),
            ..Case::new()
        },
        "allowed",
    );
}

#[test]
fn a_grant_to_the_account_only_delegates() {
    for account in [HOME, "arn:aws:iam::111122223333:root"] {
        let case = Case {
            resource_policy: Some(granted(account)),
            ..Case::new()
        };
        check(&case, "not allowed");
        check(
            &Case {
                identity: reads(),
                ..case
            },
            "allowed",
        );
    }
}

#[test]
fn a_boundary_limits_what_the_identity_has() {
    let case = Case {
        identity: reads(),
        boundary: Some(narrow()),
        ..Case::new()
    };
    assert_eq!(
        lacking(&check(&case, "not allowed")),
        [Layer::Resource, Layer::Boundary]
    );
    let wide = policy(&[allow("*", "*")]);
    check(
        &Case {
            boundary: Some(wide.clone()),
            ..Case::new()
        },
        "not allowed",
    );
    check(
        &Case {
            identity: reads(),
            boundary: Some(wide),
            ..Case::new()
        },
        "allowed",
    );
    // "Permissions boundaries for IAM entities": a grant to the user's own ARN is not limited,
    // one to the role is, one to the session is not.
    let limited = |of_role, to| Case {
        of_role,
        boundary: Some(narrow()),
        resource_policy: Some(granted(to)),
        ..Case::new()
    };
    check(&limited(false, USER), "allowed");
    check(&limited(true, ROLE), "not allowed");
    check(&limited(true, SESSION), "allowed");
    check(&limited(false, "*"), "undecidable");
}

#[test]
fn session_policies_limit_what_the_role_has() {
    let case = Case {
        of_role: true,
        identity: reads(),
        session: vec![narrow()],
        ..Case::new()
    };
    check(&case, "not allowed");
    let both = Case {
        session: vec![narrow(), reads()[0].clone()],
        ..case.clone()
    };
    check(&both, "allowed");
    let to = |to| Case {
        identity: Vec::new(),
        resource_policy: Some(granted(to)),
        ..case.clone()
    };
    check(&to(ROLE), "not allowed");
    check(&to(SESSION), "allowed");
}

#[test]
fn across_accounts_both_sides_must_allow() {
    let abroad = Case {
        resource: secret(ABROAD, "app"),
        ..Case::new()
    };
    check(
        &Case {
            identity: reads(),
            ..abroad.clone()
        },
        "not allowed",
    );
    check(
        &Case {
            resource_policy: Some(granted(USER)),
            ..abroad.clone()
        },
        "not allowed",
    );
    for to in [USER, HOME, "*"] {
        let case = Case {
            identity: reads(),
            resource_policy: Some(granted(to)),
            ..abroad.clone()
        };
        check(&case, "allowed");
    }
}

#[test]
fn every_level_of_the_organization_must_allow() {
    let all = policy(&[allow("*", "*")]);
    let with = |levels: Vec<Vec<Value>>| Case {
        identity: reads(),
        service_control: Some(levels),
        ..Case::new()
    };
    check(&with(vec![vec![all.clone()], vec![all.clone()]]), "allowed");
    let answer = check(
        &with(vec![vec![all.clone()], vec![narrow()]]),
        "not allowed",
    );
    assert!(lacking(&answer).contains(&Layer::ServiceControl));
    check(
        &with(vec![vec![all.clone()], vec![narrow(), all.clone()]]),
        "allowed",
    );
    let refuses = policy(&[deny("secretsmanager:*", "*")]);
    let answer = check(
        &with(vec![vec![all.clone(), refuses], vec![all.clone()]]),
        "denied",
    );
    assert_eq!(answer.statements[0].layer, Layer::ServiceControl);
    // One is always attached: none means that they were not all given.
    check(&with(vec![vec![all], vec![]]), "undecidable");
}

fn decide(world: &World, principal: &str, action: &str, resource: &str) -> &'static str {
    let query = Query {
        principal,
        session: &Session::default(),
        action,
        resource,
        resource_account: None,
        context: &Context::unknown(),
    };
    word(&world.decide(&query).expect("a question"))
}

#[test]
fn who_the_organization_binds() {
    let mut world = Case {
        identity: reads(),
        ..Case::new()
    }
    .world();
    let linked = "arn:aws:iam::111122223333:role/aws-service-role/x.amazonaws.com/Linked";
    let role = json!({
        "Arn": linked, "RoleName": "Linked", "AssumeRolePolicyDocument": policy(&[]),
        "RolePolicyList": [{ "PolicyName": "p", "PolicyDocument": reads()[0] }],
    });
    world
        .add_details(&json!({ "RoleDetailList": [role] }).to_string())
        .expect("details");
    let refuses = vec![vec![(
        "scp".to_owned(),
        policy(&[deny("*", "*")]).to_string(),
    )]];
    world.set_service_control_policies(HOME, &refuses);
    let here = secret(HOME, "app");
    assert_eq!(decide(&world, USER, READ, &here), "denied");
    assert_eq!(
        decide(&world, "arn:aws:iam::111122223333:root", READ, &here),
        "denied"
    );
    assert_eq!(decide(&world, linked, READ, &here), "allowed");
}

#[test]
fn resource_control_policies_only_deny() {
    let mut world = Case {
        identity: reads(),
        ..Case::new()
    }
    .world();
    let all = json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*" });
    let mut refuses = all.clone();
    refuses["Effect"] = "Deny".into();
    let set = |world: &mut World, statement: &Value| {
        let text = policy(std::slice::from_ref(statement)).to_string();
        world.set_resource_control_policies(HOME, &[vec![("rcp".to_owned(), text)]]);
    };
    set(&mut world, &all);
    assert_eq!(decide(&world, USER, READ, &secret(HOME, "app")), "allowed");
    set(&mut world, &refuses);
    assert_eq!(decide(&world, USER, READ, &secret(HOME, "app")), "denied");
}

#[test]
fn a_key_policy_must_let_identity_policies_count() {
    let decrypts = vec![policy(&[allow("kms:Decrypt", "*")])];
    let grant = |to: &str| {
        policy(&[
            json!({ "Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": { "AWS": to } }),
        ])
    };
    let case = Case {
        action: "kms:Decrypt".into(),
        resource: support::key(HOME),
        resource_policy: Some(grant("arn:aws:iam::111122223333:user/bert")),
        ..Case::new()
    };
    check(
        &Case {
            identity: decrypts.clone(),
            ..case.clone()
        },
        "not allowed",
    );
    let delegates = Case {
        resource_policy: Some(grant(HOME)),
        ..case.clone()
    };
    check(&delegates, "not allowed");
    check(
        &Case {
            identity: decrypts,
            ..delegates
        },
        "allowed",
    );
    check(
        &Case {
            resource_policy: Some(grant(USER)),
            ..case
        },
        "allowed",
    );
}

#[test]
fn what_stands_beside_everything_is_not_meant() {
    let mut all_but = allow("*", "*");
    all_but.as_object_mut().expect("a map").remove("Action");
    all_but["NotAction"] = json!(["iam:*", "SecretsManager:Get*"]);
    check(
        &Case {
            identity: vec![policy(&[all_but])],
            ..Case::new()
        },
        "not allowed",
    );
    let spares = |who: Value| {
        policy(&[
            json!({ "Effect": "Deny", "Action": "*", "Resource": "*", "NotPrincipal": { "AWS": who } }),
        ])
    };
    let case = |who| Case {
        identity: reads(),
        resource_policy: Some(spares(who)),
        ..Case::new()
    };
    check(&case(json!([USER, HOME])), "allowed");
    check(&case(json!([ROLE])), "denied");
    check(&case(json!([USER])), "undecidable");
}

#[test]
fn what_is_not_known_is_never_a_no() {
    let mut world = Case::new().world();
    let here = secret(HOME, "other");
    // No policy of this secret was given, and none is known to be there.
    assert_eq!(decide(&world, USER, READ, &here), "undecidable");
    world.set_resource_policies_complete("secretsmanager");
    assert_eq!(decide(&world, USER, READ, &here), "not allowed");
    assert_eq!(
        decide(&world, "arn:aws:iam::111122223333:user/nobody", READ, &here),
        "undecidable"
    );
    let star = json!({ "Effect": "Allow", "Action": READ, "Resource": "*",
        "Principal": { "AWS": "arn:aws:iam::*:user/anna" } });
    world.set_resource_policy(&here, &policy(&[star]).to_string());
    assert_eq!(decide(&world, USER, READ, &here), "undecidable");
}

#[test]
fn trust_is_a_grant_like_any_other() {
    let role = |trusted: Value| {
        let mut world = Case::new().world();
        let trust = policy(&[
            json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": trusted }),
        ]);
        let role = json!({ "Arn": "arn:aws:iam::111122223333:role/ops", "RoleName": "ops",
            "AssumeRolePolicyDocument": trust });
        world
            .add_details(&json!({ "RoleDetailList": [role] }).to_string())
            .expect("details");
        world
    };
    let asked = |world: &World, who| {
        decide(
            world,
            who,
            "sts:AssumeRole",
            "arn:aws:iam::111122223333:role/ops",
        )
    };
    assert_eq!(asked(&role(json!({ "AWS": USER })), USER), "allowed");
    assert_eq!(asked(&role(json!({ "AWS": HOME })), USER), "not allowed");
    assert_eq!(
        asked(&role(json!({ "Service": "ec2.amazonaws.com" })), USER),
        "not allowed"
    );
    // The user was deleted and made anew: the trust names the old one's id.
    assert_eq!(
        asked(&role(json!({ "AWS": "AIDAOLDANNA" })), USER),
        "not allowed"
    );
    assert_eq!(asked(&role(json!({ "AWS": "AIDAANNA" })), USER), "allowed");
    assert_eq!(
        asked(&role(json!("*")), "arn:aws:iam::111122223333:root"),
        "not allowed"
    );
}

#[test]
fn questions_that_make_no_sense_are_refused() {
    let world = Case::new().world();
    let session = Session::default();
    let context = Context::unknown();
    for (principal, action, resource) in [
        ("anna", READ, "*"),
        ("arn:aws:iam::111122223333:user/*", READ, "*"),
        (USER, "GetSecretValue", "*"),
        (USER, "secretsmanager:*", "*"),
        (USER, READ, "secret"),
        (USER, READ, "arn:aws:secretsmanager:*:111122223333:secret:x"),
    ] {
        let query = Query {
            principal,
            session: &session,
            action,
            resource,
            resource_account: None,
            context: &context,
        };
        assert!(
            world.decide(&query).is_err(),
            "{principal} {action} {resource}"
        );
    }
}
