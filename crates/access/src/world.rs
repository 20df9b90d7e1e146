//! What is known of accounts, resources and the organization.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::arn::Arn;
use crate::parse::{self, Shape};
use crate::policy::Policy;
use crate::principal::{Caller, Kind};

/// Something in the input that could not be read. What hangs on it is not decided.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fault {
    /// The policy, identity or page.
    pub about: String,
    /// What is wrong with it.
    pub why: String,
}

/// A user or a role.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) arn: String,
    pub(crate) id: Option<String>,
    /// Names in lower case: keys of the context are not case-sensitive.
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) policies: Vec<Arc<Policy>>,
    pub(crate) boundary: Option<Arc<Policy>>,
    /// A role's trust policy.
    pub(crate) trust: Option<Arc<Policy>>,
}

/// The policy of a resource.
pub(crate) enum Hung<'a> {
    Policy(&'a Policy),
    /// There is none.
    Nothing,
    Unknown(&'static str),
}

/// The policies attached along the path from the organization's root to an account: one list a
/// level.
pub(crate) type Levels = Vec<Vec<Policy>>;

/// What is known: identities, resource policies, and the organization's policies.
///
/// An account without service or resource control policies here is decided as if it had none,
/// which can only widen; [`crate::Reach`] lists such accounts as blind spots.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// By ARN.
    pub(crate) users: BTreeMap<String, Identity>,
    /// By account and name: sessions do not tell a role's path.
    pub(crate) roles: BTreeMap<(String, String), Identity>,
    /// `None`: the resource has no policy.
    resources: BTreeMap<String, Option<Policy>>,
    /// Services of which every resource policy was given.
    complete: BTreeSet<String>,
    pub(crate) service_control: BTreeMap<String, Levels>,
    pub(crate) resource_control: BTreeMap<String, Levels>,
    pub(crate) faults: Vec<Fault>,
    /// Identities are missing: what is not found may yet be there.
    pub(crate) incomplete: bool,
}

impl World {
    /// Nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything in the input so far that could not be read.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The policy of a secret, KMS key, bucket (`arn:aws:s3:::name`) or function, as JSON text. One that cannot be
    /// read is kept, as a [`Fault`]: questions on its resource are not decided.
    pub fn set_resource_policy(&mut self, resource: &str, policy: &str) {
        let name = format!("policy of {resource}");
        let policy = self.noted(parse::policy_text(name, policy, Shape::Resource));
        self.resources.insert(resource.to_owned(), Some(policy));
    }

    /// The resource is known to have no policy.
    pub fn set_no_resource_policy(&mut self, resource: &str) {
        self.resources.insert(resource.to_owned(), None);
    }

    /// Every resource policy of the service (`secretsmanager`, `s3` …) was given: other resources
    /// of it have none. Without this they are not known.
    pub fn set_resource_policies_complete(&mut self, service: &str) {
        self.complete.insert(service.to_ascii_lowercase());
    }

    /// The service control policies on the path to an account: one list a level, from the root,
    /// each of names and JSON texts. Every level must allow. Not for a management account, which
    /// they do not bind.
    pub fn set_service_control_policies(
        &mut self,
        account: &str,
        levels: &[Vec<(String, String)>],
    ) {
        let levels = self.levels(levels, Shape::Identity);
        self.service_control.insert(account.to_owned(), levels);
    }

    /// The resource control policies on the path to an account. Only what they deny counts:
    /// every level always carries one that allows all.
    pub fn set_resource_control_policies(
        &mut self,
        account: &str,
        levels: &[Vec<(String, String)>],
    ) {
        let levels = self.levels(levels, Shape::ResourceControl);
        self.resource_control.insert(account.to_owned(), levels);
    }

    /// The ARNs of all users and roles that are known.
    pub fn principals(&self) -> impl Iterator<Item = &str> {
        let roles = self.roles.values().map(|role| role.arn.as_str());
        self.users.keys().map(String::as_str).chain(roles)
    }

    fn levels(&mut self, levels: &[Vec<(String, String)>], shape: Shape) -> Levels {
        let mut read = |(name, text): &(String, String)| {
            self.noted(parse::policy_text(name.clone(), text, shape))
        };
        levels
            .iter()
            .map(|level| level.iter().map(&mut read).collect())
            .collect()
    }

    /// Notes down why a policy could not be read.
    pub(crate) fn noted(&mut self, policy: Policy) -> Policy {
        if let Err(why) = &policy.statements {
            self.faults.push(Fault {
                about: policy.name.clone(),
                why: why.clone(),
            });
        }
        policy
    }

    /// The identity behind a caller, and the caller with what is known of it.
    pub(crate) fn know(&self, mut caller: Caller) -> (Caller, Option<&Identity>) {
        let identity = match caller.kind {
            Kind::User => self.users.get(&caller.arn),
            Kind::Session => self
                .roles
                .get(&(caller.account.clone(), caller.name.clone()))
                .filter(|role| {
                    caller
                        .identity_arn
                        .as_ref()
                        .is_none_or(|arn| *arn == role.arn)
                }),
            Kind::Root | Kind::Other => None,
        };
        if let Some(identity) = identity {
            caller.identity_arn = Some(identity.arn.clone());
            caller.id.clone_from(&identity.id);
            caller.tags = Some(identity.tags.clone());
        }
        (caller, identity)
    }

    /// A role by its ARN.
    pub(crate) fn role(&self, arn: &str) -> Option<&Identity> {
        let caller = Caller::parse(arn)?;
        let role = self.roles.get(&(caller.account, caller.name))?;
        (role.arn == arn).then_some(role)
    }

    /// The policy that hangs on a resource.
    pub(crate) fn hung(&self, service: &str, resource: &str, same_account: bool) -> Hung<'_> {
        if let Some(trust) = self.role(resource).and_then(|role| role.trust.as_deref())
            && service == "sts"
        {
            return Hung::Policy(trust);
        }
        match self.resources.get(holder(resource)) {
            Some(Some(policy)) => return Hung::Policy(policy),
            Some(None) => return Hung::Nothing,
            None => {}
        }
        match service {
            _ if resource == "*" || self.complete.contains(service) => Hung::Nothing,
            // Definitions of tasks have no policies; those of parameters only share with others.
            "ecs" => Hung::Nothing,
            "ssm" if same_account => Hung::Nothing,
            "sts" => Hung::Unknown("the role's trust policy is not known"),
            "kms" => Hung::Unknown("the key's policy is not known"),
            _ => Hung::Unknown("the resource's policy is not known"),
        }
    }
}

/// What a resource's policy hangs on: an object's is its bucket's.
fn holder(resource: &str) -> &str {
    match Arn::parse(resource) {
        Some(arn) if arn.service == "s3" && arn.account.is_empty() => {
            let end = arn.resource.find('/').unwrap_or(arn.resource.len());
            &resource[..resource.len() - arn.resource.len() + end]
        }
        _ => resource,
    }
}
