//! What a caller may choose about a range, and the names that never change.

use std::time::Duration;

/// The member account in which everything of the range lives.
pub const ACCOUNT: &str = "111122223333";
/// The management account of the organization.
pub const MANAGEMENT_ACCOUNT: &str = "999988887777";
/// The region in which most things live; IAM and its records are global and sit here.
pub const HOME_REGION: &str = "us-east-1";
/// The second region, with a few secrets.
pub const SECOND_REGION: &str = "eu-west-1";
/// The bucket the trail delivers to.
pub const TRAIL_BUCKET: &str = "braintrust-cloudtrail-logs";

/// Where a call comes from. All callers share loopback, so each network has its own
/// listener, and its calls carry a made-up public address in the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Network {
    /// The office of the responders, from which the tool works.
    Responder,
    /// The production workloads.
    Workload,
    /// The attacker's machine.
    Attacker,
}

impl Network {
    /// Every network, in a fixed order.
    pub const ALL: [Self; 3] = [Self::Responder, Self::Workload, Self::Attacker];

    /// The address that records show (RFC 5737 documentation ranges).
    pub fn address(self) -> &'static str {
        match self {
            Self::Responder => "203.0.113.10",
            Self::Workload => "192.0.2.40",
            Self::Attacker => "198.51.100.66",
        }
    }
}

/// How a range behaves. Start from [`RangeConfig::standard`] and change fields.
#[derive(Debug, Clone)]
pub struct RangeConfig {
    /// How long a change of identities or policies takes to show at the gatekeeper.
    /// Real IAM takes seconds; the changing call itself answers at once.
    pub propagation: Duration,
    /// How often waiting records are written to the trail's bucket.
    pub trail_interval: Duration,
    /// How many consumers run, at most what the scenario offers.
    pub consumers: usize,
    /// Shortest and longest pause between two calls of one consumer.
    pub call_pause: (Duration, Duration),
    /// How often a function looks whether its environment changed.
    pub function_poll: Duration,
    /// Pause between two rounds of the attacker's endless phase.
    pub attack_pause: Duration,
}

impl RangeConfig {
    /// The settings of an ordinary drill.
    pub fn standard() -> Self {
        Self {
            propagation: Duration::from_millis(300),
            trail_interval: Duration::from_secs(1),
            consumers: 25,
            call_pause: (Duration::from_millis(50), Duration::from_millis(150)),
            function_poll: Duration::from_millis(200),
            attack_pause: Duration::from_millis(250),
        }
    }
}
