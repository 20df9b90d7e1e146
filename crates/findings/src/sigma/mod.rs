//! Sigma rules (<https://sigmahq.io>) that fire on any further use of what the attacker had.

mod rule;
mod rules;

pub use rule::Rule;
pub use rules::rules;
