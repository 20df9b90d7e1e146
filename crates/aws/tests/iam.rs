//! Access keys: who is asked and what is shown, against ministack (which refuses what AWS
//! refuses) and moto (which refuses nobody).

mod support;
mod wire;

use aws_sdk_iam::Client;
use relatch_aws::{Connection, IamIssuer};
use relatch_case::model::{IssuedKey, Liveness, Probe, ProbeKind};
use relatch_case::{FaultKind, KeyId, Principal};
use relatch_issuers::{Issuer, KeyMaterial, MintRequest, Minted};
use relatch_secret::Secret;
use support::{Peer, REGION};
use wire::{Wire, keys, never_used, refusal, users};

fn root(connection: &Connection) -> Client {
    Client::new(&connection.write_config(REGION))
}

async fn make_user(connection: &Connection, name: &str) -> Principal {
    root(connection)
        .create_user()
        .user_name(name)
        .send()
        .await
        .expect("a user");
    Principal::new(format!("user/{name}"))
}

async fn issuer(peer: &Peer) -> IamIssuer {
    IamIssuer::new(peer.connection().await)
}

async fn mint(issuer: &IamIssuer, principal: &Principal) -> Minted {
    issuer.mint(&request(principal)).await.expect("a key")
}

fn request(principal: &Principal) -> MintRequest {
    MintRequest {
        principal: principal.clone(),
        name: "unused".into(),
        replaces: None,
    }
}

async fn probe(issuer: &IamIssuer, id: &KeyId, secret: &Secret) -> Probe {
    let probe = issuer
        .probe(&KeyMaterial {
            id: Some(id.clone()),
            secret: secret.clone(),
        })
        .await;
    assert_eq!(probe.how, ProbeKind::Presented);
    probe
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
    let session = sts
        .get_session_token()
        .send()
        .await
        .expect("a session")
        .credentials;
    let session = session.expect("credentials");
    let (id, secret) = (
        session.access_key_id,
        Secret::from(session.secret_access_key),
    );
    let token = Some(Secret::from(session.session_token));
    let with_token = support::connection_as(&peer.endpoint(), &id, &secret, token).await;
    with_token.identity().await.expect("the session lives");
    assert!(id.starts_with("ASIA"), "{id}");
    let probe = probe(&issuer, &KeyId::new(id), &secret).await;
    assert_eq!(probe.liveness, Liveness::Unknown);
    assert!(probe.answer.contains("session token"), "{}", probe.answer);
}

#[tokio::test]
async fn where_everybody_is_let_in_nothing_is_called_dead() {
    let peer = support::moto().await;
    let user = make_user(&peer.connection().await, "app").await;
    let issuer = issuer(&peer).await;
    let Minted { id, secret } = mint(&issuer, &user).await;
    let never_made = probe(&issuer, &KeyId::from("AKIANEVERMADEATALLXX"), &secret).await;
    assert!(
        !never_made.control && never_made.liveness != Liveness::Dead,
        "{never_made:?}"
    );
    issuer.disable(&user, &id).await.expect("disabled");
    let disabled = probe(&issuer, &id, &secret).await;
    assert!(
        !disabled.control && disabled.liveness != Liveness::Dead,
        "{disabled:?}"
    );
    issuer.delete(&user, &id).await.expect("deleted");
    let deleted = probe(&issuer, &id, &secret).await;
    assert!(
        !deleted.control && deleted.liveness != Liveness::Dead,
        "{deleted:?}"
    );
}

#[tokio::test]
async fn who_is_not_there_is_not_found() {
    let nobody = Principal::from("user/nobody");
    for peer in [support::ministack().await, support::moto().await] {
        let issuer = issuer(&peer).await;
        let fault = issuer.mint(&request(&nobody)).await.expect_err("refused");
        assert_eq!(fault.kind, FaultKind::NotFound, "{fault}");
        let user = make_user(&peer.connection().await, "app").await;
        let fault = issuer
            .disable(&user, &KeyId::from("AKIANEVERMADEATALLXX"))
            .await;
        assert_eq!(fault.expect_err("refused").kind, FaultKind::NotFound);
    }
    let moto = support::moto().await;
    let fault = issuer(&moto)
        .await
        .list(&nobody)
        .await
        .expect_err("refused");
    assert_eq!(fault.kind, FaultKind::NotFound, "{fault}");
    // Not as AWS: ministack lists no keys for a user that it does not have.
    let ministack = support::ministack().await;
    assert_eq!(issuer(&ministack).await.list(&nobody).await, Ok(vec![]));
}

