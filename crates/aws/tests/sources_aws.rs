//! The sources of the inventory, against ministack (which enforces policies) and moto (which
//! pages by its own limits).

mod code;
mod support;

use std::collections::BTreeMap;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, Runtime};
use aws_sdk_secretsmanager::types::ReplicaRegionType;
use aws_sdk_ssm::types::ParameterType;
use relatch_aws::{Connection, LambdaSource, ParameterStoreSource, SecretsManagerSource};
use relatch_case::model::{ConsumerKind, Known, Slot};
use relatch_inventory::{Findings, Source};

const REGION: &str = "us-east-1";
/// A policy that allows nothing that is read here.
const NOTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:GetCallerIdentity","Resource":"*"}]}"#;

/// Values by `container#slot`.
fn values(findings: &Findings) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (container, document) in &findings.containers {
        for (slot, value) in &document.slots {
            let text = String::from_utf8_lossy(value.expose()).into_owned();
            values.insert(format!("{container}#{}", slot.0), text);
        }
    }
    values
}

fn blind(findings: &Findings) -> Vec<&str> {
    findings
        .blind_spots
        .iter()
        .map(|spot| spot.what.as_str())
        .collect()
}

fn secrets(connection: &Connection, region: &str) -> aws_sdk_secretsmanager::Client {
    aws_sdk_secretsmanager::Client::new(&connection.write_config(region))
}

fn parameters(connection: &Connection, region: &str) -> aws_sdk_ssm::Client {
    aws_sdk_ssm::Client::new(&connection.write_config(region))
}

fn functions(connection: &Connection) -> aws_sdk_lambda::Client {
    aws_sdk_lambda::Client::new(&connection.write_config(REGION))
}

async fn make_secret(connection: &Connection, region: &str, name: &str, text: &str) {
    let made = secrets(connection, region)
        .create_secret()
        .name(name)
        .secret_string(text);
    made.send().await.expect("created");
}

async fn make_parameter(connection: &Connection, name: &str, text: &str) {
    let kind = ParameterType::SecureString;
    let made = parameters(connection, REGION)
        .put_parameter()
        .name(name)
        .r#type(kind)
        .value(text);
    made.send().await.expect("put");
}

#[tokio::test]
async fn all_of_more_than_a_hundred_secrets_are_found() {
    for peer in [support::ministack().await, support::moto().await] {
        let connection = peer.connection().await;
        for n in 0..123 {
            make_secret(
                &connection,
                REGION,
                &format!("s{n}"),
                &format!("{{\"k\":\"v{n}\"}}"),
            )
            .await;
        }
        let findings = SecretsManagerSource::new(connection, REGION).find().await;
        assert_eq!(blind(&findings), [""; 0]);
        let values = values(&findings);
        assert_eq!(values.len(), 123);
        assert_eq!(values["secretsmanager:us-east-1:s97#k"], "v97");
        assert!(
            findings
                .containers
                .is_sorted_by_key(|(container, _)| container.clone())
        );
    }
}

#[tokio::test]
async fn all_of_more_than_a_hundred_parameters_are_found() {
    for peer in [support::ministack().await, support::moto().await] {
        let connection = peer.connection().await;
        for n in 0..117 {
            make_parameter(&connection, &format!("/p/{n}"), &format!("v{n}")).await;
        }
        let findings = ParameterStoreSource::new(connection, REGION).find().await;
        assert_eq!(blind(&findings), [""; 0]);
        let values = values(&findings);
        assert_eq!(values.len(), 117);
        assert_eq!(values["ssm:us-east-1:/p/103#"], "v103");
    }
}

#[tokio::test]
async fn each_region_has_its_own_source() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    for region in ["us-east-1", "eu-west-1"] {
        make_secret(&connection, region, "app", region).await;
    }
    make_secret(&connection, "eu-west-1", "more", "x").await;
    let america = SecretsManagerSource::new(connection.clone(), "us-east-1")
        .find()
        .await;
    let europe = SecretsManagerSource::new(connection, "eu-west-1")
        .find()
        .await;
    assert_eq!(values(&america).len(), 1);
    assert_eq!(
        values(&europe)["secretsmanager:eu-west-1:app#"],
        "eu-west-1"
    );
    assert_eq!(values(&europe).len(), 2);
}

