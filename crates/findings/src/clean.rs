//! Text from outside, made fit to be shown.

use relatch_evidence::sanitize;

/// Most characters of one text that are shown.
pub(crate) const LONGEST: usize = 2_000;

/// One line without escapes, controls and direction marks; cut with a mark when too long.
pub(crate) fn clean(text: &str) -> String {
    let mut shown: String = sanitize(text).chars().filter(|c| !is_unfit(*c)).collect();
    let Some((end, _)) = shown.char_indices().nth(LONGEST) else {
        return shown;
    };
    let all = shown.chars().count();
    shown.truncate(end);
    shown + &format!("… [cut: {all} characters in all]")
}

/// Invisible or not a character at all (the Arabic letter mark, annotations, tags, U+FFFE):
/// what is left when escapes, controls and the common direction marks are gone. YAML and XML
/// allow not all of them.
fn is_unfit(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
        | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_with_a_mark() {
        let shown = clean(&"é".repeat(100_000));
        assert!(shown.ends_with("é… [cut: 100000 characters in all]"));
        assert!(shown.chars().count() < LONGEST + 50);
        let whole = "é".repeat(LONGEST);
        assert_eq!(clean(&whole), whole);
    }

    #[test]
    fn what_cannot_be_seen_is_gone() {
        assert_eq!(
            clean("a\u{1b}[31mb\u{61c}\u{202e}\u{e0041}\n=c\u{ffff}"),
            "ab =c"
        );
    }
}
