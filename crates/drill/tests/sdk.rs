//! The official SDK against the gatekeeper.

mod common;

use aws_sdk_iam::error::ProvideErrorMetadata as _;
use common::{practice, propagate, sdk, sdk_with};
use relatch_drill::{KeyPair, Network};

#[tokio::test]
async fn the_sdk_reads_answers_and_codes() {
    let practice = practice(0).await;
    let config = sdk(&practice);
    let sts = aws_sdk_sts::Client::new(&config);
    let who = sts.get_caller_identity().send().await.expect("identity");
    assert!(
        who.arn()
            .unwrap_or_default()
            .ends_with("user/break-glass-responder")
    );

    let iam = aws_sdk_iam::Client::new(&config);
    let users = iam.list_users().send().await.expect("users");
    assert!(
        users
            .users()
            .iter()
            .any(|user| user.user_name() == "ci-deployer")
    );
    let keys = iam
        .list_access_keys()
        .user_name("ci-deployer")
        .send()
        .await
        .expect("keys");
    assert_eq!(keys.access_key_metadata().len(), 1);
    let policy = iam
        .get_user_policy()
        .user_name("ci-deployer")
        .policy_name("access")
        .send()
        .await
        .expect("a policy");
    assert!(
        policy.policy_document().starts_with("%7B"),
        "{}",
        policy.policy_document()
    );

    let secrets = aws_sdk_secretsmanager::Client::new(&config);
    assert!(
        secrets
            .list_secrets()
            .send()
            .await
            .expect("secrets")
            .secret_list()
            .len()
            >= 15
    );
    let value = secrets
        .get_secret_value()
        .secret_id("prod/chat/llm")
        .send()
        .await
        .expect("a value");
    assert!(
        value
            .secret_string()
            .unwrap_or_default()
            .contains("OPENAI_API_KEY")
    );
    let ssm = aws_sdk_ssm::Client::new(&config);
    let parameters = ssm.describe_parameters().send().await.expect("parameters");
    assert!(
        parameters
            .parameters()
            .iter()
            .any(|p| p.tier() == Some(&aws_sdk_ssm::types::ParameterTier::Advanced))
    );
    let organizations = aws_sdk_organizations::Client::new(&sdk_with(
        &practice,
        practice.range.management_credentials(),
        Network::Responder,
    ));
    let roots = organizations.list_roots().send().await.expect("roots");
    assert_eq!(roots.roots().len(), 1);
    let trail = aws_sdk_cloudtrail::Client::new(&config);
    let events = trail.lookup_events().send().await.expect("events");
    assert!(
        events
            .events()
            .iter()
            .any(|event| event.event_name() == Some("ListUsers"))
    );
}

#[tokio::test]
async fn the_sdk_reports_a_dead_key_in_each_protocol() {
    let practice = practice(0).await;
    let dead = KeyPair {
        id: "AKIADEADDEADDEADDEAD".to_owned(),
        secret: "s".repeat(40),
        token: None,
    };
    let config = sdk_with(&practice, &dead, Network::Workload);
    let sts = aws_sdk_sts::Client::new(&config)
        .get_caller_identity()
        .send()
        .await;
    assert_eq!(sts.expect_err("dead").code(), Some("InvalidClientTokenId"));
    let secrets = aws_sdk_secretsmanager::Client::new(&config)
        .list_secrets()
        .send()
        .await;
    assert_eq!(
        secrets.expect_err("dead").code(),
        Some("UnrecognizedClientException")
    );
    let lambda = aws_sdk_lambda::Client::new(&config)
        .list_functions()
        .send()
        .await;
    assert_eq!(
        lambda.expect_err("dead").code(),
        Some("UnrecognizedClientException")
    );
    let s3 = aws_sdk_s3::Client::new(&config).list_buckets().send().await;
    assert_eq!(s3.expect_err("dead").code(), Some("InvalidAccessKeyId"));
    assert!(practice.range.records().is_empty());
}

#[tokio::test]
async fn functions_publish_versions_with_their_own_environment() {
    let practice = practice(0).await;
    let lambda = aws_sdk_lambda::Client::new(&sdk(&practice));
    let name = "doc-summaries";
    let live = async || {
        let found = lambda
            .get_function_configuration()
            .function_name(name)
            .qualifier("live")
            .send()
            .await;
        found
            .expect("a configuration")
            .environment()
            .and_then(|e| e.variables().cloned())
            .unwrap_or_default()
    };
    let before = live().await;
    let latest = lambda
        .get_function_configuration()
        .function_name(name)
        .send()
        .await
        .expect("latest");
    let mut variables = before.clone();
    variables.insert("OPENAI_API_KEY".to_owned(), "new".to_owned());
    let environment = aws_sdk_lambda::types::Environment::builder()
        .set_variables(Some(variables))
        .build();
    let update = |revision: &str| {
        lambda
            .update_function_configuration()
            .function_name(name)
            .revision_id(revision)
            .environment(environment.clone())
            .send()
    };
    let revision = latest.revision_id().expect("a revision");
    update(revision).await.expect("updated");
    let stale = update(revision).await.expect_err("someone else was faster");
    assert_eq!(stale.code(), Some("PreconditionFailedException"));
    assert_eq!(live().await, before, "the alias serves the old version");
    let first = lambda
        .publish_version()
        .function_name(name)
        .send()
        .await
        .expect("published");
    assert_eq!(first.version(), Some("2"));
    let again = lambda
        .publish_version()
        .function_name(name)
        .send()
        .await
        .expect("published");
    assert_eq!(
        again.version(),
        Some("2"),
        "an unchanged function gets no new version"
    );
    lambda
        .update_alias()
        .function_name(name)
        .name("live")
        .function_version("2")
        .send()
        .await
        .expect("moved");
    assert_eq!(
        live().await.get("OPENAI_API_KEY").map(String::as_str),
        Some("new")
    );
}

#[tokio::test]
async fn objects_go_up_and_down() {
    let practice = practice(0).await;
    let s3 = aws_sdk_s3::Client::from_conf(
        aws_sdk_s3::config::Builder::from(&sdk(&practice))
            .force_path_style(true)
            .build(),
    );
    let body = aws_sdk_s3::primitives::ByteStream::from_static(b"hello world");
    s3.put_object()
        .bucket("braintrust-data")
        .key("a/b.txt")
        .body(body)
        .send()
        .await
        .expect("put");
    assert_eq!(
        common::object(&practice, "braintrust-data", "a/b.txt").await,
        b"hello world"
    );
    let listed = s3
        .list_objects_v2()
        .bucket("braintrust-data")
        .prefix("a/")
        .send()
        .await
        .expect("listed");
    assert_eq!(listed.contents().len(), 1);
}

#[tokio::test]
async fn a_new_key_works_once_it_has_spread() {
    let practice = practice(0).await;
    let iam = aws_sdk_iam::Client::new(&sdk(&practice));
    let made = iam
        .create_access_key()
        .user_name("qa-robot")
        .send()
        .await
        .expect("made");
    let made = made.access_key().expect("a key");
    let pair = KeyPair {
        id: made.access_key_id().to_owned(),
        secret: made.secret_access_key().to_owned(),
        token: None,
    };
    propagate().await;
    let config = sdk_with(&practice, &pair, Network::Workload);
    let who = aws_sdk_sts::Client::new(&config)
        .get_caller_identity()
        .send()
        .await
        .expect("identity");
    assert!(who.arn().unwrap_or_default().ends_with("user/qa-robot"));
}
