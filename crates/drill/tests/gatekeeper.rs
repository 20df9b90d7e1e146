//! The gatekeeper, driven by a client that signs with `aws-sigv4`.

mod common;

use std::io::Read as _;

use common::{deny_all, practice, propagate};
use flate2::read::GzDecoder;
use relatch_drill::{ACCOUNT, IssuerKind, KeyPair, MANAGEMENT_ACCOUNT, Network, TRAIL_BUCKET};
use serde_json::{Value, json};

#[tokio::test]
async fn a_right_key_works_and_a_wrong_one_does_not() {
    let practice = practice(0).await;
    let client = practice.responder();
    let who = client
        .query("sts", "GetCallerIdentity", &[])
        .await
        .expect("identity");
    assert!(
        who.contains(&format!(
            "arn:aws:iam::{ACCOUNT}:user/break-glass-responder"
        )),
        "{who}"
    );

    let wrong = client.with_key(KeyPair {
        secret: "x".repeat(40),
        ..client.key.clone()
    });
    let error = wrong
        .query("sts", "GetCallerIdentity", &[])
        .await
        .expect_err("refused");
    assert_eq!(error.code(), Some("SignatureDoesNotMatch"));
    let error = wrong
        .json("ssm", "DescribeParameters", &json!({}))
        .await
        .expect_err("refused");
    assert_eq!(error.code(), Some("InvalidSignatureException"));

    let unknown = client.with_key(KeyPair {
        id: "AKIAUNKNOWNUNKNOWN00".to_owned(),
        ..client.key.clone()
    });
    for (service, code) in [
        ("sts", "InvalidClientTokenId"),
        ("iam", "InvalidClientTokenId"),
    ] {
        let error = unknown
            .query(service, "ListUsers", &[])
            .await
            .expect_err("refused");
        assert_eq!(error.code(), Some(code));
    }
    let error = unknown
        .rest("s3", "GET", "/", String::new())
        .await
        .expect_err("refused");
    assert_eq!(error.code(), Some("InvalidAccessKeyId"));
    let error = unknown
        .rest("lambda", "GET", "/2015-03-31/functions", String::new())
        .await
        .expect_err("refused");
    assert_eq!(error.code(), Some("UnrecognizedClientException"));
    // Refused at the door: nothing to see in the trail but the one good call.
    assert_eq!(practice.range.records().len(), 1);
}

#[tokio::test]
async fn disabling_takes_its_time_and_can_be_undone_and_deleting_is_final() {
    let practice = practice(0).await;
    let key = practice.key_of("cdn-purger");
    let user = practice.client(Network::Workload, &key);
    let responder = practice.responder();
    let set = async |status: &str| {
        let params = [
            ("UserName", "cdn-purger"),
            ("AccessKeyId", &key.id),
            ("Status", status),
        ];
        responder
            .query("iam", "UpdateAccessKey", &params)
            .await
            .expect("changed");
    };
    user.query("sts", "GetCallerIdentity", &[])
        .await
        .expect("alive");
    set("Inactive").await;
    user.query("sts", "GetCallerIdentity", &[])
        .await
        .expect("still cached");
    propagate().await;
    let error = user
        .query("sts", "GetCallerIdentity", &[])
        .await
        .expect_err("inactive");
    assert_eq!(error.code(), Some("InvalidClientTokenId"));
    set("Active").await;
    propagate().await;
    user.query("sts", "GetCallerIdentity", &[])
        .await
        .expect("alive again");
    let params = [("UserName", "cdn-purger"), ("AccessKeyId", key.id.as_str())];
    responder
        .query("iam", "DeleteAccessKey", &params)
        .await
        .expect("deleted");
    propagate().await;
    let error = user
        .query("sts", "GetCallerIdentity", &[])
        .await
        .expect_err("gone");
    assert_eq!(error.code(), Some("InvalidClientTokenId"));
    let live = practice.range.keys_at_issuers().await;
    assert!(live.iter().all(|live| live.id != key.id));
}