#[tokio::test]
async fn secrets_without_readable_value_are_blind_spots() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    let owner = secrets(&connection, REGION);
    make_secret(&connection, REGION, "doomed", "x").await;
    owner
        .delete_secret()
        .secret_id("doomed")
        .recovery_window_in_days(7)
        .send()
        .await
        .expect("ok");
    owner
        .create_secret()
        .name("empty")
        .send()
        .await
        .expect("created");
    make_secret(&connection, REGION, "good", "x").await;
    let findings = SecretsManagerSource::new(connection, REGION).find().await;
    assert_eq!(
        values(&findings).into_keys().collect::<Vec<_>>(),
        ["secretsmanager:us-east-1:good#"]
    );
    let expected = [
        "secretsmanager:us-east-1:doomed",
        "secretsmanager:us-east-1:empty",
    ];
    assert_eq!(blind(&findings), expected);
    assert!(
        findings.blind_spots[0]
            .why
            .contains("scheduled for deletion")
    );
}

#[tokio::test]
async fn a_replica_is_left_to_its_primary_and_named() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    make_secret(&connection, REGION, "app", "x").await;
    let region = ReplicaRegionType::builder().region("eu-west-1").build();
    let owner = secrets(&connection, REGION)
        .replicate_secret_to_regions()
        .secret_id("app");
    owner
        .add_replica_regions(region)
        .send()
        .await
        .expect("replicated");
    let primary = SecretsManagerSource::new(connection.clone(), REGION)
        .find()
        .await;
    assert_eq!(values(&primary).len(), 1);
    let replica = SecretsManagerSource::new(connection, "eu-west-1")
        .find()
        .await;
    assert!(replica.containers.is_empty());
    assert_eq!(blind(&replica), ["secretsmanager:eu-west-1:app"]);
    assert!(replica.blind_spots[0].hides.contains("us-east-1"));
}

/// One secret is denied to a reader who may list and read all others.
#[tokio::test]
async fn one_denied_secret_is_a_blind_spot_and_the_others_are_read() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    for name in ["open", "closed"] {
        make_secret(&connection, REGION, name, "x").await;
    }
    for batch in [r#""secretsmanager:BatchGetSecretValue","#, ""] {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Action":[{batch}"secretsmanager:ListSecrets","secretsmanager:GetSecretValue"],"Resource":"*"}},
            {{"Effect":"Deny","Action":"secretsmanager:GetSecretValue","Resource":"*:secret:closed*"}}]}}"#
        );
        let name = if batch.is_empty() {
            "one-by-one"
        } else {
            "batches"
        };
        let reader = peer.user(name, &policy).await;
        let findings = SecretsManagerSource::new(reader, REGION).find().await;
        let found: Vec<_> = values(&findings).into_keys().collect();
        assert_eq!(found, ["secretsmanager:us-east-1:open#"], "{name}");
        assert_eq!(
            blind(&findings),
            ["secretsmanager:us-east-1:closed"],
            "{name}"
        );
        assert!(findings.blind_spots[0].why.starts_with("denied"), "{name}");
    }
}

/// ministack checks `GetParameters` against no parameter's own name, so here the batch is
/// denied as a whole and the single reads decide.
#[tokio::test]
async fn one_denied_parameter_is_a_blind_spot_and_the_others_are_read_one_by_one() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    for name in ["/open", "/closed"] {
        make_parameter(&connection, name, "x").await;
    }
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":["ssm:DescribeParameters","ssm:GetParameter"],"Resource":"*"},
        {"Effect":"Deny","Action":"ssm:GetParameter","Resource":"*:parameter/closed"}]}"#;
    let reader = peer.user("reader", policy).await;
    let findings = ParameterStoreSource::new(reader, REGION).find().await;
    assert_eq!(
        values(&findings).into_keys().collect::<Vec<_>>(),
        ["ssm:us-east-1:/open#"]
    );
    assert_eq!(blind(&findings), ["ssm:us-east-1:/closed"]);
}

#[tokio::test]
async fn a_denied_list_hides_the_region_and_says_so() {
    let peer = support::ministack().await;
    let stranger = peer.user("stranger", NOTHING).await;
    let sources: [Box<dyn Source>; 3] = [
        Box::new(SecretsManagerSource::new(stranger.clone(), REGION)),
        Box::new(ParameterStoreSource::new(stranger.clone(), REGION)),
        Box::new(LambdaSource::new(stranger, REGION)),
    ];
    for (source, what) in sources.iter().zip(["secretsmanager", "ssm", "lambda"]) {
        let findings = source.find().await;
        assert!(findings.containers.is_empty());
        assert_eq!(blind(&findings), [format!("{what}:{REGION}")]);
        let spot = &findings.blind_spots[0];
        assert!(
            spot.why.starts_with("denied") && spot.hides.starts_with("all "),
            "{spot:?}"
        );
    }
}

