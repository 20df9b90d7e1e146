//! Event ids: 16 bytes where they are UUIDs, which almost all are.

use crate::log::texts::{Sym, Texts};

/// An event id: a UUID in 16 bytes, or the number of a text of another form.
///
/// The second kind has all bits of the first half set, which no UUID taken here has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct EventId(u64, u64);

impl EventId {
    /// The short form of an id; only what can be printed again unchanged is taken as a UUID.
    pub(crate) fn new(text: &str, texts: &mut Texts) -> EventId {
        match parse_uuid(text) {
            Some((high, low)) if high != u64::MAX => EventId(high, low),
            _ => EventId::other(texts.put(text)),
        }
    }

    /// An id of another form.
    pub(crate) fn other(text: Sym) -> EventId {
        EventId(u64::MAX, u64::from(text.0))
    }

    /// The number of the text, for an id that is no UUID.
    pub(crate) fn text(self) -> Option<Sym> {
        let number = u32::try_from(self.1).ok().filter(|_| self.0 == u64::MAX)?;
        Some(Sym(number))
    }

    /// The id as it stands in the log.
    pub(crate) fn show(self, texts: &Texts) -> String {
        match self.text() {
            Some(text) => texts.get(text).to_owned(),
            None => show_uuid(u128::from(self.0) << 64 | u128::from(self.1)),
        }
    }
}

/// Reads a lower-case UUID with dashes, as its two halves.
fn parse_uuid(text: &str) -> Option<(u64, u64)> {
    let bytes: &[u8; 36] = text.as_bytes().try_into().ok()?;
    if [8, 13, 18, 23].iter().any(|dash| bytes[*dash] != b'-') {
        return None;
    }
    let mut wrong = 0;
    let mut number = |span: std::ops::Range<usize>| {
        bytes[span].iter().fold(0u64, |number, byte| {
            let digit = DIGITS[usize::from(*byte)];
            wrong |= digit;
            number << 4 | u64::from(digit & 0xf)
        })
    };
    let high = number(0..8) << 32 | number(9..13) << 16 | number(14..18);
    let halves = (high, number(19..23) << 48 | number(24..36));
    (wrong & NO_DIGIT == 0).then_some(halves)
}

/// What no hexadecimal digit has.
const NO_DIGIT: u8 = 0x10;

/// The value of every lower-case hexadecimal digit.
static DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

fn show_uuid(number: u128) -> String {
    let hex = format!("{number:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// A UUID for the columns that only join (`sharedEventID`).
pub(crate) fn join_id(text: &str) -> Option<u128> {
    let (high, low) = (text.len() == 36).then(|| parse_uuid(&text.to_ascii_lowercase()))??;
    Some(u128::from(high) << 64 | u128::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_unchanged() {
        let mut texts = Texts::default();
        let uuid = "0e8f2b6c-1111-4222-8333-abcdefabcdef";
        for (text, plain) in [
            (uuid.to_owned(), true),
            (uuid.to_uppercase(), false),
            ("ffffffff-ffff-ffff-8333-abcdefabcdef".to_owned(), false),
            ("gap".to_owned(), false),
        ] {
            let id = EventId::new(&text, &mut texts);
            assert_eq!(id.show(&texts), text);
            assert_eq!(id.text().is_none(), plain, "{text}");
        }
    }
}
