//! Issuers: who mints and kills keys.
//!
//! - [`Issuer`] is the port;
//! - [`catalog`]: issuers as data, one TOML file each (`catalog/issuers/`), which a user may
//!   add to or override;
//! - [`CatalogIssuer`]: the engine that makes an [`Issuer`] of a catalog entry. AWS IAM is
//!   native, in `relatch-aws`.
//!
//! Invariant: nothing here decides when something happens, no request that changes anything
//! is ever sent twice by the client, and no value is printed, logged or put into a template.

pub mod catalog;
mod engine;
mod http;
mod port;
mod template;

pub use catalog::{Catalog, CatalogError, Entry, KeyFormat};
pub use engine::{CatalogIssuer, Hooks, Settings, SettingsError, Timeouts};
pub use port::{Issuer, KeyMaterial, MintRequest, Minted};
