//! The organization, users and roles of a scenario, made past the gatekeeper.

use std::fmt::Write as _;

use serde_json::{Value, json};
use winterbaume_core::StatefulService;
use winterbaume_organizations::views::{OrgPolicyView, PolicyAttachmentView};

use super::containers::{DATA_BUCKET, buckets};
use super::model::Scenario;
use crate::aws::{Foreigner, Gatekeeper, KeyPair, Service, xml_text};
use crate::config::{ACCOUNT, HOME_REGION, MANAGEMENT_ACCOUNT};
use crate::error::RangeError;
use crate::random;

/// The role that workloads run as.
pub(crate) const RUNTIME_ROLE: &str = "app-runtime";
/// The responder's user in the member account.
const RESPONDER: &str = "break-glass-responder";
/// The id of the policy that lets everything through in an organization.
const FULL_ACCESS: &str = "p-FullAWSAccess";

/// Identities that seeding made.
pub(crate) struct Seeded {
    pub(crate) responder: KeyPair,
    pub(crate) management: KeyPair,
}

/// Builds organization, identities, buckets and the trail.
pub(crate) async fn seed(gate: &Gatekeeper, scenario: &Scenario) -> Result<Seeded, RangeError> {
    organization(gate).await?;
    buckets(gate).await?;
    roles(gate, scenario).await?;
    user(gate, RESPONDER, &document(&[allow(&["*"], &["*"])])).await?;
    let responder = access_key(gate, RESPONDER).await?;
    Ok(Seeded {
        responder,
        management: management(gate),
    })
}

fn allow(actions: &[&str], resources: &[&str]) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resources})
}

fn document(statements: &[Value]) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn management(gate: &Gatekeeper) -> KeyPair {
    let pair = KeyPair {
        id: random::aws_id("AKIA", 16),
        secret: random::alphanumeric(40),
        token: None,
    };
    let foreigner = Foreigner {
        account: MANAGEMENT_ACCOUNT,
        user: "org-responder".to_owned(),
        user_id: random::aws_id("AIDA", 17),
        secret: pair.secret.clone(),
        policy: document(&[allow(&["organizations:*", "sts:*"], &["*"])]),
    };
    gate.directory.add_foreigner(&pair.id, foreigner);
    pair
}

/// An IAM call on the admin path.
async fn iam(
    gate: &Gatekeeper,
    action: &str,
    params: &[(&str, &str)],
) -> Result<String, RangeError> {
    let mut body = format!("Action={action}");
    for (name, value) in params {
        let _ = write!(body, "&{name}={}", crate::aws::encode(value, true));
    }
    gate.admin(Service::Iam, HOME_REGION, "POST", "/", None, body)
        .await
}

pub(super) async fn call(
    gate: &Gatekeeper,
    service: Service,
    region: &str,
    action: &str,
    input: Value,
) -> Result<String, RangeError> {
    gate.admin(
        service,
        region,
        "POST",
        "/",
        Some(action),
        input.to_string(),
    )
    .await
}

/// Makes a user with one inline policy.
async fn user(gate: &Gatekeeper, name: &str, policy: &str) -> Result<(), RangeError> {
    iam(gate, "CreateUser", &[("UserName", name)]).await?;
    let params = [
        ("UserName", name),
        ("PolicyName", "access"),
        ("PolicyDocument", policy),
    ];
    iam(gate, "PutUserPolicy", &params).await?;
    Ok(())
}

/// Makes a workload's user, or the deployer's if it is the stolen one.
pub(crate) async fn workload_user(
    gate: &Gatekeeper,
    scenario: &Scenario,
    name: &str,
) -> Result<KeyPair, RangeError> {
    let policy = if name == scenario.stolen_user {
        deployer_policy(scenario)
    } else {
        let bucket = format!("arn:aws:s3:::{DATA_BUCKET}");
        let objects = format!("{bucket}/*");
        let actions = ["s3:ListBucket", "s3:GetObject", "s3:PutObject"];
        document(&[allow(&actions, &[&bucket, &objects])])
    };
    user(gate, name, &policy).await?;
    access_key(gate, name).await
}

/// What the deployment user may do: far too much, as such users do.
fn deployer_policy(scenario: &Scenario) -> String {
    document(&[
        allow(
            &[
                "secretsmanager:ListSecrets",
                "secretsmanager:DescribeSecret",
                "ssm:DescribeParameters",
                "lambda:List*",
                "lambda:Get*",
                "iam:List*",
                "iam:Get*",
                "iam:CreateAccessKey",
                "s3:ListAllMyBuckets",
                "s3:ListBucket",
                "s3:GetObject",
            ],
            &["*"],
        ),
        allow(
            &["secretsmanager:GetSecretValue"],
            &["arn:aws:secretsmanager:*:*:secret:prod/*"],
        ),
        allow(
            &["ssm:GetParameter", "ssm:GetParameters"],
            &["arn:aws:ssm:*:*:parameter/prod/*"],
        ),
        allow(
            &["sts:AssumeRole"],
            &[&format!("arn:aws:iam::{ACCOUNT}:role/{}", scenario.role)],
        ),
    ])
}

