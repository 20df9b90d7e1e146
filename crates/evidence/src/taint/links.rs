//! Marks on events, and the links that lead from one to the next.

/// Whose an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Mark {
    None,
    Uncertain,
    Tainted,
}

/// How one event led to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Link {
    Seed,
    SessionKey,
    Session,
    OnBehalf,
    Console,
    SwitchedRole,
    CreatedKey,
    CreatedUser,
    Password,
    ServiceCredential,
    CreatedRole,
    ChangedTrust,
    CreatedFunction,
    CreatedInstance,
    SharedEvent,
    SourceIdentity,
    Address,
    Convicted,
}

impl Link {
    /// The reason, in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Link::Seed => "used the credential that the attack began with",
            Link::SessionKey => "used session credentials that the attacker was given",
            Link::Session => "belongs to a session that the attacker opened",
            Link::OnBehalf => "made by a service on the attacker's behalf",
            Link::Console => "belongs to a console session that the attacker opened",
            Link::SwitchedRole => "belongs to a role the attacker switched to in the console",
            Link::CreatedKey => "used a key that the attacker created",
            Link::CreatedUser => "made by a user that the attacker created",
            Link::Password => "login with a password that the attacker set",
            Link::ServiceCredential => "used a service credential that the attacker created",
            Link::CreatedRole => "took a role that the attacker created",
            Link::ChangedTrust => "took a role from outside that the attacker had opened",
            Link::CreatedFunction => "made by a function that the attacker created",
            Link::CreatedInstance => "made by an instance that the attacker started",
            Link::SharedEvent => "is the other account's copy of the attacker's call",
            Link::SourceIdentity => "carries the source identity that the attacker chose",
            Link::Address => "came from the attacker's address with the attacker's client",
            Link::Convicted => "made by an actor that a person convicted",
        }
    }
}

/// Why an event is perhaps the attacker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    Credential,
    SessionName,
    OnBehalf,
    ChangedFunction,
    SourceIdentity,
    Address,
}

impl Doubt {
    /// The reason, in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Doubt::Credential => {
                "used the attacker's credential where the log cannot tell him from its owner"
            }
            Doubt::SessionName => {
                "belongs to a session of a name that the attacker and somebody else opened"
            }
            Doubt::OnBehalf => {
                "made by a service for the attacker or for somebody else with the same credential"
            }
            Doubt::ChangedFunction => "made by a function that the attacker changed",
            Doubt::SourceIdentity => {
                "carries a source identity that the attacker and somebody else chose"
            }
            Doubt::Address => "came from the attacker's address with another client",
        }
    }
}
