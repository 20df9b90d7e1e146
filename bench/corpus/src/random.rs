//! Chance, made from a seed.

use std::fmt::Write as _;

/// A stream of random numbers.
pub(crate) struct Dice(fastrand::Rng);

impl Dice {
    /// One of several independent streams of a seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut first = fastrand::Rng::with_seed(seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self(fastrand::Rng::with_seed(first.u64(..)))
    }

    /// A number below `end`, which must not be 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.usize(..end)
    }

    /// A number of seconds from `from` up to and with `to`.
    pub(crate) fn seconds(&mut self, from: i64, to: i64) -> i64 {
        self.0.i64(from..=to)
    }

    /// Whether something happens that happens `percent` times in a hundred.
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.0.u32(..100) < percent
    }

    /// One of several; there must be one.
    pub(crate) fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }

    /// Another order.
    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        self.0.shuffle(list);
    }

    /// Random bytes over some of `bytes`.
    pub(crate) fn spoil(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    /// A UUID in lower case.
    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.0.u64(..), self.0.u64(..));
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }

    /// Hexadecimal digits.
    pub(crate) fn hex(&mut self, digits: usize) -> String {
        let mut text = String::with_capacity(digits + 16);
        while text.len() < digits {
            let _ = write!(text, "{:016x}", self.0.u64(..));
        }
        text.truncate(digits);
        text
    }

    fn text(&mut self, of: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(*self.pick(of))).collect()
    }

    /// An id with a prefix, such as `AKIA` or `AROA`, 20 characters long.
    pub(crate) fn id(&mut self, prefix: &str) -> String {
        let rest = self.text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 20 - prefix.len());
        format!("{prefix}{rest}")
    }

    /// Letters and digits.
    pub(crate) fn letters(&mut self, length: usize) -> String {
        const OF: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        self.text(OF, length)
    }

    /// Digits.
    pub(crate) fn digits(&mut self, length: usize) -> String {
        format!(
            "{}{}",
            self.below(9) + 1,
            self.text(b"0123456789", length - 1)
        )
    }
}
