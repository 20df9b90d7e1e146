//! Small phrases that report, timeline and templates share.

use jiff::Timestamp;
use relatch_secret::redact;

/// Longest name that is shown whole, in characters.
const LONGEST_NAME: usize = 300;

/// Free text from outside: values masked, control characters shown, one line, cut when long.
pub fn text(outside: &str) -> String {
    redact::outside(outside)
}

/// A name (of a secret, a file, a key): printable and cut, but not masked, since hashes and
/// long paths look like values and are none.
pub fn name(outside: &str) -> String {
    let clean = redact::printable_text(outside);
    if clean.chars().nth(LONGEST_NAME).is_none() {
        return clean;
    }
    let mut cut: String = clean.chars().take(LONGEST_NAME).collect();
    cut.push('…');
    cut
}

/// Names in a row, the first few written out and the rest counted.
pub fn list<T: AsRef<str>>(names: &[T]) -> String {
    const SHOWN: usize = 5;
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(|n| name(n.as_ref())).collect();
    if names.len() > SHOWN {
        shown.push(format!("{} more", names.len() - SHOWN));
    }
    shown.join(", ")
}

/// A number with its noun.
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A moment, to the second, in UTC.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A number of seconds as people say it, with the two largest units.
pub fn span(seconds: i64) -> String {
    if seconds < 0 {
        return format!("minus {}", span(seconds.saturating_neg()));
    }
    let (d, h, m, s) = (
        seconds / 86400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    );
    match (d, h, m, s) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s:02} s"),
        (0, h, m, _) => format!("{h} h {m:02} min"),
        (d, h, _, _) => format!("{d} d {h:02} h"),
    }
}

/// What looking for uses of retired keys shows, and what it does not. `seen` counts hits.
pub fn watched(seen: usize, through: Option<Timestamp>, sources: &[String]) -> String {
    const NEVER: &str = "a dead key leaves few traces or none, so no event never means no attempt";
    match (through, seen) {
        (None, _) => format!("Nobody has looked for uses of retired keys yet; {NEVER}."),
        (Some(through), 0) => format!(
            "No use of a retired key was seen up to {} in {}. This is not proof that nobody \
             tried: {NEVER}.",
            moment(through),
            list(sources)
        ),
        (Some(through), hits) => format!(
            "{} of retired keys seen up to {} in {}. There may have been more: {NEVER}.",
            count(hits, "use", "uses"),
            moment(through),
            list(sources)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        let table = [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min 01 s"),
            (3_840, "1 h 04 min"),
            (90_000, "1 d 01 h"),
            (-5, "minus 5 s"),
        ];
        for (seconds, expected) in table {
            assert_eq!(span(seconds), expected);
        }
    }

    #[test]
    fn names_keep_hashes_and_lose_escapes() {
        let hash = "a".repeat(64);
        assert_eq!(name(&hash), hash);
        assert_eq!(name("a\u{1b}[2Jb\nc"), "a·[2Jb·c");
        assert_eq!(name(&"x".repeat(400)).chars().count(), 301);
    }

    #[test]
    fn silence_is_never_called_proof() {
        let words = watched(0, Some(Timestamp::UNIX_EPOCH), &["s3://logs".to_string()]);
        assert!(words.contains("not proof"));
        assert!(watched(0, None, &[]).contains("no event never means no attempt"));
    }
}
