//! Lambda environments as a store and functions as consumers, against ministack and moto.

mod code;
mod meddler;
mod support;

use std::collections::{BTreeMap, HashMap};

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{AliasRoutingConfiguration, Environment, FunctionCode, Runtime};
use meddler::Meddling;
use relatch_aws::{Connection, LambdaConsumers, LambdaStore};
use relatch_case::model::{Consumer, ConsumerKind, Container, Known, Slot};
use relatch_case::{ConsumerId, FaultKind};
use relatch_places::{Document, Roller, Store, Version};
use relatch_secret::Secret;
use support::Peer;

const REGION: &str = "us-east-1";

fn container(name: &str) -> Container {
    Container {
        kind: "lambda".into(),
        region: REGION.into(),
        name: name.into(),
    }
}

fn consumer(function: &str, alias: Option<&str>) -> Consumer {
    Consumer {
        id: ConsumerId::new(container(function).to_string()),
        kind: ConsumerKind::Lambda {
            region: REGION.into(),
            function: function.into(),
            alias: alias.map(str::to_string),
        },
        reads: vec![container(function)],
        known: Known::Observed,
    }
}

fn change(name: &str, value: &str) -> BTreeMap<Slot, Secret> {
    BTreeMap::from([(Slot::key(name), Secret::from(value))])
}

fn owner(connection: &Connection) -> Client {
    Client::new(&connection.write_config(REGION))
}

/// The role that functions take; moto wants it to exist.
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

/// Makes function `app` with code `zip` and these variables.
async fn create(connection: &Connection, variables: &[(&str, &str)]) {
    let variables = variables
        .iter()
        .map(|(n, v)| ((*n).to_string(), (*v).to_string()))
        .collect();
    owner(connection)
        .create_function()
        .function_name("app")
        .runtime(Runtime::Python312)
        .role(role(connection).await)
        .handler("index.handler")
        .code(
            FunctionCode::builder()
                .zip_file(Blob::new(code::zip(b"first")))
                .build(),
        )
        .environment(
            Environment::builder()
                .set_variables(Some(variables))
                .build(),
        )
        .send()
        .await
        .expect("created");
    let reader = LambdaConsumers::new(connection.clone());
    for _ in 0..100 {
        if reader
            .health(&consumer("app", None))
            .await
            .expect("asked")
            .well
        {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the function never became well");
}

/// Publishes `$LATEST` and points a new alias to it; returns the version.
async fn release(connection: &Connection, alias: &str) -> String {
    let owner = owner(connection);
    let published = owner
        .publish_version()
        .function_name("app")
        .send()
        .await
        .expect("published");
    let version = published.version.expect("named");
    let made = owner
        .create_alias()
        .function_name("app")
        .name(alias)
        .function_version(&version);
    made.send().await.expect("an alias");
    version
}

async fn variables(connection: &Connection) -> HashMap<String, String> {
    let now = owner(connection)
        .get_function_configuration()
        .function_name("app")
        .send()
        .await;
    now.expect("read")
        .environment
        .expect("there")
        .variables
        .expect("some")
}

/// Sets the variable past the store: moto tells no revisions, so nothing is written to it
/// through the store.
async fn set(connection: &Connection, value: &str) {
    let environment = Environment::builder().variables("KEY", value).build();
    let update = owner(connection)
        .update_function_configuration()
        .function_name("app");
    update
        .environment(environment)
        .send()
        .await
        .expect("updated");
}

async fn write(store: &LambdaStore, value: &str) -> Version {
    let seen = store.read(&container("app")).await.expect("read").version;
    store
        .write(&container("app"), &seen, &change("KEY", value))
        .await
        .expect("written")
}

async fn serves(consumers: &LambdaConsumers, alias: Option<&str>) -> Document {
    let document = consumers
        .runs_with(&consumer("app", alias), &container("app"))
        .await;
    document.expect("asked").expect("seen")
}

fn key(document: &Document) -> &[u8] {
    document.slots[&Slot::key("KEY")].expose()
}

async fn both() -> [Peer; 2] {
    [support::ministack().await, support::moto().await]
}

#[tokio::test]
async fn one_variable_is_replaced_and_the_others_stay_byte_for_byte() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    let others = [
        ("OTHER", "spaces  and = \u{e4}\t\"q\""),
        ("JSON", "{\"a\": \"b\"}"),
    ];
    create(&connection, &[others[0], others[1], ("KEY", "old")]).await;
    let store = LambdaStore::new(connection.clone());
    let before = store.read(&container("app")).await.expect("read");
    assert_eq!(before.slots.len(), 3);
    let written = write(&store, "new").await;

    let after = store.read(&container("app")).await.expect("read back");
    assert_eq!(after.version, written);
    assert_ne!(after.version, before.version);
    let now = variables(&connection).await;
    assert_eq!(now.len(), 3);
    assert_eq!(now["KEY"], "new");
    for (name, value) in others {
        assert_eq!(now[name], value);
    }
}

#[tokio::test]
async fn a_revision_seen_too_long_ago_is_a_conflict() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    create(&connection, &[("KEY", "old")]).await;
    let store = LambdaStore::new(connection.clone());
    let seen = store.read(&container("app")).await.expect("read").version;
    write(&store, "theirs").await;
    let refused = store
        .write(&container("app"), &seen, &change("KEY", "ours"))
        .await;
    assert_eq!(refused.expect_err("refused").kind, FaultKind::Conflict);
    assert_eq!(variables(&connection).await["KEY"], "theirs");
}

