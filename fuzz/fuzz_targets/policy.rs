//! Any text as a policy of a resource, of a session and of the organization, and as an account's
//! authorization details: the parser ends, equal questions get equal answers, and no policy of
//! a resource opens what the organization forbids.
#![no_main]

use libfuzzer_sys::fuzz_target;
use relatch_access::{Answer, Context, Query, Session, Verdict, World};

const ACCOUNT: &str = "111122223333";
const USER: &str = "arn:aws:iam::111122223333:user/anna";
const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:app/db-aB3dE9";

const ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const NOTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;

const DETAILS: &str = r#"{"UserDetailList":[{"Path":"/","UserName":"anna","UserId":"AIDAANNA","Arn":"arn:aws:iam::111122223333:user/anna",
"CreateDate":"2026-01-01T00:00:00Z","UserPolicyList":[{"PolicyName":"all","PolicyDocument":{"Version":"2012-10-17",
"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}}],"GroupList":[],"AttachedManagedPolicies":[]}],
"GroupDetailList":[],"RoleDetailList":[],"Policies":[],"IsTruncated":false}"#;

fuzz_target!(|text: &str| {
    let world = known(text, ALL);
    let answer = ask(&world, &Session::default());
    assert_eq!(
        answer,
        ask(&known(text, ALL), &Session::default()),
        "the answer changed"
    );
    let forbidden = ask(&known(text, NOTHING), &Session::default());
    let denied = matches!(forbidden.verdict, Verdict::Denied { .. });
    assert!(denied, "a policy opened what is forbidden: {forbidden:?}");
    // As a policy of the organization and of a session it is only read: whatever it says goes.
    ask(&known(ALL, text), &Session::default());
    let session = Session {
        policies: vec![("fuzz".into(), text.into())],
        ..Session::default()
    };
    ask(&world, &session);
    let mut world = World::new();
    let _ = world.add_details(text);
    let principals: Vec<String> = world.principals().take(4).map(str::to_owned).collect();
    for principal in principals {
        let _ = world.decide(&Query {
            principal: &principal,
            ..question(&Session::default(), &Context::unknown())
        });
    }
});

/// A user who may do everything, a secret with this policy, an account under this one.
fn known(policy: &str, organization: &str) -> World {
    let mut world = World::new();
    world.add_details(DETAILS).expect("the details are sound");
    world.set_resource_policy(SECRET, policy);
    let level = vec![("fuzz".to_owned(), organization.to_owned())];
    world.set_service_control_policies(ACCOUNT, &[level]);
    world
}

fn ask(world: &World, session: &Session) -> Answer {
    world
        .decide(&question(session, &Context::unknown()))
        .expect("the question makes sense")
}

fn question<'q>(session: &'q Session, context: &'q Context) -> Query<'q> {
    Query {
        principal: USER,
        session,
        action: "secretsmanager:GetSecretValue",
        resource: SECRET,
        resource_account: None,
        context,
    }
}
