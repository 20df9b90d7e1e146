//! The nouns: credentials, places, consumers, and what is known of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use relatch_secret::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::{ConsumerId, CredentialId, IssuerId, KeyId, PlaceId, Principal};

/// One secret value and what its issuer knows of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// A name for people: the issuer's name of the key, or where it was found.
    pub name: String,
    /// Who issued it.
    pub issuer: IssuerId,
    /// Whom the issuer holds it for. `None`: the issuer was not asked or does not say.
    pub principal: Option<Principal>,
    /// The issuer's id of the key. `None`: not matched at the issuer.
    pub key_id: Option<KeyId>,
    /// The value, if it was found in a place. `None`: known to the issuer only.
    pub fingerprint: Option<Fingerprint>,
    /// Whether it can make other keys, which makes it urgent.
    #[serde(default)]
    pub mints_keys: bool,
}

/// Which half of a credential a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The secret value.
    Secret,
    /// The public key id that goes with it (`AWS_ACCESS_KEY_ID`).
    KeyId,
}

/// What is read and written as one: a secret, a parameter, a function's environment, a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// Which adapter handles it: `secretsmanager`, `ssm`, `lambda`, `file`.
    pub kind: String,
    /// The region; empty where there is none.
    pub region: String,
    /// Its name there: secret name, parameter name, function name, absolute file path.
    pub name: String,
}

impl std::fmt::Display for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.region.is_empty() {
            write!(f, "{}:{}", self.kind, self.name)
        } else {
            write!(f, "{}:{}:{}", self.kind, self.region, self.name)
        }
    }
}

/// Where in a container a value stands: empty for the whole of it, else the key (for JSON,
/// TOML and YAML the path, joined with `/`, `~1` and `~0` escaped as in RFC 6901).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub String);

impl Slot {
    /// The whole container is the value.
    pub fn whole() -> Self {
        Self(String::new())
    }

    /// A top-level key.
    pub fn key(key: &str) -> Self {
        Self(key.replace('~', "~0").replace('/', "~1"))
    }

    /// The path's parts, unescaped.
    pub fn parts(&self) -> Vec<String> {
        if self.0.is_empty() {
            return Vec::new();
        }
        self.0
            .split('/')
            .map(|p| p.replace("~1", "/").replace("~0", "~"))
            .collect()
    }
}

/// A place: one slot of a container that holds one half of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its id, from container and slot.
    pub id: PlaceId,
    /// What it is part of.
    pub container: Container,
    /// Where in the container.
    pub slot: Slot,
    /// Which half stands there.
    pub part: Part,
    /// Whose value stands there.
    pub credential: CredentialId,
    /// The keyed hash of what stands there.
    pub fingerprint: Fingerprint,
}

impl Place {
    /// The id of the place at `slot` of `container`.
    pub fn id_of(container: &Container, slot: &Slot) -> PlaceId {
        if slot.0.is_empty() {
            PlaceId::new(container.to_string())
        } else {
            PlaceId::new(format!("{container}#{}", slot.0))
        }
    }
}

/// What reads places and must be made to pick up a new value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumer {
    /// Its id.
    pub id: ConsumerId,
    /// How it is made to reload and how its health is seen.
    pub kind: ConsumerKind,
    /// The containers it reads.
    pub reads: Vec<Container>,
    /// How this is known.
    pub known: Known,
}

/// How an edge of the map is known (requirement P2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// A person wrote it down.
    Declared,
    /// The cloud or the log shows it.
    Observed,
}

/// The kinds of consumers, each with what its adapter needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ConsumerKind {
    /// A Lambda function that callers reach through an alias (or `$LATEST` without one).
    Lambda {
        /// The region.
        region: String,
        /// The function's name.
        function: String,
        /// The alias that traffic goes through.
        alias: Option<String>,
    },
    /// A service with hooks.
    Service {
        /// How it is told to read its places again.
        reload: Hook,
        /// How it is asked whether it is well.
        health: Hook,
    },
}

/// A call to something local.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Hook {
    /// Runs a command; exit code 0 is success. No value is ever in its arguments.
    Command {
        /// Program and arguments.
        argv: Vec<String>,
    },
    /// Sends a request; a 2xx answer is success. `POST` to reload, `GET` for health.
    Http {
        /// The address.
        url: String,
    },
}

/// What a credential opens besides the service it is for: whoever holds it gets at other
/// credentials, so it goes first (requirement G1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "opens", rename_all = "snake_case")]
pub enum Opens {
    /// It reads a container; a name that ends in `*` is a prefix.
    Container {
        /// Which.
        container: Container,
    },
    /// It makes keys at an issuer.
    Issuer {
        /// Which.
        issuer: IssuerId,
    },
    /// It deploys a consumer, and so sees what that reads.
    Consumer {
        /// Which.
        consumer: ConsumerId,
    },
}

