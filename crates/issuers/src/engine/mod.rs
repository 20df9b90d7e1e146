//! The engine: makes an issuer of a catalog entry.

mod call;
mod change;
mod hint;
mod hook;
mod issuer;
mod list;
mod mint;
mod principal;
mod probe;
mod settings;

pub use crate::http::Timeouts;
pub use issuer::CatalogIssuer;
pub use settings::{Hooks, Settings, SettingsError};
