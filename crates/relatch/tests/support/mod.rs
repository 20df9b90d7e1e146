//! A company to rotate: an emulated cloud as a process of its own, a fake OpenAI, places with
//! keys in them; and the tool as it is built, run as people run it.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test file uses another part of this"
)]

#[path = "../../../aws/tests/code/mod.rs"]
mod code;
mod openai;
#[path = "../../../aws/tests/support/mod.rs"]
mod peers;
mod places;
mod template;
mod tool;

use std::path::{Path, PathBuf};

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, Runtime};
use aws_sdk_ssm::types::ParameterType;
use relatch_aws::Connection;
use relatch_secret::Secret;

use openai::OpenAi;
use peers::{Peer, REGION};
use template::render;

pub(crate) use places::NEIGHBOUR;
pub(crate) use template::Values;
pub(crate) use tool::{Moment, Ran, Tool};

/// The account of ministack.
pub(crate) const ACCOUNT: &str = "000000000000";

/// The IAM users, each with one access key.
pub(crate) const USERS: [&str; 3] = ["web", "batch", "uploader"];

/// The service accounts of OpenAI, each with one key.
pub(crate) const ACCOUNTS: [&str; 2] = ["chat", "summaries"];

/// The company.
pub(crate) struct Company {
    pub(crate) folder: tempfile::TempDir,
    aws: Peer,
    root: Connection,
    openai: OpenAi,
}

