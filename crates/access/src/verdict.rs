//! Answers, and what they rest on.

use serde::{Deserialize, Serialize};

/// Which kind of policy a statement stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// The principal's own, its groups' and attached managed policies.
    Identity,
    /// The permissions boundary.
    Boundary,
    /// The policies passed when the session was made.
    Session,
    /// The resource's policy: of a secret, key, bucket, function, or a role's trust policy.
    Resource,
    /// Service control policies, on the path to the principal's account.
    ServiceControl,
    /// Resource control policies, on the path to the resource's account.
    ResourceControl,
}

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
            Self::Resource => "resource policy",
            Self::ServiceControl => "service control policy",
            Self::ResourceControl => "resource control policy",
        })
    }
}

/// A statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cited {
    /// Where the policy applies.
    pub layer: Layer,
    /// The policy's name or ARN, with what it hangs on.
    pub policy: String,
    /// The statement's `Sid`, or `#` and its index from 0; `None`: the policy, or the layer, as
    /// a whole (nothing in it allows, or all of it is open).
    pub statement: Option<String>,
}

/// Something that kept a question from being decided.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Doubt {
    /// Where it was met.
    pub cited: Cited,
    /// What is not known.
    pub why: String,
}

/// Whether policy lets the request through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every policy that counts lets it through, whatever is not known.
    Allowed,
    /// Refused, whatever is not known.
    Denied {
        /// The statements that deny, or the layers in which nothing allows.
        by: Vec<Cited>,
        /// Whether a statement denies; otherwise nothing allows.
        explicit: bool,
    },
    /// It hangs on what is not known. Counts as readable.
    Undecidable {
        /// What is not known, and where it was asked for.
        because: Vec<Doubt>,
    },
}

impl Verdict {
    /// Allowed, or not decided: when in doubt, exposed.
    pub fn is_readable(&self) -> bool {
        !matches!(self, Self::Denied { .. })
    }
}

/// A verdict and its path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The verdict.
    pub verdict: Verdict,
    /// The statements that speak to the request: those that deny if the verdict is a denial by
    /// statement, otherwise those that allow (also where it is not decided or not enough).
    pub statements: Vec<Cited>,
}
