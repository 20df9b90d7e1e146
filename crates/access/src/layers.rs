//! Gathers what each layer says to a request, and puts the layers together.
//!
//! Facts: IAM User Guide, "Policy evaluation for requests within a single account",
//! "Cross-account policy evaluation logic", "How AWS enforcement code logic evaluates requests";
//! Organizations User Guide, "SCP evaluation" and "RCP evaluation"; KMS Developer Guide, "Key
//! policies" (identity policies count only as far as the key's policy lets them).

use crate::ask::Ask;
use crate::policy::Policy;
use crate::principal::{Caller, Kind};
use crate::truth::Truth;
use crate::verdict::{Answer, Cited, Doubt, Layer, Verdict};
use crate::weight::Weight;
use crate::world::{Hung, Identity, World};

/// Services that resource control policies are known to bind; of others it is not decided.
const RESOURCE_CONTROLLED: &[&str] = &["kms", "s3", "secretsmanager", "sqs", "sts"];

pub(crate) struct Layers {
    identity: Weight,
    /// Boundary and session policies: each must allow.
    limits: Vec<Weight>,
    resource: Weight,
    service_control: Vec<Weight>,
    resource_control: Vec<Weight>,
    /// The resource's policy must let identity policies count (KMS keys, trust of roles).
    gated: bool,
    same_account: bool,
}

impl World {
    pub(crate) fn layers(
        &self,
        ask: &Ask<'_>,
        identity: Option<&Identity>,
        session: &[Policy],
        same_account: bool,
    ) -> Layers {
        let caller = ask.caller;
        let boundary = identity.and_then(|identity| identity.boundary.as_deref());
        let mut limits = Vec::new();
        if let Some(policy) = boundary {
            limits.push(Weight::of(Layer::Boundary, &policy.name, [policy], ask));
        }
        if !session.is_empty() {
            limits.push(Weight::of(Layer::Session, &caller.arn, session, ask));
        }
        Layers {
            identity: own(ask, identity),
            limits,
            resource: self.resource(ask, same_account),
            service_control: self.service_control(ask),
            resource_control: self.resource_control(ask),
            gated: matches!(ask.service(), "kms" | "sts"),
            same_account,
        }
    }

    fn resource(&self, ask: &Ask<'_>, same_account: bool) -> Weight {
        let about = ask.resource;
        match self.hung(ask.service(), about, same_account) {
            Hung::Policy(policy) => Weight::of(Layer::Resource, &policy.name, [policy], ask),
            Hung::Nothing => Weight::silent(Layer::Resource, about),
            Hung::Unknown(why) => Weight::unknown(Layer::Resource, about, why),
        }
    }

    fn service_control(&self, ask: &Ask<'_>) -> Vec<Weight> {
        let levels = self.service_control.get(&ask.caller.account);
        let levels = levels.filter(|_| !ask.caller.is_service_linked());
        let weigh = |(at, policies): (usize, &Vec<Policy>)| {
            let about = format!("level {} of the path to {}", at + 1, ask.caller.account);
            if policies.is_empty() {
                let why = "no policy was given, though one is always attached";
                return Weight::unknown(Layer::ServiceControl, &about, why);
            }
            Weight::of(Layer::ServiceControl, &about, policies, ask)
        };
        levels
            .into_iter()
            .flatten()
            .enumerate()
            .map(weigh)
            .collect()
    }

    fn resource_control(&self, ask: &Ask<'_>) -> Vec<Weight> {
        let levels = ask
            .resource_account
            .and_then(|a| self.resource_control.get(a));
        let levels = levels.filter(|_| !ask.caller.is_service_linked());
        let bound = RESOURCE_CONTROLLED.contains(&ask.service());
        let weigh = |policies: &Vec<Policy>| {
            let mut weight = Weight::of(Layer::ResourceControl, ask.resource, policies, ask);
            if !bound && weight.deny != Truth::No {
                weight.deny = Truth::Maybe;
                let why = format!("whether such policies bind {} is not known", ask.service());
                let denies = std::mem::take(&mut weight.denies);
                weight
                    .deny_doubts
                    .extend(denies.into_iter().map(|cited| Doubt {
                        cited,
                        why: why.clone(),
                    }));
            }
            weight
        };
        levels.into_iter().flatten().map(weigh).collect()
    }
}