#[tokio::test]
async fn an_explicit_deny_is_refused_and_recorded_but_identity_still_answers() {
    let practice = practice(0).await;
    let key = practice.key_of("ci-deployer");
    let thief = practice.client(Network::Attacker, &key);
    let input = json!({"SecretId": "prod/chat/llm"});
    thief
        .json("secretsmanager", "GetSecretValue", &input)
        .await
        .expect("allowed");
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
    let error = thief
        .json("secretsmanager", "GetSecretValue", &input)
        .await
        .expect_err("denied");
    assert_eq!(error.code(), Some("AccessDeniedException"));
    assert!(
        error
            .to_string()
            .contains("with an explicit deny in an identity-based policy")
    );
    thief
        .query("sts", "GetCallerIdentity", &[])
        .await
        .expect("identity");

    let records = practice.range.records();
    let denied: Vec<&Value> = records
        .iter()
        .filter(|record| record["errorCode"] == "AccessDeniedException")
        .collect();
    assert_eq!(denied.len(), 1);
    let denied = denied[0];
    assert_eq!(denied["eventName"], "GetSecretValue");
    assert_eq!(denied["requestParameters"]["secretId"], "prod/chat/llm");
    assert_eq!(denied["userIdentity"]["accessKeyId"], key.id.as_str());
    assert_eq!(denied["sourceIPAddress"], Network::Attacker.address());
    assert_eq!(denied["recipientAccountId"], ACCOUNT);

    let read = practice.responder();
    let input =
        json!({"LookupAttributes": [{"AttributeKey": "AccessKeyId", "AttributeValue": key.id}]});
    let found = read
        .json("cloudtrail", "LookupEvents", &input)
        .await
        .expect("events");
    assert_eq!(found["Events"].as_array().map(Vec::len), Some(3));
    let params = [("AccessKeyId", key.id.as_str())];
    let used = read
        .query("iam", "GetAccessKeyLastUsed", &params)
        .await
        .expect("last used");
    assert!(used.contains("<ServiceName>sts</ServiceName>"), "{used}");
}

#[tokio::test]
async fn a_service_control_policy_with_an_allow_list() {
    let practice = practice(0).await;
    let management = practice.management();
    let document = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": {"ArnNotLike": {"aws:PrincipalArn": [
            format!("arn:aws:iam::{ACCOUNT}:user/break-glass-responder"),
            format!("arn:aws:iam::{ACCOUNT}:role/app-runtime"),
        ]}},
    }]});
    let input = json!({"Name": "lockdown", "Description": "x", "Type": "SERVICE_CONTROL_POLICY", "Content": document.to_string()});
    let made = management
        .json("organizations", "CreatePolicy", &input)
        .await
        .expect("made");
    let id = made["Policy"]["PolicySummary"]["Id"]
        .as_str()
        .expect("an id");
    let target = json!({"PolicyId": id, "TargetId": ACCOUNT});
    // A member account cannot attach policies.
    let error = practice
        .responder()
        .json("organizations", "AttachPolicy", &target)
        .await
        .expect_err("refused");
    assert_eq!(error.code(), Some("AccessDeniedException"));
    management
        .json("organizations", "AttachPolicy", &target)
        .await
        .expect("attached");
    propagate().await;

    let thief = practice.client(Network::Attacker, &practice.key_of("ci-deployer"));
    let error = thief
        .json("secretsmanager", "ListSecrets", &json!({}))
        .await
        .expect_err("denied");
    assert!(
        error
            .to_string()
            .contains("explicit deny in a service control policy"),
        "{error}"
    );
    practice
        .responder()
        .json("secretsmanager", "ListSecrets", &json!({}))
        .await
        .expect("the responder passes");
    management
        .json("organizations", "DetachPolicy", &target)
        .await
        .expect("detached");
    propagate().await;
    thief
        .json("secretsmanager", "ListSecrets", &json!({}))
        .await
        .expect("restored");
    let described = practice
        .responder()
        .json("organizations", "DescribeOrganization", &json!({}))
        .await
        .expect("described");
    assert_eq!(
        described["Organization"]["MasterAccountId"],
        MANAGEMENT_ACCOUNT
    );
}

