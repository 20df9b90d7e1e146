//! Functions to be written to and rolled.

use std::time::Duration;

use aws_sdk_iam::operation::create_role::CreateRoleError;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, LastUpdateStatus, Runtime, State};
use relatch_aws::Connection;

use crate::code;
use crate::support::REGION;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

pub(crate) fn client(owner: &Connection) -> Client {
    Client::new(&owner.write_config(REGION))
}

/// Makes the function, and the role that it takes if there is none yet.
pub(crate) async fn create(owner: &Connection, name: &str, variables: &[(&str, &str)]) {
    role(owner).await;
    let code = FunctionCode::builder().zip_file(Blob::new(code::zip(b"x")));
    let create = client(owner).create_function().function_name(name);
    let create = create.runtime(Runtime::Python312).handler("index.handler");
    let create = create.role("arn:aws:iam::000000000000:role/runs");
    let create = create.code(code.build()).memory_size(256).timeout(7);
    let create = create.environment(environment(variables));
    create.send().await.expect("created");
    settled(owner, name).await;
}

async fn role(owner: &Connection) {
    let iam = aws_sdk_iam::Client::new(&owner.write_config(REGION));
    let create = iam.create_role().role_name("runs");
    let made = create.assume_role_policy_document(TRUST).send().await;
    let error = made.err();
    let error = error.as_ref().and_then(|error| error.as_service_error());
    assert!(
        error.is_none_or(CreateRoleError::is_entity_already_exists_exception),
        "{error:?}"
    );
}

pub(crate) async fn settled(owner: &Connection, name: &str) {
    for _ in 0..200 {
        let now = client(owner).get_function_configuration();
        let now = now.function_name(name).send().await.expect("read");
        let idle = now.last_update_status != Some(LastUpdateStatus::InProgress);
        if idle && now.state != Some(State::Pending) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{name} does not settle");
}

pub(crate) fn environment(variables: &[(&str, &str)]) -> Environment {
    let variables = variables.iter();
    let variables = variables.map(|(n, v)| ((*n).to_string(), (*v).to_string()));
    Environment::builder()
        .set_variables(Some(variables.collect()))
        .build()
}
