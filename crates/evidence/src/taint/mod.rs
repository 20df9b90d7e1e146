//! Who the attacker is: seeds, what follows from them, and what belongs to somebody else.

pub(crate) mod actors;
pub(crate) mod attribution;
pub(crate) mod by_credential;
pub(crate) mod habit;
pub(crate) mod judgements;
pub(crate) mod links;
pub(crate) mod on_behalf;
pub(crate) mod pivot;
pub(crate) mod premises;
pub(crate) mod score;
pub(crate) mod seeds;
pub(crate) mod split;
