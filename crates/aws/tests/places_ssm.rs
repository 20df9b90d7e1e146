//! Parameter Store as a store, against ministack and moto.

mod meddler;
mod support;

use std::collections::BTreeMap;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::{ParameterMetadata, ParameterTier, ParameterType};
use meddler::Meddling;
use relatch_aws::{Connection, ParameterStore};
use relatch_case::FaultKind;
use relatch_case::model::{Container, Slot};
use relatch_places::Store;
use relatch_secret::Secret;
use support::Peer;

const REGION: &str = "us-east-1";

fn container(name: &str) -> Container {
    Container {
        kind: "ssm".into(),
        region: REGION.into(),
        name: name.into(),
    }
}

fn change(slot: Slot, value: &str) -> BTreeMap<Slot, Secret> {
    BTreeMap::from([(slot, Secret::from(value))])
}

fn owner(connection: &Connection) -> Client {
    Client::new(&connection.write_config(REGION))
}

async fn put(owner: &Client, name: &str, kind: ParameterType, value: &str) {
    let put = owner
        .put_parameter()
        .name(name)
        .r#type(kind)
        .value(value)
        .overwrite(true);
    put.send().await.expect("put");
}

async fn value(owner: &Client, name: &str) -> String {
    let read = owner
        .get_parameter()
        .name(name)
        .with_decryption(true)
        .send()
        .await
        .expect("read");
    read.parameter.expect("there").value.expect("text")
}

async fn metadata(owner: &Client, name: &str) -> ParameterMetadata {
    let all = owner.describe_parameters().send().await.expect("described");
    let mut all = all.parameters.unwrap_or_default().into_iter();
    all.find(|p| p.name.as_deref() == Some(name))
        .expect("listed")
}

/// Both emulators; what is proved on one alone says so in its name.
async fn both() -> [Peer; 2] {
    [support::ministack().await, support::moto().await]
}

#[tokio::test]
async fn a_leaf_is_replaced_and_all_other_bytes_stay() {
    for peer in both().await {
        let connection = peer.connection().await;
        let owner = owner(&connection);
        let text = "{\n\t\"key\" : \"old\",\n\t\"keep\": \"\\u00e4\", \"n\": 0.10\n}";
        put(&owner, "/app/json", ParameterType::SecureString, text).await;
        let store = ParameterStore::new(connection);
        let before = store.read(&container("/app/json")).await.expect("read");
        let changes = change(Slot::key("key"), "new");
        let written = store
            .write(&container("/app/json"), &before.version, &changes)
            .await;

        assert_eq!(
            value(&owner, "/app/json").await,
            text.replace("\"old\"", "\"new\"")
        );
        let after = store
            .read(&container("/app/json"))
            .await
            .expect("read back");
        assert_eq!(after.version, written.expect("written"));
    }
}

