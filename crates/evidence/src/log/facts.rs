//! What an event tells beyond its columns: keys made, sessions handed out, things planted.

use std::cell::OnceCell;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json::Value;

use crate::found::reads;
use crate::input::record::Record;
use crate::log::{Fact, Texts, What};
use crate::text::{base_name, is_access_key_id};

/// The end of the name under which responses hand out keys.
static KEY_ID: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("ccessKeyId"));

/// Collects the facts of one event.
pub(crate) struct Collector<'a> {
    texts: &'a mut Texts,
    facts: Vec<Fact>,
}

impl Collector<'_> {
    /// Adds a fact; one without a name tells nothing and is left out.
    pub(crate) fn add(&mut self, what: What, name: &str, other: &str) {
        if !name.is_empty() {
            let fact = Fact {
                what,
                name: self.texts.put(name),
                other: self.texts.put(other),
            };
            if !self.facts.contains(&fact) {
                self.facts.push(fact);
            }
        }
    }
}

/// The parts of an event that facts are drawn from, each parsed when it is first looked at.
pub(crate) struct Parts<'r> {
    record: &'r Record<'r>,
    request: OnceCell<Value>,
    response: OnceCell<Value>,
    additional: OnceCell<Value>,
    resources: OnceCell<Value>,
    pub(crate) failed: bool,
}

impl<'r> Parts<'r> {
    fn new(record: &'r Record<'r>) -> Self {
        let error = record.error_code.get();
        Parts {
            record,
            request: OnceCell::new(),
            response: OnceCell::new(),
            additional: OnceCell::new(),
            resources: OnceCell::new(),
            failed: !error.is_empty() && !error.contains("DryRun"),
        }
    }

    pub(crate) fn request(&self) -> &Value {
        parsed(&self.request, self.record.request_parameters)
    }

    pub(crate) fn response(&self) -> &Value {
        parsed(&self.response, self.record.response_elements)
    }

    pub(crate) fn additional(&self) -> &Value {
        parsed(&self.additional, self.record.additional_event_data)
    }

    pub(crate) fn resources(&self) -> &Value {
        parsed(&self.resources, self.record.resources)
    }
}

fn parsed<'c>(cell: &'c OnceCell<Value>, raw: Option<&str>) -> &'c Value {
    let parse = |raw| serde_json::from_str(raw).ok();
    cell.get_or_init(|| raw.and_then(parse).unwrap_or_default())
}

/// Whether an event may have facts; most have none and are not parsed any further.
pub(crate) fn may_tell(record: &Record<'_>) -> bool {
    let (service, name) = call(record);
    hands_out(record) || is_interesting(service, name) || reads::is_read(service, name)
}

/// The service and the call, without what every name of a service ends in, and without a date.
fn call<'r>(record: &'r Record<'_>) -> (&'r str, &'r str) {
    let source = record.event_source.get();
    let service = source.strip_suffix(".amazonaws.com").unwrap_or(source);
    (service, base_name(record.event_name.get()))
}

/// Facts of an event.
pub(crate) fn facts(record: &Record<'_>, texts: &mut Texts) -> Vec<Fact> {
    let (service, name) = call(record);
    let parts = Parts::new(record);
    let mut collector = Collector {
        texts,
        facts: Vec::new(),
    };
    minted(&parts, &mut collector);
    match service {
        "sts" => asked(record, &parts, &mut collector),
        "signin" => console(name, &parts, &mut collector),
        "iam" if !parts.failed => iam(name, &parts, &mut collector),
        "cloudtrail" if !parts.failed => recording(name, &parts, &mut collector),
        _ if !parts.failed => planted(service, name, &parts, &mut collector),
        _ => {}
    }
    reads::reads(service, name, &parts, &mut collector);
    collector.facts
}

fn hands_out(record: &Record<'_>) -> bool {
    record
        .response_elements
        .is_some_and(|raw| KEY_ID.find(raw.as_bytes()).is_some())
}

