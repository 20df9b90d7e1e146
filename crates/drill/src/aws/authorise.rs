//! Who is calling, and whether the policies let them.

use jiff::Timestamp;

use super::condition::{Context, PolicyError};
use super::directory::{Foreigner, Session, Snapshot};
use super::operation::Operation;
use super::policy::{Asked, Trust, Verdict, evaluate, trusts};
use super::refusal::Refusal;
use super::service::Service;
use crate::config::{ACCOUNT, MANAGEMENT_ACCOUNT, Network};

/// An authenticated caller.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) key_id: String,
    pub(crate) account: &'static str,
    pub(crate) who: Who,
}

/// What kind of principal calls.
#[derive(Clone)]
pub(crate) enum Who {
    /// An IAM user with a long-term key.
    User { name: String, id: String },
    /// A session of a role.
    Session {
        role: String,
        role_id: String,
        name: String,
        issued: Timestamp,
    },
    /// A user of the management account.
    Foreigner(Foreigner),
}

impl Caller {
    /// The caller as `GetCallerIdentity`, records and refusals name it.
    pub(crate) fn arn(&self) -> String {
        let account = self.account;
        match &self.who {
            Who::User { name, .. } => format!("arn:aws:iam::{account}:user/{name}"),
            Who::Session { role, name, .. } => {
                format!("arn:aws:sts::{account}:assumed-role/{role}/{name}")
            }
            Who::Foreigner(user) => format!("arn:aws:iam::{account}:user/{}", user.user),
        }
    }

    /// The value of `aws:PrincipalArn`: for sessions the role, not the session.
    pub(crate) fn principal_arn(&self) -> String {
        match &self.who {
            Who::Session { role, .. } => format!("arn:aws:iam::{}:role/{role}", self.account),
            _ => self.arn(),
        }
    }

    /// The unique id, as `GetCallerIdentity` and records show it.
    pub(crate) fn user_id(&self) -> String {
        match &self.who {
            Who::User { id, .. } => id.clone(),
            Who::Session { role_id, name, .. } => format!("{role_id}:{name}"),
            Who::Foreigner(user) => user.user_id.clone(),
        }
    }

    /// A session as its caller, if its role still exists.
    pub(crate) fn of_session(key_id: &str, session: &Session, snapshot: &Snapshot) -> Option<Self> {
        let role = snapshot.iam.roles.get(&session.role)?;
        Some(Self {
            key_id: key_id.to_owned(),
            account: ACCOUNT,
            who: Who::Session {
                role: session.role.clone(),
                role_id: role.role_id.clone(),
                name: session.name.clone(),
                issued: session.issued,
            },
        })
    }

    fn context(&self, network: Network) -> Context {
        let mut context = Context::new();
        let mut set = |key: &str, value: String| context.insert(key.to_owned(), value);
        set("aws:principalarn", self.principal_arn());
        set("aws:principalaccount", self.account.to_owned());
        set("aws:userid", self.user_id());
        set("aws:sourceip", network.address().to_owned());
        set("aws:securetransport", "false".to_owned());
        match &self.who {
            Who::User { name, .. } => {
                set("aws:username", name.clone());
                set("aws:principaltype", "User".to_owned());
            }
            Who::Foreigner(user) => {
                set("aws:username", user.user.clone());
                set("aws:principaltype", "User".to_owned());
            }
            Who::Session { issued, .. } => {
                set(
                    "aws:tokenissuetime",
                    issued.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                );
                set("aws:principaltype", "AssumedRole".to_owned());
            }
        }
        context
    }
}

/// Whether the caller may do the operation; if not, AWS's sentence for it.
pub(crate) fn authorise(
    caller: &Caller,
    op: &Operation,
    network: Network,
    snapshot: &Snapshot,
) -> Result<(), Refusal> {
    let context = caller.context(network);
    if op.service == Service::Sts && op.name == "AssumeRole" {
        return may_assume(caller, op, &context, snapshot);
    }
    for (action, resource) in &op.needs {
        decide(caller, action, resource, &context, snapshot)?;
        refuse_member(caller, op, action)?;
    }
    Ok(())
}

/// Only the management account may manage the organization.
fn refuse_member(caller: &Caller, op: &Operation, action: &str) -> Result<(), Refusal> {
    let open = matches!(op.name.as_str(), "DescribeOrganization");
    if op.service == Service::Organizations && caller.account == ACCOUNT && !open {
        return Err(Refusal::Denied(format!(
            "You don't have permissions to access this resource: {action} is for the management account."
        )));
    }
    if op.service != Service::Organizations
        && op.service != Service::Sts
        && caller.account == MANAGEMENT_ACCOUNT
    {
        return Err(denied(
            caller,
            action,
            "*",
            "because no identity-based policy allows it in this account",
        ));
    }
    Ok(())
}

