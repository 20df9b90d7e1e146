//! Whether the strongest rung can be had, against moto, and what a thief's own credential
//! meets, against ministack.

mod support;

use std::time::Duration;

use aws_sdk_organizations::Client;
use aws_sdk_organizations::types::{OrganizationFeatureSet, PolicyType};
use jiff::Timestamp;
use relatch_aws::{AwsCloud, Connection, IamIssuer};
use relatch_case::Principal;
use relatch_containment::{Cloud, Measure, Role};
use relatch_issuers::{Issuer, MintRequest};
use relatch_secret::Secret;
use support::{Peer, REGION};

const ALIASES: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ListAccountAliases","Resource":"*"}]}"#;
const NOTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}]}"#;
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;

fn iam(connection: &Connection) -> aws_sdk_iam::Client {
    aws_sdk_iam::Client::new(&connection.write_config(REGION))
}

async fn management(peer: &Peer) -> (AwsCloud, Client) {
    let connection = peer.connection().await;
    let client = Client::new(&connection.write_config(REGION));
    (AwsCloud::new(&connection, Some(&connection)), client)
}

async fn member(client: &Client) -> String {
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

async fn switch_on(client: &Client) {
    let roots = client
        .list_roots()
        .send()
        .await
        .expect("roots")
        .roots
        .unwrap_or_default();
    let enable = client
        .enable_policy_type()
        .policy_type(PolicyType::ServiceControlPolicy);
    enable
        .root_id(roots[0].id.clone().expect("an id"))
        .send()
        .await
        .expect("enabled");
}

/// The one thing that is said to be missing.
async fn only(cloud: &AwsCloud, target: &str) -> String {
    let missing = cloud.missing(target).await.expect("asked");
    assert_eq!(missing.len(), 1, "{missing:?}");
    missing.into_iter().next().unwrap_or_default()
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_service_control_policy_is_told() {
    let peer = support::moto().await;
    let (cloud, client) = management(&peer).await;
    let alone = AwsCloud::new(&peer.connection().await, None);
    assert!(
        only(&alone, "111122223333")
            .await
            .contains("management account")
    );
    assert!(
        only(&cloud, "111122223333")
            .await
            .contains("no organization")
    );

    client
        .create_organization()
        .send()
        .await
        .expect("an organization");
    let account = member(&client).await;
    assert!(only(&cloud, &account).await.contains("switched off"));
    switch_on(&client).await;
    assert_eq!(
        cloud.missing(&account).await.expect("asked"),
        Vec::<String>::new()
    );
    assert!(
        only(&cloud, "123456789012")
            .await
            .contains("is the management account")
    );

    // One is there already: FullAWSAccess.
    for n in 0..4 {
        let create = client
            .create_policy()
            .name(format!("p{n}"))
            .description("")
            .content(ALIASES);
        let made = create
            .r#type(PolicyType::ServiceControlPolicy)
            .send()
            .await
            .expect("made");
        let id = made
            .policy
            .and_then(|policy| policy.policy_summary?.id)
            .expect("an id");
        let attach = client.attach_policy().policy_id(id).target_id(&account);
        attach.send().await.expect("attached");
    }
    assert!(
        only(&cloud, &account)
            .await
            .contains("5 service control policies")
    );
}

#[tokio::test]
async fn an_organization_for_billing_only_has_no_such_rung() {
    let peer = support::moto().await;
    let (cloud, client) = management(&peer).await;
    let create = client.create_organization();
    let create = create.feature_set(OrganizationFeatureSet::ConsolidatedBilling);
    create.send().await.expect("an organization");
    let account = member(&client).await;
    assert!(
        only(&cloud, &account)
            .await
            .contains("consolidated billing")
    );
}

#[tokio::test]
async fn a_denied_users_own_key_meets_the_deny() {
    let peer = support::ministack().await;
    let eve = peer.user("eve", ALIASES).await;
    let cloud = AwsCloud::new(&peer.connection().await, None).trying_as(eve);
    let measure = Measure::DenyUser { user: "eve".into() };
    let snapshot = cloud.snapshot(&measure).await.expect("a snapshot");
    let before = cloud.verify(&measure).await;
    assert_eq!(before.binds, Some(false), "{}", before.how);
    cloud.apply(&measure).await.expect("applied");
    let during = cloud.verify(&measure).await;
    assert_eq!(during.binds, Some(true), "{}", during.how);
    assert!(
        during
            .how
            .contains("explicit deny in an identity-based policy"),
        "{}",
        during.how
    );
    cloud.restore(&measure, &snapshot).await.expect("restored");
    assert_eq!(cloud.verify(&measure).await.binds, Some(false));
}

#[tokio::test]
async fn a_call_that_goes_through_outweighs_the_policy() {
    let peer = support::ministack().await;
    let mallory = peer.user("mallory", ALIASES).await;
    peer.user("eve", NOTHING).await;
    let cloud = AwsCloud::new(&peer.connection().await, None).trying_as(mallory);
    let measure = Measure::DenyUser { user: "eve".into() };
    cloud.apply(&measure).await.expect("applied");
    let verdict = cloud.verify(&measure).await;
    assert_eq!(verdict.binds, Some(false), "{}", verdict.how);
}

#[tokio::test]
async fn a_refusal_of_unknown_reason_proves_nothing() {
    let peer = support::ministack().await;
    let powerless = peer.user("powerless", NOTHING).await;
    let cloud = AwsCloud::new(&powerless, None).trying_as(powerless.clone());
    let verdict = cloud
        .verify(&Measure::DenyUser {
            user: "powerless".into(),
        })
        .await;
    assert_eq!(verdict.binds, None, "{}", verdict.how);
}

#[tokio::test]
async fn a_disabled_key_is_refused_when_it_is_tried() {
    let peer = support::ministack().await;
    let root = peer.connection().await;
    iam(&root)
        .create_user()
        .user_name("app")
        .send()
        .await
        .expect("a user");
    let put = iam(&root)
        .put_user_policy()
        .user_name("app")
        .policy_name("own");
    put.policy_document(ALIASES).send().await.expect("a policy");
    let principal = Principal::from("user/app");
    let request = MintRequest {
        principal,
        name: "n".into(),
        replaces: None,
    };
    let minted = IamIssuer::new(root.clone())
        .mint(&request)
        .await
        .expect("a key");
    let thief = peer.connection_as(minted.id.as_str(), &minted.secret).await;
    let cloud = AwsCloud::new(&root, None).trying_as(thief);
    let measure = Measure::DisableKey {
        user: "app".into(),
        key: minted.id.to_string(),
    };
    assert_eq!(cloud.verify(&measure).await.binds, Some(false));
    cloud.apply(&measure).await.expect("applied");
    let verdict = cloud.verify(&measure).await;
    assert_eq!(verdict.binds, Some(true), "{}", verdict.how);
    assert!(
        verdict.how.contains("InvalidClientTokenId"),
        "{}",
        verdict.how
    );
}

#[tokio::test]
async fn an_old_session_meets_the_revocation() {
    let peer = support::ministack().await;
    let root = peer.connection().await;
    let make = iam(&root)
        .create_role()
        .role_name("app")
        .assume_role_policy_document(TRUST);
    let arn = make.send().await.expect("a role").role.expect("named").arn;
    let put = iam(&root)
        .put_role_policy()
        .role_name("app")
        .policy_name("own");
    put.policy_document(ALIASES).send().await.expect("a policy");
    let sts = aws_sdk_sts::Client::new(&root.write_config(REGION));
    let assumed = sts
        .assume_role()
        .role_arn(arn)
        .role_session_name("s")
        .send()
        .await;
    let session = assumed.expect("assumed").credentials.expect("credentials");
    let secret = Secret::from(session.secret_access_key);
    let token = Some(Secret::from(session.session_token));
    let thief =
        support::connection_as(&peer.endpoint(), &session.access_key_id, &secret, token).await;
    // Issue times are whole seconds.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let role = Role("app".into());
    let measure = Measure::RevokeSessions {
        role,
        issued_before: Timestamp::now(),
    };
    let cloud = AwsCloud::new(&root, None).trying_as(thief);
    assert_eq!(cloud.verify(&measure).await.binds, Some(false));
    cloud.apply(&measure).await.expect("applied");
    let verdict = cloud.verify(&measure).await;
    assert_eq!(verdict.binds, Some(true), "{}", verdict.how);
}
