//! Values that stand in events in another spelling: Base64, UTF-16, other dashes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Refusal;
use super::modifiers::Change;

/// The most spellings of one value.
const MOST_SPELLINGS: usize = 625;
/// What may stand for a dash before an option.
const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];

/// UTF-16 in the wanted byte order.
pub(super) fn utf16(text: &str, change: Change) -> Vec<u8> {
    let little = |text: &str| {
        text.encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<u8>>()
    };
    match change {
        Change::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        Change::Utf16 => [vec![0xFF, 0xFE], little(text)].concat(),
        _ => little(text),
    }
}

/// Base64 of the value itself.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The part of the Base64 text that does not depend on what stands before and after the value,
/// for each of the three ways it can fall.
pub(super) fn base64_offsets(bytes: &[u8]) -> Result<Vec<String>, Refusal> {
    if bytes.len() < 2 {
        return Err(Refusal::faulty("too short a value for `base64offset`"));
    }
    let spelled = |offset: usize| {
        let padded = [&b"\0\0"[..offset], bytes].concat();
        let text = STANDARD.encode(&padded);
        let start = [0, 2, 3][offset];
        let end = text.len() - [0, 3, 2][padded.len() % 3];
        text[start..end].to_owned()
    };
    Ok((0..3).map(spelled).collect())
}

/// Every mix of dashes where the value has `-` or `/` before a word and not after one.
pub(super) fn windash(text: &str) -> Result<Vec<String>, Refusal> {
    let chars: Vec<char> = text.chars().collect();
    let word = |at: Option<usize>| {
        at.and_then(|at| chars.get(at))
            .is_some_and(|c| c.is_alphanumeric() || *c == '_')
    };
    let mut all = vec![String::new()];
    for (at, c) in chars.iter().enumerate() {
        let dash = matches!(c, '-' | '/') && !word(at.checked_sub(1)) && word(Some(at + 1));
        let choices: &[char] = if dash {
            &DASHES
        } else {
            std::slice::from_ref(c)
        };
        if all.len() * choices.len() > MOST_SPELLINGS {
            return Err(Refusal::faulty("too many dashes for `windash`"));
        }
        all = all
            .iter()
            .flat_map(|text| choices.iter().map(move |choice| format!("{text}{choice}")))
            .collect();
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_found_wherever_it_falls() {
        let parts = base64_offsets(b"secret").expect("parts");
        for before in ["", "a", "ab", "abc", "abcd"] {
            for after in ["", "x", "xy", "xyz"] {
                let text = STANDARD.encode(format!("{before}secret{after}"));
                assert!(
                    parts.iter().any(|part| text.contains(part)),
                    "{before} {after} {text}"
                );
            }
        }
        base64_offsets(b"x").expect_err("too short");
    }

    #[test]
    fn dashes() {
        let all = windash("run -a x-y").expect("spelled");
        assert_eq!(all.len(), 5);
        assert!(all.contains(&"run /a x-y".to_owned()));
        windash(&"-a ".repeat(9)).expect_err("too many");
    }

    #[test]
    fn wide() {
        assert_eq!(utf16("a", Change::Utf16Le), [0x61, 0]);
        assert_eq!(utf16("a", Change::Utf16Be), [0, 0x61]);
        assert_eq!(utf16("a", Change::Utf16), [0xFF, 0xFE, 0x61, 0]);
    }
}
