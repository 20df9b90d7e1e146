//! Cleaning text that comes from outside, before it is recorded or shown.

use std::sync::LazyLock;

use regex::Regex;

/// What stands where something was taken out.
const MASK: &str = "[redacted]";

/// Longest outside text that is kept, in characters.
const LIMIT: usize = 600;

/// Shapes of values that must never be repeated: provider keys, AWS secret keys and session
/// tokens, bearer tokens, private keys. AWS access key ids are not secret and stay.
static SHAPES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?x)
        \bsk-[A-Za-z0-9_-]{16,}
        | \bABSK[A-Za-z0-9+/=]{40,}
        | \bAGE-SECRET-KEY-1[A-Z0-9]+
        | -----BEGIN[\ A-Z]*PRIVATE\ KEY-----
        | (?i:bearer)\s+[A-Za-z0-9._~+/=-]{16,}
        | \beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.?[A-Za-z0-9_-]*
        | [A-Za-z0-9+/]{40,}={0,2}
        ",
    )
    .expect("a constant pattern")
});

/// Makes an outside text safe to record and print: control characters (terminal escapes
/// among them) become `·`, anything that looks like a secret value is masked, and what is
/// longer than 600 characters is cut.
pub fn outside(text: &str) -> String {
    let masked = SHAPES.replace_all(text, MASK);
    let mut clean: String = masked.chars().take(LIMIT).map(printable).collect();
    if masked.chars().nth(LIMIT).is_some() {
        clean.push('…');
    }
    clean
}

/// Makes one name printable: control and direction-changing characters become `·`.
pub fn printable_text(text: &str) -> String {
    text.chars().map(printable).collect()
}

fn printable(c: char) -> char {
    let reorders =
        matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    if c.is_control() || reorders { '·' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_masked_and_key_ids_are_kept() {
        let text = "key sk-svcacct-abcdefghijklmnop refused for AKIAIOSFODNN7EXAMPLE";
        assert_eq!(
            outside(text),
            "key [redacted] refused for AKIAIOSFODNN7EXAMPLE"
        );
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        assert!(!outside(&format!("x={secret}")).contains(secret));
    }

    proptest! {
        #[test]
        fn no_control_character_survives(text in any::<String>()) {
            prop_assert!(!outside(&text).chars().any(char::is_control));
        }
    }
}
