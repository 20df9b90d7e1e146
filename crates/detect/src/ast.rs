//! What a rule says, as an expression of tests on fields. Public, so that it can be turned into
//! other languages.

use std::net::IpAddr;

pub use crate::path::{Known, Path};
pub use crate::pattern::{Part, Pattern};

/// An expression over one event.
#[derive(Clone, Debug)]
pub enum Expr {
    /// Every one holds.
    All(Vec<Expr>),
    /// At least one holds.
    Any(Vec<Expr>),
    /// It does not hold.
    Not(Box<Expr>),
    /// A test on a field.
    Test(Test),
    /// One of the matchers fits a scalar anywhere in the event.
    Word(Vec<Matcher>),
}

/// Holds when one of the values at the path fits one of the matchers.
#[derive(Clone, Debug)]
pub struct Test {
    /// The field.
    pub path: Path,
    /// One of them must fit.
    pub matchers: Vec<Matcher>,
}

/// What a value is held against.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// A text pattern; numbers and booleans are compared as they are written.
    Text(Pattern),
    /// A number, or text that is this number.
    Number(Number),
    /// A boolean, or the text `true` or `false` in any case.
    Bool(bool),
    /// A null, or no such field.
    Null,
    /// Whether the field is there, null or not.
    Exists(bool),
    /// A regular expression, searched anywhere in the text.
    Regex(regex::Regex),
    /// An address within a network.
    Cidr(Cidr),
    /// A number (or text that is one) by size.
    Compare(Order, Number),
    /// The value of another field of the same event.
    Field(FieldRef),
    /// A part of a time stamp in UTC.
    Time(TimePart, Order, i64),
}

/// A number as a rule writes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number.
    Int(i64),
    /// Any other.
    Float(f64),
}

impl Number {
    /// Its size, rounded if it is beyond 2^53.
    #[expect(clippy::cast_precision_loss, reason = "said in the docs")]
    pub fn size(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

/// How two numbers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `lt`
    Less,
    /// `lte`
    AtMost,
    /// `gt`
    More,
    /// `gte`
    AtLeast,
    /// equal
    Same,
}

impl Order {
    /// Whether `left` stands in this order to `right`.
    pub fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
            Self::Same => left == right,
        }
    }
}

/// Which part of a value another must stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The whole of it.
    Whole,
    /// `startswith`
    Start,
    /// `endswith`
    End,
    /// `contains`
    Within,
}

/// A comparison with another field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRef {
    /// The other field.
    pub path: Path,
    /// Where the other's text must stand in this one's.
    pub place: Place,
    /// Whether upper and lower case differ.
    pub cased: bool,
}

/// A part of a time stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimePart {
    /// 0 to 59
    Minute,
    /// 0 to 23
    Hour,
    /// 1 to 31
    Day,
    /// ISO week, 1 to 53
    Week,
    /// 1 to 12
    Month,
    /// the year
    Year,
}

/// A network of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    base: IpAddr,
    bits: u8,
}

impl Cidr {
    /// Reads `10.0.0.0/8`, `2001:db8::/32`, or one address. `None` when it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let (base, bits) = text
            .split_once('/')
            .map_or((text, None), |(a, b)| (a, Some(b)));
        let base: IpAddr = base.trim().parse().ok()?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.trim().parse().ok())?;
        (bits <= most).then_some(Self { base, bits })
    }

    /// Whether a text is an address of this network.
    pub fn contains(&self, text: &str) -> bool {
        let keep = |width: u32| match u32::from(self.bits) {
            0 => 0,
            bits => u128::MAX << (width - bits),
        };
        match (self.base, text.parse()) {
            (IpAddr::V4(base), Ok(IpAddr::V4(address))) => {
                u128::from(base.to_bits() ^ address.to_bits()) & keep(32) == 0
            }
            (IpAddr::V6(base), Ok(IpAddr::V6(address))) => {
                (base.to_bits() ^ address.to_bits()) & keep(128) == 0
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let inside = |net: &str, address: &str| Cidr::parse(net).expect(net).contains(address);
        assert!(inside("10.0.0.0/8", "10.255.0.1"));
        assert!(!inside("10.0.0.0/8", "11.0.0.1"));
        assert!(inside("0.0.0.0/0", "203.0.113.9"));
        assert!(!inside("0.0.0.0/0", "AWS Internal"));
        assert!(inside("198.51.100.7", "198.51.100.7"));
        assert!(inside("2001:db8::/32", "2001:db8:1::1"));
        assert!(!inside("2001:db8::/32", "10.0.0.1"));
        assert!(inside("::/0", "::1"));
        assert!(Cidr::parse("10.0.0.0/33").is_none());
        assert!(Cidr::parse("ten").is_none());
    }
}