impl Company {
    /// Starts everything and puts the first keys into their places.
    pub(crate) async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().expect("temp dir");
        for name in ["tmp", "home", "work", "seen"] {
            std::fs::create_dir(folder.path().join(name)).expect("folder");
        }
        let aws = peers::ministack().await;
        let root = aws.connection().await;
        let openai = OpenAi::start(&folder.path().join("range")).await;
        let company = Self {
            folder,
            aws,
            root,
            openai,
        };
        let values = company.mint().await;
        company.place(&values).await;
        company.configure();
        company
    }

    /// The folder in which the tool is run.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// The tool, with what a person at the console would have in the environment.
    pub(crate) fn tool(&self) -> Tool {
        let home = self.folder.path();
        Tool::new(&self.work())
            .env("HOME", home.join("home"))
            .env("TMPDIR", home.join("tmp"))
            .env("USER", "ada")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", REGION)
            .env("AWS_ENDPOINT_URL", self.aws.endpoint())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("OPENAI_ADMIN_KEY", self.openai.admin_key())
    }

    async fn mint(&self) -> Values {
        let mut values = Values::new();
        let iam = aws_sdk_iam::Client::new(&self.root.write_config(""));
        for user in USERS {
            iam.create_user()
                .user_name(user)
                .send()
                .await
                .expect("user");
            let made = iam.create_access_key().user_name(user).send().await;
            let key = made.expect("made").access_key.expect("a key");
            values.insert(format!("{user}.id"), key.access_key_id);
            values.insert(format!("{user}.secret"), key.secret_access_key);
        }
        for account in ACCOUNTS {
            values.insert(account.to_string(), self.openai.open_account(account).await);
        }
        values
    }

    async fn place(&self, values: &Values) {
        let secrets = aws_sdk_secretsmanager::Client::new(&self.root.write_config(REGION));
        let text = render(places::SECRET, values);
        let made = secrets.create_secret().name("prod/web").secret_string(text);
        made.send().await.expect("secret");
        let parameters = aws_sdk_ssm::Client::new(&self.root.write_config(REGION));
        parameters
            .put_parameter()
            .name("/prod/batch")
            .r#type(ParameterType::SecureString)
            .value(render(places::PARAMETER, values))
            .send()
            .await
            .expect("parameter");
        self.deploy(values).await;
        std::fs::write(self.dotenv(), render(places::DOTENV, values)).expect(".env");
    }

    /// The function with its variables, and the alias by which it is called.
    async fn deploy(&self, values: &Values) {
        let iam = aws_sdk_iam::Client::new(&self.root.write_config(""));
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
        let role = iam.create_role().role_name("runs");
        let role = role.assume_role_policy_document(trust).send().await;
        let variables = places::VARIABLES
            .iter()
            .map(|(name, value)| ((*name).to_string(), render(value, values)))
            .collect();
        let functions = self.functions();
        functions
            .create_function()
            .function_name("summaries")
            .runtime(Runtime::Python312)
            .role(role.expect("made").role.expect("a role").arn)
            .handler("index.handler")
            .code(
                FunctionCode::builder()
                    .zip_file(Blob::new(code::zip(b"x")))
                    .build(),
            )
            .environment(
                Environment::builder()
                    .set_variables(Some(variables))
                    .build(),
            )
            .send()
            .await
            .expect("function");
        let published = functions.publish_version().function_name("summaries");
        let version = published.send().await.expect("published").version;
        let alias = functions.create_alias().function_name("summaries");
        let alias = alias.name("live").function_version(version.expect("named"));
        alias.send().await.expect("alias");
    }

    fn functions(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.root.write_config(REGION))
    }

    pub(crate) fn dotenv(&self) -> PathBuf {
        self.folder.path().join("web.env")
    }

    fn configure(&self) {
        let reload = self.script("reload");
        let health = self.script("health");
        let text = include_str!("relatch.toml")
            .replace("@openai@", &self.openai.base())
            .replace("@dotenv@", &self.dotenv().display().to_string())
            .replace("@reload@", &reload.display().to_string())
            .replace("@health@", &health.display().to_string());
        std::fs::write(self.work().join("relatch.toml"), text).expect("configuration");
    }

    /// A hook that keeps what it could see of us: its arguments, its environment, its input.
    fn script(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        let seen = self.folder.path().join("seen").join(name);
        let text = format!(
            "cat /proc/$$/cmdline /proc/$$/environ >> {seen}\ncat >> {seen}\n",
            seen = seen.display()
        );
        std::fs::write(&path, text).expect("script");
        path
    }

    /// The key that makes other keys of OpenAI.
    pub(crate) fn admin_key(&self) -> &str {
        self.openai.admin_key()
    }

    /// What stands in every place. Panics if anything but the keys was changed, or if one
    /// credential has two values.
    pub(crate) async fn values(&self) -> Values {
        let mut values = Values::new();
        template::read(places::SECRET, &self.secret().await, &mut values);
        template::read(places::PARAMETER, &self.parameter().await, &mut values);
        let dotenv = std::fs::read_to_string(self.dotenv()).expect(".env");
        template::read(places::DOTENV, &dotenv, &mut values);
        for qualifier in ["$LATEST", "live"] {
            let found = self.functions().get_function_configuration();
            let found = found.function_name("summaries").qualifier(qualifier);
            let found = found.send().await.expect("function").environment;
            let found = found.and_then(|e| e.variables).expect("variables");
            assert_eq!(found.len(), places::VARIABLES.len(), "{qualifier}");
            for (name, value) in places::VARIABLES {
                template::read(value, &found[*name], &mut values);
            }
        }
        values
    }

    async fn secret(&self) -> String {
        let client = aws_sdk_secretsmanager::Client::new(&self.root.write_config(REGION));
        let found = client.get_secret_value().secret_id("prod/web").send().await;
        found.expect("secret").secret_string.expect("text")
    }

    async fn parameter(&self) -> String {
        let client = aws_sdk_ssm::Client::new(&self.root.write_config(REGION));
        let found = client
            .get_parameter()
            .name("/prod/batch")
            .with_decryption(true);
        let found = found.send().await.expect("parameter").parameter;
        found.and_then(|p| p.value).expect("text")
    }

    /// Whether each key of these works at its issuer, by credential.
    pub(crate) async fn alive(&self, values: &Values) -> Vec<(String, bool)> {
        let mut alive = Vec::new();
        for user in USERS {
            let id = &values[&format!("{user}.id")];
            let secret = Secret::from(values[&format!("{user}.secret")].as_str());
            let as_user = self.aws.connection_as(id, &secret).await;
            alive.push((user.to_string(), as_user.identity().await.is_ok()));
        }
        for account in ACCOUNTS {
            let works = self.openai.works(&values[account]).await;
            alive.push((account.to_string(), works));
        }
        alive
    }

    /// How many keys each principal has, whatever their standing.
    pub(crate) async fn key_counts(&self) -> Vec<(String, usize)> {
        let mut counts = Vec::new();
        let iam = aws_sdk_iam::Client::new(&self.root.write_config(""));
        for user in USERS {
            let listed = iam.list_access_keys().user_name(user).send().await;
            counts.push((
                user.to_string(),
                listed.expect("list").access_key_metadata.len(),
            ));
        }
        for account in ACCOUNTS {
            counts.push((account.to_string(), self.openai.count_keys(account).await));
        }
        counts
    }
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
