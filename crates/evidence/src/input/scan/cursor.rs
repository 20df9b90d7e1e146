//! A strict and careful walk over JSON: what it takes, every parser takes, and without a copy.

use wide::u8x16;

use crate::input::record::Text;

/// Deepest nesting followed here; deeper records go the slow way, since a parser may refuse them.
const DEPTH: u8 = 64;

/// Most digits of a number, and most of its exponent, that are followed here: no number within
/// these is too large to be parsed.
const DIGITS: usize = 200;
const EXPONENT: usize = 2;

/// What a value is, as far as can be told without parsing it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Absent,
    /// A string without escapes; the span leaves out its quotes.
    Plain,
    /// Anything else.
    Other,
}

/// Where a value stands in the text.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) form: Form,
}

/// Where the wanted values of an object stand, in the order of what is wanted.
pub(super) struct Spans<const N: usize>([Span; N]);

impl<const N: usize> Spans<N> {
    /// None found yet.
    pub(super) fn none() -> Self {
        Spans(
            [Span {
                start: 0,
                end: 0,
                form: Form::Absent,
            }; N],
        )
    }

    /// Notes a value; `None` when there is one of its name already.
    pub(super) fn put(&mut self, slot: usize, span: Span) -> Option<()> {
        let before = std::mem::replace(&mut self.0[slot], span);
        (before.form == Form::Absent).then_some(())
    }

    /// A value as text; `None` when it is none that a strict parser takes.
    pub(super) fn text<'a>(&self, slot: usize, text: &'a str) -> Option<Text<'a>> {
        let span = self.0[slot];
        let found = &text[span.start..span.end];
        match span.form {
            Form::Absent => Some(Text::default()),
            Form::Plain => Some(Text(Some(found.into()))),
            Form::Other if found == "null" => Some(Text::default()),
            Form::Other if matches!(found, "true" | "false") => Some(Text(Some(found.into()))),
            Form::Other => serde_json::from_str(found).ok(),
        }
    }

    /// A value as it stands in the text; null counts as absent.
    pub(super) fn raw<'a>(&self, slot: usize, text: &'a str) -> Option<&'a str> {
        let span = self.0[slot];
        match span.form {
            Form::Absent => None,
            Form::Plain => Some(&text[span.start - 1..=span.end]),
            Form::Other => Some(&text[span.start..span.end]).filter(|found| *found != "null"),
        }
    }
}

/// A position in the bytes. Every method returns `None` at what a strict parser refuses.
pub(super) struct Cursor<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    /// Newlines between values.
    pub(super) lines: u64,
}

