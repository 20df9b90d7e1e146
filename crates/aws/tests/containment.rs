//! Measures of containment, against ministack (which enforces policies) and moto (which has
//! Organizations).

mod support;

use std::time::Duration;

use aws_sdk_organizations::types::PolicyType;
use jiff::Timestamp;
use relatch_aws::{AwsCloud, Connection, IamIssuer};
use relatch_case::model::Liveness;
use relatch_case::{FaultKind, Principal};
use relatch_containment::{Cloud, Form, Measure, Role, document, lockout};
use relatch_issuers::{Issuer, KeyMaterial, MintRequest, Minted};
use relatch_secret::Secret;
use serde_json::{Value, json};
use support::{Peer, REGION};

const ALLOW_LIST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*"}]}"#;
/// A policy that somebody left under our name, with what does not survive careless decoding.
const LEFT: &str = "{ \"Version\": \"2012-10-17\",\n  \"Statement\": [{\"Sid\": \"Old\", \"Effect\": \"Deny\", \"Action\": \"s3:*\", \"Resource\": \"arn:aws:s3:::a/%41+b\"}] }";

fn iam(connection: &Connection) -> aws_sdk_iam::Client {
    aws_sdk_iam::Client::new(&connection.write_config(REGION))
}

fn organizations(connection: &Connection) -> aws_sdk_organizations::Client {
    aws_sdk_organizations::Client::new(&connection.write_config(REGION))
}

async fn may_list(connection: &Connection) -> bool {
    match iam(connection).list_users().send().await {
        Ok(_) => true,
        Err(error) => {
            let code = aws_sdk_iam::error::ProvideErrorMetadata::code(&error).map(str::to_string);
            assert_eq!(code.as_deref(), Some("AccessDenied"), "{error:?}");
            false
        }
    }
}

async fn binds(cloud: &AwsCloud, measure: &Measure) -> Option<bool> {
    cloud.verify(measure).await.binds
}

// Service control policies.

/// An organization with one member account; its id.
async fn organization(peer: &Peer) -> String {
    let client = organizations(&peer.connection().await);
    client
        .create_organization()
        .send()
        .await
        .expect("an organization");
    let made = client
        .create_account()
        .account_name("app")
        .email("app@example.com")
        .send()
        .await;
    let status = made
        .expect("an account")
        .create_account_status
        .expect("a status");
    status.account_id.expect("an id")
}

async fn cloud_of(peer: &Peer) -> AwsCloud {
    let connection = peer.connection().await;
    AwsCloud::new(&connection, Some(&connection))
}

fn scp(target: &str) -> Measure {
    Measure::Scp {
        target: target.into(),
        form: Form::DenyWrites,
        allow: vec!["arn:aws:iam::*:role/BreakGlass".into()],
    }
}

fn scp_name(target: &str) -> String {
    format!("RelatchContainment-deny-writes-{target}")
}

/// Ids and names of what is attached.
async fn attached(peer: &Peer, target: &str) -> Vec<(String, String)> {
    let client = organizations(&peer.connection().await);
    let list = client.list_policies_for_target().target_id(target);
    let list = list
        .filter(PolicyType::ServiceControlPolicy)
        .send()
        .await
        .expect("a list");
    let policies = list.policies.unwrap_or_default().into_iter();
    policies
        .map(|policy| (policy.id.expect("an id"), policy.name.expect("a name")))
        .collect()
}

async fn policy_named(peer: &Peer, name: &str) -> Option<(String, String)> {
    let client = organizations(&peer.connection().await);
    let list = client
        .list_policies()
        .filter(PolicyType::ServiceControlPolicy)
        .send()
        .await;
    let policies = list.expect("a list").policies.unwrap_or_default();
    let id = policies
        .into_iter()
        .find(|policy| policy.name.as_deref() == Some(name))?
        .id?;
    let policy = client
        .describe_policy()
        .policy_id(&id)
        .send()
        .await
        .expect("shown")
        .policy?;
    Some((id, policy.content?))
}

