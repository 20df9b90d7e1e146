//! The contract of stores, kept by Secrets Manager, Parameter Store and Lambda against
//! ministack. (moto answers with the old version after `AWSCURRENT` was moved, and tells no
//! revisions of functions: see `places_secretsmanager.rs` and `places_lambda.rs`.)

use std::collections::BTreeMap;

use crate::bench::{Bench, name};
use crate::functions::{self, environment};
use crate::support::{self, REGION};
use async_trait::async_trait;
use relatch_aws::{Connection, LambdaStore, ParameterStore, SecretsManagerStore};
use relatch_case::model::{Container, Slot};
use relatch_contract::proxy::Deed;
use relatch_contract::store::{self, Harness, OLD};
use relatch_contract::wire::Wire;
use relatch_places::Store;
use relatch_secret::Secret;

fn container(kind: &str, name: String) -> Container {
    Container {
        kind: kind.into(),
        region: REGION.into(),
        name,
    }
}

/// A JSON object whose odd spacing must stay.
fn content(value: &str) -> String {
    format!(
        "{{ \"z\": \"first\",\r\n  \"api_key\" :\"{value}\", \"n\": 1.50, \"deep\": {{\"l\": [\"x\", null]}} }}\n"
    )
}

/// Names that break quoting and paths. No empty one: an object with that is one plain value.
const NASTY: &str = r#"{"a/b~c":"1"," ":"2","q\"uote":"3","new\nline":"4","ü🔒":"5","back\\slash":"7","0":"8","nul\u0000":"9"}"#;

/// What every harness answers alike.
macro_rules! bench {
    () => {
        fn under_test(&self) -> &dyn Store {
            &self.0.under_test
        }

        fn impatient(&self) -> &dyn Store {
            &self.0.impatient
        }

        fn truth(&self) -> &dyn Store {
            &self.0.truth
        }

        fn wire(&self) -> Option<&dyn Wire> {
            Some(&self.0.wire)
        }
    };
}

struct SecretsManager(Bench<SecretsManagerStore>);

impl SecretsManager {
    fn owner(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.0.owner.write_config(REGION))
    }

    async fn create(&self, text: &str) -> Container {
        let container = container("secretsmanager", name("app"));
        let tag = aws_sdk_secretsmanager::types::Tag::builder()
            .key("team")
            .value("a");
        let create = self.owner().create_secret().name(&container.name);
        let create = create.description("ours").tags(tag.build());
        create.secret_string(text).send().await.expect("created");
        container
    }
}

#[async_trait]
impl Harness for SecretsManager {
    bench!();

    async fn fresh(&self) -> (Container, Slot) {
        (self.create(&content(OLD)).await, Slot::key("api_key"))
    }

    async fn nasty(&self) -> Container {
        self.create(NASTY).await
    }

    async fn whole(&self, container: &Container) -> String {
        let owner = self.owner();
        let read = owner.get_secret_value().secret_id(&container.name);
        let read = read.send().await.expect("read");
        let told = owner.describe_secret().secret_id(&container.name);
        let told = told.send().await.expect("described");
        let (text, bytes) = (read.secret_string, read.secret_binary);
        let (words, key, tags) = (told.description, told.kms_key_id, told.tags);
        format!("{text:?} {bytes:?} {words:?} {key:?} {tags:?}")
    }

    fn rival(&self, container: &Container, _: &Slot, value: &str) -> Deed {
        let put = self.owner().put_secret_value().secret_id(&container.name);
        let put = put.secret_string(content(value));
        Box::pin(async move {
            put.send().await.expect("the rival writes");
        })
    }

    fn absent(&self) -> Container {
        container("secretsmanager", "nowhere".into())
    }

    /// Put, move the stage, take our own stage off.
    fn changes(&self) -> usize {
        3
    }
}

/// Secrets Manager with secrets that are one value each.
struct OneValue(SecretsManager);

