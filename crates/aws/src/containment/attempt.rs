//! Trying what a measure should stop, with a credential that it is meant for.

use aws_sdk_iam::Client;
use aws_sdk_iam::error::ProvideErrorMetadata;
use relatch_containment::Verdict;

use crate::connection::Connection;

/// Makes one call that reads nothing of value (`iam:ListAccountAliases`) as the credential
/// behind `connection`. Whoever could do it before and is refused now is contained; but only
/// an "explicit deny" in the refusal, or a key that is not known any more, says so by itself.
pub(super) async fn attempt(connection: &Connection) -> Verdict {
    // Sent once: the first answer counts.
    let client = Client::new(&connection.write_config(""));
    let (binds, how) = match client.list_account_aliases().send().await {
        Ok(_) => (
            Some(false),
            "a call with the credential went through".to_string(),
        ),
        Err(error) => match (error.code(), error.message()) {
            (Some("AccessDenied"), Some(words)) if words.contains("explicit deny") => (
                Some(true),
                format!("a call with the credential met an {}", from_deny(words)),
            ),
            (Some(code @ "InvalidClientTokenId"), _) => (
                Some(true),
                format!("a call with the credential was refused: {code}"),
            ),
            (Some(code), _) => (
                None,
                format!("a call with the credential was refused, for whatever reason: {code}"),
            ),
            (None, _) => (
                None,
                "a call with the credential got no definite answer".to_string(),
            ),
        },
    };
    Verdict { binds, how }
}

/// What AWS says of the deny, which names the kind of policy.
fn from_deny(words: &str) -> String {
    let at = words.find("explicit deny").unwrap_or_default();
    relatch_secret::redact::outside(&words[at..])
}

/// What was read back and what was tried, as one verdict: a call that goes through outweighs
/// any policy that was read; a refusal of unknown reason adds nothing.
pub(super) fn joined(read: Verdict, tried: Verdict) -> Verdict {
    let binds = match (read.binds, tried.binds) {
        (_, Some(false)) | (Some(false), _) => Some(false),
        (Some(true), _) | (_, Some(true)) => Some(true),
        (None, None) => None,
    };
    Verdict {
        binds,
        how: format!("{}; {}", read.how, tried.how),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_through_outweighs_what_was_read() {
        let verdict = |binds| Verdict {
            binds,
            how: String::new(),
        };
        let join = |read, tried| joined(verdict(read), verdict(tried)).binds;
        assert_eq!(join(Some(true), Some(false)), Some(false));
        assert_eq!(join(Some(false), Some(true)), Some(false));
        assert_eq!(join(Some(true), None), Some(true));
        assert_eq!(join(None, Some(true)), Some(true));
        assert_eq!(join(None, Some(false)), Some(false));
        assert_eq!(join(None, None), None);
    }
}
