//! Who could read which place, and which roles lead there.

use relatch_access::{
    Chain, Context, Encryption, Limits, Place, PlaceKind, Reading, Readings, Session, Verdict,
    World,
};
use serde_json::{Value, json};

mod support;

use support::{ABROAD, HOME, USER, allow, deny, key, policy, secret};

fn role(account: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:role/{name}")
}

fn role_detail(account: &str, name: &str, trusts: &str, statements: &[Value]) -> Value {
    let trust =
        json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": trusts } });
    json!({
        "Arn": role(account, name), "RoleName": name, "RoleId": format!("AROA{name}"),
        "AssumeRolePolicyDocument": policy(&[trust]),
        "RolePolicyList": [{ "PolicyName": "p", "PolicyDocument": policy(statements) }],
    })
}

fn user_detail(statements: &[Value]) -> Value {
    json!({ "Arn": USER, "UserPolicyList": [{ "PolicyName": "p", "PolicyDocument": policy(statements) }] })
}

/// Anna may become r0, which may become r1, and so on; the last may read all secrets.
fn ladder(length: usize) -> World {
    let mut roles = Vec::new();
    for at in 0..length {
        let before = if at == 0 {
            USER.to_owned()
        } else {
            role(HOME, &format!("r{}", at - 1))
        };
        let may = if at + 1 == length {
            allow("secretsmanager:GetSecretValue", "*")
        } else {
            allow("sts:AssumeRole", &role(HOME, &format!("r{}", at + 1)))
        };
        roles.push(role_detail(HOME, &format!("r{at}"), &before, &[may]));
    }
    let mut world = World::new();
    let user = user_detail(&[allow("sts:AssumeRole", "*")]);
    let details = json!({ "UserDetailList": [user], "RoleDetailList": roles });
    assert_eq!(
        world.add_details(&details.to_string()).expect("details"),
        []
    );
    world.set_resource_policies_complete("secretsmanager");
    world
}

fn place(kind: PlaceKind, arn: &str, encryption: Encryption) -> Place {
    Place {
        arn: arn.into(),
        kind,
        encryption,
        account: None,
    }
}

fn app() -> Place {
    place(
        PlaceKind::SecretsManager,
        &secret(HOME, "app"),
        Encryption::AwsManaged,
    )
}

fn readings(world: &World, places: &[Place], limits: Limits) -> Readings {
    let (session, context) = (Session::default(), Context::unknown());
    world
        .readings(USER, &session, places, &context, limits)
        .expect("a question")
}

fn one(world: &World, place: Place) -> Reading {
    let all = readings(world, &[place], Limits::default());
    all.readings.into_iter().next().expect("one")
}

#[test]
fn a_chain_is_followed_to_its_end() {
    let world = ladder(5);
    let found = readings(&world, &[app()], Limits::default());
    let roles: Vec<String> = found
        .chains
        .iter()
        .map(|chain| chain.role.clone())
        .collect();
    let expected: Vec<String> = (0..5).map(|at| role(HOME, &format!("r{at}"))).collect();
    assert_eq!(roles, expected);
    assert!(
        found
            .chains
            .iter()
            .all(|chain: &Chain| chain.verdict == Verdict::Allowed)
    );
    let reading = &found.readings[0];
    assert_eq!(reading.verdict, Verdict::Allowed);
    let via: Vec<&str> = reading.via.iter().map(|hop| hop.role.as_str()).collect();
    assert_eq!(via, expected);
    assert_eq!(
        reading.statements[0].policy,
        format!("p of {}", role(HOME, "r4"))
    );
}

#[test]
fn a_circle_of_roles_ends_and_a_sure_way_is_preferred() {
    let unsure = {
        let mut may = allow("sts:AssumeRole", "*");
        may["Condition"] = json!({ "Bool": { "aws:MultiFactorAuthPresent": "true" } });
        may
    };
    let near = role_detail(HOME, "near", HOME, &[allow("sts:AssumeRole", "*")]);
    let far = role_detail(HOME, "far", HOME, &[allow("*", "*")]);
    let mut world = World::new();
    // To `far` itself only with a second factor; to `near` always, and from there to `far`.
    let user = user_detail(&[allow("sts:AssumeRole", &role(HOME, "near")), unsure]);
    let details = json!({ "UserDetailList": [user], "RoleDetailList": [near, far] });
    world.add_details(&details.to_string()).expect("details");
    world.set_resource_policies_complete("secretsmanager");
    let found = readings(&world, &[app()], Limits::default());
    assert_eq!(found.chains.len(), 2);
    assert!(
        found
            .chains
            .iter()
            .all(|chain| chain.verdict == Verdict::Allowed)
    );
    assert_eq!(
        (&found.readings[0].verdict, found.readings[0].via.len()),
        (&Verdict::Allowed, 2)
    );
}