impl std::fmt::Display for Opens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Container { container } => write!(f, "opens {container}"),
            Self::Issuer { issuer } => write!(f, "makes keys at {issuer}"),
            Self::Consumer { consumer } => write!(f, "deploys {consumer}"),
        }
    }
}

/// How sure it is that a thief has the value (requirement I1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExposureLevel {
    /// It is in the account that was entered; nothing says more.
    Reachable,
    /// A policy allowed the thief to read it.
    Readable,
    /// The log shows that the thief read it, or a source of truth is missing and it is
    /// assumed.
    Read,
}

/// Exposure with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// How sure.
    pub level: ExposureLevel,
    /// Events that show it.
    pub event_ids: Vec<String>,
}

/// Whether a key works, as last probed (requirement I4). Only `Dead` is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Liveness {
    /// It works.
    Alive,
    /// It works for something narrower than what was asked.
    Restricted,
    /// It works but has no quota or credit left.
    OutOfQuota,
    /// The issuer said definitely that it is no key of its own.
    Dead,
    /// No definite answer. Never counts as dead.
    Unknown,
}

impl Liveness {
    /// Whether a thief could still use it, as far as is known.
    pub fn may_work(self) -> bool {
        self != Self::Dead
    }
}

/// What proves a liveness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The verdict.
    pub liveness: Liveness,
    /// What the issuer answered: status, error code. Cleaned; never a value.
    pub answer: String,
    /// Whether a made-up key was refused just as definitely (the negative control); for
    /// [`ProbeKind::Listed`], whether the list was complete. Without it a `dead` says nothing
    /// about this key and an `alive` nothing about any.
    pub control: bool,
    /// How it was asked.
    pub how: ProbeKind,
}

/// How liveness was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeKind {
    /// The key itself was presented to its issuer.
    Presented,
    /// We never had the value; the issuer's own list shows the key disabled or gone.
    Listed,
}

/// One key as its issuer lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedKey {
    /// The issuer's id.
    pub id: KeyId,
    /// The issuer's name of it, where it has one.
    pub name: Option<String>,
    /// A hint of the value the issuer shows (`sk-…abcd`), where it does.
    pub hint: Option<String>,
    /// Whether the issuer lists it as usable.
    pub active: bool,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it was last used, where the issuer tells.
    pub last_used: Option<Timestamp>,
}

/// Who makes a new key at an issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Minting {
    /// A call of the issuer's interface, or a hook of ours.
    Program,
    /// A person at the issuer's console; a task with an address and checks.
    Person {
        /// Where to click.
        console: String,
        /// What to do there.
        instructions: String,
    },
    /// Nobody: this kind of key cannot be replaced in place; a person has to move the
    /// consumers to another kind.
    Impossible {
        /// Why.
        because: String,
    },
}

/// What an issuer can do (requirement P3). Plain data, so that plans can be made and checked
/// without asking anyone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a capability sheet is a list of yes and no"
)]
pub struct Sheet {
    /// How a new key comes about.
    pub minting: Minting,
    /// Whether keys carry the name we give them, so that a lost answer can be found by name.
    pub named: bool,
    /// Whether keys can be listed.
    pub lists: bool,
    /// Whether a key can be switched off reversibly.
    pub disables: bool,
    /// Whether a key can be deleted for good.
    pub deletes: bool,
    /// Whether the owner of a key can be cut off by an explicit deny, leaving attempts
    /// visible in the log.
    pub cuts: bool,
    /// Whether the issuer tells when a key was last used.
    pub last_used: bool,
    /// Most keys a principal can hold at once. `None`: no small limit.
    pub slots: Option<u32>,
    /// Seconds until a disable or delete binds everywhere.
    pub propagation_s: u32,
}

/// Key lists by issuer and principal, as last seen.
pub type KeyLists = BTreeMap<IssuerId, BTreeMap<Principal, Vec<IssuedKey>>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_escape_like_json_pointers() {
        let slot = Slot::key("a/b~c");
        assert_eq!(slot.0, "a~1b~0c");
        assert_eq!(slot.parts(), ["a/b~c"]);
        assert!(Slot::whole().parts().is_empty());
    }

    #[test]
    fn place_ids_are_greppable() {
        let container = Container {
            kind: "secretsmanager".into(),
            region: "us-east-1".into(),
            name: "prod/openai".into(),
        };
        let id = Place::id_of(&container, &Slot::key("api_key"));
        assert_eq!(id.as_str(), "secretsmanager:us-east-1:prod/openai#api_key");
    }
}
