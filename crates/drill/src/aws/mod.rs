//! The emulated cloud and the gatekeeper in front of it.

mod authorise;
mod chunked;
mod client;
mod cloud;
mod condition;
mod directory;
mod gatekeeper;
mod lambda;
mod operation;
mod parameters;
mod paths;
mod policy;
mod record;
mod refusal;
mod respond;
mod secrets;
mod service;
mod sigv4;
mod trail;

pub use client::{AwsClient, CallError, KeyPair};
pub(crate) use cloud::xml_text;
pub(crate) use directory::Foreigner;
pub(crate) use gatekeeper::Gatekeeper;
pub(crate) use service::Service;
pub(crate) use sigv4::encode;
