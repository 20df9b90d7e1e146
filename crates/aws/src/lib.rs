//! AWS through the official SDK: the adapters behind the ports of the other crates.
//!
//! - [`Connection`]: credentials, endpoint, retries, and which account it is;
//! - [`error`]: from the SDK's errors to faults;
//! - [`IamIssuer`]: access keys, the native issuer;
//! - [`PolicySimulator`]: what IAM says that users and roles may do;
//! - [`AwsCloud`]: service control policies, denies, session revocation, key status;
//! - [`SecretsManagerStore`], [`ParameterStore`], [`LambdaStore`]: places;
//! - [`LambdaConsumers`]: functions behind aliases;
//! - [`SecretsManagerSource`], [`ParameterStoreSource`], [`LambdaSource`]: what a region holds;
//! - [`TrailBucket`], [`EventLookup`]: CloudTrail from S3 and from LookupEvents;
//! - [`Athena`]: SQL over the logs where they lie;
//! - [`Queue`], [`notices`]: new log files and events while they arrive.
//!
//! Invariant: nothing here decides when something happens, and no request that changes
//! anything is sent twice.

mod athena;
mod baseline;
mod clients;
mod connection;
mod consumers;
mod containment;
pub mod error;
mod iam;
mod places;
mod simulate;
mod sources;
mod tail;
mod trail;

pub use athena::{Athena, AthenaOptions, AthenaRows, QueryEnd, RowPage, TableName, TableShape};
pub use connection::{Connection, Identity, Options, WrongAccount};
pub use consumers::LambdaConsumers;
pub use containment::AwsCloud;
pub use iam::{CUT_POLICY, IamIssuer};
pub use places::{LambdaStore, ParameterStore, SecretsManagerStore};
pub use simulate::{PolicySimulator, Simulated, Simulation, Simulations};
pub use sources::{LambdaSource, ParameterStoreSource, SecretsManagerSource};
pub use tail::{Message, Notice, NoticeError, Queue, Standing, notices};
pub use trail::{EventLookup, LookupBy, TrailBucket, TrailObject, TrailObjects, TrailUrl};