#[tokio::test]
async fn a_service_control_policy_is_taken_seen_and_taken_back() {
    let peer = support::moto().await;
    let account = organization(&peer).await;
    let (cloud, measure) = (cloud_of(&peer).await, scp(&account));
    let before = attached(&peer, &account).await;
    assert!(!before.is_empty(), "FullAWSAccess is attached");
    let snapshot = cloud.snapshot(&measure).await.expect("a snapshot");
    assert_eq!(binds(&cloud, &measure).await, Some(false));

    cloud.apply(&measure).await.expect("applied");
    cloud.apply(&measure).await.expect("applied already");
    assert_eq!(binds(&cloud, &measure).await, Some(true));
    let during = attached(&peer, &account).await;
    assert_eq!(during.len(), before.len() + 1);
    assert!(during.iter().any(|(_, name)| *name == scp_name(&account)));

    cloud.restore(&measure, &snapshot).await.expect("restored");
    cloud
        .restore(&measure, &snapshot)
        .await
        .expect("restored already");
    assert_eq!(attached(&peer, &account).await, before);
    assert_eq!(policy_named(&peer, &scp_name(&account)).await, None);
    assert_eq!(binds(&cloud, &measure).await, Some(false));
    assert_eq!(
        cloud.snapshot(&measure).await.expect("a snapshot"),
        snapshot
    );
}

#[tokio::test]
async fn a_service_control_policy_that_was_weakened_no_longer_binds() {
    let peer = support::moto().await;
    let account = organization(&peer).await;
    let (cloud, measure) = (cloud_of(&peer).await, scp(&account));
    let client = organizations(&peer.connection().await);
    cloud.apply(&measure).await.expect("applied");
    let (id, text) = policy_named(&peer, &scp_name(&account))
        .await
        .expect("ours");

    let weak = text.replace("BreakGlass", "*");
    client
        .update_policy()
        .policy_id(&id)
        .content(weak)
        .send()
        .await
        .expect("weakened");
    assert_eq!(binds(&cloud, &measure).await, Some(false));
    cloud.apply(&measure).await.expect("applied anew");
    assert_eq!(binds(&cloud, &measure).await, Some(true));

    client
        .detach_policy()
        .policy_id(&id)
        .target_id(&account)
        .send()
        .await
        .expect("detached");
    assert_eq!(binds(&cloud, &measure).await, Some(false));
}

#[tokio::test]
async fn a_policy_of_our_name_that_was_there_before_is_put_back() {
    for was_attached in [true, false] {
        let peer = support::moto().await;
        let account = organization(&peer).await;
        let (cloud, measure) = (cloud_of(&peer).await, scp(&account));
        let client = organizations(&peer.connection().await);
        let create = client
            .create_policy()
            .name(scp_name(&account))
            .description("")
            .content(LEFT);
        let made = create
            .r#type(PolicyType::ServiceControlPolicy)
            .send()
            .await
            .expect("made");
        let id = made
            .policy
            .and_then(|policy| policy.policy_summary?.id)
            .expect("an id");
        if was_attached {
            let attach = client.attach_policy().policy_id(&id).target_id(&account);
            attach.send().await.expect("attached");
        }
        let before = attached(&peer, &account).await;
        let snapshot = cloud.snapshot(&measure).await.expect("a snapshot");
        cloud.apply(&measure).await.expect("applied");
        assert_eq!(binds(&cloud, &measure).await, Some(true));
        for _ in 0..2 {
            cloud.restore(&measure, &snapshot).await.expect("restored");
            assert_eq!(attached(&peer, &account).await, before);
            let found = policy_named(&peer, &scp_name(&account)).await;
            assert_eq!(found, Some((id.clone(), LEFT.to_string())));
        }
    }
}

