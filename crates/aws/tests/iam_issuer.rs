//! IAM users' access keys, against ministack (which refuses dead keys and denied calls as AWS
//! does) and moto (which has the cap of two keys and last-used times).

mod meddler;
mod support;

use aws_sdk_iam::Client;
use meddler::Meddling;
use relatch_aws::{Connection, IamIssuer};
use relatch_case::model::Liveness;
use relatch_case::{FaultKind, KeyId, Principal};
use relatch_issuers::{Issuer, KeyMaterial, MintRequest, Minted};
use relatch_secret::Secret;
use support::Peer;

const ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

fn ada() -> Principal {
    Principal::from("user/ada")
}

fn request(principal: &Principal) -> MintRequest {
    MintRequest {
        principal: principal.clone(),
        name: "relatch-1".into(),
        replaces: None,
    }
}

fn material(minted: &Minted) -> KeyMaterial {
    KeyMaterial {
        id: Some(minted.id.clone()),
        secret: minted.secret.clone(),
    }
}

/// The cloud as its owner sees it.
async fn owner(peer: &Peer) -> Client {
    Client::new(&peer.connection().await.write_config(""))
}

/// An issuer with one user, `ada`.
async fn with_ada(peer: &Peer) -> IamIssuer {
    owner(peer)
        .await
        .create_user()
        .user_name("ada")
        .send()
        .await
        .expect("user");
    IamIssuer::new(peer.connection().await)
}

/// Whether a connection may list users, and what it is told if not.
async fn lists_users(connection: &Connection) -> Result<(), String> {
    let client = Client::new(&connection.write_config(""));
    match client.list_users().send().await {
        Ok(_) => Ok(()),
        Err(error) => Err(relatch_aws::error::fault_of_read(error).detail),
    }
}

#[tokio::test]
async fn a_key_is_dead_when_it_is_disabled_or_deleted_and_only_then() {
    let peer = support::ministack().await;
    let issuer = with_ada(&peer).await;
    let minted = issuer.mint(&request(&ada())).await.expect("minted");
    let key = material(&minted);

    let probe = issuer.probe(&key).await;
    assert_eq!(
        (probe.liveness, probe.control),
        (Liveness::Alive, true),
        "{}",
        probe.answer
    );

    for _ in 0..2 {
        issuer
            .disable(&ada(), &minted.id)
            .await
            .expect("disabled, once and again");
    }
    assert!(!issuer.list(&ada()).await.expect("listed")[0].active);
    let probe = issuer.probe(&key).await;
    assert_eq!(
        (probe.liveness, probe.control),
        (Liveness::Dead, true),
        "{}",
        probe.answer
    );

    for _ in 0..2 {
        issuer
            .enable(&ada(), &minted.id)
            .await
            .expect("enabled, once and again");
    }
    assert_eq!(issuer.probe(&key).await.liveness, Liveness::Alive);

    for _ in 0..2 {
        issuer
            .delete(&ada(), &minted.id)
            .await
            .expect("deleted, once and again");
    }
    assert_eq!(issuer.list(&ada()).await.expect("listed"), []);
    let probe = issuer.probe(&key).await;
    assert_eq!(
        (probe.liveness, probe.control),
        (Liveness::Dead, true),
        "{}",
        probe.answer
    );
}

#[tokio::test]
async fn a_wrong_secret_says_nothing_about_the_key() {
    let peer = support::ministack().await;
    let issuer = with_ada(&peer).await;
    let minted = issuer.mint(&request(&ada())).await.expect("minted");
    let wrong = Secret::from("wrongwrongwrongwrongwrongwrongwrongwrong");
    let probe = issuer
        .probe(&KeyMaterial {
            id: Some(minted.id.clone()),
            secret: wrong,
        })
        .await;
    assert_eq!(probe.liveness, Liveness::Unknown, "{}", probe.answer);
    assert!(
        probe.answer.contains("SignatureDoesNotMatch"),
        "{}",
        probe.answer
    );

    let without_id = issuer
        .probe(&KeyMaterial {
            id: None,
            secret: minted.secret,
        })
        .await;
    assert_eq!(without_id.liveness, Liveness::Unknown);
}

