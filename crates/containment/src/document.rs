//! The policies that measures write, as JSON text.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::arn::Arn;
use crate::{Form, Measure};

/// Longest service control policy, in characters (AWS Organizations quotas).
pub const SCP_LIMIT: usize = 5_120;

/// The name under which a measure's policy is found again.
pub const POLICY_NAME: &str = "RelatchContainment";

/// What a thief needs to stay, to spread, to hide and to carry data away: identities, trust,
/// code, sharing with other accounts, logs, keys of encryption. What production reads and
/// writes by itself (objects, tables, queues, values of secrets read) is left out, so that it
/// goes on. Service-linked roles are never bound by a service control policy.
const WRITES: &[&str] = &[
    "iam:*",
    "sso:*",
    "identitystore:*",
    "sts:GetFederationToken",
    "sts:GetSessionToken",
    "organizations:LeaveOrganization",
    "account:*",
    "cloudtrail:Delete*",
    "cloudtrail:Put*",
    "cloudtrail:Stop*",
    "cloudtrail:Update*",
    "config:Delete*",
    "config:Stop*",
    "guardduty:Delete*",
    "guardduty:Disassociate*",
    "guardduty:Update*",
    "securityhub:Disable*",
    "logs:Delete*",
    "logs:PutRetentionPolicy",
    "lambda:Add*",
    "lambda:Create*",
    "lambda:Delete*",
    "lambda:Publish*",
    "lambda:Update*",
    "cloudformation:Create*",
    "cloudformation:Execute*",
    "cloudformation:Update*",
    "codebuild:Create*",
    "codebuild:Update*",
    "ecs:RegisterTaskDefinition",
    "ecs:ExecuteCommand",
    "events:Put*",
    "scheduler:Create*",
    "ec2:CreateKeyPair",
    "ec2:ImportKeyPair",
    "ec2:ModifyImageAttribute",
    "ec2:ModifyInstanceAttribute",
    "ec2:ModifySnapshotAttribute",
    "ec2:RunInstances",
    "ec2-instance-connect:*",
    "rds:ModifyDBClusterSnapshotAttribute",
    "rds:ModifyDBSnapshotAttribute",
    "ecr:SetRepositoryPolicy",
    "s3:PutBucketPolicy",
    "s3:DeleteBucketPolicy",
    "s3:PutReplicationConfiguration",
    "s3:PutLifecycleConfiguration",
    "kms:DisableKey",
    "kms:PutKeyPolicy",
    "kms:ScheduleKeyDeletion",
    "secretsmanager:Delete*",
    "secretsmanager:Put*",
    "secretsmanager:Rotate*",
    "secretsmanager:Update*",
    "ssm:Create*",
    "ssm:Delete*",
    "ssm:PutParameter",
    "ssm:Send*",
    "ssm:Start*",
    "ssm:Update*",
    "bedrock:Create*",
    "bedrock:Delete*",
    "bedrock:Put*",
];

/// A policy that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Longer than AWS takes.
    #[error(
        "the service control policy would have {0} characters, AWS takes 5,120: name fewer responders"
    )]
    TooLong(usize),
    /// An allow-list that allows nobody.
    #[error("a service control policy without responders would lock everybody out: name them")]
    NobodyAllowed,
    /// An entry of the allow-list that matches no principal.
    #[error(
        "\"{0}\" names no principal: write arn:aws:iam::ACCOUNT:role/NAME or user/NAME, \
         with * and ? as wildcards"
    )]
    NoPrincipal(String),
}

/// The text of a measure's policy; `None` for measures that write none.
pub fn of(measure: &Measure) -> Result<Option<String>, DocumentError> {
    Ok(match measure {
        Measure::Scp { form, allow, .. } => Some(scp(*form, allow)?),
        Measure::DenyUser { .. } => Some(policy(&[deny("RelatchContainment", json!("*"))])),
        Measure::RevokeSessions { issued_before, .. } => {
            let mut deny = deny("RelatchContainment", json!("*"));
            let before = whole_second_after(*issued_before);
            deny["Condition"] = json!({ "DateLessThan": { "aws:TokenIssueTime": before } });
            Some(policy(&[deny]))
        }
        Measure::DisableKey { .. } => None,
    })
}

fn scp(form: Form, allow: &[String]) -> Result<String, DocumentError> {
    if allow.is_empty() {
        return Err(DocumentError::NobodyAllowed);
    }
    if let Some(wrong) = allow.iter().find(|pattern| !names_principals(pattern)) {
        return Err(DocumentError::NoPrincipal(wrong.clone()));
    }
    let mut statements = match form {
        Form::DenyAll => vec![deny("RelatchContainment", json!("*"))],
        Form::DenyWrites => vec![deny("RelatchContainment", json!(WRITES)), deny_grants()],
    };
    for statement in &mut statements {
        statement["Condition"]["ArnNotLike"] = json!({ "aws:PrincipalArn": allow });
    }
    let text = policy(&statements);
    let length = text.chars().count();
    if length > SCP_LIMIT {
        Err(DocumentError::TooLong(length))
    } else {
        Ok(text)
    }
}

