//! Keys that no issuer ever issued, for the negative control.

/// What made-up keys are filled with; letters and digits only, so that it fits every format.
const FILLER: &[u8] = b"RelatchMadeThisUpNoIssuerEverIssuedIt0";

/// Fills a template: `{74}` becomes 74 filler characters. `None`: the braces hold no number
/// up to 4096.
pub(crate) fn fill(template: &str) -> Option<String> {
    let mut pieces = template.split('{');
    let mut text = pieces.next()?.to_string();
    for piece in pieces {
        let (count, rest) = piece.split_once('}')?;
        let count: usize = count.parse().ok().filter(|count| *count <= 4096)?;
        text.extend(
            FILLER
                .iter()
                .cycle()
                .take(count)
                .map(|byte| char::from(*byte)),
        );
        text.push_str(rest);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled() {
        assert_eq!(fill("sk-{7}-{2}").as_deref(), Some("sk-Relatch-Re"));
        assert_eq!(fill("plain").as_deref(), Some("plain"));
        for wrong in ["{", "{x}", "{-1}", "{999999}"] {
            assert_eq!(fill(wrong), None, "{wrong}");
        }
    }
}