const UPDATE: &str = "PUT /2015-03-31/functions/app/configuration";

#[tokio::test]
async fn a_writer_in_between_wins_and_is_not_clobbered() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    create(&connection, &[("KEY", "old")]).await;
    let other = connection.clone();
    let deed = Meddling::Before(Box::pin(async move { set(&other, "theirs").await }));
    let proxy = meddler::between(&peer.endpoint(), vec![(UPDATE, deed)]).await;
    let store = LambdaStore::new(peer.connection_through(&proxy).await);
    let seen = store.read(&container("app")).await.expect("read").version;
    let refused = store
        .write(&container("app"), &seen, &change("KEY", "ours"))
        .await;
    assert_eq!(refused.expect_err("refused").kind, FaultKind::Conflict);
    assert_eq!(variables(&connection).await["KEY"], "theirs");
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_asking() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    create(&connection, &[("KEY", "old"), ("OTHER", "o")]).await;
    let rules = vec![(UPDATE, Meddling::LoseAnswer)];
    let proxy = meddler::between(&peer.endpoint(), rules).await;
    let store = LambdaStore::new(peer.connection_through(&proxy).await);
    let written = write(&store, "new").await;
    assert_eq!(
        store.read(&container("app")).await.expect("read").version,
        written
    );
    assert_eq!(variables(&connection).await["KEY"], "new");
}

#[tokio::test]
async fn a_roll_whose_answer_was_lost_can_be_done_again() {
    let alias = "PUT /2015-03-31/functions/app/aliases/live";
    for step in ["POST /2015-03-31/functions/app/versions", alias] {
        let peer = support::ministack().await;
        let connection = peer.connection().await;
        create(&connection, &[("KEY", "old")]).await;
        release(&connection, "live").await;
        set(&connection, "new").await;
        let rules = vec![(step, Meddling::LoseAnswer)];
        let proxy = meddler::between(&peer.endpoint(), rules).await;
        let consumers = LambdaConsumers::new(peer.connection_through(&proxy).await);
        let live = consumer("app", Some("live"));
        let lost = consumers
            .roll(&live)
            .await
            .expect_err("the answer was lost");
        assert_eq!(lost.kind, FaultKind::Ambiguous, "{step}");
        consumers.roll(&live).await.expect("rolled");
        assert_eq!(key(&serves(&consumers, Some("live")).await), b"new");
        let versions = owner(&connection)
            .list_versions_by_function()
            .function_name("app");
        let versions = versions
            .send()
            .await
            .expect("listed")
            .versions
            .unwrap_or_default();
        assert_eq!(
            versions.len(),
            3,
            "{step}: $LATEST, the released one and ours"
        );
    }
}

#[tokio::test]
async fn where_no_revision_is_told_as_by_moto_nothing_is_written() {
    let peer = support::moto().await;
    let connection = peer.connection().await;
    create(&connection, &[("KEY", "old")]).await;
    let store = LambdaStore::new(connection.clone());
    let seen = store.read(&container("app")).await.expect("read");
    assert_eq!(key(&seen), b"old");
    let refused = store
        .write(&container("app"), &seen.version, &change("KEY", "new"))
        .await;
    assert_eq!(refused.expect_err("refused").kind, FaultKind::Invalid);
    assert_eq!(variables(&connection).await["KEY"], "old");
}

