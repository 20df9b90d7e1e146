//! Whether a measure would deny the people who take it (requirement C5), and whether it would
//! let through those whom it is for.

use crate::Measure;
use crate::arn::{self, Arn};

/// Why a measure is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{measure} would lock out the responder {responder}")]
pub struct LockOut {
    /// The measure.
    pub measure: String,
    /// Who would be denied.
    pub responder: String,
}

/// How names of roles begin that AWS IAM Identity Center makes.
const SSO_ROLE: &str = "AWSReservedSSO_";

/// Where IAM keeps those roles; a region may follow.
const SSO_PATH: &str = "aws-reserved/sso.amazonaws.com/";

/// Refuses a measure that denies `responder`: the ARN of a user, a role, or a role session as
/// `sts:GetCallerIdentity` gives it. A session's ARN does not show the path of its role, which
/// policies match as well: without the role's own ARN the path is taken as the pattern has it.
pub fn check(measure: &Measure, responder: &str) -> Result<(), LockOut> {
    let denied = match measure {
        Measure::Scp { target, allow, .. } => {
            may_bind(target, responder) && !is_allowed(allow, responder)
        }
        Measure::DenyUser { user } | Measure::DisableKey { user, .. } => {
            // Names of users are unique without regard to case.
            arn::user(responder).is_some_and(|own| own.eq_ignore_ascii_case(user))
        }
        Measure::RevokeSessions { role, .. } => arn::role(responder) == Some(role.0.as_str()),
    };
    if denied {
        return Err(LockOut {
            measure: measure.to_string(),
            responder: responder.to_string(),
        });
    }
    Ok(())
}

/// Whether a service control policy with this allow-list does not bind a principal.
pub(crate) fn is_allowed(allow: &[String], principal: &str) -> bool {
    allow.iter().any(|pattern| lets_through(pattern, principal))
}

/// A policy on one account binds that account only; one on a root or unit may bind any.
fn may_bind(target: &str, responder: &str) -> bool {
    let is_account = target.len() == 12 && target.bytes().all(|byte| byte.is_ascii_digit());
    !is_account || Arn::parse(responder).is_none_or(|arn| arn.account == target)
}

/// Whether `aws:PrincipalArn` of a principal is like the pattern.
fn lets_through(pattern: &str, principal: &str) -> bool {
    let (Some(pattern), Some(found)) = (Arn::parse(pattern), Arn::parse(principal)) else {
        return false;
    };
    let Some(role) = arn::session_role(principal) else {
        return pattern.like(&found);
    };
    resources(role, pattern.resource).iter().any(|resource| {
        pattern.like(&Arn {
            service: "iam",
            resource,
            ..found
        })
    })
}

