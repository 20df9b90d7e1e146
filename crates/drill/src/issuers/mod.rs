//! Fake issuers of AI keys. They share one ledger and differ in what they say over HTTP.

mod anthropic;
mod custom;
mod ledger;
mod openai;
mod openai_admin;
mod wire;

pub(crate) use anthropic::Anthropic;
pub(crate) use custom::Custom;
pub use ledger::{IssuedKey, KeyStatus, Standing};
pub(crate) use openai::OpenAi;
pub(crate) use wire::reply;