#[tokio::test]
async fn where_any_key_is_accepted_the_control_does_not_hold() {
    let peer = support::moto().await;
    let issuer = with_ada(&peer).await;
    let minted = issuer.mint(&request(&ada())).await.expect("minted");
    issuer.delete(&ada(), &minted.id).await.expect("deleted");
    let probe = issuer.probe(&material(&minted)).await;
    assert!(!probe.control);
    assert!(
        probe.liveness.may_work(),
        "moto accepts it still: {}",
        probe.answer
    );
}

#[tokio::test]
async fn a_third_key_finds_no_room_and_an_unknown_user_is_not_found() {
    let peer = support::moto().await;
    let issuer = with_ada(&peer).await;
    for _ in 0..2 {
        issuer.mint(&request(&ada())).await.expect("minted");
    }
    let full = issuer.mint(&request(&ada())).await.expect_err("refused");
    assert_eq!(full.kind, FaultKind::SlotsFull, "{full}");
    assert_eq!(issuer.list(&ada()).await.expect("listed").len(), 2);

    let nobody = Principal::from("user/nobody");
    let fault = issuer.mint(&request(&nobody)).await.expect_err("refused");
    assert_eq!(fault.kind, FaultKind::NotFound, "{fault}");
    let fault = issuer.list(&nobody).await.expect_err("refused");
    assert_eq!(fault.kind, FaultKind::NotFound, "{fault}");
}

#[tokio::test]
async fn a_mint_whose_answer_is_lost_is_sent_once_and_told() {
    let peer = support::ministack().await;
    let listed = with_ada(&peer).await;
    let rules = vec![("Action=CreateAccessKey", Meddling::LoseAnswer)];
    let proxy = meddler::between(&peer.endpoint(), rules).await;
    let issuer = IamIssuer::new(peer.connection_through(&proxy).await);

    let fault = issuer.mint(&request(&ada())).await.expect_err("lost");
    assert_eq!(fault.kind, FaultKind::Ambiguous, "{fault}");
    assert_eq!(listed.list(&ada()).await.expect("listed").len(), 1);
}

#[tokio::test]
async fn a_user_that_was_cut_off_may_do_nothing_while_its_key_lives() {
    let peer = support::ministack().await;
    let issuer = with_ada(&peer).await;
    let put = owner(&peer)
        .await
        .put_user_policy()
        .user_name("ada")
        .policy_name("own");
    put.policy_document(ALL).send().await.expect("policy");
    let minted = issuer.mint(&request(&ada())).await.expect("minted");
    let as_ada = peer.connection_as(minted.id.as_str(), &minted.secret).await;
    assert_eq!(lists_users(&as_ada).await, Ok(()));

    for _ in 0..2 {
        issuer.cut(&ada()).await.expect("cut, once and again");
    }
    let words = lists_users(&as_ada).await.expect_err("denied");
    assert!(words.contains("explicit deny"), "{words}");
    let probe = issuer.probe(&material(&minted)).await;
    assert!(
        matches!(probe.liveness, Liveness::Alive | Liveness::Restricted),
        "{}",
        probe.answer
    );

    for _ in 0..2 {
        issuer
            .uncut(&ada())
            .await
            .expect("taken back, once and again");
    }
    assert_eq!(lists_users(&as_ada).await, Ok(()));
}

#[tokio::test]
async fn every_user_on_every_page_is_listed_with_its_keys() {
    for peer in [support::ministack().await, support::moto().await] {
        let owner = owner(&peer).await;
        let issuer = IamIssuer::new(peer.connection().await);
        for n in 0..105 {
            let name = format!("user-{n:03}");
            owner
                .create_user()
                .user_name(&name)
                .send()
                .await
                .expect("user");
        }
        let two = Principal::from("user/user-104");
        for _ in 0..2 {
            issuer.mint(&request(&two)).await.expect("minted");
        }
        let lists = issuer.list_all().await.expect("listed");
        assert_eq!(lists.len(), 105);
        assert!(lists.is_sorted_by(|a, b| a.0 < b.0));
        let with_keys: Vec<_> = lists.iter().filter(|(_, keys)| !keys.is_empty()).collect();
        assert_eq!(with_keys.len(), 1);
        assert_eq!((&with_keys[0].0, with_keys[0].1.len()), (&two, 2));
        assert!(
            with_keys[0]
                .1
                .iter()
                .all(|key| key.active && key.created.is_some())
        );
    }
}