async fn access_key(gate: &Gatekeeper, user: &str) -> Result<KeyPair, RangeError> {
    let xml = iam(gate, "CreateAccessKey", &[("UserName", user)]).await?;
    let text = |tag| xml_text(&xml, tag).unwrap_or_default().to_owned();
    Ok(KeyPair {
        id: text("AccessKeyId"),
        secret: text("SecretAccessKey"),
        token: None,
    })
}

async fn role(
    gate: &Gatekeeper,
    name: &str,
    principal: Value,
    statement: Value,
) -> Result<(), RangeError> {
    let trust =
        document(&[json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})]);
    let params = [
        ("RoleName", name),
        ("AssumeRolePolicyDocument", trust.as_str()),
    ];
    iam(gate, "CreateRole", &params).await?;
    let policy = document(&[statement]);
    let params = [
        ("RoleName", name),
        ("PolicyName", "access"),
        ("PolicyDocument", policy.as_str()),
    ];
    iam(gate, "PutRolePolicy", &params).await?;
    Ok(())
}

async fn roles(gate: &Gatekeeper, scenario: &Scenario) -> Result<(), RangeError> {
    let reading = [
        "secretsmanager:GetSecretValue",
        "secretsmanager:ListSecrets",
        "ssm:GetParameter",
        "s3:ListBucket",
        "s3:GetObject",
    ];
    let services = json!({"Service": ["lambda.amazonaws.com", "ec2.amazonaws.com"]});
    role(gate, RUNTIME_ROLE, services, allow(&reading, &["*"])).await?;
    let members = json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:root")});
    let data = [
        "arn:aws:secretsmanager:*:*:secret:data/*",
        "arn:aws:ssm:*:*:parameter/data/*",
    ];
    role(gate, scenario.role, members, allow(&reading[..3], &data)).await
}

/// One organization with a management account beside the emulated one. The emulator knows
/// one account only, so its state is prepared by hand.
async fn organization(gate: &Gatekeeper) -> Result<(), RangeError> {
    let service = Service::Organizations;
    call(
        gate,
        service,
        HOME_REGION,
        "CreateOrganization",
        json!({"FeatureSet": "ALL"}),
    )
    .await?;
    let mut view = gate.cloud.organization().await;
    if let Some(organization) = &mut view.organization {
        MANAGEMENT_ACCOUNT.clone_into(&mut organization.master_account_id);
        organization.arn = organization.arn.replace(ACCOUNT, MANAGEMENT_ACCOUNT);
        "org@braintrust.example".clone_into(&mut organization.master_account_email);
    }
    if let Some(member) = view.accounts.get_mut(ACCOUNT) {
        let mut master = member.clone();
        MANAGEMENT_ACCOUNT.clone_into(&mut master.id);
        master.arn = master.arn.replace(ACCOUNT, MANAGEMENT_ACCOUNT);
        "braintrust-production".clone_into(&mut member.name);
        "production@braintrust.example".clone_into(&mut member.email);
        member.arn = member
            .arn
            .replace(&format!("::{ACCOUNT}"), &format!("::{MANAGEMENT_ACCOUNT}"));
        view.accounts.insert(MANAGEMENT_ACCOUNT.to_owned(), master);
    }
    let root = view
        .root
        .as_ref()
        .map(|root| root.id.clone())
        .unwrap_or_default();
    view.policies.insert(
        FULL_ACCESS.to_owned(),
        OrgPolicyView {
            id: FULL_ACCESS.to_owned(),
            arn: format!("arn:aws:organizations::aws:policy/service_control_policy/{FULL_ACCESS}"),
            name: "FullAWSAccess".to_owned(),
            description: "Allows access to every operation".to_owned(),
            policy_type: "SERVICE_CONTROL_POLICY".to_owned(),
            content: document(&[allow(&["*"], &["*"])]),
            aws_managed: true,
        },
    );
    for target in [root.as_str(), ACCOUNT, MANAGEMENT_ACCOUNT] {
        view.policy_attachments.push(PolicyAttachmentView {
            policy_id: FULL_ACCESS.to_owned(),
            target_id: target.to_owned(),
        });
    }
    gate.cloud
        .organizations
        .restore(ACCOUNT, HOME_REGION, view)
        .await
        .map_err(|source| RangeError::Restore {
            what: "Organizations",
            source,
        })?;
    let enable = json!({"RootId": root, "PolicyType": "SERVICE_CONTROL_POLICY"});
    if let Err(error) = call(gate, service, HOME_REGION, "EnablePolicyType", enable).await {
        tracing::debug!(%error, "the policy type was enabled already");
    }
    gate.directory.note_now(&gate.cloud).await;
    Ok(())
}