#[test]
fn what_lies_beyond_a_bound_is_not_refused() {
    let world = ladder(5);
    let short = Limits {
        hops: 3,
        ..Limits::default()
    };
    let found = readings(&world, &[app()], short);
    assert!(matches!(
        found.readings[0].verdict,
        Verdict::Undecidable { .. }
    ));
    assert!(
        found
            .blind_spots
            .iter()
            .any(|spot| spot.about == role(HOME, "r3"))
    );
    for asks in 0..12 {
        let few = Limits {
            asks,
            ..Limits::default()
        };
        assert!(
            readings(&world, &[app()], few).readings[0]
                .verdict
                .is_readable(),
            "{asks}"
        );
    }
}

#[test]
fn details_that_are_cut_off_refuse_nothing() {
    let mut world = World::new();
    let details = json!({ "UserDetailList": [user_detail(&[])], "IsTruncated": true });
    assert_eq!(
        world
            .add_details(&details.to_string())
            .expect("details")
            .len(),
        1
    );
    world.set_resource_policies_complete("secretsmanager");
    assert!(one(&world, app()).verdict.is_readable());
}

#[test]
fn a_refusal_names_what_refuses() {
    let mut world = ladder(1);
    let mut refuses = deny("secretsmanager:*", "*");
    refuses["Principal"] = "*".into();
    refuses["Sid"] = "Sealed".into();
    world.set_resource_policy(&secret(HOME, "app"), &policy(&[refuses]).to_string());
    let reading = one(&world, app());
    assert!(matches!(
        reading.verdict,
        Verdict::Denied { explicit: true, .. }
    ));
    assert_eq!(reading.action, "secretsmanager:GetSecretValue");
    assert_eq!(reading.statements[0].statement.as_deref(), Some("Sealed"));
}

#[test]
fn a_session_policy_narrows_the_first_step() {
    let world = ladder(2);
    let narrow = Session {
        policies: vec![("narrow".into(), policy(&[allow("s3:*", "*")]).to_string())],
        tags: None,
    };
    let (context, limits) = (Context::unknown(), Limits::default());
    let session = "arn:aws:sts::111122223333:assumed-role/r0/x";
    let free = world
        .readings(session, &Session::default(), &[app()], &context, limits)
        .expect("a question");
    assert_eq!(free.readings[0].verdict, Verdict::Allowed);
    let narrowed = world
        .readings(session, &narrow, &[app()], &context, limits)
        .expect("a question");
    assert!(!narrowed.readings[0].verdict.is_readable());
    assert!(narrowed.chains.is_empty());
}

/// Anna with these statements, and nobody else.
fn alone(statements: &[Value]) -> World {
    let mut world = World::new();
    let details = json!({ "UserDetailList": [user_detail(statements)] });
    world.add_details(&details.to_string()).expect("details");
    for service in ["secretsmanager", "lambda"] {
        world.set_resource_policies_complete(service);
    }
    world
}

#[test]
fn decryption_must_be_allowed_too() {
    let mut world = alone(&[allow("secretsmanager:GetSecretValue", "*")]);
    let sealed = |encryption| place(PlaceKind::SecretsManager, &secret(HOME, "app"), encryption);
    let own = Encryption::Key(key(HOME));
    let shared = |to: &str| {
        let grant = json!({ "Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": { "AWS": to } });
        policy(&[grant]).to_string()
    };
    assert_eq!(
        one(&world, sealed(Encryption::AwsManaged)).verdict,
        Verdict::Allowed
    );
    assert!(matches!(
        one(&world, sealed(Encryption::Unknown)).verdict,
        Verdict::Undecidable { .. }
    ));
    // Policies name keys, not their aliases: nothing follows from what they say of an alias.
    world.set_resource_policies_complete("kms");
    for alias in [
        "alias/app",
        "arn:aws:kms:eu-central-1:111122223333:alias/app",
    ] {
        let reading = one(&world, sealed(Encryption::Key(alias.into())));
        assert!(
            matches!(reading.verdict, Verdict::Undecidable { .. }),
            "{alias}"
        );
    }
    world.set_resource_policy(&key(HOME), &shared(HOME));
    assert!(!one(&world, sealed(own.clone())).verdict.is_readable());
    world.set_resource_policy(&key(HOME), &shared(USER));
    assert_eq!(one(&world, sealed(own)).verdict, Verdict::Allowed);
}

#[test]
fn a_key_for_one_service_only_serves_it() {
    let mut world = alone(&[allow("secretsmanager:GetSecretValue", "*")]);
    let grant = |via: &str| {
        let condition = json!({ "StringEquals": { "kms:ViaService": via } });
        let grant = json!({ "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*",
            "Principal": { "AWS": USER }, "Condition": condition });
        policy(&[grant]).to_string()
    };
    let sealed = || {
        place(
            PlaceKind::SecretsManager,
            &secret(HOME, "app"),
            Encryption::Key(key(HOME)),
        )
    };
    world.set_resource_policy(
        &key(HOME),
        &grant("secretsmanager.eu-central-1.amazonaws.com"),
    );
    assert_eq!(one(&world, sealed()).verdict, Verdict::Allowed);
    world.set_resource_policy(&key(HOME), &grant("s3.eu-central-1.amazonaws.com"));
    assert!(!one(&world, sealed()).verdict.is_readable());
}