/// What the principal's own policies say.
fn own(ask: &Ask<'_>, identity: Option<&Identity>) -> Weight {
    let Caller { arn, kind, .. } = ask.caller;
    match (identity, kind) {
        (Some(identity), _) => {
            let policies = identity.policies.iter().map(|policy| &**policy);
            Weight::of(Layer::Identity, arn, policies, ask)
        }
        (None, Kind::Root) => {
            let mut weight = Weight::silent(Layer::Identity, arn);
            weight.allow.direct = Truth::Yes;
            weight.allows.push(weight.whole.clone());
            weight
        }
        (None, _) => {
            let why = "the principal is not among the identities that are known";
            Weight::unknown(Layer::Identity, arn, why)
        }
    }
}

impl Layers {
    fn all(&self) -> impl Iterator<Item = &Weight> {
        [&self.identity, &self.resource]
            .into_iter()
            .chain(&self.limits)
            .chain(&self.service_control)
            .chain(&self.resource_control)
    }

    fn limits(&self) -> Truth {
        Truth::all(self.limits.iter().map(|limit| limit.allow.at_all()))
    }

    /// Whether identity and resource policies, within the limits, grant it.
    fn granted(&self) -> Truth {
        let limits = self.limits();
        let by_identity = self.identity.allow.at_all().and(limits);
        let named = self.resource.allow;
        if !self.same_account {
            return by_identity.and(named.at_all());
        }
        let by_identity = if self.gated {
            by_identity.and(named.at_all())
        } else {
            by_identity
        };
        // A grant to the user or the session itself is bound by no limit, one to the role is.
        // For one to everyone the guide leaves it open.
        let everyone = named.everyone.and(limits.or(Truth::Maybe));
        Truth::any([by_identity, named.direct, named.role.and(limits), everyone])
    }

    fn controlled(&self) -> Truth {
        Truth::all(self.service_control.iter().map(|w| w.allow.at_all()))
    }

    pub(crate) fn answer(&self) -> Answer {
        let deny = Truth::any(self.all().map(|weight| weight.deny));
        if deny == Truth::Yes {
            let by: Vec<Cited> = self.all().flat_map(|w| w.denies.clone()).collect();
            return Answer {
                statements: by.clone(),
                verdict: Verdict::Denied { by, explicit: true },
            };
        }
        let verdict = match (self.granted().and(self.controlled()), deny) {
            (Truth::No, _) => Verdict::Denied {
                by: self.lacking(),
                explicit: false,
            },
            (Truth::Yes, Truth::No) => Verdict::Allowed,
            (granted, _) => Verdict::Undecidable {
                because: self.doubts(granted),
            },
        };
        let mut statements: Vec<Cited> = self
            .counted()
            .flat_map(|weight| weight.allows.clone())
            .collect();
        statements.sort();
        statements.dedup();
        Answer {
            verdict,
            statements,
        }
    }

    /// The layers whose allows count.
    fn counted(&self) -> impl Iterator<Item = &Weight> {
        [&self.identity, &self.resource]
            .into_iter()
            .chain(&self.limits)
            .chain(&self.service_control)
    }

    /// The layers in which nothing allows.
    fn lacking(&self) -> Vec<Cited> {
        let no = |weight: &&Weight| weight.allow.at_all() == Truth::No;
        let lacking: Vec<Cited> = self.counted().filter(no).map(|w| w.whole.clone()).collect();
        if lacking.is_empty() {
            // The resource's policy allows, but not in a form that is enough here.
            return vec![self.resource.whole.clone()];
        }
        lacking
    }

    fn doubts(&self, granted: Truth) -> Vec<Doubt> {
        let denials = self.all().flat_map(|weight| &weight.deny_doubts);
        let mut doubts: Vec<Doubt> = denials.cloned().collect();
        if granted == Truth::Maybe {
            doubts.extend(
                self.counted()
                    .flat_map(|weight| weight.allow_doubts.clone()),
            );
        }
        if doubts.is_empty() {
            doubts.push(Doubt {
                cited: self.resource.whole.clone(),
                why: "how far its policy grants it to this principal".to_owned(),
            });
        }
        doubts.sort();
        doubts.dedup();
        doubts
    }
}
