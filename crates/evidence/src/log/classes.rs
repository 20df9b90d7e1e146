//! What kind of call an event is: survey, read, or a write that attackers make.

use crate::log::Log;
use crate::text::base_name;

/// The kind of a call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Class {
    /// The event's name without a date.
    pub(crate) name: String,
    /// Shows what is there and what is allowed.
    pub(crate) survey: bool,
    /// Any read.
    pub(crate) read: bool,
    /// A write that attackers make: what it is, and how much it tells.
    pub(crate) impact: Option<(&'static str, u32)>,
}

/// The class of every kind of call in a log, by the number of the call.
pub(crate) struct Classes(Vec<Class>);

impl Classes {
    /// Classifies each kind of call once.
    pub(crate) fn new(log: &Log) -> Self {
        let calls = log.calls().iter();
        Classes(
            calls
                .map(|call| class(log.text(call.source), log.text(call.name)))
                .collect(),
        )
    }

    /// The class of a call.
    pub(crate) fn get(&self, call: u32) -> &Class {
        &self.0[call as usize]
    }
}

fn class(source: &str, name: &str) -> Class {
    let service = source.trim_end_matches(".amazonaws.com");
    let name = base_name(name);
    Class {
        name: name.to_owned(),
        survey: is_survey(service, name),
        read: ["List", "Describe", "Get", "Head", "Lookup"]
            .iter()
            .any(|verb| name.starts_with(verb)),
        impact: impact(service, name),
    }
}

fn is_survey(service: &str, name: &str) -> bool {
    match service {
        "sts" => matches!(
            name,
            "GetCallerIdentity" | "GetAccessKeyInfo" | "GetSessionToken"
        ),
        "iam" => matches!(
            name,
            "GetAccountAuthorizationDetails"
                | "SimulatePrincipalPolicy"
                | "GenerateCredentialReport"
                | "GetCredentialReport"
                | "ListAttachedUserPolicies"
                | "ListUserPolicies"
                | "ListGroupsForUser"
                | "GetAccountSummary"
                | "ListUsers"
                | "ListRoles"
                | "ListAccessKeys"
                | "ListPolicies"
                | "ListGroups"
                | "GetUser"
                | "ListAttachedRolePolicies"
                | "ListMFADevices"
                | "ListSSHPublicKeys"
                | "ListAccountAliases"
                | "ListInstanceProfiles"
                | "GetAccountPasswordPolicy"
        ),
        "secretsmanager" => matches!(
            name,
            "ListSecrets" | "DescribeSecret" | "GetResourcePolicy" | "ListSecretVersionIds"
        ),
        "ssm" => matches!(
            name,
            "DescribeParameters" | "DescribeInstanceInformation" | "GetInventory"
        ),
        "organizations" => name.starts_with("Describe") || name.starts_with("List"),
        "guardduty" | "securityhub" | "access-analyzer" => {
            name.starts_with("List") || name.starts_with("Get") || name.starts_with("Describe")
        }
        "cloudtrail" => matches!(
            name,
            "DescribeTrails"
                | "GetTrailStatus"
                | "GetEventSelectors"
                | "LookupEvents"
                | "ListTrails"
        ),
        "config" => name.starts_with("DescribeConfiguration"),
        "s3" => name == "ListBuckets",
        "ec2" => matches!(
            name,
            "DescribeInstances"
                | "DescribeRegions"
                | "DescribeSnapshots"
                | "DescribeSecurityGroups"
                | "DescribeVpcs"
                | "DescribeAccountAttributes"
                | "DescribeImages"
        ),
        "lambda" => name == "ListFunctions",
        "rds" => name.starts_with("DescribeDB"),
        "ses" => matches!(
            name,
            "GetSendQuota" | "GetAccount" | "ListIdentities" | "GetAccountSendingEnabled"
        ),
        "bedrock" => matches!(
            name,
            "ListFoundationModels"
                | "GetFoundationModelAvailability"
                | "GetModelInvocationLoggingConfiguration"
                | "ListInferenceProfiles"
                | "ListFoundationModelAgreementOffers"
                | "GetUseCaseForModelAccess"
        ),
        "servicequotas" => name.contains("ServiceQuota"),
        "kms" => matches!(name, "ListKeys" | "ListAliases"),
        "dynamodb" => name == "ListTables",
        _ => false,
    }
}