#[tokio::test]
async fn the_management_account_cannot_be_bound() {
    let peer = support::moto().await;
    organization(&peer).await;
    let (cloud, measure) = (cloud_of(&peer).await, scp("123456789012"));
    let fault = cloud.apply(&measure).await.expect_err("refused");
    assert_eq!(fault.kind, FaultKind::Invalid, "{fault}");
    assert_eq!(policy_named(&peer, &scp_name("123456789012")).await, None);
    let verdict = cloud.verify(&measure).await;
    assert!(
        verdict.binds == Some(false) && verdict.how.contains("management"),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn without_an_organization_nothing_is_claimed() {
    let peer = support::moto().await;
    let measure = scp("111122223333");
    let connection = peer.connection().await;
    for cloud in [cloud_of(&peer).await, AwsCloud::new(&connection, None)] {
        assert_eq!(
            cloud.apply(&measure).await.expect_err("no").kind,
            FaultKind::Invalid
        );
        assert_eq!(binds(&cloud, &measure).await, None);
    }
}

// Inline denies.

async fn make_role(connection: &Connection, name: &str, path: &str) -> String {
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;
    let client = iam(connection);
    let make = client
        .create_role()
        .role_name(name)
        .path(path)
        .assume_role_policy_document(trust);
    let role = make.send().await.expect("a role").role.expect("named");
    let put = client.put_role_policy().role_name(name).policy_name("own");
    put.policy_document(ALLOW_LIST)
        .send()
        .await
        .expect("a policy");
    role.arn
}

/// A session of a role.
async fn assume(peer: &Peer, role: &str) -> Connection {
    let sts = aws_sdk_sts::Client::new(&peer.connection().await.write_config(REGION));
    let assumed = sts
        .assume_role()
        .role_arn(role)
        .role_session_name("s")
        .send()
        .await;
    let session = assumed.expect("assumed").credentials.expect("credentials");
    let (secret, token) = (session.secret_access_key, session.session_token);
    let (secret, token) = (Secret::from(secret), Some(Secret::from(token)));
    support::connection_as(&peer.endpoint(), &session.access_key_id, &secret, token).await
}

async fn cloud_without_organization(peer: &Peer) -> AwsCloud {
    AwsCloud::new(&peer.connection().await, None)
}

#[tokio::test]
async fn older_sessions_are_revoked_and_newer_ones_go_on() {
    let peer = support::ministack().await;
    let role = make_role(&peer.connection().await, "app", "/").await;
    let cloud = cloud_without_organization(&peer).await;
    let older = assume(&peer, &role).await;
    assert!(may_list(&older).await);
    // Issue times are whole seconds.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let issued_before = Timestamp::now();
    let measure = Measure::RevokeSessions {
        role: Role("app".into()),
        issued_before,
    };
    let snapshot = cloud.snapshot(&measure).await.expect("a snapshot");
    cloud.apply(&measure).await.expect("applied");
    cloud.apply(&measure).await.expect("applied already");
    assert_eq!(binds(&cloud, &measure).await, Some(true));
    assert!(!may_list(&older).await);

    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let newer = assume(&peer, &role).await;
    assert!(may_list(&newer).await);
    assert!(!may_list(&older).await);

    for _ in 0..2 {
        cloud.restore(&measure, &snapshot).await.expect("restored");
        assert!(may_list(&older).await);
        assert_eq!(binds(&cloud, &measure).await, Some(false));
    }
}

#[tokio::test]
async fn a_denied_user_can_do_nothing_until_restored() {
    let peer = support::ministack().await;
    let cloud = cloud_without_organization(&peer).await;
    let eve = peer.user("eve", ALLOW_LIST).await;
    let measure = Measure::DenyUser { user: "eve".into() };
    assert!(may_list(&eve).await);
    let snapshot = cloud.snapshot(&measure).await.expect("a snapshot");
    cloud.apply(&measure).await.expect("applied");
    cloud.apply(&measure).await.expect("applied already");
    assert_eq!(binds(&cloud, &measure).await, Some(true));
    assert!(!may_list(&eve).await);
    for _ in 0..2 {
        cloud.restore(&measure, &snapshot).await.expect("restored");
        assert!(may_list(&eve).await);
    }
    let left = iam(&peer.connection().await)
        .list_user_policies()
        .user_name("eve")
        .send()
        .await;
    assert_eq!(left.expect("policies").policy_names, ["own"]);
}

#[tokio::test]
async fn an_inline_policy_of_our_name_is_put_back_to_the_letter() {
    for peer in [support::ministack().await, support::moto().await] {
        let connection = peer.connection().await;
        let (cloud, client) = (cloud_without_organization(&peer).await, iam(&connection));
        let name = document::POLICY_NAME;
        client
            .create_user()
            .user_name("eve")
            .send()
            .await
            .expect("a user");
        let put = client.put_user_policy().user_name("eve").policy_name(name);
        put.policy_document(LEFT).send().await.expect("left");
        make_role(&connection, "app", "/").await;
        let put = client.put_role_policy().role_name("app").policy_name(name);
        put.policy_document(LEFT).send().await.expect("left");
        let issued_before = Timestamp::now();
        for measure in [
            Measure::DenyUser { user: "eve".into() },
            Measure::RevokeSessions {
                role: Role("app".into()),
                issued_before,
            },
        ] {
            let snapshot = cloud.snapshot(&measure).await.expect("a snapshot");
            assert_eq!(snapshot["policy"], LEFT);
            assert_eq!(binds(&cloud, &measure).await, Some(false));
            cloud.apply(&measure).await.expect("applied");
            assert_eq!(binds(&cloud, &measure).await, Some(true));
            cloud.restore(&measure, &snapshot).await.expect("restored");
            assert_eq!(
                cloud.snapshot(&measure).await.expect("a snapshot"),
                snapshot
            );
        }
    }
}

#[tokio::test]
async fn who_is_not_there_is_not_contained() {
    let peer = support::ministack().await;
    let cloud = cloud_without_organization(&peer).await;
    let role = Role("nobody".into());
    for measure in [
        Measure::DenyUser {
            user: "nobody".into(),
        },
        Measure::RevokeSessions {
            role,
            issued_before: Timestamp::now(),
        },
        Measure::DisableKey {
            user: "nobody".into(),
            key: "AKIANEVERMADEATALLXX".into(),
        },
    ] {
        let fault = cloud.apply(&measure).await.expect_err("nobody");
        assert_eq!(fault.kind, FaultKind::NotFound, "{measure}: {fault}");
        assert_ne!(binds(&cloud, &measure).await, Some(true), "{measure}");
    }
}

// Keys.

#[tokio::test]
async fn a_disabled_key_is_restored_only_if_it_was_active() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    iam(&connection)
        .create_user()
        .user_name("app")
        .send()
        .await
        .expect("a user");
    let issuer = IamIssuer::new(connection.clone());
    let user = Principal::from("user/app");
    let request = MintRequest {
        principal: user.clone(),
        name: "n".into(),
        replaces: None,
    };
    let Minted { id, secret } = issuer.mint(&request).await.expect("a key");
    let key = KeyMaterial {
        id: Some(id.clone()),
        secret,
    };
    let cloud = cloud_without_organization(&peer).await;
    let measure = Measure::DisableKey {
        user: "app".into(),
        key: id.to_string(),
    };

    let was_active = cloud.snapshot(&measure).await.expect("a snapshot");
    assert_eq!(binds(&cloud, &measure).await, Some(false));
    cloud.apply(&measure).await.expect("applied");
    cloud.apply(&measure).await.expect("applied already");
    assert_eq!(binds(&cloud, &measure).await, Some(true));
    assert_eq!(issuer.probe(&key).await.liveness, Liveness::Dead);

    let was_inactive = cloud.snapshot(&measure).await.expect("a snapshot");
    cloud
        .restore(&measure, &was_inactive)
        .await
        .expect("nothing to do");
    assert_eq!(issuer.probe(&key).await.liveness, Liveness::Dead);
    for _ in 0..2 {
        cloud
            .restore(&measure, &was_active)
            .await
            .expect("restored");
        assert_eq!(issuer.probe(&key).await.liveness, Liveness::Alive);
    }

    issuer.delete(&user, &id).await.expect("deleted");
    cloud
        .restore(&measure, &was_active)
        .await
        .expect("it is gone");
    assert_eq!(issuer.list(&user).await, Ok(vec![]));
    assert_eq!(binds(&cloud, &measure).await, None);
}

#[tokio::test]
async fn a_snapshot_that_does_not_fit_changes_nothing() {
    let peer = support::ministack().await;
    let cloud = cloud_without_organization(&peer).await;
    let eve = peer.user("eve", ALLOW_LIST).await;
    let measure = Measure::DenyUser { user: "eve".into() };
    cloud.apply(&measure).await.expect("applied");
    for wrong in [
        Value::Null,
        json!({}),
        json!({ "policy": null }),
        json!({ "before": "inline" }),
        json!({ "before": "key", "status": "Active" }),
        json!({ "before": "inline", "policy": 7 }),
    ] {
        let fault = cloud.restore(&measure, &wrong).await.expect_err("refused");
        assert_eq!(fault.kind, FaultKind::Invalid, "{wrong}: {fault}");
        assert!(!may_list(&eve).await, "{wrong}");
    }
}

#[tokio::test]
async fn a_denied_look_claims_nothing() {
    let peer = support::ministack().await;
    let eve = AwsCloud::new(&peer.user("eve", ALLOW_LIST).await, None);
    let key = Measure::DisableKey {
        user: "eve".into(),
        key: "AKIANEVERMADEATALLXX".into(),
    };
    for measure in [Measure::DenyUser { user: "eve".into() }, key] {
        let fault = eve.snapshot(&measure).await.expect_err("denied");
        assert_eq!(fault.kind, FaultKind::Denied, "{measure}");
        assert_eq!(binds(&eve, &measure).await, None, "{measure}");
    }
}

#[tokio::test]
async fn a_responder_is_known_with_the_path_of_the_role() {
    let peer = support::ministack().await;
    let role = make_role(&peer.connection().await, "BreakGlass", "/ops/").await;
    let cloud = cloud_without_organization(&peer).await;
    let caller = assume(&peer, &role)
        .await
        .identity()
        .await
        .expect("an identity")
        .arn;
    assert!(caller.contains(":assumed-role/BreakGlass/"), "{caller}");
    assert_eq!(cloud.principal(&caller).await, Ok(role.clone()));
    assert!(
        lockout::check(&scp("r-root"), &role).is_err(),
        "the list has no path"
    );
    assert_eq!(cloud.principal(&role).await, Ok(role));
}
