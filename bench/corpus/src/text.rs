//! Times in the forms that records and paths use, and templates.

use crate::random::Dice;

fn moment(at: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

/// RFC 3339.
pub(crate) fn time(at: i64) -> String {
    moment(at).to_string()
}

/// As in answers: `Jun 3, 2026, 1:05:09 PM`.
pub(crate) fn spoken(at: i64) -> String {
    moment(at).strftime("%b %-d, %Y, %-I:%M:%S %p").to_string()
}

/// As in paths: `2026/06/03`.
pub(crate) fn day(at: i64) -> String {
    moment(at).strftime("%Y/%m/%d").to_string()
}

/// As in file names: `20260603T1305Z`.
pub(crate) fn minute(at: i64) -> String {
    moment(at).strftime("%Y%m%dT%H%MZ").to_string()
}

/// Names of what an organisation runs.
pub(crate) const WORDS: [&str; 24] = [
    "orders", "billing", "search", "catalog", "login", "mail", "reports", "ingest", "stock",
    "payments", "profile", "media", "export", "ledger", "pricing", "audit", "notify", "chat",
    "returns", "shipping", "website", "partner", "forecast", "loyalty",
];

/// Where a template is filled in.
pub(crate) struct Here<'a> {
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) word: &'a str,
}

/// Fills a template: `@a` account, `@r` region, `@w` word, `@v` any word, `@n` number, `@h` hex,
/// `@u` UUID.
pub(crate) fn fill(template: &str, here: &Here<'_>, dice: &mut Dice) -> String {
    let mut text = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('@') {
        text.push_str(before);
        match after.as_bytes().first() {
            Some(b'a') => text.push_str(here.account),
            Some(b'r') => text.push_str(here.region),
            Some(b'w') => text.push_str(here.word),
            Some(b'v') => text.push_str(WORDS[dice.below(WORDS.len())]),
            Some(b'n') => text.push_str(&dice.below(90).to_string()),
            Some(b'h') => text.push_str(&dice.hex(17)),
            Some(b'u') => text.push_str(&dice.uuid()),
            _ => text.push('@'),
        }
        rest = after.get(1..).unwrap_or_default();
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_templates() {
        let at = 1_780_491_909;
        assert_eq!(time(at), "2026-06-03T13:05:09Z");
        assert_eq!(spoken(at), "Jun 3, 2026, 1:05:09 PM");
        assert_eq!(
            (day(at).as_str(), minute(at).as_str()),
            ("2026/06/03", "20260603T1305Z")
        );
        let here = Here {
            account: "111122223333",
            region: "eu-west-1",
            word: "orders",
        };
        let text = fill("@a:@r/@w-@n", &here, &mut Dice::new(1, 1));
        assert!(text.starts_with("111122223333:eu-west-1/orders-"), "{text}");
    }
}