/// What the role behind a session can be called, in the words of a pattern.
fn resources(role: &str, pattern: &str) -> Vec<String> {
    let path = pattern
        .strip_prefix("role/")
        .and_then(|path| path.rsplit_once('/'));
    let path = path.map(|(path, _)| format!("{path}/"));
    let (usual, path) = if role.starts_with(SSO_ROLE) {
        (SSO_PATH, path.filter(|path| path.starts_with(SSO_PATH)))
    } else {
        ("", path)
    };
    let paths = [Some(usual.to_string()), path];
    paths
        .iter()
        .flatten()
        .map(|path| format!("role/{path}{role}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Form, Role};

    const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/BreakGlass/alice";
    const SSO: &str = "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Ops_0a1b/alice";

    fn scp_on(target: &str, allow: &str) -> Measure {
        Measure::Scp {
            target: target.into(),
            form: Form::DenyAll,
            allow: vec![allow.into()],
        }
    }

    fn passes(allow: &str, responder: &str) -> bool {
        check(&scp_on("111122223333", allow), responder).is_ok()
    }

    #[test]
    fn a_responder_on_the_list_passes_by_role_or_user() {
        assert!(passes("arn:aws:iam::*:role/BreakGlass", SESSION));
        assert!(!passes("arn:aws:iam::*:role/Other*", SESSION));
        let user = "arn:aws:iam::111122223333:user/ops/bob";
        assert!(passes("arn:aws:iam::111122223333:user/ops/*", user));
        assert!(!passes("arn:aws:iam::444455556666:user/ops/*", user));
    }

    #[test]
    fn a_sessions_own_arn_on_the_list_allows_nobody() {
        assert!(!passes(
            "arn:aws:sts::111122223333:assumed-role/BreakGlass/*",
            SESSION
        ));
    }

    #[test]
    fn a_role_with_a_known_path_needs_that_path() {
        let role = "arn:aws:iam::111122223333:role/ops/BreakGlass";
        assert!(!passes("arn:aws:iam::*:role/BreakGlass", role));
        assert!(passes("arn:aws:iam::*:role/ops/BreakGlass", role));
        assert!(passes("arn:aws:iam::*:role/ops/BreakGlass", SESSION));
    }

    #[test]
    fn identity_center_roles_need_their_path() {
        assert!(!passes("arn:aws:iam::*:role/AWSReservedSSO_Ops_*", SSO));
        for region in ["", "eu-west-1/", "*/"] {
            let path = format!("role/aws-reserved/sso.amazonaws.com/{region}AWSReservedSSO_Ops_*");
            assert!(passes(&format!("arn:aws:iam::*:{path}"), SSO), "{path}");
        }
    }

    #[test]
    fn a_policy_on_another_account_denies_nobody_here() {
        assert!(
            check(
                &scp_on("444455556666", "arn:aws:iam::*:role/Other"),
                SESSION
            )
            .is_ok()
        );
        assert!(
            check(
                &scp_on("ou-ab12-cd34", "arn:aws:iam::*:role/Other"),
                SESSION
            )
            .is_err()
        );
        assert!(check(&scp_on("r-ab12", "arn:aws:iam::*:role/Other"), SESSION).is_err());
    }

    #[test]
    fn nobody_denies_himself() {
        let bob = "arn:aws:iam::111122223333:user/ops/bob";
        for own in ["bob", "Bob"] {
            assert!(check(&Measure::DenyUser { user: own.into() }, bob).is_err());
            let disable = Measure::DisableKey {
                user: own.into(),
                key: "AKIA1".into(),
            };
            assert!(check(&disable, bob).is_err());
        }
        assert!(check(&Measure::DenyUser { user: "eve".into() }, bob).is_ok());
        let revoke = Measure::RevokeSessions {
            role: Role("BreakGlass".into()),
            issued_before: jiff::Timestamp::UNIX_EPOCH,
        };
        assert!(check(&revoke, SESSION).is_err());
        assert!(check(&revoke, "arn:aws:iam::111122223333:role/ops/BreakGlass").is_err());
        assert!(check(&revoke, bob).is_ok());
    }

    #[test]
    fn a_pattern_counts_only_as_aws_would_count_it() {
        for pattern in [
            // Fewer than six parts.
            "*",
            "arn:aws:iam::*",
            // aws:PrincipalArn holds the role, never the session.
            "arn:aws:sts::111122223333:assumed-role/BreakGlass/*",
            // A star does not reach over colons.
            "arn:*:role/BreakGlass",
            "arn:aws:iam::111122223333:role/breakglass",
        ] {
            assert!(!passes(pattern, SESSION), "{pattern}");
        }
        assert!(passes("arn:aws:iam::11112222333?:role/*Glass", SESSION));
    }

    #[test]
    fn disabling_a_key_of_ones_own_user_is_refused() {
        let bob = "arn:aws:iam::111122223333:user/ops/bob";
        let disable = |user: &str| Measure::DisableKey {
            user: user.into(),
            key: "AKIAEXAMPLE".into(),
        };
        let refused = check(&disable("bob"), bob).expect_err("refused");
        assert!(refused.to_string().contains("AKIAEXAMPLE") && refused.to_string().contains(bob));
        assert!(check(&disable("ops"), bob).is_ok());
    }
}
