//! Secrets Manager as a store, against ministack (moto keeps answering the old version after
//! `AWSCURRENT` was moved).

mod meddler;
mod support;

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::primitives::Blob;
use meddler::Meddling;
use relatch_aws::{Connection, SecretsManagerStore};
use relatch_case::FaultKind;
use relatch_case::model::{Container, Slot};
use relatch_places::{Store, Version};
use relatch_secret::Secret;

const REGION: &str = "us-east-1";
/// A policy that allows nothing that is read here.
const NOTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:GetCallerIdentity","Resource":"*"}]}"#;

fn container(name: &str) -> Container {
    Container {
        kind: "secretsmanager".into(),
        region: REGION.into(),
        name: name.into(),
    }
}

fn change(slot: Slot, value: &str) -> BTreeMap<Slot, Secret> {
    BTreeMap::from([(slot, Secret::from(value))])
}

/// The cloud as its owner sees it.
fn owner(connection: &Connection) -> Client {
    Client::new(&connection.write_config(REGION))
}

async fn create(owner: &Client, name: &str, text: &str) {
    owner
        .create_secret()
        .name(name)
        .secret_string(text)
        .send()
        .await
        .expect("created");
}

async fn current(owner: &Client, name: &str) -> String {
    let secret = owner
        .get_secret_value()
        .secret_id(name)
        .send()
        .await
        .expect("read");
    secret.secret_string.expect("text")
}

async fn stages(owner: &Client, name: &str) -> BTreeMap<String, Vec<String>> {
    let secret = owner
        .describe_secret()
        .secret_id(name)
        .send()
        .await
        .expect("described");
    let stages = secret.version_ids_to_stages.unwrap_or_default();
    stages
        .into_iter()
        .map(|(id, mut s)| {
            (id, {
                s.sort();
                s
            })
        })
        .collect()
}

#[tokio::test]
async fn a_leaf_is_replaced_and_all_other_bytes_stay() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    let owner = owner(&connection);
    let text = "{ \"z\": \"first\",\r\n  \"api_key\" :\"old\", \"n\": 1.50, \"deep\": {\"l\": [\"x\", null]} }\n";
    create(&owner, "app", text).await;
    let store = SecretsManagerStore::new(connection);

    let before = store.read(&container("app")).await.expect("read");
    let keys: Vec<_> = before.slots.keys().map(|slot| slot.0.as_str()).collect();
    assert_eq!(keys, ["api_key", "deep/l/0", "z"]);
    let written = store
        .write(
            &container("app"),
            &before.version,
            &change(Slot::key("api_key"), "new \"one\""),
        )
        .await
        .expect("written");

    assert_eq!(
        current(&owner, "app").await,
        text.replace("\"old\"", "\"new \\\"one\\\"\"")
    );
    let after = store.read(&container("app")).await.expect("read back");
    assert_eq!(after.version, written);
    assert_eq!(after.slots[&Slot::key("api_key")].expose(), b"new \"one\"");
    let stages = stages(&owner, "app").await;
    assert_eq!(stages[&written.0], ["AWSCURRENT"], "no stage of ours stays");
    assert_eq!(stages[&before.version.0], ["AWSPREVIOUS"]);
}

#[tokio::test]
async fn plain_and_binary_secrets_are_replaced_as_a_whole() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    let owner = owner(&connection);
    create(&owner, "plain", "old").await;
    let bytes = Blob::new(vec![0u8, 0xff, 7]);
    owner
        .create_secret()
        .name("binary")
        .secret_binary(bytes)
        .send()
        .await
        .expect("created");
    let store = SecretsManagerStore::new(connection);

    let plain = store.read(&container("plain")).await.expect("read");
    let changes = change(Slot::whole(), "new");
    store
        .write(&container("plain"), &plain.version, &changes)
        .await
        .expect("written");
    assert_eq!(current(&owner, "plain").await, "new");

    let binary = store.read(&container("binary")).await.expect("read");
    assert_eq!(binary.slots[&Slot::whole()].expose(), [0, 0xff, 7]);
    let changes = BTreeMap::from([(Slot::whole(), Secret::new(vec![0xfe, 0]))]);
    store
        .write(&container("binary"), &binary.version, &changes)
        .await
        .expect("written");
    let now = owner
        .get_secret_value()
        .secret_id("binary")
        .send()
        .await
        .expect("read");
    assert_eq!(
        now.secret_binary.expect("still binary").into_inner(),
        [0xfe, 0]
    );
}

#[tokio::test]
async fn a_version_that_is_no_longer_current_is_a_conflict() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    let owner = owner(&connection);
    create(&owner, "app", "one").await;
    let store = SecretsManagerStore::new(connection);
    let seen = store.read(&container("app")).await.expect("read").version;
    owner
        .put_secret_value()
        .secret_id("app")
        .secret_string("theirs")
        .send()
        .await
        .expect("put");

    let refused = store
        .write(&container("app"), &seen, &change(Slot::whole(), "ours"))
        .await;
    assert_eq!(refused.expect_err("refused").kind, FaultKind::Conflict);
    assert_eq!(current(&owner, "app").await, "theirs");
    assert_eq!(
        stages(&owner, "app").await.len(),
        2,
        "nothing of ours was written"
    );
}

