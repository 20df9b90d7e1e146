//! YAML: the leaves are the scalars of one document of mappings and sequences.
//!
//! The syntax tree says where every node stands. This module finds the keys, and then accounts
//! for every byte: what is neither a key nor a scalar that it read, a comment, white space nor
//! structure makes the whole text refused. So nothing is overlooked in silence, and what this
//! module does not understand (several documents, anchors, aliases, tags, complex keys) is
//! never damaged.

mod scalar;
mod walk;

use std::collections::BTreeMap;

use relatch_case::model::Slot;
use relatch_secret::Secret;
use zeroize::Zeroizing;

use super::FormatError;
use super::leaf;

/// Every string by its path. Scalars that a reader takes for a number, a boolean, a date or
/// null are not slots.
pub fn slots(text: &str) -> Result<BTreeMap<Slot, Secret>, FormatError> {
    Ok(leaf::slots(walk::parse(text)?))
}

/// The text with the named strings replaced, in their style where it can hold the new value,
/// and every other byte as it was.
pub fn replace(
    text: &str,
    changes: &BTreeMap<Slot, Secret>,
) -> Result<Zeroizing<String>, FormatError> {
    leaf::replace(text, changes, walk::parse, |raw, value| {
        Ok(scalar::encode(raw, value))
    })
}
