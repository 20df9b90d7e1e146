//! Sources of the inventory on AWS, each for one region.
//!
//! All of them page to the end, ask for many values at once where the service can, and turn
//! whatever could not be listed or read into a blind spot that says what it could hide.

mod gather;
mod lambda;
mod parameters;
mod secrets;

pub use lambda::LambdaSource;
pub use parameters::ParameterStoreSource;
pub use secrets::SecretsManagerSource;
