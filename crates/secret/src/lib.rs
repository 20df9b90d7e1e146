//! Secret values and everything that may hold one.
//!
//! [`Secret`] is the only type in Relatch that carries a value; [`Fingerprint`] is what the
//! rest of the program knows a value by; [`Custody`] seals values on disk between minting and
//! certificate; [`redact`] cleans text that comes from outside before a person sees it.
//!
//! Invariant: nothing here prints, logs or serialises a value, and nothing here knows what a
//! case is.

mod atomic;
mod custody;
mod fingerprint;
mod identity;
pub mod redact;
mod sealed;
mod value;

pub use atomic::write_private;
pub use custody::{Custody, CustodyError, OpenCustody};
pub use fingerprint::{Fingerprint, FingerprintKey, KeyFileError};
pub use identity::{CaseIdentity, IdentityError, Protection, Unlock};
pub use value::Secret;
