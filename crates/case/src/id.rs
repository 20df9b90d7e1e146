//! Names of things, each its own type so that no two can be mixed up.

use std::sync::Arc;

use sha2::{Digest, Sha256};

/// Declares a newtype over a string with the usual conversions. Copies share their text: a
/// large plan names every step many times.
macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(#[serde(deserialize_with = "crate::names::deserialize")] Arc<str>);

        impl $name {
            /// Wraps a name.
            pub fn new(name: impl Into<String>) -> Self {
                Self(Arc::from(name.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(Arc::from(name))
            }
        }
    };
}

name_type! {
    /// A case, `case-…`: chosen by a person or made from the time of opening.
    CaseId
}
name_type! {
    /// A credential, `cred-` and 12 hex digits derived from its issuer and its key id or
    /// fingerprint, so that finding it twice gives one credential.
    CredentialId
}
name_type! {
    /// A place, spelled so that it can be searched for:
    /// `secretsmanager:us-east-1:prod/openai#api_key`.
    PlaceId
}
name_type! {
    /// A consumer: `lambda:us-east-1:checkout`, `service:billing`.
    ConsumerId
}
name_type! {
    /// An issuer as configured: `aws-iam`, `openai`, `anthropic`, `vllm-internal`.
    IssuerId
}
name_type! {
    /// The issuer's own id of a key (`AKIA…`, `key_…`, `apikey_…`). Not a secret.
    KeyId
}
name_type! {
    /// Whom the issuer holds a key for: `user/ci-deployer`,
    /// `project/proj_1/service_account/sa_2`, `workspace/wrkspc_3`.
    Principal
}
name_type! {
    /// A step of a plan: the credential's id, a verb, and what it acts on.
    StepId
}
name_type! {
    /// SHA-256 of a plan's canonical JSON, in hex.
    PlanHash
}

impl CredentialId {
    /// The id of the credential that `issuer` knows, or that is known to us, as `known_as`
    /// (a key id where there is one, else a fingerprint).
    pub fn derive(issuer: &IssuerId, known_as: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(issuer.as_str());
        hash.update([0]);
        hash.update(known_as);
        Self::new(format!("cred-{}", hex::encode(&hash.finalize()[..6])))
    }
}

impl PlanHash {
    /// The first twelve digits, as shown to people.
    pub fn short(&self) -> &str {
        &self.0[..self.0.len().min(12)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_found_twice_is_one() {
        let (a, b) = (IssuerId::from("aws-iam"), IssuerId::from("openai"));
        assert_eq!(CredentialId::derive(&a, "k"), CredentialId::derive(&a, "k"));
        assert_ne!(CredentialId::derive(&a, "k"), CredentialId::derive(&b, "k"));
    }
}
