//! Founding a company: keys, places, the function, the configuration.

use std::path::PathBuf;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, Runtime};
use aws_sdk_ssm::types::ParameterType;

use super::peers::REGION;
use super::template::render;
use super::{Company, Hooks, Values, code, places};

impl Company {
    pub(super) async fn mint(&self) -> Values {
        let mut values = Values::new();
        let iam = aws_sdk_iam::Client::new(&self.root.write_config(""));
        for user in self.users() {
            let made = iam.create_user().user_name(*user).send().await;
            made.expect("user");
            let made = iam.create_access_key().user_name(*user).send().await;
            let key = made.expect("made").access_key.expect("a key");
            values.insert(format!("{user}.id"), key.access_key_id);
            values.insert(format!("{user}.secret"), key.secret_access_key);
        }
        for account in self.accounts() {
            let key = self.openai.open_account(account).await;
            values.insert((*account).to_string(), key);
        }
        values
    }

    pub(super) async fn place(&self, values: &Values) {
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
        if self.setup.function {
            self.deploy(values).await;
        }
        std::fs::write(self.dotenv(), render(places::DOTENV, values)).expect(".env");
    }

    /// The function with its variables, and the alias by which it is called.
    async fn deploy(&self, values: &Values) {
        let functions = self.functions();
        let code = FunctionCode::builder().zip_file(Blob::new(code::zip(b"x")));
        let variables = places::VARIABLES
            .iter()
            .map(|(name, value)| ((*name).to_string(), render(value, values)))
            .collect();
        let environment = Environment::builder().set_variables(Some(variables));
        functions
            .create_function()
            .function_name("summaries")
            .runtime(Runtime::Python312)
            .role(self.role().await)
            .handler("index.handler")
            .code(code.build())
            .environment(environment.build())
            .send()
            .await
            .expect("function");
        let published = functions.publish_version().function_name("summaries");
        let version = published.send().await.expect("published").version;
        let alias = functions.create_alias().function_name("summaries");
        let alias = alias.name("live").function_version(version.expect("named"));
        alias.send().await.expect("alias");
    }

    async fn role(&self) -> String {
        let iam = aws_sdk_iam::Client::new(&self.root.write_config(""));
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
        let role = iam.create_role().role_name("runs");
        let made = role.assume_role_policy_document(trust).send().await;
        made.expect("made").role.expect("a role").arn
    }

    pub(super) fn functions(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.root.write_config(REGION))
    }

    pub(super) fn configure(&self) {
        let mut text = include_str!("relatch.toml")
            .replace("@openai@", &self.openai_wire.url())
            .replace("@dotenv@", &self.dotenv().display().to_string())
            .replace("@adopt@", &self.setup.adopt_s.to_string());
        for service in ["web", "batch"] {
            for what in ["reload", "health"] {
                let hook = self.hook(service, what);
                text = text.replace(&format!("@{service}-{what}@"), &hook);
            }
        }
        std::fs::write(self.work().join("relatch.toml"), text).expect("configuration");
    }

    fn hook(&self, service: &str, what: &str) -> String {
        match self.setup.hooks {
            Hooks::Services => format!(r#"{{ url = "{}/{service}/{what}" }}"#, self.services.base),
            Hooks::Scripts => format!(
                r#"{{ command = ["sh", "{}"] }}"#,
                self.script(what).display()
            ),
        }
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
}