fn is_interesting(service: &str, name: &str) -> bool {
    match service {
        "sts" => name.starts_with("Assume") || name.starts_with("Get"),
        "signin" => true,
        "iam" | "cloudtrail" | "lambda" | "rolesanywhere" | "sso" => {
            !name.starts_with("Get") && !name.starts_with("List") && !name.starts_with("Describe")
        }
        "ec2" => matches!(
            name,
            "RunInstances"
                | "CreateKeyPair"
                | "ImportKeyPair"
                | "AuthorizeSecurityGroupIngress"
                | "ModifyInstanceAttribute"
                | "ModifySnapshotAttribute"
                | "ModifyImageAttribute"
        ),
        "rds" => matches!(
            name,
            "ModifyDBSnapshotAttribute" | "ModifyDBClusterSnapshotAttribute" | "StartExportTask"
        ),
        "s3" => matches!(
            name,
            "PutBucketPolicy" | "PutBucketReplication" | "PutBucketAcl"
        ),
        "ssm" => matches!(name, "SendCommand" | "StartSession" | "CreateAssociation"),
        "ecs" => matches!(name, "ExecuteCommand" | "RegisterTaskDefinition"),
        "ec2-instance-connect" => name.starts_with("Send"),
        "secretsmanager" => matches!(
            name,
            "PutResourcePolicy" | "CreateSecret" | "ReplicateSecretToRegions"
        ),
        "kms" => matches!(name, "CreateGrant" | "PutKeyPolicy" | "Decrypt"),
        "events" => matches!(name, "PutRule" | "PutTargets"),
        "scheduler" => name == "CreateSchedule",
        "states" => name == "CreateStateMachine",
        "cloudformation" => matches!(name, "CreateStack" | "UpdateStack"),
        _ => false,
    }
}

/// A text at a path of names, of which each may differ in the case of its first letter.
pub(crate) fn text<'v>(value: &'v Value, path: &[&str]) -> &'v str {
    at(value, path).and_then(Value::as_str).unwrap_or_default()
}

/// A value at a path of names.
pub(crate) fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, name| {
        let map = value.as_object()?;
        map.get(*name).or_else(|| {
            map.iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        })
    })
}

/// The texts of a list, of `{items: []}`, or a single text.
pub(crate) fn list<'v>(value: &'v Value, name: &str) -> Vec<&'v Value> {
    match at(value, &[name]) {
        Some(Value::Array(items)) => items.iter().collect(),
        Some(Value::Object(map)) => map
            .get("items")
            .and_then(Value::as_array)
            .map(|items| items.iter().collect())
            .unwrap_or_default(),
        Some(Value::Null) | None => Vec::new(),
        Some(value) => vec![value],
    }
}

/// Session credentials in a response, of whatever call.
fn minted(parts: &Parts<'_>, out: &mut Collector<'_>) {
    if parts.failed {
        return;
    }
    for holder in ["credentials", "roleCredentials"] {
        let key = text(parts.response(), &[holder, "accessKeyId"]);
        if is_access_key_id(key) {
            let session = [["assumedRoleUser", "arn"], ["federatedUser", "arn"]]
                .iter()
                .map(|path| text(parts.response(), path))
                .find(|arn| !arn.is_empty());
            out.add(What::Minted, key, session.unwrap_or_default());
        }
    }
}

fn asked(record: &Record<'_>, parts: &Parts<'_>, out: &mut Collector<'_>) {
    let role = text(parts.request(), &["roleArn"]);
    if role.is_empty() {
        // A denied call has no request; the role stands in the message: "... on resource: ARN".
        let message = record.error_message.get();
        let named = message
            .split_whitespace()
            .rfind(|word| word.contains(":role/"))
            .unwrap_or_default();
        out.add(What::RoleAsked, named.trim_end_matches(['.', ',', '"']), "");
    } else {
        out.add(What::RoleAsked, role, "");
    }
    if !parts.failed {
        out.add(
            What::SourceIdentitySet,
            text(parts.request(), &["sourceIdentity"]),
            "",
        );
    }
}

fn console(name: &str, parts: &Parts<'_>, out: &mut Collector<'_>) {
    match name {
        "ConsoleLogin" => out.add(
            What::Login,
            text(parts.response(), &["ConsoleLogin"]),
            text(parts.additional(), &["MFAUsed"]),
        ),
        "SwitchRole" => out.add(
            What::SwitchedFrom,
            text(parts.additional(), &["SwitchFrom"]),
            "",
        ),
        _ => {}
    }
}

