//! Places on AWS: secrets, parameters and functions' environments.
//!
//! Each is a [`relatch_places::Store`]. What may be written is only what is still as
//! expected: Secrets Manager and Lambda refuse a late write themselves; Parameter Store has
//! no such condition, so a writer in between is found by the version number and put back.

mod content;
pub(crate) mod function;
mod lambda;
mod secretsmanager;
mod ssm;

pub use lambda::LambdaStore;
pub use secretsmanager::SecretsManagerStore;
pub use ssm::ParameterStore;

pub(crate) use secretsmanager::secret_document;
pub(crate) use ssm::parameter_document;
