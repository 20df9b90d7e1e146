//! Consumers, issuers and the attacker.

mod common;

use std::time::Duration;

use common::{deny_all, practice, propagate};
use relatch_drill::{IssuerKind, KeyStatus, Network, Range, Standing};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_consumers_run_without_a_failure() {
    let practice = practice(25).await;
    practice.range.start_load();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let stats = practice.range.stats();
    assert_eq!(stats.consumer_failures, 0, "{:?}", stats.consumers);
    assert_eq!(stats.consumers.len(), 25);
    assert!(
        stats
            .consumers
            .iter()
            .all(|consumer| consumer.requests >= 3),
        "{:?}",
        stats.consumers
    );
    let info = &practice.range.consumers()[0];
    let health: Value = practice
        .http()
        .get(&info.health_url)
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("json");
    assert_eq!(health["ok"], true);
    assert!(health["requests"].as_u64() > Some(0));
    practice.range.stop().await.expect("stopped");
}

#[tokio::test]
async fn a_changed_file_and_a_reload_change_the_key() {
    let practice = practice(25).await;
    let admin = |path: &str| format!("{}/v1/organization{path}", practice.range.openai_base());
    let http = practice.http();
    let truth = practice.range.truth();
    let old = truth
        .credential(IssuerKind::OpenAi, "support-bot")
        .expect("a credential");
    let projects: Value = http
        .get(admin("/projects"))
        .bearer_auth(practice.range.openai_admin_key())
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("json");
    let project = projects["data"]
        .as_array()
        .and_then(|all| all.iter().find(|project| project["name"] == "support"))
        .and_then(|project| project["id"].as_str())
        .expect("a project");
    let keys: Value = http
        .get(admin(&format!("/projects/{project}/api_keys?limit=100")))
        .bearer_auth(practice.range.openai_admin_key())
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("json");
    let listed = keys["data"].as_array().expect("keys");
    let listed = listed
        .iter()
        .find(|key| key["id"] == old.issuer_id.as_str())
        .expect("the old key");
    let account = listed["owner"]["service_account"]["id"]
        .as_str()
        .expect("an owner");
    let made: Value = http
        .post(admin(&format!(
            "/projects/{project}/service_accounts/{account}/api_keys"
        )))
        .bearer_auth(practice.range.openai_admin_key())
        .json(&json!({"name": "next"}))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("json");
    let value = made["value"].as_str().expect("a value");

    let file = practice.range.files().join("support/.env");
    let text = std::fs::read_to_string(&file).expect("the file");
    assert!(text.contains(&old.value));
    std::fs::write(&file, text.replace(&old.value, value)).expect("written");
    assert_eq!(
        practice.range.held_by("support-bot").as_deref(),
        Some(old.value.as_str())
    );
    let consumers = practice.range.consumers();
    let bot = consumers
        .iter()
        .find(|consumer| consumer.name == "support-bot")
        .expect("the bot");
    let answer = http.post(&bot.reload_url).send().await.expect("an answer");
    assert!(answer.status().is_success());
    assert_eq!(
        practice.range.held_by("support-bot").as_deref(),
        Some(value)
    );

    let path = format!("/projects/{project}/api_keys/{}", old.issuer_id);
    let deleted = http
        .delete(admin(&path))
        .bearer_auth(practice.range.openai_admin_key())
        .send()
        .await;
    assert!(deleted.expect("an answer").status().is_success());
    let models = format!("{}/v1/models", practice.range.openai_base());
    let refused = http
        .get(&models)
        .bearer_auth(&old.value)
        .send()
        .await
        .expect("an answer");
    assert_eq!(refused.status(), 401);
    let body: Value = refused.json().await.expect("json");
    assert_eq!(body["error"]["code"], "invalid_api_key");
    assert!(
        http.get(&models)
            .bearer_auth(value)
            .send()
            .await
            .expect("an answer")
            .status()
            .is_success()
    );
}

