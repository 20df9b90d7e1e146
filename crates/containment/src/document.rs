//! The policies that measures write, as JSON text.

use serde_json::{Value, json};

use crate::{Form, Measure};

/// Longest service control policy, in characters (AWS Organizations quotas).
pub const SCP_LIMIT: usize = 5_120;

/// The name under which a measure's policy is found again.
pub const POLICY_NAME: &str = "RelatchContainment";

/// What a thief needs to stay: making identities, changing trust, code and logs. Reads that
/// production lives on are left out.
const WRITES: &[&str] = &[
    "iam:*",
    "sts:GetFederationToken",
    "organizations:LeaveOrganization",
    "cloudtrail:StopLogging",
    "cloudtrail:DeleteTrail",
    "cloudtrail:UpdateTrail",
    "cloudtrail:PutEventSelectors",
    "guardduty:Delete*",
    "guardduty:Update*",
    "lambda:Create*",
    "lambda:Update*",
    "lambda:AddPermission",
    "ec2:RunInstances",
    "kms:CreateGrant",
    "kms:PutKeyPolicy",
    "kms:ScheduleKeyDeletion",
    "secretsmanager:Put*",
    "secretsmanager:Update*",
    "secretsmanager:Delete*",
    "ssm:PutParameter",
    "ssm:DeleteParameter*",
    "ssm:SendCommand",
    "ssm:StartSession",
    "bedrock:Put*",
    "bedrock:Create*",
    "bedrock:Delete*",
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
}

/// The text of a measure's policy; `None` for measures that write none.
pub fn of(measure: &Measure) -> Result<Option<String>, DocumentError> {
    Ok(match measure {
        Measure::Scp { form, allow, .. } => Some(scp(*form, allow)?),
        Measure::DenyUser { .. } => Some(statement(deny_all()).to_string()),
        Measure::RevokeSessions { issued_before, .. } => {
            let mut deny = deny_all();
            deny["Condition"] = json!({
                "DateLessThan": { "aws:TokenIssueTime": format!("{issued_before:.0}") }
            });
            Some(statement(deny).to_string())
        }
        Measure::DisableKey { .. } => None,
    })
}

fn scp(form: Form, allow: &[String]) -> Result<String, DocumentError> {
    if allow.is_empty() {
        return Err(DocumentError::NobodyAllowed);
    }
    let mut deny = deny_all();
    if form == Form::DenyWrites {
        deny["Action"] = json!(WRITES);
    }
    deny["Condition"] = json!({ "ArnNotLike": { "aws:PrincipalArn": allow } });
    let text = statement(deny).to_string();
    if text.len() > SCP_LIMIT {
        return Err(DocumentError::TooLong(text.len()));
    }
    Ok(text)
}

fn deny_all() -> Value {
    json!({ "Sid": "RelatchContainment", "Effect": "Deny", "Action": "*", "Resource": "*" })
}

fn statement(deny: Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [deny] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_locks_everybody_out_is_not_written() {
        let measure = Measure::Scp {
            target: "1".into(),
            form: Form::DenyAll,
            allow: Vec::new(),
        };
        assert_eq!(of(&measure), Err(DocumentError::NobodyAllowed));
    }

    #[test]
    fn both_forms_fit_and_name_the_responders() {
        for form in [Form::DenyWrites, Form::DenyAll] {
            let allow = vec!["arn:aws:iam::*:role/BreakGlass".to_string()];
            let text = of(&Measure::Scp {
                target: "1".into(),
                form,
                allow,
            })
            .expect("fits");
            let text = text.expect("a policy");
            assert!(text.contains("ArnNotLike") && text.contains("BreakGlass"));
            assert!(text.len() < SCP_LIMIT);
        }
    }

    #[test]
    fn a_list_of_responders_that_does_not_fit_is_told() {
        let allow = vec!["arn:aws:iam::111122223333:role/some-long-name".to_string(); 200];
        let measure = Measure::Scp {
            target: "1".into(),
            form: Form::DenyAll,
            allow,
        };
        assert!(matches!(of(&measure), Err(DocumentError::TooLong(_))));
    }
}