fn iam(name: &str, parts: &Parts<'_>, out: &mut Collector<'_>) {
    let (request, response) = (parts.request(), parts.response());
    let user = text(request, &["userName"]);
    let role = text(request, &["roleName"]);
    let subject = [user, role, text(request, &["groupName"])]
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or_default();
    match name {
        "CreateAccessKey" => {
            let owner = [text(response, &["accessKey", "userName"]), user]
                .into_iter()
                .find(|name| !name.is_empty())
                .unwrap_or_default();
            out.add(
                What::KeyMade,
                text(response, &["accessKey", "accessKeyId"]),
                owner,
            );
        }
        "CreateUser" => out.add(What::UserMade, user, ""),
        "CreateLoginProfile" | "UpdateLoginProfile" => out.add(What::PasswordSet, user, ""),
        "CreateServiceSpecificCredential" | "ResetServiceSpecificCredential" => {
            let id = text(
                response,
                &["serviceSpecificCredential", "serviceSpecificCredentialId"],
            );
            let owner = [
                text(response, &["serviceSpecificCredential", "userName"]),
                user,
            ]
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_default();
            out.add(
                What::ServiceCredentialMade,
                if id.is_empty() {
                    text(request, &["serviceSpecificCredentialId"])
                } else {
                    id
                },
                owner,
            );
        }
        "CreateRole" => {
            out.add(What::RoleMade, role, text(response, &["role", "arn"]));
        }
        "UpdateAssumeRolePolicy" => out.add(What::TrustChanged, role, ""),
        "AttachUserPolicy" | "AttachRolePolicy" | "AttachGroupPolicy" => {
            out.add(
                What::Planted,
                &format!("policy {} attached", text(request, &["policyArn"])),
                subject,
            );
        }
        "PutUserPolicy" | "PutRolePolicy" | "PutGroupPolicy" => {
            out.add(
                What::Planted,
                &format!("inline policy {}", text(request, &["policyName"])),
                subject,
            );
        }
        "CreatePolicyVersion" | "SetDefaultPolicyVersion" => out.add(
            What::Planted,
            "policy version",
            text(request, &["policyArn"]),
        ),
        "AddUserToGroup" => out.add(
            What::Planted,
            &format!("added to group {}", text(request, &["groupName"])),
            user,
        ),
        "DeleteUserPermissionsBoundary" | "DeleteRolePermissionsBoundary" => {
            out.add(What::Planted, "permissions boundary removed", subject);
        }
        "CreateSAMLProvider"
        | "UpdateSAMLProvider"
        | "CreateOpenIDConnectProvider"
        | "UpdateOpenIDConnectProviderThumbprint"
        | "AddClientIDToOpenIDConnectProvider" => {
            let thing = ["name", "url", "sAMLProviderArn", "openIDConnectProviderArn"]
                .iter()
                .map(|key| text(request, &[key]))
                .find(|text| !text.is_empty());
            out.add(
                What::Planted,
                "identity provider",
                thing.unwrap_or_default(),
            );
        }
        "CreateVirtualMFADevice"
        | "EnableMFADevice"
        | "UploadSSHPublicKey"
        | "UploadSigningCertificate"
        | "DeactivateMFADevice" => {
            out.add(
                What::Planted,
                name,
                if user.is_empty() {
                    text(request, &["virtualMFADeviceName"])
                } else {
                    user
                },
            );
        }
        "UpdateAccessKey" if text(request, &["status"]) == "Active" => {
            out.add(
                What::Planted,
                "access key made active",
                text(request, &["accessKeyId"]),
            );
        }
        _ => {}
    }
}

fn recording(name: &str, parts: &Parts<'_>, out: &mut Collector<'_>) {
    let stops = [
        "StopLogging",
        "DeleteTrail",
        "UpdateTrail",
        "PutEventSelectors",
        "PutInsightSelectors",
        "DeleteEventDataStore",
        "StopEventDataStoreIngestion",
        "UpdateEventDataStore",
    ];
    if stops.contains(&name) {
        let trail = ["name", "trailName", "eventDataStore"]
            .iter()
            .map(|key| text(parts.request(), &[key]))
            .find(|text| !text.is_empty());
        out.add(What::Recording, trail.unwrap_or("a trail"), "");
    }
}

