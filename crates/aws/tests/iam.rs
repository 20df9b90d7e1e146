//! Access keys, against ministack (which refuses what AWS refuses) and moto (which has the
//! cap of two keys, pages and real last use, and refuses nobody).

mod support;

use aws_sdk_iam::Client;
use relatch_aws::{CUT_POLICY, Connection, IamIssuer};
use relatch_case::model::{Liveness, Probe, ProbeKind};
use relatch_case::{FaultKind, KeyId, Principal};
use relatch_issuers::{Issuer, KeyMaterial, MintRequest, Minted};
use relatch_secret::Secret;
use support::{Peer, REGION};

fn root(connection: &Connection) -> Client {
    Client::new(&connection.write_config(REGION))
}

async fn make_user(connection: &Connection, name: &str) -> Principal {
    root(connection).create_user().user_name(name).send().await.expect("a user");
    Principal::new(format!("user/{name}"))
}

/// Allows a user some actions on everything.
async fn allow(connection: &Connection, name: &str, actions: &str) {
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":[{actions}],"Resource":"*"}}]}}"#
    );
    let put = root(connection).put_user_policy().user_name(name).policy_name("own");
    put.policy_document(policy).send().await.expect("a policy");
}

async fn issuer(peer: &Peer) -> IamIssuer {
    IamIssuer::new(peer.connection().await)
}

async fn mint(issuer: &IamIssuer, principal: &Principal) -> Minted {
    issuer.mint(&request(principal)).await.expect("a key")
}

fn request(principal: &Principal) -> MintRequest {
    MintRequest { principal: principal.clone(), name: "unused".into(), replaces: None }
}

async fn probe(issuer: &IamIssuer, id: &KeyId, secret: &Secret) -> Probe {
    let probe = issuer.probe(&KeyMaterial { id: Some(id.clone()), secret: secret.clone() }).await;
    assert_eq!(probe.how, ProbeKind::Presented);
    probe
}

async fn active(issuer: &IamIssuer, principal: &Principal) -> Vec<(KeyId, bool)> {
    let keys = issuer.list(principal).await.expect("a list");
    keys.into_iter().map(|key| (key.id, key.active)).collect()
}

#[tokio::test]
async fn a_key_is_alive_until_disabled_and_dead_after() {
    let peer = support::ministack().await;
    let user = make_user(&peer.connection().await, "app").await;
    let issuer = issuer(&peer).await;
    let Minted { id, secret } = mint(&issuer, &user).await;
    assert_eq!(active(&issuer, &user).await, [(id.clone(), true)]);
    let alive = probe(&issuer, &id, &secret).await;
    assert_eq!((alive.liveness, alive.control), (Liveness::Alive, true));
    assert!(alive.answer.starts_with("200 arn:aws:iam::") && alive.answer.ends_with(":user/app"));

    issuer.disable(&user, &id).await.expect("disabled");
    issuer.disable(&user, &id).await.expect("disabled already");
    assert_eq!(active(&issuer, &user).await, [(id.clone(), false)]);
    let dead = probe(&issuer, &id, &secret).await;
    assert_eq!((dead.liveness, dead.control), (Liveness::Dead, true));
    assert_eq!(dead.answer, "refused: InvalidClientTokenId");

    issuer.enable(&user, &id).await.expect("enabled");
    issuer.enable(&user, &id).await.expect("enabled already");
    assert_eq!(probe(&issuer, &id, &secret).await.liveness, Liveness::Alive);

    issuer.delete(&user, &id).await.expect("deleted");
    issuer.delete(&user, &id).await.expect("deleted already");
    assert_eq!(active(&issuer, &user).await, []);
    let dead = probe(&issuer, &id, &secret).await;
    assert_eq!((dead.liveness, dead.control), (Liveness::Dead, true));
}