#[tokio::test]
async fn anthropic_keys_are_switched_off_and_archived() {
    let practice = practice(0).await;
    let made = practice
        .range
        .anthropic_console_create("production", "by hand");
    let base = practice.range.anthropic_base();
    let models = async || {
        let request = practice
            .http()
            .get(format!("{base}/v1/models"))
            .header("x-api-key", &made.value);
        request.send().await.expect("an answer").status().as_u16()
    };
    let set = async |status: &str| {
        let request = practice
            .http()
            .post(format!("{base}/v1/organizations/api_keys/{}", made.id))
            .header("x-api-key", practice.range.anthropic_admin_key())
            .json(&json!({"status": status}));
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(models().await, 200);
    assert_eq!(set("inactive").await, 200);
    assert_eq!(models().await, 401);
    assert_eq!(set("active").await, 200);
    assert_eq!(models().await, 200);
    assert_eq!(set("archived").await, 200);
    assert_eq!(models().await, 401);
    assert_eq!(set("active").await, 400);
    let (_, keys) = &practice.range.issued()[1];
    let key = keys.iter().find(|key| key.id == made.id).expect("the key");
    assert_eq!((key.status, key.refused), (KeyStatus::Archived, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_attack_makes_the_truth_true() {
    let practice = practice(0).await;
    practice.range.start_attack();
    assert!(practice.range.first_phase_done().await);
    let truth = practice.range.truth();
    assert_eq!(truth.containers_read.len(), 17);
    let read = truth
        .credentials
        .iter()
        .filter(|credential| credential.read_by_attacker)
        .count();
    assert!(read >= 20, "{read}");
    let planted = truth.planted_key.as_deref().expect("a planted key");
    let live = practice.range.keys_at_issuers().await;
    assert!(
        live.iter()
            .any(|key| key.id == planted && key.name == "backup-runner")
    );
    assert!(
        truth
            .session_key
            .as_deref()
            .is_some_and(|id| id.starts_with("ASIA"))
    );

    // The records tell the same story.
    let records = practice.range.records();
    let by_thief = |record: &&Value| record["sourceIPAddress"] == Network::Attacker.address();
    let secrets = records
        .iter()
        .filter(by_thief)
        .filter(|record| {
            record["eventName"] == "GetSecretValue" && record.get("errorCode").is_none()
        })
        .count();
    assert!(secrets >= 10, "{secrets}");
    let denied = records
        .iter()
        .filter(by_thief)
        .filter(|record| record.get("errorCode").is_some())
        .count();
    assert!(denied >= 2);
    let made = records
        .iter()
        .find(|record| record["eventName"] == "CreateAccessKey")
        .expect("a record");
    assert_eq!(
        made["responseElements"]["accessKey"]["accessKeyId"],
        planted
    );
    assert!(!records.iter().any(|record| {
        let text = record.to_string();
        truth
            .credentials
            .iter()
            .any(|credential| text.contains(&credential.value))
    }));

    // It goes on spending until the key is dead.
    let chat = truth
        .credential(IssuerKind::OpenAi, "chat-api")
        .expect("a credential");
    for _ in 0..100 {
        if !practice.range.misuse_of(&chat.value).successes.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!practice.range.misuse_of(&chat.value).successes.is_empty());
    let deny = deny_all();
    let params = [
        ("UserName", "ci-deployer"),
        ("PolicyName", "stop"),
        ("PolicyDocument", &deny),
    ];
    practice
        .responder()
        .query("iam", "PutUserPolicy", &params)
        .await
        .expect("written");
    propagate().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let moment = Range::now();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(
        practice
            .range
            .stats()
            .attacker_successes_after(&truth.stolen_key, moment),
        0
    );
    assert!(practice.range.misuse_of(&truth.stolen_key).refused > 0);
    practice.range.stop().await.expect("stopped");
}

#[tokio::test]
async fn the_endpoint_takes_keys_from_its_admin() {
    let practice = practice(0).await;
    let base = practice.range.custom_base();
    let token = practice.range.custom_admin_token().to_owned();
    let request = practice
        .http()
        .post(format!("{base}/admin/keys"))
        .bearer_auth(&token);
    let made: Value = request
        .json(&json!({"name": "extra"}))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("json");
    let value = made["value"].as_str().expect("a value");
    let models = async |key: &str| {
        let request = practice
            .http()
            .get(format!("{base}/v1/models"))
            .bearer_auth(key);
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(models(value).await, 200);
    assert_eq!(models("wrong").await, 401);
    let request = practice
        .http()
        .delete(format!("{base}/admin/keys/extra"))
        .bearer_auth(&token);
    assert!(
        request
            .send()
            .await
            .expect("an answer")
            .status()
            .is_success()
    );
    assert_eq!(models(value).await, 401);
    assert!(practice.dir.path().join("endpoint-keys.txt").exists());
}

#[tokio::test]
async fn keys_that_fail_without_being_dead() {
    let practice = practice(0).await;
    let truth = practice.range.truth();
    let base = practice.range.openai_base();
    let chat = async |key: &str| {
        let request = practice
            .http()
            .post(format!("{base}/v1/chat/completions"))
            .bearer_auth(key)
            .json(&json!({"model": "m", "messages": []}));
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.expect("json");
        (
            status,
            body["error"]["code"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    };
    let poor = truth
        .credential(IssuerKind::OpenAi, "old-hackathon")
        .expect("a credential");
    assert_eq!(
        chat(&poor.value).await,
        (429, "insufficient_quota".to_owned())
    );
    let far = truth
        .credential(IssuerKind::OpenAi, "staging-chat")
        .expect("a credential");
    assert_eq!(chat(&far.value).await.0, 200);
    assert!(practice.range.set_standing(
        IssuerKind::OpenAi,
        &far.issuer_id,
        Standing::AddressRefused
    ));
    assert_eq!(
        chat(&far.value).await,
        (401, "ip_not_authorized".to_owned())
    );
    assert_eq!(chat("sk-wrong").await, (401, "invalid_api_key".to_owned()));
}

#[tokio::test]
async fn a_small_range_is_mixed() {
    let practice = practice(8).await;
    let consumers = practice.range.consumers();
    for issuer in [
        IssuerKind::OpenAi,
        IssuerKind::Anthropic,
        IssuerKind::Custom,
        IssuerKind::AwsIam,
    ] {
        let share = consumers
            .iter()
            .filter(|consumer| consumer.issuer == issuer)
            .count();
        assert_eq!(share, 2, "{issuer:?}");
    }
}
