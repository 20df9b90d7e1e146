//! Small phrases.

use jiff::Timestamp;

/// A number of seconds as people say it, with the two largest units.
pub(crate) fn span(seconds: i64) -> String {
    let (days, hours) = (seconds / 86400, seconds / 3600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes, seconds) {
        (0, 0, 0, _) => format!("{seconds} s"),
        (0, 0, _, 0) => format!("{minutes} min"),
        (0, 0, ..) => format!("{minutes} min {seconds} s"),
        (0, _, 0, _) => format!("{hours} h"),
        (0, ..) => format!("{hours} h {minutes} min"),
        (_, 0, ..) => format!("{days} d"),
        _ => format!("{days} d {hours} h"),
    }
}

/// A number with its noun.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        thousands(number),
        if number == 1 { one } else { many }
    )
}

/// A number with a comma between thousands.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The day, in UTC.
pub(crate) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// The time of day to the second, in UTC.
pub(crate) fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

/// Day and time of day, in UTC; words where there is none.
pub(crate) fn moment(at: Option<Timestamp>) -> String {
    at.map_or_else(
        || "time not known".into(),
        |at| format!("{} {}", day(at), clock(at)),
    )
}

/// From one moment to another; the day is said once if it is the same.
pub(crate) fn from_to(first: Option<Timestamp>, last: Option<Timestamp>) -> String {
    match (first, last) {
        (Some(first), Some(last)) if first == last => moment(Some(first)),
        (Some(first), Some(last)) if day(first) == day(last) => {
            format!("{} to {}", moment(Some(first)), clock(last))
        }
        (Some(first), Some(last)) => format!("{} to {}", moment(Some(first)), moment(Some(last))),
        _ => moment(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        let table = [
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (15_120, "4 h 12 min"),
            (7_200, "2 h"),
            (90_000, "1 d 1 h"),
        ];
        for (seconds, expected) in table {
            assert_eq!(span(seconds), expected);
        }
    }

    #[test]
    fn numbers_have_commas() {
        let table = [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ];
        for (number, expected) in table {
            assert_eq!(thousands(number), expected);
        }
    }
}
