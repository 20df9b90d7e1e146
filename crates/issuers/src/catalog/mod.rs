//! Issuers as data.
//!
//! An entry says in TOML what an issuer can do, how it is asked, and what its answers mean.
//! Files are embedded in the binary; a folder of the user's may add to them or override them.
//!
//! Invariant: an entry that loads is whole: its templates, patterns and pointers parse, and
//! what its sheet promises it has a request for.

mod check;
mod entry;
mod load;
mod made_up;
mod rule;

pub use entry::{
    Address, Answers, Auth, Change, Console, Copy, Entry, Format, ItemShape, Keys, List, MintBy,
    MintSpec, Moment, Names, Owner, Paging, PrincipalKind, Principals, ProbeSpec, Request, Scopes,
    Settled, SheetSpec,
};
pub use load::{Catalog, CatalogError, KeyFormat};
pub(crate) use made_up::fill;
pub use rule::{AnswerRule, Condition, Meaning, ProbeRule, Status};
pub(crate) use rule::{meaning, scalar, tell};
