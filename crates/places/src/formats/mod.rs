//! The formats that values stand in, read and changed without touching anything else.
//!
//! Every format offers the same two pure functions: `slots` gives every value that can be
//! replaced, `replace` changes the named ones and leaves every other byte as it was. What was
//! written is parsed again before it is given back, so that a wrong edit is an error here and
//! never a damaged container.

pub mod dotenv;
mod error;
mod format;
pub mod json;
mod leaf;
pub mod plain;
pub mod toml;
pub mod yaml;

pub use error::FormatError;
pub use format::Format;