#[tokio::test]
async fn a_living_key_with_a_wrong_secret_is_not_called_dead() {
    let peer = support::ministack().await;
    let user = make_user(&peer.connection().await, "app").await;
    let issuer = issuer(&peer).await;
    let minted = mint(&issuer, &user).await;
    let wrong = Secret::from("wrongwrongwrongwrongwrongwrongwrongwrong");
    let wrong = probe(&issuer, &minted.id, &wrong).await;
    assert_eq!((wrong.liveness, wrong.control), (Liveness::Unknown, true));
    assert_eq!(wrong.answer, "refused: SignatureDoesNotMatch");
}

#[tokio::test]
async fn a_temporary_key_without_its_token_is_not_called_dead() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    let user = make_user(&connection, "app").await;
    let issuer = issuer(&peer).await;
    let minted = mint(&issuer, &user).await;
    let own = peer.connection_as(minted.id.as_str(), &minted.secret).await;
    let sts = aws_sdk_sts::Client::new(&own.write_config(REGION));
    let session = sts.get_session_token().send().await.expect("a session").credentials;
    let session = session.expect("credentials");
    let (id, secret) = (session.access_key_id, Secret::from(session.secret_access_key));
    let token = Some(Secret::from(session.session_token));
    let with_token = support::connection_as(&peer.endpoint(), &id, &secret, token).await;
    with_token.identity().await.expect("the session lives");
    assert!(id.starts_with("ASIA"), "{id}");
    let probe = probe(&issuer, &KeyId::new(id), &secret).await;
    assert_eq!(probe.liveness, Liveness::Unknown);
    assert!(probe.answer.contains("session token"), "{}", probe.answer);
}

#[tokio::test]
async fn without_its_id_a_key_is_not_presented() {
    let peer = support::ministack().await;
    let issuer = issuer(&peer).await;
    let probe = issuer.probe(&KeyMaterial { id: None, secret: Secret::from("secret") }).await;
    assert_eq!((probe.liveness, probe.control), (Liveness::Unknown, false));
}

#[tokio::test]
async fn where_everybody_is_let_in_nothing_is_called_dead() {
    let peer = support::moto().await;
    let user = make_user(&peer.connection().await, "app").await;
    let issuer = issuer(&peer).await;
    let Minted { id, secret } = mint(&issuer, &user).await;
    let never_made = probe(&issuer, &KeyId::from("AKIANEVERMADEATALLXX"), &secret).await;
    assert!(!never_made.control && never_made.liveness != Liveness::Dead, "{never_made:?}");
    issuer.disable(&user, &id).await.expect("disabled");
    let disabled = probe(&issuer, &id, &secret).await;
    assert!(!disabled.control && disabled.liveness != Liveness::Dead, "{disabled:?}");
    issuer.delete(&user, &id).await.expect("deleted");
    let deleted = probe(&issuer, &id, &secret).await;
    assert!(!deleted.control && deleted.liveness != Liveness::Dead, "{deleted:?}");
}

#[tokio::test]
async fn a_third_key_finds_no_slot() {
    let peer = support::moto().await;
    let user = make_user(&peer.connection().await, "app").await;
    let issuer = issuer(&peer).await;
    assert_eq!(issuer.sheet().slots, Some(2));
    let (first, _) = (mint(&issuer, &user).await, mint(&issuer, &user).await);
    let fault = issuer.mint(&request(&user)).await.expect_err("refused");
    assert_eq!(fault.kind, FaultKind::SlotsFull, "{fault}");
    assert_eq!(active(&issuer, &user).await.len(), 2);
    issuer.delete(&user, &first.id).await.expect("deleted");
    issuer.delete(&user, &first.id).await.expect("deleted already");
    mint(&issuer, &user).await;
}