fn decide(
    caller: &Caller,
    action: &str,
    resource: &str,
    context: &Context,
    snapshot: &Snapshot,
) -> Result<(), Refusal> {
    let asked = Asked {
        action,
        resource,
        context,
    };
    let say = |why: &str| denied(caller, action, resource, why);
    let broken = |error: PolicyError| say(&format!("because a policy cannot be read: {error}"));
    if caller.account == ACCOUNT {
        for level in service_control(snapshot) {
            match combine(&level, &asked).map_err(broken)? {
                Verdict::Deny => {
                    return Err(say("with an explicit deny in a service control policy"));
                }
                Verdict::Silent if !level.is_empty() => {
                    return Err(say(&format!(
                        "because no service control policy allows the {action} action"
                    )));
                }
                Verdict::Allow | Verdict::Silent => {}
            }
        }
    }
    match combine(&identity_policies(caller, snapshot), &asked).map_err(broken)? {
        Verdict::Deny => Err(say("with an explicit deny in an identity-based policy")),
        Verdict::Silent => Err(say(&format!(
            "because no identity-based policy allows the {action} action"
        ))),
        Verdict::Allow => match boundary(caller, snapshot) {
            None => Ok(()),
            Some(document) => match evaluate(&document, &asked).map_err(broken)? {
                Verdict::Allow => Ok(()),
                Verdict::Deny => Err(say("with an explicit deny in a permissions boundary")),
                Verdict::Silent => Err(say(&format!(
                    "because no permissions boundary allows the {action} action"
                ))),
            },
        },
    }
}

fn denied(caller: &Caller, action: &str, resource: &str, why: &str) -> Refusal {
    Refusal::Denied(format!(
        "User: {} is not authorized to perform: {action} on resource: {resource} {why}",
        caller.arn()
    ))
}

fn may_assume(
    caller: &Caller,
    op: &Operation,
    context: &Context,
    snapshot: &Snapshot,
) -> Result<(), Refusal> {
    let arn = op.text("RoleArn").unwrap_or_default();
    let say = || denied(caller, "sts:AssumeRole", arn, "");
    let role = arn
        .rsplit('/')
        .next()
        .and_then(|name| snapshot.iam.roles.get(name))
        .ok_or_else(say)?;
    let trust = trusts(
        &role.assume_role_policy_document,
        &caller.principal_arn(),
        ACCOUNT,
        context,
    )
    .map_err(|_| say())?;
    match (
        trust,
        decide(caller, "sts:AssumeRole", arn, context, snapshot),
    ) {
        (Trust::No, _) => Err(say()),
        (_, Ok(())) => Ok(()),
        // Named in the trust policy: silence elsewhere is enough, a deny is not.
        (Trust::ByName, Err(Refusal::Denied(text))) if !text.contains("explicit deny") => Ok(()),
        (_, Err(refusal)) => Err(refusal),
    }
}

fn combine(documents: &[String], asked: &Asked<'_>) -> Result<Verdict, PolicyError> {
    let mut verdict = Verdict::Silent;
    for document in documents {
        match evaluate(document, asked)? {
            Verdict::Deny => return Ok(Verdict::Deny),
            Verdict::Allow => verdict = Verdict::Allow,
            Verdict::Silent => {}
        }
    }
    Ok(verdict)
}

/// The service control policies at the root, at each unit above the account, and at the account.
fn service_control(snapshot: &Snapshot) -> Vec<Vec<String>> {
    let organization = &snapshot.organization;
    let mut targets = vec![ACCOUNT.to_owned()];
    let mut at = organization
        .accounts
        .get(ACCOUNT)
        .map(|account| account.parent_id.clone());
    while let Some(id) = at {
        at = organization.ous.get(&id).map(|unit| unit.parent_id.clone());
        targets.push(id);
    }
    targets
        .iter()
        .map(|target| {
            organization
                .policy_attachments
                .iter()
                .filter(|attachment| attachment.target_id == *target)
                .filter_map(|attachment| organization.policies.get(&attachment.policy_id))
                .filter(|policy| policy.policy_type == "SERVICE_CONTROL_POLICY")
                .map(|policy| policy.content.clone())
                .collect()
        })
        .collect()
}

fn identity_policies(caller: &Caller, snapshot: &Snapshot) -> Vec<String> {
    let iam = &snapshot.iam;
    let managed = |arn: &String| iam.policies.get(arn).map(|policy| policy.document.clone());
    let mut documents = Vec::new();
    let mut add = |inline: &[winterbaume_iam::views::InlinePolicyView],
                   attached: &[winterbaume_iam::views::AttachedPolicyView]| {
        documents.extend(inline.iter().map(|policy| policy.policy_document.clone()));
        documents.extend(
            attached
                .iter()
                .filter_map(|policy| managed(&policy.policy_arn)),
        );
    };
    match &caller.who {
        Who::User { name, .. } => {
            if let Some(user) = iam.users.get(name) {
                add(&user.inline_policies, &user.attached_policies);
            }
            for group in iam
                .groups
                .values()
                .filter(|group| group.members.contains(name))
            {
                add(&group.inline_policies, &group.attached_policies);
            }
        }
        Who::Session { role, .. } => {
            if let Some(role) = iam.roles.get(role) {
                add(&role.inline_policies, &role.attached_policies);
            }
        }
        Who::Foreigner(user) => documents.push(user.policy.clone()),
    }
    documents
}

fn boundary(caller: &Caller, snapshot: &Snapshot) -> Option<String> {
    let iam = &snapshot.iam;
    let arn = match &caller.who {
        Who::User { name, .. } => iam.users.get(name)?.permissions_boundary.clone()?,
        Who::Session { role, .. } => iam.roles.get(role)?.permissions_boundary.clone()?,
        Who::Foreigner(_) => return None,
    };
    iam.policies.get(&arn).map(|policy| policy.document.clone())
}