#[tokio::test]
async fn variables_that_do_not_exist_and_missing_functions_are_named() {
    for peer in both().await {
        let connection = peer.connection().await;
        create(&connection, &[("KEY", "old")]).await;
        let store = LambdaStore::new(connection.clone());
        let seen = store.read(&container("app")).await.expect("read").version;
        for changes in [BTreeMap::new(), change("NEW", "x")] {
            let refused = store.write(&container("app"), &seen, &changes).await;
            assert_eq!(refused.expect_err("refused").kind, FaultKind::Invalid);
        }
        let missing = store.read(&container("gone")).await.expect_err("refused");
        assert_eq!(missing.kind, FaultKind::NotFound);
        assert!(missing.detail.contains("gone"), "{missing}");
    }
}

#[tokio::test]
async fn a_roll_brings_the_new_environment_behind_the_alias_and_can_be_taken_back() {
    for peer in both().await {
        let connection = peer.connection().await;
        create(&connection, &[("KEY", "old")]).await;
        release(&connection, "live").await;
        let consumers = LambdaConsumers::new(connection.clone());
        let live = consumer("app", Some("live"));
        let baseline = consumers.baseline(&live).await.expect("baseline");
        assert!(
            !baseline.to_string().contains("old"),
            "no value in a baseline"
        );

        set(&connection, "new").await;
        assert_eq!(key(&serves(&consumers, None).await), b"new");
        assert_eq!(
            key(&serves(&consumers, Some("live")).await),
            b"old",
            "before the roll"
        );

        consumers.roll(&live).await.expect("rolled");
        assert_eq!(key(&serves(&consumers, Some("live")).await), b"new");
        assert!(consumers.health(&live).await.expect("asked").well);

        consumers
            .roll_back(&live, &baseline)
            .await
            .expect("rolled back");
        assert_eq!(key(&serves(&consumers, Some("live")).await), b"old");
        consumers
            .roll_back(&live, &baseline)
            .await
            .expect("twice is harmless");
        consumers.roll(&live).await.expect("rolled again");
        assert_eq!(key(&serves(&consumers, Some("live")).await), b"new");
    }
}

#[tokio::test]
async fn rolling_twice_publishes_once() {
    for peer in both().await {
        let connection = peer.connection().await;
        create(&connection, &[("KEY", "old")]).await;
        release(&connection, "live").await;
        let consumers = LambdaConsumers::new(connection.clone());
        let live = consumer("app", Some("live"));
        set(&connection, "new").await;
        consumers.roll(&live).await.expect("rolled");
        let count = async || {
            let all = owner(&connection)
                .list_versions_by_function()
                .function_name("app");
            all.send()
                .await
                .expect("listed")
                .versions
                .unwrap_or_default()
                .len()
        };
        let once = count().await;
        consumers.roll(&live).await.expect("rolled again");
        assert_eq!(count().await, once);
    }
}

#[tokio::test]
async fn without_an_alias_a_roll_changes_nothing() {
    for peer in both().await {
        let connection = peer.connection().await;
        create(&connection, &[("KEY", "old")]).await;
        let consumers = LambdaConsumers::new(connection.clone());
        let latest = consumer("app", None);
        let before = LambdaStore::new(connection.clone())
            .read(&container("app"))
            .await;
        let baseline = consumers.baseline(&latest).await.expect("baseline");
        consumers.roll(&latest).await.expect("rolled");
        consumers
            .roll_back(&latest, &baseline)
            .await
            .expect("rolled back");
        let after = LambdaStore::new(connection.clone())
            .read(&container("app"))
            .await;
        assert_eq!(before.expect("read").version, after.expect("read").version);
    }
}