#[tokio::test]
async fn type_key_tier_description_and_pattern_stay() {
    for peer in both().await {
        let connection = peer.connection().await;
        let owner = owner(&connection);
        owner
            .put_parameter()
            .name("/app/key")
            .r#type(ParameterType::SecureString)
            .key_id("alias/ours")
            .tier(ParameterTier::Advanced)
            .description("what it is for")
            .allowed_pattern("^[a-z]+$")
            .data_type("text")
            .value("old")
            .send()
            .await
            .expect("put");
        let before = metadata(&owner, "/app/key").await;
        let store = ParameterStore::new(connection);
        let seen = store
            .read(&container("/app/key"))
            .await
            .expect("read")
            .version;
        let changes = change(Slot::whole(), "new");
        store
            .write(&container("/app/key"), &seen, &changes)
            .await
            .expect("written");

        assert_eq!(value(&owner, "/app/key").await, "new");
        let after = metadata(&owner, "/app/key").await;
        assert_eq!(after.r#type, before.r#type);
        assert_eq!(after.key_id, before.key_id);
        assert_eq!(after.tier, before.tier);
        assert_eq!(after.description, before.description);
        assert_eq!(after.allowed_pattern, before.allowed_pattern);
        assert_eq!(after.data_type, before.data_type);
    }
}

#[tokio::test]
async fn a_list_is_one_value_and_stays_a_list() {
    for peer in both().await {
        let connection = peer.connection().await;
        let owner = owner(&connection);
        put(&owner, "/app/list", ParameterType::StringList, "a,b").await;
        let store = ParameterStore::new(connection);
        let seen = store.read(&container("/app/list")).await.expect("read");
        assert_eq!(seen.slots.keys().collect::<Vec<_>>(), [&Slot::whole()]);
        let changes = change(Slot::whole(), "c,d");
        store
            .write(&container("/app/list"), &seen.version, &changes)
            .await
            .expect("written");
        assert_eq!(value(&owner, "/app/list").await, "c,d");
        let after = metadata(&owner, "/app/list").await;
        assert_eq!(after.r#type, Some(ParameterType::StringList));
    }
}

#[tokio::test]
async fn a_version_that_is_no_longer_current_is_a_conflict() {
    for peer in both().await {
        let connection = peer.connection().await;
        let owner = owner(&connection);
        put(&owner, "/app", ParameterType::String, "one").await;
        let store = ParameterStore::new(connection);
        let seen = store.read(&container("/app")).await.expect("read").version;
        put(&owner, "/app", ParameterType::String, "theirs").await;
        let refused = store
            .write(&container("/app"), &seen, &change(Slot::whole(), "ours"))
            .await;
        assert_eq!(refused.expect_err("refused").kind, FaultKind::Conflict);
        assert_eq!(value(&owner, "/app").await, "theirs");
        assert_eq!(
            metadata(&owner, "/app").await.version,
            2,
            "nothing of ours was written"
        );
    }
}

#[tokio::test]
async fn a_writer_in_between_is_put_back_and_wins() {
    for peer in both().await {
        let owner = owner(&peer.connection().await);
        put(
            &owner,
            "/app",
            ParameterType::SecureString,
            "{\"k\":\"old\"}",
        )
        .await;
        let other = owner.clone();
        let deed = Meddling::Before(Box::pin(async move {
            put(
                &other,
                "/app",
                ParameterType::SecureString,
                "{\"k\":\"theirs\"}",
            )
            .await;
        }));
        let rules = vec![("AmazonSSM.PutParameter", deed)];
        let proxy = meddler::between(&peer.endpoint(), rules).await;
        let store = ParameterStore::new(peer.connection_through(&proxy).await);
        let seen = store.read(&container("/app")).await.expect("read").version;

        let refused = store
            .write(&container("/app"), &seen, &change(Slot::key("k"), "ours"))
            .await;
        assert_eq!(refused.expect_err("refused").kind, FaultKind::Conflict);
        assert_eq!(value(&owner, "/app").await, "{\"k\":\"theirs\"}");
        let after = metadata(&owner, "/app").await;
        assert_eq!(
            (after.r#type, after.version),
            (Some(ParameterType::SecureString), 4)
        );
    }
}

#[tokio::test]
async fn two_writers_in_between_end_with_the_last_of_them() {
    let peer = support::ministack().await;
    let owner = owner(&peer.connection().await);
    put(&owner, "/app", ParameterType::String, "old").await;
    let rules = ["second", "third"].map(|theirs| {
        let other = owner.clone();
        let deed = async move { put(&other, "/app", ParameterType::String, theirs).await };
        ("AmazonSSM.PutParameter", Meddling::Before(Box::pin(deed)))
    });
    let proxy = meddler::between(&peer.endpoint(), rules.into()).await;
    let store = ParameterStore::new(peer.connection_through(&proxy).await);
    let seen = store.read(&container("/app")).await.expect("read").version;
    let refused = store
        .write(&container("/app"), &seen, &change(Slot::whole(), "ours"))
        .await;
    assert_eq!(refused.expect_err("refused").kind, FaultKind::Conflict);
    assert_eq!(value(&owner, "/app").await, "third");
}

#[tokio::test]
async fn a_parameter_deleted_in_between_is_not_brought_back() {
    let peer = support::ministack().await;
    let owner = owner(&peer.connection().await);
    put(&owner, "/app", ParameterType::String, "old").await;
    put(&owner, "/app", ParameterType::String, "older").await;
    let delete = owner.delete_parameter().name("/app");
    let deed = Meddling::Before(Box::pin(async move {
        delete.send().await.expect("deleted");
    }));
    let proxy = meddler::between(&peer.endpoint(), vec![("AmazonSSM.PutParameter", deed)]).await;
    let store = ParameterStore::new(peer.connection_through(&proxy).await);
    let seen = store.read(&container("/app")).await.expect("read").version;
    let refused = store
        .write(&container("/app"), &seen, &change(Slot::whole(), "ours"))
        .await;
    assert_eq!(refused.expect_err("refused").kind, FaultKind::Conflict);
    let gone = store.read(&container("/app")).await.expect_err("gone");
    assert_eq!(gone.kind, FaultKind::NotFound);
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_asking() {
    let peer = support::ministack().await;
    let owner = owner(&peer.connection().await);
    put(&owner, "/app", ParameterType::String, "old").await;
    let rules = vec![("AmazonSSM.PutParameter", Meddling::LoseAnswer)];
    let proxy = meddler::between(&peer.endpoint(), rules).await;
    let store = ParameterStore::new(peer.connection_through(&proxy).await);
    let seen = store.read(&container("/app")).await.expect("read").version;
    let written = store
        .write(&container("/app"), &seen, &change(Slot::whole(), "new"))
        .await;
    assert_eq!(written.expect("settled").0, "2");
    assert_eq!(metadata(&owner, "/app").await.version, 2, "written once");
}

#[tokio::test]
async fn what_is_missing_or_malformed_is_named() {
    for peer in both().await {
        let connection = peer.connection().await;
        let owner = owner(&connection);
        put(&owner, "/app", ParameterType::String, "old").await;
        let store = ParameterStore::new(connection);
        let missing = store.read(&container("/gone")).await.expect_err("refused");
        assert_eq!(missing.kind, FaultKind::NotFound);
        assert!(missing.detail.contains("ssm:us-east-1:/gone"), "{missing}");
        let seen = store.read(&container("/app")).await.expect("read").version;
        for changes in [BTreeMap::new(), change(Slot::key("k"), "x")] {
            let refused = store.write(&container("/app"), &seen, &changes).await;
            assert_eq!(refused.expect_err("refused").kind, FaultKind::Invalid);
        }
        assert_eq!(value(&owner, "/app").await, "old");
    }
}
