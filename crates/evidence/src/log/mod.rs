//! The log in memory: what a record leaves behind when its bytes are gone.

pub(crate) mod agents;
pub(crate) mod classes;
pub(crate) mod columns;
pub(crate) mod events;
pub(crate) mod facts;
pub(crate) mod ids;
pub(crate) mod part;
pub(crate) mod store;
pub(crate) mod tables;
pub(crate) mod texts;

pub(crate) use columns::{Call, Fact, Flags, IdentityKind, Origin, What, Who};
pub(crate) use ids::EventId;
pub(crate) use part::Part;
pub(crate) use store::{Events, Log, Parts, Row};
pub(crate) use texts::{Sym, Texts};
