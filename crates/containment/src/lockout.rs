//! Whether a measure would deny the people who take it (requirement C5).

use crate::Measure;

/// Why a measure is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{measure} would lock out the responder {responder}")]
pub struct LockOut {
    /// The measure.
    pub measure: String,
    /// Who would be denied.
    pub responder: String,
}

/// Refuses a measure that denies `responder` (an ARN as `sts:GetCallerIdentity` gives it).
pub fn check(measure: &Measure, responder: &str) -> Result<(), LockOut> {
    let denied = match measure {
        Measure::Scp { allow, .. } => {
            let principal = principal_arn(responder);
            !allow
                .iter()
                .any(|pattern| like(pattern, &principal) || like(pattern, responder))
        }
        Measure::DenyUser { user } | Measure::DisableKey { user, .. } => responder
            .rsplit_once(":user/")
            .is_some_and(|(_, path)| name_of(path) == user),
        Measure::RevokeSessions { role, .. } => role_of(responder) == Some(role.0.as_str()),
    };
    if denied {
        return Err(LockOut {
            measure: measure.to_string(),
            responder: responder.to_string(),
        });
    }
    Ok(())
}

/// The ARN that `aws:PrincipalArn` holds: for a role session, its role's.
fn principal_arn(arn: &str) -> String {
    match (arn.split_once(":sts::"), role_of(arn)) {
        (Some((head, tail)), Some(role)) => {
            let account = tail.split(':').next().unwrap_or_default();
            format!("{head}:iam::{account}:role/{role}")
        }
        _ => arn.to_string(),
    }
}

fn role_of(arn: &str) -> Option<&str> {
    arn.rsplit_once(":assumed-role/")?.1.split('/').next()
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `ArnLike` over whole ARNs: `*` any characters, `?` one.
fn like(pattern: &str, text: &str) -> bool {
    fn matches(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some(b'*'), _) => {
                matches(&pattern[1..], text) || !text.is_empty() && matches(pattern, &text[1..])
            }
            (Some(b'?'), Some(_)) => matches(&pattern[1..], &text[1..]),
            (Some(a), Some(b)) if a == b => matches(&pattern[1..], &text[1..]),
            _ => false,
        }
    }
    matches(pattern.as_bytes(), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Form, Role};

    const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/BreakGlass/alice";

    fn scp(allow: &str) -> Measure {
        Measure::Scp {
            target: "1".into(),
            form: Form::DenyAll,
            allow: vec![allow.into()],
        }
    }

    #[test]
    fn a_responder_on_the_list_passes_by_role_or_user() {
        assert!(check(&scp("arn:aws:iam::*:role/BreakGlass"), SESSION).is_ok());
        assert!(check(&scp("arn:aws:iam::*:role/Other*"), SESSION).is_err());
        let user = "arn:aws:iam::111122223333:user/ops/bob";
        assert!(check(&scp("arn:aws:iam::111122223333:user/ops/*"), user).is_ok());
    }

    #[test]
    fn nobody_denies_himself() {
        let bob = "arn:aws:iam::111122223333:user/ops/bob";
        assert!(check(&Measure::DenyUser { user: "bob".into() }, bob).is_err());
        assert!(check(&Measure::DenyUser { user: "eve".into() }, bob).is_ok());
        let revoke = Measure::RevokeSessions {
            role: Role("BreakGlass".into()),
            issued_before: jiff::Timestamp::UNIX_EPOCH,
        };
        assert!(check(&revoke, SESSION).is_err());
    }
}
