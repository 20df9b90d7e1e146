//! A trail in a bucket, with an SQL engine over it; and the same files in a folder.

use std::collections::BTreeMap;
use std::path::Path;

use aws_sdk_s3::primitives::ByteStream;
use relatch_aws::{Athena, AthenaOptions};
use relatch_contract::proxy::Proxy;
use serde_json::{Value, json};

use super::Tool;
use super::peers::{self, Peer, REGION};

/// The modules that make the engine read a trail as Athena does.
const ENGINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/engine");
/// The bucket of the trail, and where Athena keeps its answers.
pub(crate) const TRAIL: &str = "s3://trail/";
pub(crate) const ANSWERS: &str = "s3://answers/";

/// The emulated cloud of one test.
pub(crate) struct Lake {
    pub(crate) folder: tempfile::TempDir,
    /// Between the tool and the cloud.
    pub(crate) wire: Proxy,
    peer: Peer,
}

impl Lake {
    /// A bucket with these events, one a line, as CloudTrail would have written them; the same
    /// files are in `logs` in the folder in which the tool is run.
    pub(crate) async fn with(events: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let peer = peers::ministack_with_sql_and(Path::new(ENGINE)).await;
        let lake = Self {
            folder: tempfile::tempdir().expect("temp dir"),
            wire: Proxy::start(&peer.endpoint()).await.expect("a proxy"),
            peer,
        };
        lake.fill(events).await;
        lake
    }

    async fn fill(&self, events: &str) {
        let root = self.peer.connection().await;
        let config = aws_sdk_s3::config::Builder::from(&root.write_config(REGION));
        let owner = aws_sdk_s3::Client::from_conf(config.force_path_style(true).build());
        for bucket in ["trail", "answers"] {
            let made = owner.create_bucket().bucket(bucket).send().await;
            made.expect("a bucket");
        }
        for (key, records) in files(events) {
            let text = json!({ "Records": records }).to_string();
            let path = self.folder.path().join("logs").join(&key);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, &text).expect("a file");
            let body = ByteStream::from(text.into_bytes());
            let put = owner.put_object().bucket("trail").key(key).body(body);
            put.send().await.expect("put");
        }
    }

    /// Runs statements as the one who set Athena up.
    pub(crate) async fn run(&self, statements: &[&str]) {
        let options = AthenaOptions {
            output: Some(ANSWERS.into()),
            ..AthenaOptions::default()
        };
        let athena = Athena::new(&self.peer.connection().await, "", options);
        for sql in statements {
            let id = athena.start(sql).await.expect("started");
            let end = athena.finish(&id).await.expect("asked after");
            assert_eq!(end.outcome, Ok(()), "{sql}");
        }
    }

    /// The tool with the keys of the one who may do everything.
    pub(crate) fn tool(&self) -> Tool {
        self.tool_with("test", "test")
    }

    /// The tool with the keys of a new user who may do what the policy says.
    pub(crate) async fn tool_of(&self, user: &str, actions: &[&str]) -> Tool {
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": actions, "Resource": "*"},
        ]});
        let iam = aws_sdk_iam::Client::new(&self.peer.connection().await.write_config(""));
        let made = iam.create_user().user_name(user).send().await;
        made.expect("user");
        iam.put_user_policy()
            .user_name(user)
            .policy_name("own")
            .policy_document(policy.to_string())
            .send()
            .await
            .expect("policy");
        let made = iam.create_access_key().user_name(user).send().await;
        let key = made.expect("made").access_key.expect("a key");
        self.tool_with(&key.access_key_id, &key.secret_access_key)
    }

    fn tool_with(&self, id: &str, secret: &str) -> Tool {
        Tool::new(self.folder.path())
            .env("HOME", self.folder.path())
            .env("AWS_ACCESS_KEY_ID", id)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .env("AWS_REGION", REGION)
            .env("AWS_ENDPOINT_URL", self.wire.url())
            .env("AWS_EC2_METADATA_DISABLED", "true")
    }
}

/// Events under the names that CloudTrail gives its files: by account, region and day.
fn files(events: &str) -> BTreeMap<String, Vec<Value>> {
    let mut files: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).expect("an event");
        let text = |name: &str| event[name].as_str().expect("text").to_string();
        let (account, region) = (text("recipientAccountId"), text("awsRegion"));
        let day = text("eventTime")[..10].replace('-', "/");
        let key = format!("AWSLogs/{account}/CloudTrail/{region}/{day}/all.json");
        files.entry(key).or_default().push(event);
    }
    files
}