#[async_trait]
impl Harness for OneValue {
    fn under_test(&self) -> &dyn Store {
        self.0.under_test()
    }

    fn impatient(&self) -> &dyn Store {
        self.0.impatient()
    }

    fn truth(&self) -> &dyn Store {
        self.0.truth()
    }

    fn wire(&self) -> Option<&dyn Wire> {
        self.0.wire()
    }

    async fn fresh(&self) -> (Container, Slot) {
        (self.0.create(OLD).await, Slot::whole())
    }

    async fn nasty(&self) -> Container {
        self.0.create("{ \"broken\r\n").await
    }

    async fn whole(&self, container: &Container) -> String {
        self.0.whole(container).await
    }

    fn rival(&self, container: &Container, _: &Slot, value: &str) -> Deed {
        let put = self.0.owner().put_secret_value();
        let put = put.secret_id(&container.name).secret_string(value);
        Box::pin(async move {
            put.send().await.expect("the rival writes");
        })
    }

    fn absent(&self) -> Container {
        self.0.absent()
    }

    fn changes(&self) -> usize {
        self.0.changes()
    }
}

struct Parameters(Bench<ParameterStore>);

impl Parameters {
    fn owner(&self) -> aws_sdk_ssm::Client {
        aws_sdk_ssm::Client::new(&self.0.owner.write_config(REGION))
    }

    async fn create(&self, text: &str) -> Container {
        let container = container("ssm", name("/app/key"));
        let tag = aws_sdk_ssm::types::Tag::builder().key("team").value("a");
        let put = self.owner().put_parameter().name(&container.name);
        let put = put.r#type(aws_sdk_ssm::types::ParameterType::SecureString);
        let put = put.description("ours").tags(tag.build().expect("a tag"));
        put.value(text).send().await.expect("put");
        container
    }
}

#[async_trait]
impl Harness for Parameters {
    bench!();

    async fn fresh(&self) -> (Container, Slot) {
        (self.create(&content(OLD)).await, Slot::key("api_key"))
    }

    async fn nasty(&self) -> Container {
        self.create(NASTY).await
    }

    async fn whole(&self, container: &Container) -> String {
        let owner = self.owner();
        let read = owner.get_parameter().name(&container.name);
        let read = read.with_decryption(true).send().await.expect("read");
        let read = read.parameter.expect("there");
        let filter = aws_sdk_ssm::types::ParameterStringFilter::builder();
        let filter = filter.key("Name").option("Equals").values(&container.name);
        let told = owner.describe_parameters();
        let told = told.parameter_filters(filter.build().expect("a filter"));
        let told = told.send().await.expect("described").parameters;
        let told = told.unwrap_or_default().remove(0);
        let tags = owner.list_tags_for_resource().resource_id(&container.name);
        let tags = tags.resource_type(aws_sdk_ssm::types::ResourceTypeForTagging::Parameter);
        let tags = tags.send().await.expect("tags").tag_list;
        let (value, kind) = (read.value, read.r#type);
        let (words, key, tier) = (told.description, told.key_id, told.tier);
        format!("{value:?} {kind:?} {words:?} {key:?} {tier:?} {tags:?}")
    }

    fn rival(&self, container: &Container, _: &Slot, value: &str) -> Deed {
        let put = self.owner().put_parameter().name(&container.name);
        let put = put.value(content(value)).overwrite(true);
        Box::pin(async move {
            put.send().await.expect("the rival writes");
        })
    }

    fn absent(&self) -> Container {
        container("ssm", "/nowhere".into())
    }

    fn changes(&self) -> usize {
        1
    }
}

struct Lambda(Bench<LambdaStore>);

impl Lambda {
    fn owner(&self) -> aws_sdk_lambda::Client {
        functions::client(&self.0.owner)
    }