fn planted(service: &str, name: &str, parts: &Parts<'_>, out: &mut Collector<'_>) {
    let request = parts.request();
    let field = |key| text(request, &[key]);
    match (service, name) {
        ("lambda", "CreateFunction") => {
            out.add(What::FunctionMade, field("functionName"), field("role"));
        }
        ("lambda", "UpdateFunctionCode" | "UpdateFunctionConfiguration") => out.add(
            What::FunctionChanged,
            function_name(field("functionName")),
            "",
        ),
        (
            "lambda",
            "AddPermission"
            | "CreateFunctionUrlConfig"
            | "CreateEventSourceMapping"
            | "AddLayerVersionPermission",
        ) => out.add(What::Planted, name, function_name(field("functionName"))),
        ("lambda", "PublishLayerVersion") => out.add(What::Planted, name, field("layerName")),
        ("ec2", "RunInstances") => {
            for instance in list(parts.response(), "instancesSet") {
                out.add(What::InstanceMade, text(instance, &["instanceId"]), "");
            }
        }
        ("ec2", "CreateKeyPair" | "ImportKeyPair") => {
            out.add(What::Planted, "key pair", field("keyName"));
        }
        ("ec2", "AuthorizeSecurityGroupIngress") => {
            out.add(What::Planted, "opened security group", field("groupId"));
        }
        ("ec2", "ModifyInstanceAttribute") if at(request, &["userData"]).is_some() => {
            out.add(What::Planted, "instance user data", field("instanceId"));
        }
        ("ec2", "ModifySnapshotAttribute") if adds(request, "createVolumePermission") => {
            out.add(What::Planted, "shared snapshot", field("snapshotId"));
        }
        ("ec2", "ModifyImageAttribute") if adds(request, "launchPermission") => {
            out.add(What::Planted, "shared image", field("imageId"));
        }
        ("rds", "ModifyDBSnapshotAttribute" | "ModifyDBClusterSnapshotAttribute") => out.add(
            What::Planted,
            "shared database snapshot",
            field("dBSnapshotIdentifier"),
        ),
        ("rds", "StartExportTask") => out.add(
            What::Planted,
            "exported database snapshot",
            field("sourceArn"),
        ),
        ("s3", _) if name.starts_with("PutBucket") => {
            out.add(What::Planted, name, field("bucketName"));
        }
        ("ssm", "SendCommand") => {
            for instance in list(request, "instanceIds") {
                out.add(
                    What::Planted,
                    "commands run on",
                    instance.as_str().unwrap_or_default(),
                );
            }
        }
        ("ssm", "StartSession") => out.add(What::Planted, "shell opened on", field("target")),
        ("ecs", "ExecuteCommand") => out.add(What::Planted, "commands run in task", field("task")),
        ("ec2-instance-connect", _) => {
            out.add(What::Planted, "SSH key sent to", field("instanceId"));
        }
        ("secretsmanager", "PutResourcePolicy" | "ReplicateSecretToRegions") => {
            out.add(What::Planted, name, field("secretId"));
        }
        ("secretsmanager", "CreateSecret") => {
            out.add(What::SecretNamed, text(parts.response(), &["arn"]), "");
        }
        ("kms", "CreateGrant" | "PutKeyPolicy") => out.add(What::Planted, name, field("keyId")),
        ("rolesanywhere", "CreateTrustAnchor" | "CreateProfile")
        | ("sso", "CreateAccountAssignment") => out.add(What::Planted, name, field("name")),
        ("events", "PutRule" | "PutTargets")
        | ("scheduler", "CreateSchedule")
        | ("states", "CreateStateMachine") => {
            out.add(
                What::Planted,
                name,
                if field("name").is_empty() {
                    field("rule")
                } else {
                    field("name")
                },
            );
        }
        ("cloudformation", "CreateStack" | "UpdateStack") => {
            out.add(What::Planted, name, field("stackName"));
        }
        _ => {}
    }
}

fn adds(request: &Value, what: &str) -> bool {
    at(request, &[what, "add"]).is_some()
}

/// The function's name in an ARN, or the text itself.
pub(crate) fn function_name(id: &str) -> &str {
    match id.split_once(":function:") {
        Some((_, rest)) => rest.split(':').next().unwrap_or(rest),
        None => id,
    }
}
