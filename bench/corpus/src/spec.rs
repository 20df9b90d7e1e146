//! What to generate.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::random::Dice;

/// When every log begins: Monday, 1 June 2026.
pub(crate) const START: i64 = 1_780_272_000;

/// A corpus. Equal specs give equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Everything that is left to chance follows from it.
    pub seed: u64,
    /// Events written, duplicates included; met within 1 %.
    pub events: u64,
    /// Days that the log covers.
    pub days: u32,
    /// Accounts of the organisation, 2 at least.
    pub accounts: usize,
    /// Regions in use, 1 to 6.
    pub regions: usize,
    /// Log files to aim at; met roughly.
    pub files: usize,
    /// The breach, if there is one.
    pub breach: Option<Breach>,
    /// What is wrong with the delivery.
    pub trouble: Trouble,
}

impl Spec {
    /// About 3,000 events over four days with all trouble; the breach follows from the seed.
    pub fn small(seed: u64) -> Self {
        Self {
            seed,
            events: 3_000,
            days: 4,
            accounts: 2,
            regions: 2,
            files: 150,
            breach: Some(Breach::by_seed(seed)),
            trouble: Trouble::all(),
        }
    }

    /// A large log with every kind of act in its breach, whole and in about 3,080 events a file.
    pub fn large(seed: u64, events: u64) -> Self {
        Self {
            seed,
            events,
            days: 14,
            accounts: 4,
            regions: 3,
            files: usize::try_from(events / 3_080)
                .unwrap_or(usize::MAX)
                .max(24),
            breach: Some(Breach::all()),
            trouble: Trouble {
                damaged_percent: 0,
                ..Trouble::all()
            },
        }
    }

    pub(crate) fn end(&self) -> i64 {
        START + i64::from(self.days.max(1)) * 86_400
    }
}

/// One thing an attacker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// `GetSessionToken` with the leaked key.
    SessionToken,
    /// `GetFederationToken` with the leaked key.
    Federation,
    /// Four roles, each taken from the one before; the last is in another account.
    RoleChain,
    /// A session of his own of a role that a service uses all the time.
    BusyRole,
    /// As `BusyRole`, under the session name that the rightful caller uses.
    BusySession,
    /// From a role session into the web console, whose keys no record announces.
    Console,
    /// A new user with a key and a password, used later from elsewhere.
    NewUser,
    /// A second key for somebody who has one already.
    BackdoorKey,
    /// A password for a user who had none, used in the console.
    LoginProfile,
    /// A new role that an account outside trusts.
    BackdoorRole,
    /// A role in use, opened to an account outside.
    TrustEdit,
    /// A new function that reads secrets by itself.
    Function,
    /// Models listed, probed and used in several regions.
    Bedrock,
    /// A Bedrock key: a bearer token, used without any access key.
    BearerToken,
    /// Secrets in all the other ways than one by one.
    Configuration,
    /// Services that act on his behalf.
    OnBehalf,
    /// An attempt to stop the trail.
    StopLogging,
    /// The leaked key is tried a day before, and used from further addresses, once with a client
    /// like the owner's.
    Roaming,
    /// A new instance that reads secrets by itself.
    Instance,
    /// The credentials of an instance in use, taken off it and used from his own address.
    InstanceKey,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 20] = [
        Part::SessionToken,
        Part::Federation,
        Part::RoleChain,
        Part::BusyRole,
        Part::BusySession,
        Part::Console,
        Part::NewUser,
        Part::BackdoorKey,
        Part::LoginProfile,
        Part::BackdoorRole,
        Part::TrustEdit,
        Part::Function,
        Part::Bedrock,
        Part::BearerToken,
        Part::Configuration,
        Part::OnBehalf,
        Part::StopLogging,
        Part::Roaming,
        Part::Instance,
        Part::InstanceKey,
    ];
}

/// A breach that begins with a leaked access key, which its owner goes on using.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    /// What the attacker does beside looking around and reading secrets with the leaked key.
    pub parts: BTreeSet<Part>,
    /// The attacker calls from the address that the owner calls from.
    pub same_address: bool,
}

impl Breach {
    /// Every part, from addresses of his own.
    pub fn all() -> Self {
        Self {
            parts: Part::ALL.into(),
            same_address: false,
        }
    }

    /// About half of the parts; every fifth seed behind the owner's address.
    pub fn by_seed(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 0xb4ea);
        let parts = Part::ALL.into_iter().filter(|_| dice.chance(55)).collect();
        Self {
            parts,
            same_address: seed % 5 == 4,
        }
    }
}

/// What is wrong with the delivery of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Events of a file are in no order.
    pub shuffled: bool,
    /// Some events come up to 40 minutes late, in a later file.
    pub late: bool,
    /// Log files in a hundred that are cut off or spoilt in the middle, at most 50.
    pub damaged_percent: u32,
    /// Events in a hundred that are written twice.
    pub duplicates_percent: u32,
    /// Digest and Insights files stand in the same tree.
    pub companions: bool,
}

impl Trouble {
    /// Nothing is wrong.
    pub fn none() -> Self {
        Self {
            shuffled: false,
            late: false,
            damaged_percent: 0,
            duplicates_percent: 0,
            companions: false,
        }
    }

    /// All of it: 5 % damaged, 2 % twice.
    pub fn all() -> Self {
        Self {
            shuffled: true,
            late: true,
            damaged_percent: 5,
            duplicates_percent: 2,
            companions: true,
        }
    }
}