fn impact(service: &str, name: &str) -> Option<(&'static str, u32)> {
    Some(match (service, name) {
        (
            "cloudtrail",
            "StopLogging" | "DeleteTrail" | "DeleteEventDataStore" | "StopEventDataStoreIngestion",
        ) => ("stops the recording of calls", 4),
        ("cloudtrail", "UpdateTrail" | "PutEventSelectors" | "PutInsightSelectors") => {
            ("changes what is recorded", 3)
        }
        (
            "guardduty",
            "DeleteDetector"
            | "UpdateDetector"
            | "CreateFilter"
            | "CreateIPSet"
            | "UpdateIPSet"
            | "DisassociateFromMasterAccount",
        ) => ("weakens threat detection", 4),
        (
            "config",
            "StopConfigurationRecorder" | "DeleteConfigurationRecorder" | "DeleteDeliveryChannel",
        )
        | ("securityhub", "DisableSecurityHub")
        | ("access-analyzer", "DeleteAnalyzer") => ("weakens threat detection", 4),
        ("logs", "DeleteLogGroup" | "DeleteLogStream")
        | ("ec2", "DeleteFlowLogs")
        | ("route53resolver", "DeleteResolverQueryLogConfig") => ("deletes logs", 3),
        (
            "bedrock",
            "DeleteModelInvocationLoggingConfiguration" | "PutModelInvocationLoggingConfiguration",
        ) => ("changes the log of model use", 4),
        ("organizations", "LeaveOrganization") => ("leaves the organisation", 4),
        ("iam", "CreateAccessKey" | "CreateServiceSpecificCredential") => {
            ("makes a long-lived key", 3)
        }
        ("iam", "CreateUser") => ("makes a user", 2),
        ("iam", "CreateLoginProfile" | "UpdateLoginProfile") => ("sets a password", 3),
        ("iam", "UpdateAssumeRolePolicy") => ("changes who may take a role", 3),
        ("iam", "AttachUserPolicy" | "PutUserPolicy" | "AddUserToGroup") => {
            ("gives a user more rights", 2)
        }
        ("iam", "CreateSAMLProvider" | "CreateOpenIDConnectProvider" | "UpdateSAMLProvider")
        | ("rolesanywhere", "CreateTrustAnchor") => ("adds an identity provider", 3),
        ("iam", "DeactivateMFADevice" | "DeleteUserPermissionsBoundary") => {
            ("takes protection off a user", 3)
        }
        ("sts", "GetFederationToken") => ("asks for a federated session", 2),
        ("signin", "GetSigninToken") => ("turns a session into a console session", 2),
        (
            "ec2",
            "ModifySnapshotAttribute" | "ModifyImageAttribute" | "SharedSnapshotCopyInitiated",
        )
        | ("rds", "ModifyDBSnapshotAttribute" | "StartExportTask") => {
            ("shares or exports stored data", 3)
        }
        (
            "s3",
            "PutBucketPolicy"
            | "PutBucketReplication"
            | "DeletePublicAccessBlock"
            | "DeleteBucketPublicAccessBlock",
        ) => ("opens a bucket", 2),
        ("lambda", "AddPermission" | "UpdateFunctionCode" | "CreateFunctionUrlConfig") => {
            ("changes a function or opens it", 2)
        }
        ("ec2", "GetPasswordData") => ("asks for a Windows password", 2),
        ("ssm", "SendCommand" | "StartSession")
        | ("ecs", "ExecuteCommand")
        | ("ec2-instance-connect", "SendSSHPublicKey" | "SendSerialConsoleSSHPublicKey") => {
            ("runs commands on hosts", 2)
        }
        (
            "bedrock",
            "InvokeModel" | "InvokeModelWithResponseStream" | "Converse" | "ConverseStream",
        ) => ("uses language models", 2),
        (
            "bedrock",
            "PutUseCaseForModelAccess"
            | "PutFoundationModelEntitlement"
            | "CreateFoundationModelAgreement",
        ) => ("asks for access to language models", 3),
        ("s3", "DeleteBucket" | "PutBucketVersioning")
        | ("kms", "ScheduleKeyDeletion" | "DisableKey")
        | ("rds", "DeleteDBInstance" | "DeleteDBCluster") => ("destroys", 2),
        _ => return None,
    })
}
