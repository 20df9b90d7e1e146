//! What silence means.

use jiff::Timestamp;
use relatch_secret::redact;

/// What may be said when nothing was seen: up to when, where, and that it proves nothing. A
/// dead key often leaves no record when it is tried.
pub fn nothing_seen(through: Timestamp, sources: &[&str]) -> String {
    let sources: Vec<String> = sources.iter().map(|s| redact::printable_text(s)).collect();
    let sources = if sources.is_empty() {
        "no source at all".to_string()
    } else {
        sources.join(", ")
    };
    format!(
        "no event seen up to {} in {sources}; this is not proof that nobody tried",
        through.strftime("%Y-%m-%d %H:%M:%S UTC")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_said_with_its_limits() {
        let words = nothing_seen(Timestamp::UNIX_EPOCH, &["lookup:us-east-1", "issuer:x"]);
        assert_eq!(
            words,
            "no event seen up to 1970-01-01 00:00:00 UTC in lookup:us-east-1, issuer:x; this is \
             not proof that nobody tried"
        );
        assert!(nothing_seen(Timestamp::UNIX_EPOCH, &[]).contains("no source at all"));
    }
}
