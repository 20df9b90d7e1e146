//! The rungs of the ladder.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One measure of containment, strongest kind first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "measure", rename_all = "snake_case", deny_unknown_fields)]
pub enum Measure {
    /// A service control policy on an account, from the organization's management account:
    /// the only rung that the thief cannot undo from inside.
    Scp {
        /// The account it is attached to.
        target: String,
        /// What it denies.
        form: Form,
        /// Principals that stay allowed, as ARN patterns.
        allow: Vec<String>,
    },
    /// An explicit deny of everything on a user.
    DenyUser {
        /// The user's name.
        user: String,
    },
    /// An explicit deny on a role for sessions that were issued before a moment
    /// (`aws:TokenIssueTime`).
    RevokeSessions {
        /// The role's name.
        role: Role,
        /// Sessions issued before are denied.
        issued_before: Timestamp,
    },
    /// A stolen key is disabled.
    DisableKey {
        /// The user it belongs to.
        user: String,
        /// The key id.
        key: String,
    },
}

/// A role's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Role(pub String);

/// What a service control policy denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// What a thief needs to stay: making identities, changing trust, code, secrets and logs;
    /// what production reads goes on.
    DenyWrites,
    /// Everything.
    DenyAll,
}

impl Measure {
    /// Its id within a case: the same measure twice is one.
    pub fn id(&self) -> String {
        match self {
            Self::Scp { target, form, .. } => format!("scp/{}/{target}", form.word()),
            Self::DenyUser { user } => format!("deny-user/{user}"),
            Self::RevokeSessions { role, .. } => format!("revoke-sessions/{}", role.0),
            Self::DisableKey { user, key } => format!("disable-key/{user}/{key}"),
        }
    }

    /// A revocation of every session issued before the second after `now`; other measures
    /// are as they were. Policies compare whole seconds.
    #[must_use]
    pub fn revoking_until(self, now: Timestamp) -> Self {
        match self {
            Self::RevokeSessions { role, .. } => {
                let next = jiff::SignedDuration::from_secs(1);
                let issued_before = now.checked_add(next).unwrap_or(now);
                Self::RevokeSessions {
                    role,
                    issued_before,
                }
            }
            other => other,
        }
    }

    /// Seconds until it binds everywhere, as observed by others for IAM (3 to 4 s).
    pub fn propagation_s(&self) -> u32 {
        match self {
            Self::Scp { .. } => 10,
            _ => 4,
        }
    }
}

impl Form {
    /// The form in one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::DenyWrites => "deny-writes",
            Self::DenyAll => "deny-all",
        }
    }
}

impl std::fmt::Display for Measure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Scp {
                target,
                form,
                allow,
            } => {
                write!(f, "{} service control policy on {target}", form.word())?;
                if allow.is_empty() {
                    Ok(())
                } else {
                    write!(f, ", but for {}", allow.join(", "))
                }
            }
            Self::DenyUser { user } => write!(f, "deny everything to user {user}"),
            Self::RevokeSessions {
                role,
                issued_before,
            } => {
                write!(
                    f,
                    "revoke sessions of role {} issued before {issued_before:.0}",
                    role.0
                )
            }
            Self::DisableKey { user, key } => write!(f, "disable key {key} of user {user}"),
        }
    }
}
