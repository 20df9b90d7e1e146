//! One indicator.

use std::collections::BTreeSet;

use jiff::Timestamp;

/// What an indicator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IndicatorKind {
    /// An access key id.
    AccessKey,
    /// An IP address.
    Address,
    /// A user agent.
    Client,
    /// The name of a user that the attacker created.
    User,
    /// The name of a role that he created.
    Role,
    /// The id of a service credential that he created.
    ServiceCredential,
    /// The name of a function that he created.
    Function,
    /// The id of an instance that he started.
    Instance,
}

impl IndicatorKind {
    /// The word for it, as it stands in tables.
    pub fn word(self) -> &'static str {
        match self {
            IndicatorKind::AccessKey => "access_key",
            IndicatorKind::Address => "address",
            IndicatorKind::Client => "client",
            IndicatorKind::User => "user",
            IndicatorKind::Role => "role",
            IndicatorKind::ServiceCredential => "service_credential",
            IndicatorKind::Function => "function",
            IndicatorKind::Instance => "instance",
        }
    }

    /// The words for it, as people say them.
    pub(crate) fn words(self) -> &'static str {
        match self {
            IndicatorKind::AccessKey => "Access key",
            IndicatorKind::Address => "Address",
            IndicatorKind::Client => "Client",
            IndicatorKind::User => "User",
            IndicatorKind::Role => "Role",
            IndicatorKind::ServiceCredential => "Service credential",
            IndicatorKind::Function => "Function",
            IndicatorKind::Instance => "Instance",
        }
    }
}

/// Whose an indicator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nobody but the attacker is seen with it.
    Attacker,
    /// The attacker's, and somebody else's as well.
    Shared,
    /// Only uncertain events have it.
    Uncertain,
}

impl Standing {
    /// The word for it, as it stands in tables.
    pub fn word(self) -> &'static str {
        match self {
            Standing::Attacker => "attacker",
            Standing::Shared => "shared",
            Standing::Uncertain => "uncertain",
        }
    }
}

/// Something to look for. Its texts are safe to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indicator {
    /// What it is.
    pub kind: IndicatorKind,
    /// The address, id, name or text.
    pub value: String,
    /// Whether `value` is what the log has, sign by sign. Otherwise escapes or invisible signs
    /// were taken out of it or it was cut: no pattern made of it could ever match.
    pub exact: bool,
    /// Whose it is.
    pub standing: Standing,
    /// Whether the attacker made it.
    pub planted: bool,
    /// How many of the events have it; for a key, those of the identity that used it.
    pub events: u64,
    /// Its first event.
    pub first: Option<Timestamp>,
    /// Its last event.
    pub last: Option<Timestamp>,
    /// Names of ATT&CK tactics of its events.
    pub tactics: BTreeSet<String>,
    /// Ids of ATT&CK techniques of its events.
    pub techniques: BTreeSet<String>,
    /// What else is worth knowing.
    pub note: String,
}