/// Grants on keys of encryption, but for those that AWS's own services ask for on behalf of a
/// principal (an encrypted volume, a function's environment): without these, production stops.
fn deny_grants() -> Value {
    let mut deny = deny("RelatchGrants", json!("kms:CreateGrant"));
    deny["Condition"] = json!({ "Bool": { "kms:GrantIsForAWSResource": "false" } });
    deny
}

/// Whether `aws:PrincipalArn` can ever be like this: IAM and federated principals have an ARN
/// of IAM or STS; a session's own ARN is never there.
fn names_principals(pattern: &str) -> bool {
    Arn::parse(pattern).is_some_and(|arn| {
        matches!(arn.service, "iam" | "sts" | "*") && !arn.resource.starts_with("assumed-role")
    })
}

/// `aws:TokenIssueTime` has whole seconds: rounded down, sessions of the running second would
/// go on.
fn whole_second_after(at: Timestamp) -> String {
    let second = at.as_second() + i64::from(at.subsec_nanosecond() > 0);
    Timestamp::from_second(second).unwrap_or(at).to_string()
}

fn deny(sid: &str, action: Value) -> Value {
    json!({ "Sid": sid, "Effect": "Deny", "Action": action, "Resource": "*" })
}

fn policy(statements: &[Value]) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;

    const RESPONDER: &str = "arn:aws:iam::*:role/BreakGlass";

    fn written(form: Form, allow: &[&str]) -> Result<Value, DocumentError> {
        let allow = allow.iter().map(ToString::to_string).collect();
        let text = of(&Measure::Scp {
            target: "1".into(),
            form,
            allow,
        })?
        .expect("a policy");
        assert!(text.len() <= SCP_LIMIT);
        Ok(serde_json::from_str(&text).expect("JSON"))
    }

    #[test]
    fn a_policy_that_locks_everybody_out_is_not_written() {
        assert_eq!(
            written(Form::DenyAll, &[]),
            Err(DocumentError::NobodyAllowed)
        );
    }

    #[test]
    fn an_entry_that_could_never_match_is_told() {
        for wrong in [
            "BreakGlass",
            "*",
            "arn:aws:sts::1:assumed-role/BreakGlass/*",
        ] {
            let refused = written(Form::DenyAll, &[RESPONDER, wrong]);
            assert_eq!(refused, Err(DocumentError::NoPrincipal(wrong.into())));
        }
    }

    #[test]
    fn every_statement_lets_the_responders_through() {
        for (form, statements) in [(Form::DenyWrites, 2), (Form::DenyAll, 1)] {
            let policy = written(form, &[RESPONDER]).expect("fits");
            let found = policy["Statement"].as_array().expect("statements");
            assert_eq!(found.len(), statements);
            for statement in found {
                assert_eq!(statement["Effect"], "Deny");
                let allowed = &statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"];
                assert_eq!(allowed, &json!([RESPONDER]));
            }
        }
    }

    #[test]
    fn deny_writes_leaves_what_production_lives_on() {
        let policy = written(Form::DenyWrites, &[RESPONDER]).expect("fits");
        let actions = policy["Statement"][0]["Action"]
            .as_array()
            .expect("actions")
            .clone();
        let denies = |action: &str| {
            actions.iter().filter_map(Value::as_str).any(|pattern| {
                pattern
                    .strip_suffix('*')
                    .map_or(pattern == action, |head| action.starts_with(head))
            })
        };
        for needed in [
            "secretsmanager:GetSecretValue",
            "ssm:GetParameter",
            "s3:PutObject",
            "dynamodb:PutItem",
            "lambda:InvokeFunction",
            "kms:Decrypt",
            "kms:CreateGrant",
            "sts:AssumeRole",
            "logs:PutLogEvents",
            "bedrock:InvokeModel",
        ] {
            assert!(!denies(needed), "{needed}");
        }
        for wanted in [
            "iam:CreateAccessKey",
            "cloudtrail:StopLogging",
            "lambda:UpdateFunctionCode",
        ] {
            assert!(denies(wanted), "{wanted}");
        }
    }

    #[test]
    fn a_list_of_responders_that_does_not_fit_is_told() {
        let allow = vec!["arn:aws:iam::111122223333:role/some-long-name"; 200];
        assert!(matches!(
            written(Form::DenyAll, &allow),
            Err(DocumentError::TooLong(_))
        ));
    }

    #[test]
    fn sessions_of_the_running_second_are_revoked_too() {
        for (now, before) in [
            ("2026-11-21T06:00:00.001Z", "2026-11-21T06:00:01Z"),
            ("2026-11-21T06:00:00Z", "2026-11-21T06:00:00Z"),
        ] {
            let measure = Measure::RevokeSessions {
                role: Role("r".into()),
                issued_before: now.parse().expect("a time"),
            };
            assert!(
                of(&measure)
                    .expect("written")
                    .expect("a policy")
                    .contains(before)
            );
        }
    }
}