impl<'a> Cursor<'a> {
    /// At the first of the bytes.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Cursor {
            bytes,
            at: 0,
            lines: 0,
        }
    }

    /// Walks over an object. `field` is given the name and the first byte of each value, at which
    /// the position is, and has to pass over the value. Names with escapes are refused.
    pub(super) fn object(
        &mut self,
        mut field: impl FnMut(&mut Self, &'a [u8], u8) -> Option<()>,
    ) -> Option<()> {
        self.expect(b'{')?;
        if self.next()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.expect(b'"')?;
            let start = self.at;
            if self.string()? {
                return None;
            }
            let name = &self.bytes[start..self.at - 1];
            self.next()?;
            self.expect(b':')?;
            let first = self.next()?;
            field(self, name, first)?;
            match self.next()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
            self.next()?;
        }
    }

    /// Passes over a value and tells where it stands.
    pub(super) fn span(&mut self, first: u8) -> Option<Span> {
        let start = self.at;
        if first == b'"' {
            self.at += 1;
            if !self.string()? {
                return Some(Span {
                    start: start + 1,
                    end: self.at - 1,
                    form: Form::Plain,
                });
            }
        } else {
            self.value(0)?;
        }
        Some(Span {
            start,
            end: self.at,
            form: Form::Other,
        })
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (*self.bytes.get(self.at)? == byte).then(|| self.at += 1)
    }

    /// The next byte that is no blank; the position is then on it.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        loop {
            match *self.bytes.get(self.at)? {
                b'\n' => self.lines += 1,
                b' ' | b'\t' | b'\r' => {}
                byte => return Some(byte),
            }
            self.at += 1;
        }
    }

    /// Passes over a value, of which the position is on the first byte.
    pub(super) fn value(&mut self, depth: u8) -> Option<()> {
        match *self.bytes.get(self.at)? {
            b'"' => {
                self.at += 1;
                self.string().map(|_| ())
            }
            b'{' => self.inner(depth, b'}'),
            b'[' => self.inner(depth, b']'),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    /// Passes over an object or a list.
    fn inner(&mut self, depth: u8, end: u8) -> Option<()> {
        if depth >= DEPTH {
            return None;
        }
        self.at += 1;
        if self.next()? == end {
            self.at += 1;
            return Some(());
        }
        loop {
            if end == b'}' {
                self.expect(b'"')?;
                self.string()?;
                self.next()?;
                self.expect(b':')?;
                self.next()?;
            }
            self.value(depth + 1)?;
            match self.next()? {
                b',' => self.at += 1,
                byte if byte == end => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
            self.next()?;
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.bytes[self.at..]
            .starts_with(word)
            .then(|| self.at += word.len())
    }

    /// Passes over a number; one that touches the end of the bytes may go on and is refused.
    fn number(&mut self) -> Option<()> {
        if self.bytes[self.at] == b'-' {
            self.at += 1;
        }
        let zero = *self.bytes.get(self.at)? == b'0';
        if self.digits(DIGITS)? > 1 && zero {
            return None;
        }
        if *self.bytes.get(self.at)? == b'.' {
            self.at += 1;
            self.digits(DIGITS)?;
        }
        if matches!(self.bytes.get(self.at)?, b'e' | b'E') {
            self.at += 1;
            if matches!(self.bytes.get(self.at)?, b'+' | b'-') {
                self.at += 1;
            }
            self.digits(EXPONENT)?;
        }
        Some(())
    }

    /// Passes over digits, of which there must be some, and tells how many.
    fn digits(&mut self, most: usize) -> Option<usize> {
        let start = self.at;
        while self.bytes.get(self.at)?.is_ascii_digit() {
            self.at += 1;
        }
        let count = self.at - start;
        (1..=most).contains(&count).then_some(count)
    }

    /// Passes over a string behind its opening quote; tells whether it holds escapes.
    #[inline]
    fn string(&mut self) -> Option<bool> {
        let mut escaped = false;
        loop {
            self.at += plain(&self.bytes[self.at..]);
            match *self.bytes.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(escaped);
                }
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let length = match *self.bytes.get(self.at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' => {
                let digits = self.bytes.get(self.at + 2..self.at + 6)?;
                // Half a character needs its other half: whether it is there, others may tell.
                let is_half = matches!(
                    digits,
                    [b'd' | b'D', b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F', ..]
                );
                let is_whole = digits.iter().all(u8::is_ascii_hexdigit) && !is_half;
                is_whole.then_some(6)?
            }
            _ => return None,
        };
        self.at += length;
        Some(())
    }
}

/// Sixteen bytes are looked at in one step.
const STEP: usize = 16;

/// How many bytes lie before the first quote, backslash or control character.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((step, after)) = rest.split_first_chunk::<STEP>() {
        let step = u8x16::new(*step);
        // The least of a byte and the last control character is the byte itself for those.
        let special = step.simd_eq(u8x16::splat(b'"'))
            | step.simd_eq(u8x16::splat(b'\\'))
            | step.simd_eq(step.min(u8x16::splat(0x1f)));
        let found = special.to_bitmask();
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize;
        }
        rest = after;
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    bytes.len() - rest.len() + rest.iter().position(special).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn specials_are_found_where_they_are(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let expected = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            prop_assert_eq!(plain(&bytes), expected.unwrap_or(bytes.len()));
        }
    }
}
