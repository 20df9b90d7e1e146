//! Which phase of an attack a call belongs to, by MITRE ATT&CK (Enterprise).
//!
//! This is a reading of the call alone: what a detection says of an event stands before it.

use relatch_evidence::TaintedEvent;

/// A tactic's name and a technique's id.
pub(crate) type Phase = (&'static str, &'static str);

const READS: Phase = ("Credential Access", "T1555.006");
const KEYS: Phase = ("Persistence", "T1098.001");
const ACCOUNTS: Phase = ("Persistence", "T1136.003");
const RIGHTS: Phase = ("Privilege Escalation", "T1098.003");
const SESSIONS: Phase = ("Privilege Escalation", "T1548.005");
const LOGS: Phase = ("Defense Evasion", "T1562.008");
const TOOLS: Phase = ("Defense Evasion", "T1562.001");
const FIREWALL: Phase = ("Defense Evasion", "T1562.007");
const SHARES: Phase = ("Exfiltration", "T1537");
const DESTROYS: Phase = ("Impact", "T1485");
const BACKUPS: Phase = ("Impact", "T1490");
const LOCKS_OUT: Phase = ("Impact", "T1531");
const RUNS: Phase = ("Execution", "T1651");
const SERVERLESS: Phase = ("Execution", "T1648");
const TRIGGERS: Phase = ("Persistence", "T1546");
const INSTANCES: Phase = ("Defense Evasion", "T1578.002");
const SPENDS: Phase = ("Impact", "T1496");
const METADATA: Phase = ("Credential Access", "T1552.005");
const CONFIGURATION: Phase = ("Credential Access", "T1552");
const OBJECTS: Phase = ("Collection", "T1530");
const LOGIN: Phase = ("Initial Access", "T1078.004");
const IDENTITIES: Phase = ("Discovery", "T1087.004");
const GROUPS: Phase = ("Discovery", "T1069.003");
const BUCKETS: Phase = ("Discovery", "T1619");
const LOOKS: Phase = ("Discovery", "T1580");
const SERVICES: Phase = ("Discovery", "T1526");