#[tokio::test]
async fn a_roll_refuses_to_release_code_that_nobody_released() {
    for peer in both().await {
        let connection = peer.connection().await;
        create(&connection, &[("KEY", "old")]).await;
        let released = release(&connection, "live").await;
        let code = Blob::new(code::zip(b"second, unfinished"));
        let update = owner(&connection)
            .update_function_code()
            .function_name("app")
            .zip_file(code);
        update.send().await.expect("updated");
        let consumers = LambdaConsumers::new(connection.clone());
        let live = consumer("app", Some("live"));
        consumers
            .roll(&live)
            .await
            .expect("it runs with the environment already");
        set(&connection, "new").await;
        let refused = consumers
            .roll(&consumer("app", Some("live")))
            .await
            .expect_err("refused");
        assert_eq!(refused.kind, FaultKind::Invalid);
        assert!(refused.detail.contains("code"), "{refused}");
        let alias = owner(&connection)
            .get_alias()
            .function_name("app")
            .name("live")
            .send()
            .await;
        assert_eq!(alias.expect("read").function_version, Some(released));
    }
}

#[tokio::test]
async fn an_alias_that_is_not_there_is_named() {
    for peer in both().await {
        let connection = peer.connection().await;
        create(&connection, &[("KEY", "old")]).await;
        let consumers = LambdaConsumers::new(connection);
        let gone = consumer("app", Some("gone"));
        for fault in [
            consumers.baseline(&gone).await.expect_err("refused"),
            consumers.roll(&gone).await.expect_err("refused"),
            consumers.health(&gone).await.expect_err("refused"),
        ] {
            assert_eq!(fault.kind, FaultKind::NotFound, "{fault}");
            assert!(fault.detail.contains("gone"), "{fault}");
        }
    }
}

/// ministack keeps an alias's routing configuration but sends no traffic by it.
#[tokio::test]
async fn split_traffic_is_no_proof_and_is_ended_by_a_roll_and_restored_by_roll_back() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    create(&connection, &[("KEY", "first")]).await;
    let first = release(&connection, "live").await;
    let store = LambdaStore::new(connection.clone());
    write(&store, "second").await;
    let published = owner(&connection)
        .publish_version()
        .function_name("app")
        .send()
        .await;
    let second = published.expect("published").version.expect("named");
    assert_ne!(first, second);
    let routing = AliasRoutingConfiguration::builder().additional_version_weights(&second, 0.1);
    let split = owner(&connection)
        .update_alias()
        .function_name("app")
        .name("live");
    split
        .routing_config(routing.build())
        .send()
        .await
        .expect("split");

    let consumers = LambdaConsumers::new(connection.clone());
    let live = consumer("app", Some("live"));
    let fault = consumers
        .runs_with(&live, &container("app"))
        .await
        .expect_err("no one thing");
    assert_eq!(fault.kind, FaultKind::Conflict);
    let baseline = consumers.baseline(&live).await.expect("baseline");
    write(&store, "third").await;
    consumers.roll(&live).await.expect("rolled");
    assert_eq!(key(&serves(&consumers, Some("live")).await), b"third");
    consumers
        .roll_back(&live, &baseline)
        .await
        .expect("rolled back");
    assert_eq!(consumers.baseline(&live).await.expect("baseline"), baseline);
}

#[tokio::test]
async fn an_alias_to_latest_needs_no_roll() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    create(&connection, &[("KEY", "old")]).await;
    let owner = owner(&connection);
    let made = owner.create_alias().function_name("app").name("live");
    made.function_version("$LATEST")
        .send()
        .await
        .expect("an alias");
    let consumers = LambdaConsumers::new(connection.clone());
    let live = consumer("app", Some("live"));
    let baseline = consumers.baseline(&live).await.expect("baseline");
    set(&connection, "new").await;
    assert_eq!(key(&serves(&consumers, Some("live")).await), b"new");
    consumers.roll(&live).await.expect("rolled");
    consumers
        .roll_back(&live, &baseline)
        .await
        .expect("rolled back");
    let alias = owner
        .get_alias()
        .function_name("app")
        .name("live")
        .send()
        .await
        .expect("read");
    assert_eq!(alias.function_version.as_deref(), Some("$LATEST"));
}

#[tokio::test]
async fn what_runs_is_told_of_its_own_container_only() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    create(&connection, &[("KEY", "old")]).await;
    let consumers = LambdaConsumers::new(connection);
    let live = consumer("app", None);
    for other in [
        container("other"),
        Container {
            kind: "ssm".into(),
            ..container("app")
        },
    ] {
        assert!(
            consumers
                .runs_with(&live, &other)
                .await
                .expect("asked")
                .is_none()
        );
    }
}
