//! Comparing one value of a policy with one of the request.

use std::cmp::Ordering;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::pattern::{self, Piece};
use crate::truth::Truth;

/// How numbers and dates stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds(self, found: Ordering) -> bool {
        match self {
            Self::Equal => found.is_eq(),
            Self::Less => found.is_lt(),
            Self::LessOrEqual => found.is_le(),
            Self::Greater => found.is_gt(),
            Self::GreaterOrEqual => found.is_ge(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Test {
    Equal,
    EqualIgnoringCase,
    Like,
    Number(Order),
    Date(Order),
    Bool,
    Binary,
    Ip,
    Arn,
}

impl Test {
    /// Whether the request's value stands so to the policy's. What either side does not spell
    /// as its type wants is not decided.
    pub(crate) fn holds(self, pieces: &[Piece], found: &str) -> Truth {
        let text = || pattern::text(pieces);
        match self {
            Self::Equal => Truth::from(text() == found),
            Self::EqualIgnoringCase => Truth::from(text().to_lowercase() == found.to_lowercase()),
            Self::Like => Truth::from(pattern::matches(pieces, found)),
            Self::Number(order) => ordered(order, number(found), number(&text())),
            Self::Date(order) => ordered(order, date(found), date(&text())),
            Self::Bool => boolean(&text(), found),
            Self::Binary => binary(&text(), found),
            Self::Ip => within(&text(), found),
            Self::Arn => arn(pieces, found),
        }
    }
}

/// Six fields, each with its own wildcards.
fn arn(pieces: &[Piece], found: &str) -> Truth {
    if pattern::matches_fields(pieces, found) {
        return Truth::Yes;
    }
    let fields = pieces.iter().filter(|p| **p == Piece::Char(':')).count();
    // `*` alone, or a name cut short, is not the name of anything by the guide.
    if fields < 5 && pattern::matches(pieces, found) {
        return Truth::Maybe;
    }
    Truth::No
}

fn ordered<T: PartialOrd>(order: Order, found: Option<T>, wanted: Option<T>) -> Truth {
    let ordering = found.zip(wanted).and_then(|(f, w)| f.partial_cmp(&w));
    ordering.map_or(Truth::Maybe, |ordering| order.holds(ordering).into())
}

/// A decimal number: its whole part, and its fraction in units of 10^-18.
fn number(text: &str) -> Option<(i64, i64)> {
    let (negative, digits) = match text.trim().strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.trim()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(fraction) || fraction.len() > 18 {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let fraction: i64 = format!("{fraction:0<18}").parse().ok()?;
    Some(if negative {
        (-whole, -fraction)
    } else {
        (whole, fraction)
    })
}

/// Seconds of the epoch, or a date of ISO 8601 in one of W3C's forms.
fn date(text: &str) -> Option<jiff::Timestamp> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<i64>() {
        // Four digits are a year, and seconds of 1970 are written by nobody: not decided.
        return (text.len() > 4)
            .then(|| jiff::Timestamp::from_second(seconds).ok())
            .flatten();
    }
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Some(timestamp);
    }
    let day: jiff::civil::Date = text.parse().ok()?;
    Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

fn boolean(wanted: &str, found: &str) -> Truth {
    let read = |text: &str| match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    };
    match (read(wanted), read(found)) {
        (Some(wanted), Some(found)) => Truth::from(wanted == found),
        _ => Truth::Maybe,
    }
}

fn binary(wanted: &str, found: &str) -> Truth {
    match (STANDARD.decode(wanted), STANDARD.decode(found)) {
        (Ok(wanted), Ok(found)) => Truth::from(wanted == found),
        _ => Truth::Maybe,
    }
}

/// Whether an address lies in a block of addresses (`203.0.113.0/24`, `2001:db8::/32`, one).
fn within(block: &str, found: &str) -> Truth {
    let (base, prefix) = match block.split_once('/') {
        Some((base, prefix)) => (base, Some(prefix)),
        None => (block, None),
    };
    let (Ok(base), Ok(found)) = (base.parse::<IpAddr>(), found.parse::<IpAddr>()) else {
        return Truth::Maybe;
    };
    let ((base, bits), (found, found_bits)) = (bits_of(base), bits_of(found));
    let prefix = match prefix.map(str::parse::<u32>) {
        None => bits,
        Some(Ok(prefix)) if prefix <= bits => prefix,
        Some(_) => return Truth::Maybe,
    };
    if bits != found_bits {
        return Truth::No;
    }
    // A shift by all the bits of the type is `None`: everything is within.
    let cut = |address: u128| address.checked_shr(bits - prefix).unwrap_or(0);
    Truth::from(cut(base) == cut(found))
}

fn bits_of(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}
