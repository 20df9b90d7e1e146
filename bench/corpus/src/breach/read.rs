//! Looking around, and reading secrets in every form.

use super::{Hand, Story};
use crate::call::Call;
use crate::calls::{self, Naming};
use crate::organisation::Secret;
use crate::text::WORDS;

impl Story<'_> {
    /// The first minutes with the leaked key.
    pub(super) fn look_around(&mut self) {
        let hand = self.key.clone();
        for (service, name) in [
            ("sts", "GetCallerIdentity"),
            ("s3", "ListBuckets"),
            ("iam", "ListUsers"),
            ("iam", "ListRoles"),
            ("iam", "GetAccountSummary"),
        ] {
            self.plain(&hand, service, name);
        }
        for (service, name) in [
            ("iam", "GetAccountAuthorizationDetails"),
            ("organizations", "DescribeOrganization"),
            ("ec2", "DescribeInstances"),
            ("rds", "DescribeDBInstances"),
            ("guardduty", "ListDetectors"),
            ("cloudtrail", "DescribeTrails"),
            ("dynamodb", "ListTables"),
        ] {
            self.refused(&hand, service, name);
        }
        let user = self.of.owner.name.clone();
        for name in [
            "ListAttachedUserPolicies",
            "ListUserPolicies",
            "ListGroupsForUser",
        ] {
            let call = self
                .begin("iam", name)
                .asking(|json| json.text("userName", &user));
            self.make(&hand, &call);
        }
        self.plain(&hand, "secretsmanager", "ListSecrets");
        self.plain(&hand, "ssm", "DescribeParameters");
    }

    /// Secrets one by one with the leaked key, named in all three ways.
    pub(super) fn take_secrets(&mut self) {
        let hand = self.key.clone();
        for (number, naming) in [Naming::Name, Naming::Arn, Naming::PartialArn, Naming::Name]
            .into_iter()
            .enumerate()
        {
            self.take_secret(&hand, number, naming);
        }
        let secret = self.secret(&hand, 9);
        let at = self.tick();
        let call = calls::get_secret(at, &secret, Naming::Name).denied(&hand.caller);
        self.make(&hand, &call);
    }

    /// A secret of the account that a credential is for.
    fn secret(&self, hand: &Hand, number: usize) -> Secret {
        let secrets = self.of.secrets_of(&hand.caller.account);
        secrets[number % secrets.len()].clone()
    }

    /// One secret, with the decryption behind it.
    pub(super) fn take_secret(&mut self, hand: &Hand, number: usize, naming: Naming) {
        let secret = self.secret(hand, number);
        let at = self.tick();
        let id = self.make(hand, &calls::get_secret(at, &secret, naming));
        self.through(hand, SECRETS, &id, &calls::decrypt_secret(at, &secret));
        self.has_read("secretsmanager", &secret.arn(), &id);
    }

    /// Everything but single secrets.
    pub(super) fn configuration(&mut self) {
        let hand = self.strong.clone();
        self.batches(&hand);
        self.parameters(&hand);
        self.functions(&hand);
        let task = format!("{}:7", WORDS[2]);
        let call = self.here(&hand, "ecs", "DescribeTaskDefinition");
        let call = call.asking(|json| json.text("taskDefinition", &task));
        let id = self.make(&hand, &call);
        self.has_read("ecs-task-definition", &task, &id);
        let instance = format!("i-{}", self.dice.hex(17));
        let call = self
            .here(&hand, "ec2", "DescribeInstanceAttribute")
            .asking(|json| {
                json.text("instanceId", &instance);
                json.text("attribute", "userData");
            });
        let id = self.make(&hand, &call);
        self.has_read("ec2-user-data", &instance, &id);
        let call = self.here(&hand, "ec2", "GetPasswordData");
        let call = call.asking(|json| json.text("instanceId", &instance));
        let id = self.make(&hand, &call);
        self.has_read("ec2-password", &instance, &id);
        let call = self.here(&hand, "codebuild", "BatchGetProjects");
        let call = call.asking(|json| json.list("names", &["website-build"]));
        let id = self.make(&hand, &call);
        self.has_read("codebuild-environment", "website-build", &id);
    }

    fn here(&mut self, hand: &Hand, service: &'static str, name: &'static str) -> Call {
        Call::new(
            self.tick(),
            service,
            name,
            self.home(),
            &hand.caller.account,
        )
    }

    fn batches(&mut self, hand: &Hand) {
        let (one, two) = (self.secret(hand, 10), self.secret(hand, 11));
        let ids = [one.name.clone(), two.arn()];
        let call = self.here(hand, "secretsmanager", "BatchGetSecretValue");
        let call = call.asking(|json| json.list("secretIdList", &ids));
        let id = self.make(hand, &call);
        for secret in [&one, &two] {
            self.through(hand, SECRETS, &id, &calls::decrypt_secret(call.at, secret));
            self.has_read("secretsmanager", &secret.arn(), &id);
        }
        self.pause(30, 60);
        let call = self
            .here(hand, "secretsmanager", "BatchGetSecretValue")
            .asking(|json| {
                json.raw("filters", r#"[{"key":"name","values":["prod/"]}]"#);
            });
        let id = self.make(hand, &call);
        for number in 12..15 {
            let secret = self.secret(hand, number);
            let seen = self.through(hand, SECRETS, &id, &calls::decrypt_secret(call.at, &secret));
            self.has_read("secretsmanager", &secret.arn(), &seen);
        }
        self.pause(30, 60);
    }

    fn parameters(&mut self, hand: &Hand) {
        let parameters: Vec<_> = self
            .of
            .parameters_of(&hand.caller.account)
            .into_iter()
            .cloned()
            .collect();
        let (one, two) = (&parameters[0], &parameters[3]);
        let call = self.here(hand, "ssm", "GetParameters").asking(|json| {
            json.list("names", &[one.name.clone(), two.arn()]);
            json.flag("withDecryption", true);
        });
        let id = self.make(hand, &call);
        for parameter in [one, two] {
            self.through(
                hand,
                SSM,
                &id,
                &calls::decrypt_parameter(call.at, parameter),
            );
            self.has_read("ssm-parameter", &parameter.name, &id);
        }
        let path = parameters[6]
            .name
            .rsplit_once('/')
            .map_or("/", |(path, _)| path);
        let call = self
            .here(hand, "ssm", "GetParametersByPath")
            .asking(|json| {
                json.text("path", path);
                json.flag("recursive", true);
                json.flag("withDecryption", true);
            });
        let id = self.make(hand, &call);
        self.has_read("ssm-parameter", &format!("{path}/*"), &id);
        for parameter in &parameters[6..8] {
            let seen = calls::decrypt_parameter(call.at, parameter);
            let seen = self.through(hand, SSM, &id, &seen);
            self.has_read("ssm-parameter", &parameter.name, &seen);
        }
        let secret = self.secret(hand, 16);
        let name = format!("/aws/reference/secretsmanager/{}", secret.name);
        let call = self.here(hand, "ssm", "GetParameter").asking(|json| {
            json.text("name", &name);
            json.flag("withDecryption", true);
        });
        let id = self.make(hand, &call);
        self.through(hand, SECRETS, &id, &calls::decrypt_secret(call.at, &secret));
        self.has_read("secretsmanager", &secret.arn(), &id);
    }

    fn functions(&mut self, hand: &Hand) {
        let call = self.here(hand, "lambda", "ListFunctions20150331");
        let id = self.make(hand, &call);
        self.has_read("lambda_environment", "*", &id);
        for (name, word) in [
            ("GetFunctionConfiguration20150331v2", WORDS[4]),
            ("GetFunction20150331v2", WORDS[5]),
        ] {
            let function = format!("{word}-worker");
            let call = self.here(hand, "lambda", name);
            let call = call.asking(|json| json.text("functionName", &function));
            let id = self.make(hand, &call);
            self.has_read("lambda_environment", &function, &id);
        }
    }
}

const SECRETS: &str = "secretsmanager.amazonaws.com";
const SSM: &str = "ssm.amazonaws.com";
