//! Consumers: workloads that load a credential from its place and use it all the time.

mod consumer;
mod load;
mod work;

pub use consumer::ConsumerStats;
pub(crate) use consumer::{Running, Spec};
pub(crate) use load::Loader;
pub(crate) use work::{Bases, Secret, use_once};