/// No emulator here pages users or keys by itself: the pages are written out.
#[tokio::test]
async fn users_and_keys_are_paged_to_the_end() {
    let wire = Wire::by(|_, request| match request {
        text if text.contains("Action=GetAccessKeyLastUsed") => never_used(),
        text if text.contains("Action=ListUsers") && text.contains("Marker=third") => {
            users(&["c"], None)
        }
        text if text.contains("Action=ListUsers") && text.contains("Marker=second") => {
            users(&[], Some("third"))
        }
        text if text.contains("Action=ListUsers") => users(&["z", "a"], Some("second")),
        text if text.contains("UserName=c") && text.contains("Marker=more") => {
            keys(&["AKIA1"], None)
        }
        text if text.contains("UserName=c") => keys(&["AKIA2"], Some("more")),
        _ => keys(&[], None),
    })
    .await;
    let issuer = IamIssuer::new(support::connection_to(&wire.endpoint).await);
    let lists = issuer.list_all().await.expect("all");
    let ids = |keys: &[IssuedKey]| {
        keys.iter()
            .map(|key| key.id.to_string())
            .collect::<Vec<_>>()
    };
    let lists: Vec<_> = lists
        .iter()
        .map(|(user, keys)| (user.as_str(), ids(keys)))
        .collect();
    let two = vec!["AKIA1".to_string(), "AKIA2".to_string()];
    assert_eq!(
        lists,
        [("user/a", vec![]), ("user/c", two), ("user/z", vec![])]
    );
}

#[tokio::test]
async fn a_page_that_is_denied_is_no_end_of_the_list() {
    let wire = Wire::by(|_, request| match request {
        text if text.contains("Marker=second") => refusal(403, "AccessDenied"),
        text if text.contains("Action=ListUsers") => users(&["a"], Some("second")),
        _ => keys(&[], None),
    })
    .await;
    let issuer = IamIssuer::new(support::connection_to(&wire.endpoint).await);
    assert_eq!(
        issuer.survey().await.expect_err("half a list").kind,
        FaultKind::Denied
    );
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
    let at = issuer
        .last_used(&user, &used.id)
        .await
        .expect("told")
        .expect("a time");
    assert!(at.duration_since(before).as_secs().abs() < 60, "{at}");
    assert_eq!(issuer.last_used(&user, &unused.id).await, Ok(None));
    let listed = issuer.list(&user).await.expect("a list");
    let told = |id: &KeyId| {
        listed
            .iter()
            .find(|key| key.id == *id)
            .expect("listed")
            .last_used
    };
    assert_eq!((told(&used.id), told(&unused.id)), (Some(at), None));
}

#[tokio::test]
async fn another_account_is_noticed() {
    let peer = support::moto().await;
    let identity = peer
        .connection()
        .await
        .identity()
        .await
        .expect("an identity");
    assert_eq!(identity.region, REGION);
    identity.check("123456789012").expect("the account of moto");
    let wrong = identity.check("111122223333").expect_err("another one");
    assert_eq!(
        (wrong.found.as_str(), wrong.expected.as_str()),
        ("123456789012", "111122223333")
    );
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
    assert_eq!(
        (denied.kind, refused.kind),
        (FaultKind::Denied, FaultKind::Denied)
    );
    let probe = probe(&issuer, &minted.id, &false_secret).await;
    let shown = format!(
        "{minted:?} {own:?} {own_issuer:#?} {denied:?} {denied} {refused:?} {refused} {wrong:?} {probe:?}"
    );
    let secret = String::from_utf8_lossy(minted.secret.expose()).into_owned();
    assert!(shown.contains(minted.id.as_str()));
    assert!(
        !shown.contains(&secret) && !shown.contains("canary"),
        "{shown}"
    );
}