#[test]
fn a_value_comes_out_by_more_than_one_call() {
    let parameter = "arn:aws:ssm:eu-central-1:111122223333:parameter/prod/db/password";
    let path = "arn:aws:ssm:eu-central-1:111122223333:parameter/prod/*";
    let world = alone(&[
        deny("ssm:GetParameter", "*"),
        deny("ssm:GetParameters", parameter),
        deny("ssm:GetParameterHistory", "*"),
        allow("ssm:GetParametersByPath", path),
    ]);
    let reading = one(
        &world,
        place(PlaceKind::Ssm, parameter, Encryption::AwsManaged),
    );
    assert_eq!(
        (reading.verdict, reading.action.as_str()),
        (Verdict::Allowed, "ssm:GetParametersByPath")
    );
    let function = "arn:aws:lambda:eu-central-1:111122223333:function:pay";
    let world = alone(&[allow("lambda:List*", "*")]);
    let reading = one(
        &world,
        place(PlaceKind::LambdaEnvironment, function, Encryption::None),
    );
    assert_eq!(reading.verdict, Verdict::Allowed);
    let world = alone(&[allow("lambda:GetFunction", &format!("{function}:*"))]);
    let reading = one(
        &world,
        place(PlaceKind::LambdaEnvironment, function, Encryption::None),
    );
    assert_eq!(reading.verdict, Verdict::Allowed);
    let world = alone(&[]);
    for (kind, arn) in [
        (PlaceKind::Ssm, parameter),
        (PlaceKind::LambdaEnvironment, function),
    ] {
        assert!(
            !one(&world, place(kind, arn, Encryption::None))
                .verdict
                .is_readable()
        );
    }
}

#[test]
fn a_key_that_aws_manages_serves_its_own_account_only() {
    let mut world = alone(&[allow("*", "*")]);
    let there = secret(ABROAD, "app");
    let grant =
        json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Principal": { "AWS": HOME } });
    world.set_resource_policy(&there, &policy(&[grant]).to_string());
    assert!(
        !one(
            &world,
            place(PlaceKind::SecretsManager, &there, Encryption::AwsManaged)
        )
        .verdict
        .is_readable()
    );
    assert_eq!(
        one(
            &world,
            place(PlaceKind::SecretsManager, &there, Encryption::None)
        )
        .verdict,
        Verdict::Allowed
    );
}

#[test]
fn everyone_who_reaches_a_place_is_listed_and_every_place_is_there() {
    let world = ladder(3);
    let other = place(PlaceKind::Kms, &key(HOME), Encryption::None);
    let principals = [(USER, Session::default())];
    let places = [app(), other];
    let reach = world
        .reach(&principals, &places, &Context::unknown(), Limits::default())
        .expect("a question");
    assert_eq!(reach.readable.len(), 2);
    let readers = &reach.readable[&secret(HOME, "app")];
    assert_eq!(
        (readers.len(), readers[0].via.len(), readers[0].others),
        (1, 3, 0)
    );
    let about: Vec<&str> = reach
        .blind_spots
        .iter()
        .map(|spot| spot.about.as_str())
        .collect();
    assert!(about.contains(&HOME) && about.contains(&"iam:PassRole"));
}

#[test]
fn what_cannot_be_read_is_named_and_leaves_doubt() {
    let user = json!({
        "Arn": USER, "UserPolicyList": [],
        "GroupList": ["lost"],
        "AttachedManagedPolicies": [{ "PolicyArn": "arn:aws:iam::aws:policy/Lost" }],
    });
    let mut world = World::new();
    let faults = world
        .add_details(&json!({ "UserDetailList": [user] }).to_string())
        .expect("details");
    assert_eq!(faults.len(), 2);
    world.set_resource_policies_complete("secretsmanager");
    assert!(matches!(
        one(&world, app()).verdict,
        Verdict::Undecidable { .. }
    ));
}

#[test]
fn pages_may_come_in_any_form() {
    let encoded = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22secretsmanager%3AGetSecretValue%22%2C%22Resource%22%3A%22%2A%22%7D%7D";
    let user = json!({ "Arn": USER, "UserPolicyList": [{ "PolicyName": "p", "PolicyDocument": encoded }] });
    let (first, second) = (
        json!({ "UserDetailList": [user] }),
        json!({ "GroupDetailList": [] }),
    );
    for text in [
        format!("{first}\n{second}"),
        format!("[{first},{second}]"),
        first.to_string(),
    ] {
        let mut world = World::new();
        assert_eq!(world.add_details(&text).expect("details"), []);
        world.set_resource_policies_complete("secretsmanager");
        assert_eq!(one(&world, app()).verdict, Verdict::Allowed);
    }
    for text in ["", "[]", "{}", "{\"UserDetailList\": 1}", "nothing"] {
        assert!(World::new().add_details(text).is_err(), "{text:?}");
    }
}
