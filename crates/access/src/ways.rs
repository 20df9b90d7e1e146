//! By which calls the value of a place comes out.
//!
//! Facts, each from the service's "Actions, resources, and condition keys" and API pages:
//! BatchGetSecretValue asks for GetSecretValue on each secret besides; GetParametersByPath gives
//! all below a path, also what is denied by name; ListFunctions, ListVersionsByFunction and the
//! calls that change a function answer with its environment; DescribeTaskDefinition takes no
//! resource; ReEncrypt moves what a key encrypted to a key of the caller's choice; keys that AWS
//! manages serve only their own account, and all of it.

use serde::{Deserialize, Serialize};

use crate::arn::Arn;
use crate::context::Context;

/// What kind of place holds the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlaceKind {
    /// A secret in Secrets Manager.
    SecretsManager,
    /// A parameter of Systems Manager.
    Ssm,
    /// The environment of a Lambda function.
    LambdaEnvironment,
    /// The environment in a task definition of ECS.
    EcsTaskDefinition,
    /// A KMS key: what it encrypted, found elsewhere.
    Kms,
    /// An object in a bucket.
    S3Object,
}

/// With what the place is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encryption {
    /// Nothing that the reader must be let through by (a parameter of type `String`, S3's keys).
    None,
    /// A key that AWS manages (`aws/secretsmanager`, `aws/ssm` …).
    AwsManaged,
    /// A customer-managed key, by its ARN.
    Key(String),
    /// Not known.
    Unknown,
}

/// A place whose value may be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Its ARN.
    pub arn: String,
    /// Its kind.
    pub kind: PlaceKind,
    /// With what it is encrypted.
    pub encryption: Encryption,
    /// The account that owns it, where the ARN does not tell (buckets).
    pub account: Option<String>,
}

/// One call that gives the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Way {
    /// As written in policies.
    pub(crate) action: &'static str,
    pub(crate) resource: String,
    /// The call answers only for the caller's own account.
    pub(crate) at_home: bool,
}

impl Place {
    /// The account that owns the place, where known.
    pub(crate) fn owner(&self) -> Option<&str> {
        let stated = Arn::parse(&self.arn).map(|arn| arn.account);
        stated.filter(|a| !a.is_empty()).or(self.account.as_deref())
    }

    /// The call that is made for it by those who have no reason to hide.
    pub(crate) fn plain_way(&self) -> Way {
        let action = match self.kind {
            PlaceKind::SecretsManager => "secretsmanager:GetSecretValue",
            PlaceKind::Ssm => "ssm:GetParameter",
            PlaceKind::LambdaEnvironment => "lambda:GetFunctionConfiguration",
            PlaceKind::EcsTaskDefinition => "ecs:DescribeTaskDefinition",
            PlaceKind::Kms => "kms:Decrypt",
            PlaceKind::S3Object => "s3:GetObject",
        };
        let of_all = self.kind == PlaceKind::EcsTaskDefinition;
        Way {
            action,
            resource: if of_all {
                "*".to_owned()
            } else {
                self.arn.clone()
            },
            at_home: of_all,
        }
    }

    /// Every call that gives the value, as written in policies, with the resource that it is
    /// decided on.
    pub fn calls(&self) -> Vec<(&'static str, String)> {
        let ways = self.ways().into_iter();
        ways.map(|way| (way.action, way.resource)).collect()
    }

    /// Every way to the value.
    pub(crate) fn ways(&self) -> Vec<Way> {
        let named = |action| Way {
            action,
            resource: self.arn.clone(),
            at_home: false,
        };
        let listed = |action| Way {
            action,
            resource: "*".to_owned(),
            at_home: true,
        };
        // Who asks for a version by name is checked against the name with the version.
        let qualified = |action| Way {
            action,
            resource: format!("{}:$LATEST", self.arn),
            at_home: false,
        };
        match self.kind {
            PlaceKind::SecretsManager => vec![named("secretsmanager:GetSecretValue")],
            PlaceKind::Ssm => {
                let mut ways = vec![
                    named("ssm:GetParameter"),
                    named("ssm:GetParameters"),
                    named("ssm:GetParameterHistory"),
                ];
                ways.extend(paths(&self.arn).into_iter().map(|resource| Way {
                    action: "ssm:GetParametersByPath",
                    resource,
                    at_home: true,
                }));
                ways
            }
            PlaceKind::LambdaEnvironment => vec![
                named("lambda:GetFunctionConfiguration"),
                named("lambda:GetFunction"),
                qualified("lambda:GetFunctionConfiguration"),
                qualified("lambda:GetFunction"),
                named("lambda:ListVersionsByFunction"),
                listed("lambda:ListFunctions"),
                named("lambda:UpdateFunctionConfiguration"),
                named("lambda:UpdateFunctionCode"),
                named("lambda:PublishVersion"),
            ],
            PlaceKind::EcsTaskDefinition => vec![
                listed("ecs:DescribeTaskDefinition"),
                listed("ecs:DeregisterTaskDefinition"),
            ],
            PlaceKind::Kms => vec![named("kms:Decrypt"), named("kms:ReEncryptFrom")],
            PlaceKind::S3Object => vec![named("s3:GetObject"), named("s3:GetObjectVersion")],
        }
    }

    /// What is known of the request by which the service decrypts for the caller.
    pub(crate) fn decrypting(&self, context: &Context) -> Context {
        let Some(arn) = Arn::parse(&self.arn) else {
            return Context::unknown();
        };
        let mut context = context
            .clone()
            .forget("aws:SourceIp")
            .forget("aws:SourceVpc")
            .forget("aws:SourceVpce")
            .forget("aws:VpcSourceIp")
            .forget("aws:CalledVia")
            .forget("aws:CalledViaFirst")
            .forget("aws:CalledViaLast")
            .forget("aws:ResourceAccount")
            .with("aws:ViaAWSService", ["true"]);
        if arn.partition == "aws" && !arn.region.is_empty() {
            let via = format!("{}.{}.amazonaws.com", arn.service, arn.region);
            context = context.with("kms:ViaService", [via]);
        }
        match self.kind {
            PlaceKind::SecretsManager => {
                context.with("kms:EncryptionContext:SecretARN", [&self.arn])
            }
            PlaceKind::Ssm => context.with("kms:EncryptionContext:PARAMETER_ARN", [&self.arn]),
            _ => context,
        }
    }
}

/// The paths above a parameter, as resources, with and without a slash at the end: the caller
/// writes either.
fn paths(arn: &str) -> Vec<String> {
    let Some(start) = arn.find(":parameter/").map(|at| at + ":parameter/".len()) else {
        return Vec::new();
    };
    let name = &arn[start..];
    let mut paths = vec![arn[..start].to_owned()];
    for (slash, _) in name.match_indices('/') {
        paths.push(arn[..start + slash].to_owned());
        paths.push(arn[..=start + slash].to_owned());
    }
    paths
}
