//! What is really there, asked past the tool and past the faults.

use std::path::{Path, PathBuf};

use relatch_secret::Secret;

use super::peers::REGION;
use super::{Company, Values, places, template};

impl Company {
    /// What stands in every place. Panics if anything but the keys was changed, or if one
    /// credential has two values.
    pub(crate) async fn values(&self) -> Values {
        let mut values = Values::new();
        template::read(places::SECRET, &self.secret().await, &mut values);
        template::read(places::PARAMETER, &self.parameter().await, &mut values);
        let dotenv = std::fs::read_to_string(self.dotenv()).expect(".env");
        template::read(places::DOTENV, &dotenv, &mut values);
        if self.setup.function {
            self.read_function(&mut values).await;
        }
        values
    }

    /// The texts in the places outside of the function, whatever they are.
    pub(crate) async fn texts(&self) -> [String; 3] {
        let dotenv = std::fs::read_to_string(self.dotenv()).expect(".env");
        [self.secret().await, self.parameter().await, dotenv]
    }

    async fn read_function(&self, values: &mut Values) {
        for qualifier in ["$LATEST", "live"] {
            let found = self.functions().get_function_configuration();
            let found = found.function_name("summaries").qualifier(qualifier);
            let found = found.send().await.expect("function").environment;
            let found = found.and_then(|e| e.variables).expect("variables");
            assert_eq!(found.len(), places::VARIABLES.len(), "{qualifier}");
            for (name, value) in places::VARIABLES {
                template::read(value, &found[*name], values);
            }
        }
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
        for user in self.users() {
            let id = &values[&format!("{user}.id")];
            let secret = Secret::from(values[&format!("{user}.secret")].as_str());
            let as_user = self.aws.connection_as(id, &secret).await;
            alive.push(((*user).to_string(), as_user.identity().await.is_ok()));
        }
        for account in self.accounts() {
            let works = self.openai.works(&values[*account]).await;
            alive.push(((*account).to_string(), works));
        }
        alive
    }

    /// How many keys each principal has, whatever their standing.
    pub(crate) async fn key_counts(&self) -> Vec<(String, usize)> {
        let mut counts = Vec::new();
        let iam = aws_sdk_iam::Client::new(&self.root.write_config(""));
        for user in self.users() {
            let listed = iam.list_access_keys().user_name(*user).send().await;
            let count = listed.expect("list").access_key_metadata.len();
            counts.push(((*user).to_string(), count));
        }
        for account in self.accounts() {
            let count = self.openai.count_keys(account).await;
            counts.push(((*account).to_string(), count));
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