async fn role(connection: &Connection) -> String {
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let iam = aws_sdk_iam::Client::new(&connection.write_config(REGION));
    let made = iam
        .create_role()
        .role_name("runs")
        .assume_role_policy_document(trust)
        .send()
        .await;
    made.expect("a role").role.expect("named").arn
}

async fn make_function(connection: &Connection, role: &str, name: &str, key: Option<&str>) {
    let environment = key.map(|key| Environment::builder().variables("KEY", key).build());
    functions(connection)
        .create_function()
        .function_name(name)
        .runtime(Runtime::Python312)
        .role(role)
        .handler("index.handler")
        .code(
            FunctionCode::builder()
                .zip_file(Blob::new(code::zip(b"code")))
                .build(),
        )
        .set_environment(environment)
        .send()
        .await
        .expect("created");
}

/// Publishes, and makes or moves nothing but a new alias.
async fn alias(connection: &Connection, function: &str, name: &str) {
    let client = functions(connection);
    let version = client
        .publish_version()
        .function_name(function)
        .send()
        .await
        .expect("published");
    let made = client.create_alias().function_name(function).name(name);
    made.set_function_version(version.version)
        .send()
        .await
        .expect("an alias");
}

#[tokio::test]
async fn functions_with_variables_are_containers_and_their_aliases_consumers() {
    for peer in [support::ministack().await, support::moto().await] {
        let connection = peer.connection().await;
        let role = role(&connection).await;
        make_function(&connection, &role, "none", None).await;
        for name in ["bare", "one", "two"] {
            make_function(&connection, &role, name, Some("value")).await;
        }
        alias(&connection, "one", "live").await;
        alias(&connection, "two", "blue").await;
        alias(&connection, "two", "green").await;
        let findings = LambdaSource::new(connection, REGION).find().await;
        assert_eq!(blind(&findings), [""; 0]);
        let found = values(&findings);
        let expected = ["bare", "one", "two"].map(|name| format!("lambda:us-east-1:{name}#KEY"));
        assert_eq!(found.into_keys().collect::<Vec<_>>(), expected);
        let consumers: Vec<_> = findings
            .consumers
            .iter()
            .map(|consumer| {
                assert_eq!(consumer.known, Known::Observed);
                let ConsumerKind::Lambda { alias, .. } = &consumer.kind else {
                    panic!("no function")
                };
                (consumer.id.as_str(), alias.as_deref())
            })
            .collect();
        assert_eq!(
            consumers,
            [
                ("lambda:us-east-1:bare", None),
                ("lambda:us-east-1:one", Some("live")),
                ("lambda:us-east-1:two:blue", Some("blue")),
                ("lambda:us-east-1:two:green", Some("green")),
            ]
        );
    }
}

#[tokio::test]
async fn a_version_that_runs_with_values_of_its_own_is_a_blind_spot() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    let role = role(&connection).await;
    make_function(&connection, &role, "app", Some("old-value")).await;
    alias(&connection, "app", "live").await;
    let update = functions(&connection)
        .update_function_configuration()
        .function_name("app");
    let environment = Environment::builder().variables("KEY", "new-value").build();
    update
        .environment(environment)
        .send()
        .await
        .expect("updated");
    let findings = LambdaSource::new(connection, REGION).find().await;
    let (_, document) = &findings.containers[0];
    assert_eq!(document.slots[&Slot::key("KEY")].expose(), b"new-value");
    assert_eq!(blind(&findings), ["lambda:us-east-1:app:live (version 1)"]);
    let spot = format!("{:?}", findings.blind_spots[0]);
    assert!(
        spot.contains("KEY") && !spot.contains("old-value"),
        "{spot}"
    );
}

#[tokio::test]
async fn more_functions_than_a_page_are_all_found() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    let role = role(&connection).await;
    for n in 0..60 {
        make_function(&connection, &role, &format!("f{n}"), Some("value")).await;
    }
    let findings = LambdaSource::new(connection, REGION).find().await;
    assert_eq!(values(&findings).len(), 60);
    assert_eq!(findings.consumers.len(), 60);
}

/// A function whose aliases cannot be listed is not passed off as one without aliases.
#[tokio::test]
async fn denied_aliases_make_a_blind_spot_and_no_consumer() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    let role = role(&connection).await;
    make_function(&connection, &role, "app", Some("value")).await;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"lambda:ListFunctions","Resource":"*"}]}"#;
    let reader = peer.user("reader", policy).await;
    let findings = LambdaSource::new(reader, REGION).find().await;
    assert_eq!(values(&findings).len(), 1);
    assert!(findings.consumers.is_empty());
    assert_eq!(blind(&findings), ["lambda:us-east-1:app aliases"]);
}