#[tokio::test]
async fn a_session_works_until_its_issue_time_is_denied() {
    let practice = practice(0).await;
    let thief = practice.client(Network::Attacker, &practice.key_of("ci-deployer"));
    let role = format!("arn:aws:iam::{ACCOUNT}:role/data-pipeline");
    let params = [("RoleArn", role.as_str()), ("RoleSessionName", "s1")];
    let xml = thief
        .query("sts", "AssumeRole", &params)
        .await
        .expect("a session");
    let text = |tag: &str| {
        let from = xml.find(&format!("<{tag}>")).expect(tag) + tag.len() + 2;
        xml[from..].split('<').next().unwrap_or_default().to_owned()
    };
    let session = thief.with_key(KeyPair {
        id: text("AccessKeyId"),
        secret: text("SecretAccessKey"),
        token: Some(text("SessionToken")),
    });
    let input = json!({"SecretId": "data/lake/aws"});
    session
        .json("secretsmanager", "GetSecretValue", &input)
        .await
        .expect("read");
    let who = session
        .query("sts", "GetCallerIdentity", &[])
        .await
        .expect("identity");
    assert!(who.contains("assumed-role/data-pipeline/s1"), "{who}");

    let announced = practice.range.records();
    let announced = announced
        .iter()
        .find(|record| record["eventName"] == "AssumeRole")
        .expect("a record");
    assert_eq!(
        announced["responseElements"]["credentials"]["accessKeyId"],
        session.key.id.as_str()
    );
    assert!(!announced.to_string().contains(&session.key.secret));

    let later = (relatch_drill::Range::now() + std::time::Duration::from_secs(1)).to_string();
    let deny = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": later}},
    }]})
    .to_string();
    let params = [
        ("RoleName", "data-pipeline"),
        ("PolicyName", "revoke"),
        ("PolicyDocument", &deny),
    ];
    practice
        .responder()
        .query("iam", "PutRolePolicy", &params)
        .await
        .expect("written");
    propagate().await;
    let error = session
        .json("secretsmanager", "GetSecretValue", &input)
        .await
        .expect_err("revoked");
    assert_eq!(error.code(), Some("AccessDeniedException"));

    let error = thief
        .query(
            "sts",
            "AssumeRole",
            &[
                ("RoleArn", "arn:aws:iam::111122223333:role/app-runtime"),
                ("RoleSessionName", "s2"),
            ],
        )
        .await
        .expect_err("not trusted");
    assert_eq!(error.code(), Some("AccessDenied"));
}

#[tokio::test]
async fn the_trail_lands_in_the_bucket_as_gzip() {
    let practice = practice(0).await;
    let responder = practice.responder();
    responder
        .query("iam", "ListUsers", &[])
        .await
        .expect("users");
    practice.range.flush().await.expect("delivered");
    let prefix = format!("AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/");
    let path = format!(
        "/{TRAIL_BUCKET}?list-type=2&prefix={}",
        prefix.replace('/', "%2F")
    );
    let listing = responder
        .rest("s3", "GET", &path, String::new())
        .await
        .expect("listing");
    let key = listing
        .split("<Key>")
        .nth(1)
        .and_then(|rest| rest.split('<').next())
        .expect("a key");
    assert!(
        key.starts_with(&prefix) && key.ends_with(".json.gz"),
        "{key}"
    );
    // Our small client reads text only, so the SDK fetches the bytes.
    let bytes = common::object(&practice, TRAIL_BUCKET, key).await;
    let mut text = String::new();
    GzDecoder::new(bytes.as_slice())
        .read_to_string(&mut text)
        .expect("gzip");
    let body: Value = serde_json::from_str(&text).expect("json");
    let records = body["Records"].as_array().expect("records");
    let listed = records
        .iter()
        .find(|record| record["eventName"] == "ListUsers")
        .expect("the call");
    assert_eq!(listed["eventVersion"], "1.11");
    assert_eq!(listed["userIdentity"]["type"], "IAMUser");
    assert_eq!(listed["managementEvent"], true);
}

#[tokio::test]
async fn limits_of_keys_and_secrets() {
    let practice = practice(0).await;
    let responder = practice.responder();
    let params = [("UserName", "qa-robot")];
    responder
        .query("iam", "CreateAccessKey", &params)
        .await
        .expect("a second key");
    let error = responder
        .query("iam", "CreateAccessKey", &params)
        .await
        .expect_err("a third");
    assert_eq!(error.code(), Some("LimitExceeded"));
    let input = json!({"SecretId": "prod/chat/llm", "SecretString": "x".repeat(65_537)});
    let error = responder
        .json("secretsmanager", "PutSecretValue", &input)
        .await
        .expect_err("too long");
    assert_eq!(error.code(), Some("ValidationException"));
    let bad = [
        ("UserName", "qa-robot"),
        ("PolicyName", "p"),
        ("PolicyDocument", "{"),
    ];
    let error = responder
        .query("iam", "PutUserPolicy", &bad)
        .await
        .expect_err("bad");
    assert_eq!(error.code(), Some("MalformedPolicyDocument"));
}

