//! Text from logs is chosen by the attacker: nothing of it reaches a terminal unfiltered.

/// Strips terminal escape sequences, control characters and invisible direction marks.
///
/// User agents, session names and error messages in a log are chosen by whoever made the call.
/// The result is safe to print on a terminal and always one line.
pub fn sanitize(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' => skip_until(&mut rest, |c| ('@'..='~').contains(&c)),
            '\t' | '\n' | '\r' => clean.push(' '),
            c if c.is_control() || is_invisible(c) => {}
            c => clean.push(c),
        }
    }
    clean
}

fn skip_escape(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match rest.next() {
        Some('[') => skip_until(rest, |c| ('@'..='~').contains(&c)),
        // Operating system commands, device control, privacy messages: up to BEL or ST.
        Some(']' | 'P' | '^' | '_' | 'X') => {
            skip_until(rest, |c| matches!(c, '\u{7}' | '\u{9c}' | '\u{1b}'));
            rest.next_if_eq(&'\\');
        }
        Some('(' | ')' | '*' | '+' | '#' | '%') => {
            rest.next();
        }
        _ => {}
    }
}

fn skip_until(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, end: impl Fn(char) -> bool) {
    for c in rest.by_ref() {
        if end(c) {
            return;
        }
    }
}

/// Direction overrides, zero-width characters and line separators, which can disguise a name.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The event name without the date that Lambda and others append (`GetFunction20150331v2`).
pub(crate) fn base_name(name: &str) -> &str {
    let stem = match name.rsplit_once('v') {
        Some((stem, version))
            if !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit()) =>
        {
            stem
        }
        _ => name,
    };
    let letters = stem.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
    if stem.len() >= letters.len() + 8 {
        letters
    } else {
        name
    }
}

/// Whether a string has the shape of an AWS access key id (IAM user guide, "IAM identifiers").
pub(crate) fn is_access_key_id(text: &str) -> bool {
    text.len() >= 16
        && text.len() <= 128
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && ["AKIA", "ASIA", "ABIA", "ACCA"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
}

/// Whether an access key id is long-lived: neither temporary nor unknown.
pub(crate) fn is_long_lived(key: &str) -> bool {
    !key.is_empty() && !key.starts_with("ASIA")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_removed() {
        assert_eq!(sanitize("a\u{1b}[31mred\u{1b}[0m b"), "ared b");
        assert_eq!(
            sanitize("x\u{1b}]0;title\u{7}y\u{1b}]8;;http://e\u{1b}\\z"),
            "xyz"
        );
        assert_eq!(sanitize("one\ntwo\u{202e}\u{200b}\u{0}"), "one two");
        assert_eq!(sanitize("\u{9b}2Jok\u{1b}"), "ok");
        assert_eq!(sanitize("naïve"), "naïve");
    }

    #[test]
    fn dates_leave_event_names() {
        assert_eq!(base_name("GetFunction20150331v2"), "GetFunction");
        assert_eq!(base_name("ListFunctions20150331"), "ListFunctions");
        assert_eq!(
            base_name("CreateDistribution2016_11_25"),
            "CreateDistribution"
        );
        assert_eq!(base_name("ListObjectsV2"), "ListObjectsV2");
        assert_eq!(base_name("GetSecretValue"), "GetSecretValue");
    }

    #[test]
    fn key_ids_are_known_by_shape() {
        assert!(is_access_key_id("AKIAEXAMPLEEXAMPLE01"));
        assert!(!is_access_key_id("AKIA short"));
        assert!(!is_long_lived("ASIAEXAMPLEEXAMPLE01"));
        assert!(!is_long_lived(""));
    }
}