#[tokio::test]
async fn a_user_that_may_not_be_looked_at_is_named() {
    let peer = support::ministack().await;
    with_ada(&peer).await;
    owner(&peer)
        .await
        .create_user()
        .user_name("bob")
        .send()
        .await
        .expect("user");
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"iam:*","Resource":"*"},
        {"Effect":"Deny","Action":"iam:ListAccessKeys","Resource":"arn:aws:iam::*:user/bob"}]}"#;
    let issuer = IamIssuer::new(peer.user("reader", policy).await);

    let (lists, unread) = issuer.survey().await.expect("surveyed");
    let names: Vec<_> = lists
        .iter()
        .map(|(principal, _)| principal.as_str())
        .collect();
    assert_eq!(names, ["user/ada", "user/reader"]);
    assert_eq!(unread.len(), 1);
    assert_eq!(
        (unread[0].0.as_str(), unread[0].1.kind),
        ("user/bob", FaultKind::Denied)
    );
    let fault = issuer.list_all().await.expect_err("not all");
    assert!(
        fault.kind == FaultKind::Denied && fault.detail.contains("user/bob"),
        "{fault}"
    );

    let no_use = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":["iam:ListUsers","iam:ListAccessKeys"],"Resource":"*"}]}"#;
    let lister = IamIssuer::new(peer.user("lister", no_use).await);
    let (lists, unread) = lister.survey().await.expect("surveyed");
    assert_eq!(
        lists.len(),
        4,
        "keys are listed even if their last use is not told"
    );
    let users: Vec<_> = unread
        .iter()
        .map(|(principal, _)| principal.as_str())
        .collect();
    assert_eq!(users, ["user/lister", "user/reader"]);
    assert!(
        unread[0].1.detail.contains("last use of"),
        "{}",
        unread[0].1
    );
    assert_eq!(lister.list_all().await.expect("listed").len(), 4);
    assert_eq!(lister.list(&unread[0].0).await.expect("listed").len(), 1);

    let nothing = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Deny","Action":"iam:*","Resource":"*"}]}"#;
    let stranger = IamIssuer::new(peer.user("stranger", nothing).await);
    assert_eq!(
        stranger.survey().await.expect_err("denied").kind,
        FaultKind::Denied
    );
    let fault = stranger.mint(&request(&ada())).await.expect_err("denied");
    assert_eq!(fault.kind, FaultKind::Denied, "{fault}");
}

#[tokio::test]
async fn a_key_that_was_used_says_when() {
    let peer = support::moto().await;
    let issuer = with_ada(&peer).await;
    let minted = issuer.mint(&request(&ada())).await.expect("minted");
    assert_eq!(
        issuer.last_used(&ada(), &minted.id).await.expect("asked"),
        None
    );
    let as_ada = peer.connection_as(minted.id.as_str(), &minted.secret).await;
    lists_users(&as_ada).await.expect("listed");
    let used = issuer
        .last_used(&ada(), &minted.id)
        .await
        .expect("asked")
        .expect("used");
    let listed = issuer.list(&ada()).await.expect("listed");
    assert_eq!(listed[0].last_used, Some(used));
}

#[tokio::test]
async fn a_key_of_another_user_is_not_touched() {
    let peer = support::ministack().await;
    let issuer = with_ada(&peer).await;
    owner(&peer)
        .await
        .create_user()
        .user_name("bob")
        .send()
        .await
        .expect("user");
    let minted = issuer.mint(&request(&ada())).await.expect("minted");
    let bob = Principal::from("user/bob");
    let fault = issuer.disable(&bob, &minted.id).await.expect_err("refused");
    assert_eq!(fault.kind, FaultKind::NotFound, "{fault}");
    assert_eq!(
        issuer.probe(&material(&minted)).await.liveness,
        Liveness::Alive
    );

    let role = Principal::from("role/app");
    for fault in [
        issuer.mint(&request(&role)).await.expect_err("refused"),
        issuer
            .delete(&role, &KeyId::from("AKIAX"))
            .await
            .expect_err("refused"),
        issuer.cut(&role).await.expect_err("refused"),
    ] {
        assert_eq!(fault.kind, FaultKind::Invalid, "{fault}");
    }
}