/// A writer comes in at each of our steps, after the version was checked.
#[tokio::test]
async fn a_writer_in_between_wins_and_is_not_clobbered() {
    for step in [
        "secretsmanager.PutSecretValue",
        "secretsmanager.UpdateSecretVersionStage",
    ] {
        let peer = support::ministack().await;
        let owner = owner(&peer.connection().await);
        create(&owner, "app", "{\"k\":\"old\"}").await;
        let put = owner
            .put_secret_value()
            .secret_id("app")
            .secret_string("{\"k\":\"theirs\"}");
        let deed = Meddling::Before(Box::pin(async move {
            put.send().await.expect("the other writer writes");
        }));
        let proxy = meddler::between(&peer.endpoint(), vec![(step, deed)]).await;
        let store = SecretsManagerStore::new(peer.connection_through(&proxy).await);
        let seen = store.read(&container("app")).await.expect("read").version;

        let refused = store
            .write(&container("app"), &seen, &change(Slot::key("k"), "ours"))
            .await;
        assert_eq!(
            refused.expect_err("refused").kind,
            FaultKind::Conflict,
            "{step}"
        );
        assert_eq!(current(&owner, "app").await, "{\"k\":\"theirs\"}", "{step}");
        let pending = stages(&owner, "app").await.into_values().flatten();
        assert!(
            pending.into_iter().all(|stage| stage != "RELATCH_PENDING"),
            "{step}"
        );
    }
}

#[tokio::test]
async fn lost_answers_of_either_step_are_settled_by_asking() {
    for step in [
        "secretsmanager.PutSecretValue",
        "secretsmanager.UpdateSecretVersionStage",
    ] {
        let peer = support::ministack().await;
        let owner = owner(&peer.connection().await);
        create(&owner, "app", "old").await;
        let rules = vec![(step, Meddling::LoseAnswer)];
        let proxy = meddler::between(&peer.endpoint(), rules).await;
        let store = SecretsManagerStore::new(peer.connection_through(&proxy).await);
        let seen = store.read(&container("app")).await.expect("read").version;

        let written = store
            .write(&container("app"), &seen, &change(Slot::whole(), "new"))
            .await;
        let written = written.expect("settled");
        assert_eq!(current(&owner, "app").await, "new", "{step}");
        let stages = stages(&owner, "app").await;
        assert_eq!(stages.len(), 2, "{step}: the repeat made no second version");
        assert_eq!(stages[&written.0], ["AWSCURRENT"], "{step}");
    }
}

#[tokio::test]
async fn what_is_missing_or_malformed_is_named() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    let owner = owner(&connection);
    create(&owner, "app", "{\"k\":\"old\"}").await;
    let store = SecretsManagerStore::new(connection);
    let missing = store.read(&container("gone")).await.expect_err("refused");
    assert_eq!(missing.kind, FaultKind::NotFound);
    assert!(
        missing.detail.contains("secretsmanager:us-east-1:gone"),
        "{missing}"
    );

    let seen = store.read(&container("app")).await.expect("read").version;
    for changes in [
        BTreeMap::new(),
        change(Slot::key("other"), "x"),
        change(Slot::whole(), "x"),
    ] {
        let refused = store.write(&container("app"), &seen, &changes).await;
        assert_eq!(refused.expect_err("refused").kind, FaultKind::Invalid);
    }
    let other = Version("00000000-0000-4000-8000-000000000000".into());
    let refused = store
        .write(&container("app"), &other, &change(Slot::key("k"), "x"))
        .await;
    assert_eq!(refused.expect_err("refused").kind, FaultKind::Conflict);
    assert_eq!(current(&owner, "app").await, "{\"k\":\"old\"}");
}

#[tokio::test]
async fn a_name_means_the_secret_of_its_own_region() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    let regions = ["us-east-1", "eu-west-1"];
    for region in regions {
        let owner = Client::new(&connection.write_config(region));
        create(&owner, "app", &format!("in {region}")).await;
    }
    let store = SecretsManagerStore::new(connection.clone());
    let europe = Container {
        region: "eu-west-1".into(),
        ..container("app")
    };
    let seen = store.read(&europe).await.expect("read");
    assert_eq!(seen.slots[&Slot::whole()].expose(), b"in eu-west-1");
    store
        .write(&europe, &seen.version, &change(Slot::whole(), "new"))
        .await
        .expect("written");
    let america = store.read(&container("app")).await.expect("read");
    assert_eq!(america.slots[&Slot::whole()].expose(), b"in us-east-1");
}

#[tokio::test]
async fn a_denied_read_is_denied_and_nothing_else() {
    let peer = support::ministack().await;
    create(&owner(&peer.connection().await), "app", "value").await;
    let stranger = peer.user("stranger", NOTHING).await;
    let refused = SecretsManagerStore::new(stranger)
        .read(&container("app"))
        .await;
    assert_eq!(refused.expect_err("refused").kind, FaultKind::Denied);
}