#[tokio::test]
async fn who_is_not_there_is_not_found() {
    let nobody = Principal::from("user/nobody");
    for peer in [support::ministack().await, support::moto().await] {
        let issuer = issuer(&peer).await;
        let fault = issuer.mint(&request(&nobody)).await.expect_err("refused");
        assert_eq!(fault.kind, FaultKind::NotFound, "{fault}");
        let user = make_user(&peer.connection().await, "app").await;
        let fault = issuer.disable(&user, &KeyId::from("AKIANEVERMADEATALLXX")).await;
        assert_eq!(fault.expect_err("refused").kind, FaultKind::NotFound);
    }
    let moto = support::moto().await;
    let fault = issuer(&moto).await.list(&nobody).await.expect_err("refused");
    assert_eq!(fault.kind, FaultKind::NotFound, "{fault}");
    // Not as AWS: ministack lists no keys for a user that it does not have.
    let ministack = support::ministack().await;
    assert_eq!(issuer(&ministack).await.list(&nobody).await, Ok(vec![]));
}

#[tokio::test]
async fn a_cut_user_is_denied_but_its_key_is_not_dead_and_uncut_restores() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    let user = make_user(&connection, "app").await;
    allow(&connection, "app", r#""iam:*""#).await;
    let issuer = issuer(&peer).await;
    let Minted { id, secret } = mint(&issuer, &user).await;
    let own = IamIssuer::new(peer.connection_as(id.as_str(), &secret).await);
    own.list(&user).await.expect("allowed");

    issuer.cut(&user).await.expect("cut");
    issuer.cut(&user).await.expect("cut already");
    assert_eq!(own.list(&user).await.expect_err("cut").kind, FaultKind::Denied);
    assert_eq!(own.uncut(&user).await.expect_err("cut").kind, FaultKind::Denied);
    let probe = probe(&issuer, &id, &secret).await;
    assert_eq!((probe.liveness, probe.control), (Liveness::Alive, true));

    issuer.uncut(&user).await.expect("uncut");
    issuer.uncut(&user).await.expect("uncut already");
    own.list(&user).await.expect("allowed again");
    let left = root(&connection).list_user_policies().user_name("app").send().await;
    let left = left.expect("policies").policy_names;
    assert!(left == ["own"] && CUT_POLICY != "own", "{left:?}");
}

#[tokio::test]
async fn users_are_paged_to_the_end() {
    let peer = support::moto().await;
    let connection = peer.connection().await;
    let issuer = issuer(&peer).await;
    for n in 0..113 {
        let user = make_user(&connection, &format!("u{n:03}")).await;
        if n % 50 == 0 {
            mint(&issuer, &user).await;
        }
    }
    let page = root(&connection).list_users().send().await.expect("a page");
    assert!(page.is_truncated && page.users.len() < 113, "one page holds them all");
    let lists = issuer.list_all().await.expect("all");
    assert_eq!(lists.len(), 113);
    assert!(lists.is_sorted_by_key(|(principal, _)| principal.clone()));
    let with_keys: Vec<_> = lists.iter().filter(|(_, keys)| !keys.is_empty()).collect();
    let names: Vec<_> = with_keys.iter().map(|(principal, _)| principal.as_str()).collect();
    assert_eq!(names, ["user/u000", "user/u050", "user/u100"]);
    assert!(with_keys.iter().all(|(_, keys)| keys[0].active && keys[0].created.is_some()));
}

#[tokio::test]
async fn the_last_use_of_a_key_is_told() {
    let peer = support::moto().await;
    let user = make_user(&peer.connection().await, "app").await;
    let issuer = issuer(&peer).await;
    let (used, unused) = (mint(&issuer, &user).await, mint(&issuer, &user).await);
    let before = jiff::Timestamp::now();
    let own = peer.connection_as(used.id.as_str(), &used.secret).await;
    own.identity().await.expect("used");
    let at = issuer.last_used(&user, &used.id).await.expect("told").expect("a time");
    assert!(at.duration_since(before).as_secs().abs() < 60, "{at}");
    assert_eq!(issuer.last_used(&user, &unused.id).await, Ok(None));
    let listed = issuer.list(&user).await.expect("a list");
    let told = |id: &KeyId| listed.iter().find(|key| key.id == *id).expect("listed").last_used;
    assert_eq!((told(&used.id), told(&unused.id)), (Some(at), None));
}

