//! What values look like.

use std::sync::LazyLock;

use regex::Regex;

use crate::declared::is_region;

/// The id of a long-lived access key of an IAM user.
/// Source: AWS, IAM identifiers, unique id prefixes.
static ACCESS_KEY_ID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("^AKIA[A-Z0-9]{16,124}$").expect("a constant pattern"));

/// The id of temporary credentials, which run out by themselves.
static TEMPORARY_ID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("^ASIA[A-Z0-9]{16,124}$").expect("a constant pattern"));

/// Both halves of an access key in one text.
static ID_WITHIN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:^|[^A-Za-z0-9])AKIA[A-Z0-9]{16,124}(?:[^A-Za-z0-9]|$)")
        .expect("a constant pattern")
});
static SECRET_WITHIN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:^|[^A-Za-z0-9/+])([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)")
        .expect("a constant pattern")
});

pub(super) fn is_access_key_id(value: &str) -> bool {
    ACCESS_KEY_ID.is_match(value)
}

pub(super) fn is_temporary_id(value: &str) -> bool {
    TEMPORARY_ID.is_match(value)
}

/// Whether a value can be the secret of an access key: 40 characters of Base64 with capital
/// and small letters among them, which the hex of a commit never has.
pub(super) fn can_be_aws_secret(value: &str) -> bool {
    has_form_of_aws_secret(value)
        && value.bytes().any(|b| b.is_ascii_uppercase())
        && value.bytes().any(|b| b.is_ascii_lowercase())
}

/// Whether a value has the length and the characters of such a secret.
pub(super) fn has_form_of_aws_secret(value: &str) -> bool {
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'+');
    value.len() == 40 && value.bytes().all(valid)
}

/// Whether both halves of an access key stand within a longer text.
pub(super) fn has_access_key_within(value: &str) -> bool {
    ID_WITHIN.is_match(value)
        && SECRET_WITHIN
            .captures_iter(value)
            .any(|found| can_be_aws_secret(&found[1]))
}

/// What a value can be, for slots that are known by their name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// A secret.
    Secret,
    /// Neither: a word, a placeholder, something short or with spaces.
    Odd,
    /// Ordinary configuration: nothing, an address, an ARN, a path, a region, a reference.
    Ordinary,
}

/// What a value looks like.
pub(super) fn likeness(value: &str) -> Likeness {
    const SHORTEST: usize = 8;
    let references = [
        "arn:", "/", "./", "$", "{{", "<", "ssm:", "vault:", "op://", "env:",
    ];
    if value.is_empty()
        || value.contains("://")
        || is_region(value)
        || references.iter().any(|start| value.starts_with(start))
    {
        return Likeness::Ordinary;
    }
    let one_word = !value.chars().any(|c| c.is_whitespace() || c.is_control());
    let mixed = value
        .bytes()
        .any(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    if value.len() >= SHORTEST && one_word && mixed {
        Likeness::Secret
    } else {
        Likeness::Odd
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_values_are_no_secrets() {
        for (value, expected) in [
            ("https://api.openai.com/v1", Likeness::Ordinary),
            (
                "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/openai-AbCdEf",
                Likeness::Ordinary,
            ),
            ("us-east-1", Likeness::Ordinary),
            ("changeme", Likeness::Odd),
            ("${OPENAI_API_KEY}", Likeness::Ordinary),
            ("/run/secrets/openai", Likeness::Ordinary),
            ("two Words 1", Likeness::Odd),
            ("A1", Likeness::Odd),
            ("", Likeness::Ordinary),
            ("vk-0123456789", Likeness::Secret),
        ] {
            assert_eq!(likeness(value), expected, "{value}");
        }
    }

    #[test]
    fn a_commit_is_no_aws_secret() {
        assert!(can_be_aws_secret(
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
        ));
        assert!(!can_be_aws_secret(
            "da39a3ee5e6b4b0d3255bfef95601890afd80709"
        ));
        assert!(!can_be_aws_secret(
            "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709"
        ));
    }

    #[test]
    fn both_halves_within_a_text_are_seen() {
        let id = "AKIAIOSFODNN7EXAMPLE";
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        assert!(has_access_key_within(&format!(
            "s3 key={id} secret={secret};"
        )));
        assert!(!has_access_key_within(&format!(
            "https://x/?X-Amz-Credential={id}%2F2024"
        )));
    }
}