#[tokio::test]
async fn secrets_keep_one_previous_version_and_honour_tokens() {
    let practice = practice(0).await;
    let responder = practice.responder();
    let put = async |value: &str, token: &str| {
        let input = json!({"SecretId": "prod/cdn/purger", "SecretString": value, "ClientRequestToken": token});
        responder
            .json("secretsmanager", "PutSecretValue", &input)
            .await
    };
    let token = |n: u8| format!("00000000-0000-4000-8000-00000000000{n}");
    put("one", &token(1)).await.expect("written");
    put("two", &token(2)).await.expect("written");
    put("two", &token(2))
        .await
        .expect("the same again is no change");
    let error = put("other", &token(2)).await.expect_err("another value");
    assert_eq!(error.code(), Some("ResourceExistsException"));
    let input = json!({"SecretId": "prod/cdn/purger"});
    let described = responder
        .json("secretsmanager", "DescribeSecret", &input)
        .await
        .expect("described");
    let stages = described["VersionIdsToStages"].as_object().expect("stages");
    let previous = stages
        .values()
        .filter(|labels| labels.to_string().contains("AWSPREVIOUS"))
        .count();
    assert_eq!(previous, 1, "{stages:?}");
    assert_eq!(stages[&token(2)], json!(["AWSCURRENT"]));
}

#[tokio::test]
async fn parameters_stay_encrypted_and_keep_tier_and_type() {
    let practice = practice(0).await;
    let responder = practice.responder();
    let name = "/prod/agents/anthropic_api_key";
    let get = async |name: &str, decrypt: bool| {
        let input = json!({"Name": name, "WithDecryption": decrypt});
        responder
            .json("ssm", "GetParameter", &input)
            .await
            .expect("a parameter")["Parameter"]
            .clone()
    };
    let truth = practice.range.truth();
    let value = &truth
        .credential(IssuerKind::Anthropic, "agents")
        .expect("a credential")
        .value;
    assert_eq!(get(name, true).await["Value"], value.as_str());
    assert_ne!(get(name, false).await["Value"], value.as_str());
    let put = json!({"Name": name, "Value": "next", "Overwrite": true});
    let written = responder
        .json("ssm", "PutParameter", &put)
        .await
        .expect("written");
    assert_eq!(
        (&written["Version"], &written["Tier"]),
        (&json!(2), &json!("Advanced"))
    );
    let now = get(name, true).await;
    assert_eq!(
        (&now["Value"], &now["Type"]),
        (&json!("next"), &json!("SecureString"))
    );
    assert_eq!(
        get(&format!("{name}:1"), true).await["Value"],
        value.as_str()
    );
}

#[tokio::test]
async fn a_stage_moves_only_from_the_version_that_has_it() {
    let practice = practice(0).await;
    let responder = practice.responder();
    let id = "prod/cdn/purger";
    let token = |n: u8| format!("00000000-0000-4000-8000-00000000000{n}");
    let call = async |action: &str, mut input: Value| {
        input["SecretId"] = id.into();
        responder.json("secretsmanager", action, &input).await
    };
    let old = call("GetSecretValue", json!({})).await.expect("a value")["VersionId"].clone();
    for n in [1, 2] {
        let input = json!({"SecretString": format!("v{n}"), "ClientRequestToken": token(n), "VersionStages": [format!("MINE{n}")]});
        call("PutSecretValue", input).await.expect("staged");
    }
    let promote = |to: &str, from: &Value| json!({"VersionStage": "AWSCURRENT", "MoveToVersionId": to, "RemoveFromVersionId": from});
    call("UpdateSecretVersionStage", promote(&token(1), &old))
        .await
        .expect("moved");
    let error = call("UpdateSecretVersionStage", promote(&token(2), &old))
        .await
        .expect_err("too late");
    assert_eq!(error.code(), Some("InvalidParameterException"));
    assert_eq!(
        call("GetSecretValue", json!({})).await.expect("a value")["SecretString"],
        "v1"
    );
    let back = promote(old.as_str().expect("an id"), &json!(token(1)));
    call("UpdateSecretVersionStage", back)
        .await
        .expect("rolled back");
    assert_eq!(
        call("GetSecretValue", json!({})).await.expect("a value")["VersionId"],
        old
    );
}

#[tokio::test]
async fn faults_hit_changing_calls_of_the_responder_only() {
    let practice = practice(0).await;
    let responder = practice.responder();
    let faults = practice.range.faults(IssuerKind::AwsIam);
    faults.refuse(1);
    responder
        .query("iam", "ListUsers", &[])
        .await
        .expect("reads pass");
    let params = [("UserName", "qa-robot")];
    let count = async || {
        let keys = practice.range.keys_at_issuers().await;
        keys.iter().filter(|key| key.name == "qa-robot").count()
    };
    let error = responder
        .query("iam", "CreateAccessKey", &params)
        .await
        .expect_err("refused");
    assert_eq!(
        (error.code(), count().await),
        (Some("ServiceUnavailable"), 1)
    );
    faults.lose(1);
    let error = responder
        .query("iam", "CreateAccessKey", &params)
        .await
        .expect_err("lost");
    assert_eq!((error.code(), count().await), (Some("InternalFailure"), 2));
}
