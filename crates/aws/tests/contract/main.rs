//! The contracts of issuers, stores and rollers, kept by the AWS adapters against ministack and
//! moto over a wire that fails. Most of the time is spent waiting, so much of it is done at
//! once.

mod bench;
#[path = "../code/mod.rs"]
mod code;
mod consumers;
mod functions;
mod issuer;
mod places;
#[path = "../support/mod.rs"]
mod support;