/// Calls by the service's name and the call's; a `*` at the end stands for any ending. The
/// first that fits counts.
const CALLS: &[(&str, &[&str], Phase)] = &[
    (
        "secretsmanager",
        &["GetSecretValue", "BatchGetSecretValue"],
        READS,
    ),
    ("ssm", &["GetParameter*"], READS),
    ("kms", &["Decrypt"], READS),
    ("ec2", &["GetPasswordData"], CONFIGURATION),
    (
        "ec2",
        &["DescribeInstanceAttribute", "GetLaunchTemplateData"],
        CONFIGURATION,
    ),
    ("lambda", &["GetFunction*"], CONFIGURATION),
    ("ecs", &["DescribeTaskDefinition"], CONFIGURATION),
    (
        "iam",
        &["CreateAccessKey", "CreateServiceSpecificCredential"],
        KEYS,
    ),
    (
        "iam",
        &[
            "UpdateAccessKey",
            "UploadSSHPublicKey",
            "UploadSigningCertificate",
        ],
        KEYS,
    ),
    (
        "iam",
        &["CreateLoginProfile", "UpdateLoginProfile", "ChangePassword"],
        KEYS,
    ),
    (
        "iam",
        &["DeactivateMFADevice", "DeleteVirtualMFADevice"],
        ("Persistence", "T1556"),
    ),
    ("iam", &["CreateUser", "CreateRole"], ACCOUNTS),
    (
        "iam",
        &[
            "Attach*",
            "Put*Policy",
            "AddUserToGroup",
            "UpdateAssumeRolePolicy",
        ],
        RIGHTS,
    ),
    (
        "iam",
        &[
            "CreatePolicyVersion",
            "SetDefaultPolicyVersion",
            "AddRoleToInstanceProfile",
        ],
        RIGHTS,
    ),
    ("iam", &["Delete*PermissionsBoundary"], RIGHTS),
    (
        "iam",
        &[
            "DeleteUser",
            "DeleteLoginProfile",
            "DeleteAccessKey",
            "DeleteRole",
        ],
        LOCKS_OUT,
    ),
    ("iam", &["GetAccountPasswordPolicy"], ("Discovery", "T1201")),
    (
        "iam",
        &[
            "ListGroups*",
            "GetGroup",
            "GetGroupPolicy",
            "ListAttachedGroupPolicies",
        ],
        GROUPS,
    ),
    (
        "iam",
        &["List*", "Get*", "SimulatePrincipalPolicy", "Generate*"],
        IDENTITIES,
    ),
    (
        "sts",
        &["GetCallerIdentity", "GetAccessKeyInfo"],
        IDENTITIES,
    ),
    (
        "sts",
        &["AssumeRole*", "GetSessionToken", "GetFederationToken"],
        SESSIONS,
    ),
    ("signin", &["ConsoleLogin"], LOGIN),
    ("signin", &["SwitchRole"], SESSIONS),
    (
        "signin",
        &["GetSigninToken"],
        ("Lateral Movement", "T1550.001"),
    ),
    (
        "rolesanywhere",
        &["CreateTrustAnchor", "CreateProfile"],
        KEYS,
    ),
    ("sso", &["CreateAccountAssignment"], RIGHTS),
    (
        "cloudtrail",
        &[
            "StopLogging",
            "DeleteTrail",
            "UpdateTrail",
            "PutEventSelectors",
        ],
        LOGS,
    ),
    (
        "cloudtrail",
        &["DeleteEventDataStore", "StopEventDataStoreIngestion"],
        LOGS,
    ),
    (
        "logs",
        &["DeleteLogGroup", "DeleteLogStream", "PutRetentionPolicy"],
        LOGS,
    ),
    ("config", &["Stop*", "Delete*"], TOOLS),
    (
        "guardduty",
        &["Delete*", "Disassociate*", "UpdateDetector", "CreateFilter"],
        TOOLS,
    ),
    (
        "guardduty",
        &["StopMonitoringMembers", "CreateIPSet", "UpdateIPSet"],
        TOOLS,
    ),
    (
        "securityhub",
        &["Disable*", "Delete*", "Disassociate*"],
        TOOLS,
    ),
    ("access-analyzer", &["DeleteAnalyzer"], TOOLS),
    ("wafv2", &["Delete*", "DisassociateWebACL"], FIREWALL),
    ("ec2", &["DeleteFlowLogs"], LOGS),
    (
        "ec2",
        &["AuthorizeSecurityGroup*", "*NetworkAcl*"],
        FIREWALL,
    ),
    (
        "ec2",
        &["ModifySnapshotAttribute", "ModifyImageAttribute"],
        SHARES,
    ),
    (
        "rds",
        &[
            "ModifyDBSnapshotAttribute",
            "ModifyDBClusterSnapshotAttribute",
        ],
        SHARES,
    ),
    (
        "ec2",
        &["RunInstances", "RequestSpot*", "CreateFleet"],
        INSTANCES,
    ),
    (
        "ec2",
        &["CreateSnapshot*", "CreateImage"],
        ("Defense Evasion", "T1578.001"),
    ),
    (
        "ec2",
        &["TerminateInstances"],
        ("Defense Evasion", "T1578.003"),
    ),
    ("ec2", &["ModifyInstanceMetadataOptions"], METADATA),
    ("ec2", &["CreateKeyPair", "ImportKeyPair"], KEYS),
    ("ec2", &["DeleteSnapshot*"], BACKUPS),
    ("ec2", &["DeleteVolume"], DESTROYS),
    (
        "ec2-instance-connect",
        &["Send*"],
        ("Lateral Movement", "T1021.007"),
    ),
    (
        "ssm",
        &["SendCommand", "StartSession", "StartAutomationExecution"],
        RUNS,
    ),
    ("ecs", &["ExecuteCommand", "RunTask"], RUNS),
    ("ecs", &["RegisterTaskDefinition", "CreateCluster"], SPENDS),
    ("lambda", &["Invoke*", "CreateFunction*"], SERVERLESS),
    (
        "lambda",
        &["UpdateFunction*", "AddPermission*", "PublishLayer*"],
        TRIGGERS,
    ),
    ("lambda", &["CreateEventSourceMapping*"], TRIGGERS),
    ("events", &["PutRule", "PutTargets"], TRIGGERS),
    ("scheduler", &["CreateSchedule"], TRIGGERS),
    ("backup", &["DeleteRecoveryPoint", "DeleteBackup*"], BACKUPS),
    ("rds", &["DeleteDB*"], DESTROYS),
    (
        "rds",
        &["CreateDBSnapshot", "CreateDBClusterSnapshot"],
        SHARES,
    ),
    (
        "s3",
        &["GetObject*", "SelectObjectContent", "CopyObject"],
        OBJECTS,
    ),
    (
        "s3",
        &[
            "PutBucketPolicy",
            "PutBucketAcl",
            "PutObjectAcl",
            "PutBucketReplication",
        ],
        SHARES,
    ),
    (
        "s3",
        &[
            "DeleteBucketPublicAccessBlock",
            "PutBucketPublicAccessBlock",
        ],
        SHARES,
    ),
    (
        "s3",
        &["PutBucketVersioning", "PutBucketLifecycle*"],
        BACKUPS,
    ),
    ("s3", &["DeleteObject*", "DeleteBucket"], DESTROYS),
    ("s3", &["PutBucketEncryption"], ("Impact", "T1486")),
    ("s3", &["PutBucketLogging"], LOGS),
    ("s3", &["List*", "Head*", "GetBucket*"], BUCKETS),
    ("kms", &["ScheduleKeyDeletion", "DisableKey"], DESTROYS),
    ("secretsmanager", &["DeleteSecret"], DESTROYS),
    (
        "secretsmanager",
        &["PutResourcePolicy", "ReplicateSecretToRegions"],
        SHARES,
    ),
    ("organizations", &["LeaveOrganization"], TOOLS),
    (
        "ses",
        &[
            "GetSendQuota",
            "GetAccount",
            "ListIdentities",
            "GetIdentity*",
        ],
        SERVICES,
    ),
    ("ses", &["Create*", "Send*", "Verify*", "Put*"], SPENDS),
    ("bedrock", &["Invoke*", "Converse*"], SPENDS),
];