#[tokio::test]
async fn users_that_cannot_be_looked_at_are_named() {
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    let owner = issuer(&peer).await;
    for name in ["hidden", "visible", "without-keys"] {
        let user = make_user(&connection, name).await;
        if name != "without-keys" {
            mint(&owner, &user).await;
        }
    }
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":["iam:ListUsers","iam:ListAccessKeys","iam:GetAccessKeyLastUsed"],"Resource":"*"},
        {"Effect":"Deny","Action":"iam:ListAccessKeys","Resource":"arn:aws:iam::*:user/hidden"}]}"#;
    let auditor = IamIssuer::new(peer.user("auditor", policy).await);
    let (lists, unread) = auditor.survey().await.expect("a survey");
    let names: Vec<_> = lists.iter().map(|(principal, _)| principal.as_str()).collect();
    assert_eq!(names, ["user/auditor", "user/visible", "user/without-keys"]);
    assert_eq!(unread.len(), 1, "{unread:?}");
    assert_eq!((unread[0].0.as_str(), unread[0].1.kind), ("user/hidden", FaultKind::Denied));
    // What needs every key refuses to go on with less.
    let fault = auditor.list_all().await.expect_err("not all");
    assert!(fault.kind == FaultKind::Denied && fault.detail.contains("user/hidden"), "{fault}");
}

#[tokio::test]
async fn a_key_whose_last_use_is_hidden_is_not_taken_for_unused() {
    let peer = support::ministack().await;
    let user = make_user(&peer.connection().await, "app").await;
    let minted = mint(&issuer(&peer).await, &user).await;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:ListUsers","iam:ListAccessKeys"],"Resource":"*"}]}"#;
    let auditor = IamIssuer::new(peer.user("auditor", policy).await);
    let fault = auditor.list(&user).await.expect_err("refused");
    assert_eq!(fault.kind, FaultKind::Denied);
    assert!(fault.detail.starts_with(&format!("last use of {}", minted.id)), "{fault}");
}

#[tokio::test]
async fn another_account_is_noticed() {
    let peer = support::moto().await;
    let identity = peer.connection().await.identity().await.expect("an identity");
    assert_eq!(identity.region, REGION);
    identity.check("123456789012").expect("the account of moto");
    let wrong = identity.check("111122223333").expect_err("another one");
    assert_eq!((wrong.found.as_str(), wrong.expected.as_str()), ("123456789012", "111122223333"));
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    const CANARY: &str = "canarycanarycanarycanarycanarycanary/+42";
    let peer = support::ministack().await;
    let connection = peer.connection().await;
    let user = make_user(&connection, "app").await;
    let issuer = issuer(&peer).await;
    let minted = mint(&issuer, &user).await;
    let own = peer.connection_as(minted.id.as_str(), &minted.secret).await;
    let own_issuer = IamIssuer::new(own.clone());
    own.identity().await.expect("lives");
    let denied = own_issuer.list(&user).await.expect_err("no permission");
    let false_secret = Secret::from(CANARY);
    let wrong = peer.connection_as(minted.id.as_str(), &false_secret).await;
    let refused = wrong.identity().await.expect_err("a wrong secret");
    assert_eq!((denied.kind, refused.kind), (FaultKind::Denied, FaultKind::Denied));
    let probe = probe(&issuer, &minted.id, &false_secret).await;
    let shown = format!(
        "{minted:?} {own:?} {own_issuer:#?} {denied:?} {denied} {refused:?} {refused} {wrong:?} {probe:?}"
    );
    let secret = String::from_utf8_lossy(minted.secret.expose()).into_owned();
    assert!(shown.contains(minted.id.as_str()));
    assert!(!shown.contains(&secret) && !shown.contains("canary"), "{shown}");
}