    async fn create(&self, variables: &[(&str, &str)]) -> Container {
        let container = container("lambda", name("app"));
        functions::create(&self.0.owner, &container.name, variables).await;
        container
    }
}

const OTHERS: [(&str, &str); 2] = [
    ("OTHER", "spaces  and = \u{e4}\t\"q\""),
    ("JSON", "{\"a\": \"b\"}"),
];

#[async_trait]
impl Harness for Lambda {
    bench!();

    async fn fresh(&self) -> (Container, Slot) {
        let container = self.create(&[OTHERS[0], OTHERS[1], ("KEY", OLD)]).await;
        (container, Slot::key("KEY"))
    }

    /// Lambda takes letters, digits and underscores in names, and nothing else.
    async fn nasty(&self) -> Container {
        let long = "N".repeat(200);
        self.create(&[("a1", "1"), ("A_", "2"), ("a_1_", "3"), (&long, "4")])
            .await
    }

    async fn whole(&self, container: &Container) -> String {
        let now = self.owner().get_function_configuration();
        let now = now.function_name(&container.name).send().await;
        let now = now.expect("read");
        let variables = now.environment.and_then(|e| e.variables);
        let variables: BTreeMap<_, _> = variables.unwrap_or_default().into_iter().collect();
        let (role, handler, runtime) = (now.role, now.handler, now.runtime);
        let (memory, timeout, code) = (now.memory_size, now.timeout, now.code_sha256);
        format!("{variables:?} {role:?} {handler:?} {runtime:?} {memory:?} {timeout:?} {code:?}")
    }

    fn rival(&self, container: &Container, _: &Slot, value: &str) -> Deed {
        let update = self.owner().update_function_configuration();
        let update = update.function_name(&container.name);
        let update = update.environment(environment(&[OTHERS[0], OTHERS[1], ("KEY", value)]));
        Box::pin(async move {
            update.send().await.expect("the rival writes");
        })
    }

    fn absent(&self) -> Container {
        container("lambda", "nowhere".into())
    }

    fn changes(&self) -> usize {
        1
    }

    /// 4 kB for all variables of a function (quotas of AWS Lambda).
    fn may_refuse(&self, value: &Secret) -> bool {
        value.len() > 4_000
    }
}

/// All parts of the contract at once, each over a wire of its own.
async fn keeps_its_contract<A, H: Harness>(make: fn(Connection) -> A, harness: fn(Bench<A>) -> H) {
    let peer = support::ministack().await;
    let mut benches = Vec::new();
    for _ in 0..7 {
        benches.push(harness(Bench::new(&peer, make).await));
    }
    let found = tokio::join!(
        store::writes(&benches[0]),
        store::disturbed_part(&benches[1], 0, 3),
        store::disturbed_part(&benches[2], 1, 3),
        store::disturbed_part(&benches[3], 2, 3),
        store::hostile_part(&benches[4], 0, 3),
        store::hostile_part(&benches[5], 1, 3),
        store::hostile_part(&benches[6], 2, 3)
    );
    let (disturbed, hostile) = ([found.1, found.2, found.3], [found.4, found.5, found.6]);
    let mut findings = found.0;
    for part in disturbed.into_iter().chain(hostile) {
        findings.extend(part);
    }
    findings.assert_none();
}

#[tokio::test]
async fn secrets_manager_keeps_its_contract() {
    Box::pin(keeps_its_contract(SecretsManagerStore::new, SecretsManager)).await;
}

#[tokio::test]
async fn secrets_of_one_value_keep_their_contract() {
    let peer = support::ministack().await;
    let bench = Bench::new(&peer, SecretsManagerStore::new).await;
    let harness = OneValue(SecretsManager(bench));
    store::writes(&harness).await.assert_none();
    store::hostile(&harness).await.assert_none();
}

#[tokio::test]
async fn parameter_store_keeps_its_contract() {
    Box::pin(keeps_its_contract(ParameterStore::new, Parameters)).await;
}

#[tokio::test]
async fn lambda_environments_keep_their_contract() {
    Box::pin(keeps_its_contract(LambdaStore::new, Lambda)).await;
}