/// The phase of an event, as far as its call tells.
pub(crate) fn phase(event: &TaintedEvent) -> Option<Phase> {
    let (source, name) = event.call.split_once(':')?;
    let service = source.strip_suffix(".amazonaws.com").unwrap_or(source);
    let found = CALLS
        .iter()
        .filter(|(of, ..)| *of == service)
        .find(|(_, names, _)| names.iter().any(|known| fits(known, name)));
    found
        .map(|(.., phase)| *phase)
        .or_else(|| is_look(name).then_some(LOOKS))
}

fn is_look(name: &str) -> bool {
    ["Describe", "List", "Get", "Search", "LookupEvents"]
        .iter()
        .any(|start| name.starts_with(start))
}

/// Whether a name fits one with a `*` at the beginning, the end, in the middle, or without.
fn fits(known: &str, name: &str) -> bool {
    let mut parts = known.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::{is_technique, tactic_id, technique_name};

    #[test]
    fn names_fit_their_patterns() {
        assert!(fits("GetObject", "GetObject") && !fits("GetObject", "GetObjectAcl"));
        assert!(fits("GetObject*", "GetObjectAcl") && !fits("Put*Policy", "PutPolicies"));
        assert!(fits("Put*Policy", "PutUserPolicy") && fits("*Acl*", "CreateNetworkAclEntry"));
    }

    #[test]
    fn every_phase_is_one_of_attack() {
        for (service, _, (tactic, technique)) in CALLS {
            assert!(tactic_id(tactic).is_some(), "{service} {tactic}");
            let named = technique_name(technique) != *technique;
            assert!(is_technique(technique) && named, "{service} {technique}");
        }
    }
}
