//! One CloudTrail record, borrowed from the bytes it was read from.
//!
//! Field names follow the CloudTrail user guide, "CloudTrail record contents". Every field may
//! be absent, null or of an unexpected type: a record is never refused for that.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::input::identities::Caller;
use crate::input::scan;

/// A string, number or truth value as text; anything else reads as absent.
#[derive(Debug, Default, Clone)]
pub(crate) struct Text<'a>(pub(crate) Option<Cow<'a, str>>);

impl Text<'_> {
    /// The text, empty when absent.
    pub(crate) fn get(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Borrowed(v))))
    }
    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(v.to_owned()))))
    }
    fn visit_bool<E>(self, v: bool) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Borrowed(if v { "true" } else { "false" }))))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(v.to_string()))))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(v.to_string()))))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(v.to_string()))))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Text(None))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

/// A value as it stands in the record; null counts as absent.
fn raw<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a str>, D::Error> {
    Option::<&RawValue>::deserialize(deserializer).map(|raw| raw.map(RawValue::get))
}

/// The fields of a record that Relatch looks at; request and response stay unparsed.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Record<'a> {
    #[serde(borrow, rename = "eventID")]
    pub(crate) event_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) event_time: Text<'a>,
    /// What log shippers put in the place of `eventTime`.
    #[serde(borrow, rename = "@timestamp")]
    pub(crate) shipped_time: Text<'a>,
    #[serde(borrow)]
    pub(crate) event_source: Text<'a>,
    #[serde(borrow)]
    pub(crate) event_name: Text<'a>,
    #[serde(borrow)]
    pub(crate) event_type: Text<'a>,
    #[serde(borrow)]
    pub(crate) event_category: Text<'a>,
    #[serde(borrow)]
    pub(crate) aws_region: Text<'a>,
    #[serde(borrow, rename = "sourceIPAddress")]
    pub(crate) source_address: Text<'a>,
    #[serde(borrow)]
    pub(crate) user_agent: Text<'a>,
    #[serde(borrow)]
    pub(crate) error_code: Text<'a>,
    #[serde(borrow)]
    pub(crate) error_message: Text<'a>,
    #[serde(borrow)]
    pub(crate) read_only: Text<'a>,
    #[serde(borrow)]
    pub(crate) management_event: Text<'a>,
    #[serde(borrow)]
    pub(crate) recipient_account_id: Text<'a>,
    #[serde(borrow, rename = "sharedEventID")]
    pub(crate) shared_event_id: Text<'a>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(crate) user_identity: Option<&'a str>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(crate) request_parameters: Option<&'a str>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(crate) response_elements: Option<&'a str>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(crate) additional_event_data: Option<&'a str>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(crate) resources: Option<&'a str>,
    /// The number of the caller, where `userIdentity` is one that was read before.
    #[serde(skip)]
    pub(crate) caller: Option<Caller>,
    /// It is known of all its parts that they can be parsed.
    #[serde(skip)]
    pub(crate) is_sound: bool,
}

/// The `userIdentity` element.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Identity<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow)]
    pub(crate) principal_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) arn: Text<'a>,
    #[serde(borrow)]
    pub(crate) account_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) access_key_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) user_name: Text<'a>,
    #[serde(borrow)]
    pub(crate) invoked_by: Text<'a>,
    /// Unparsed, since an odd one must not take the rest with it; see [`Identity::session`].
    #[serde(borrow, deserialize_with = "raw")]
    pub(crate) session_context: Option<&'a str>,
    /// The same, where it was read already.
    #[serde(skip)]
    pub(crate) session: SessionContext<'a>,
}

/// The `sessionContext` element of `userIdentity`.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SessionContext<'a> {
    #[serde(borrow)]
    pub(crate) attributes: Option<SessionAttributes<'a>>,
    #[serde(borrow)]
    pub(crate) session_issuer: Option<SessionIssuer<'a>>,
    #[serde(borrow)]
    pub(crate) source_identity: Text<'a>,
}

/// When a session was made, and whether with a second factor.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SessionAttributes<'a> {
    #[serde(borrow)]
    pub(crate) creation_date: Text<'a>,
}

/// The role or user that a session was issued for.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SessionIssuer<'a> {
    #[serde(borrow)]
    pub(crate) arn: Text<'a>,
}

impl<'a> Record<'a> {
    /// Parses a record in CloudTrail's own form; `None` when it is JSON of some other kind.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Record<'a>> {
        let record: Record<'a> = serde_json::from_slice(bytes).ok()?;
        record.is_event().then_some(record)
    }

    /// Renamed or quoted fields are left to the slower reader in `normalise`.
    pub(crate) fn is_event(&self) -> bool {
        let quoted = |raw: Option<&str>| raw.is_some_and(|raw| raw.starts_with('"'));
        let structured = [
            self.user_identity,
            self.request_parameters,
            self.response_elements,
            self.additional_event_data,
        ];
        !self.event_name.get().is_empty()
            && (!self.event_source.get().is_empty() || self.user_identity.is_some())
            // Notifications about objects (`aws:s3`) look alike and are not CloudTrail.
            && !self.event_source.get().starts_with("aws:")
            && !structured.into_iter().any(quoted)
    }

    /// The identity, empty when absent; `None` when it cannot be read.
    pub(crate) fn identity(&self) -> Option<Identity<'a>> {
        match self.user_identity {
            None => Some(Identity::default()),
            Some(raw) if raw.starts_with('{') => {
                scan::identity(raw).or_else(|| serde_json::from_str(raw).ok())
            }
            Some(_) => None,
        }
    }

    /// The time in milliseconds since 1970, `None` when there is none that can be read.
    pub(crate) fn time(&self) -> Option<i64> {
        parse_time(self.event_time.get()).or_else(|| parse_time(self.shipped_time.get()))
    }
}

impl<'a> Identity<'a> {
    /// The session context, empty when absent or odd.
    pub(crate) fn session(&self) -> SessionContext<'a> {
        match self.session_context {
            Some(raw) => serde_json::from_str(raw).unwrap_or_default(),
            None => self.session.clone(),
        }
    }
}

/// Reads RFC 3339, "date time" with a blank, or a number of seconds or milliseconds since 1970.
/// What no calendar holds is no time: years before -9999 or after 9999.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    if let Some(time) = plain_time(text) {
        return Some(time);
    }
    odd_time(text).filter(|time| jiff::Timestamp::from_millisecond(*time).is_ok())
}

fn odd_time(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if let Ok(number) = text.parse::<i64>() {
        return Some(if number.unsigned_abs() < 100_000_000_000 {
            number.checked_mul(1000)?
        } else {
            number
        });
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_millisecond());
    }
    if let Ok(time) = text
        .trim_end_matches(" UTC")
        .parse::<jiff::civil::DateTime>()
    {
        return Some(
            time.to_zoned(jiff::tz::TimeZone::UTC)
                .ok()?
                .timestamp()
                .as_millisecond(),
        );
    }
    let (whole, fraction) = text.split_once('.')?;
    let seconds: i64 = whole.parse().ok()?;
    fraction.parse::<u64>().ok()?;
    seconds.checked_mul(1000)
}

/// The form that CloudTrail writes, `2023-07-10T14:40:00Z`, from the year 1970 on.
fn plain_time(text: &str) -> Option<i64> {
    let bytes: &[u8; 20] = text.as_bytes().try_into().ok()?;
    let marks = [
        (4, b'-'),
        (7, b'-'),
        (10, b'T'),
        (13, b':'),
        (16, b':'),
        (19, b'Z'),
    ];
    if marks.iter().any(|(at, mark)| bytes[*at] != *mark) {
        return None;
    }
    let number = |from: usize, to: usize| {
        bytes[from..to].iter().try_fold(0i64, |number, byte| {
            byte.is_ascii_digit()
                .then(|| number * 10 + i64::from(byte - b'0'))
        })
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    // Days that not every month has are left to the calendar.
    let plain = year >= 1970
        && (1..=12).contains(&month)
        && (1..=28).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    plain.then(|| ((days(year, month, day) * 24 + hour) * 60 + minute) * 60_000 + second * 1000)
}

/// Days since 1970 in the Gregorian calendar; the year is taken to begin in March, so that the
/// day that leap years add is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leaps = year / 4 - year / 100 + year / 400;
    // The five months from March to July have 153 days, and so have the next five.
    year * 365 + leaps + (153 * month + 2) / 5 + day - 719_469
}

/// RFC 3339 in UTC, whole seconds unless there is a fraction.
pub(crate) fn show_time(milliseconds: i64) -> Option<String> {
    jiff::Timestamp::from_millisecond(milliseconds)
        .ok()
        .map(|time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_form() {
        let expected = Some(1_689_000_000_000);
        for text in [
            "2023-07-10T14:40:00Z",
            "2023-07-10 14:40:00",
            "2023-07-10T14:40:00.000Z",
            "1689000000",
            "1689000000000",
            "2023-07-10T16:40:00+02:00",
            "2023-07-10 14:40:00.000 UTC",
            "1689000000.0",
        ] {
            assert_eq!(parse_time(text), expected, "{text}");
        }
        for none in [
            "yesterday",
            "-9223372036854775808",
            "9223372036854775807",
            "1e300",
            "99999-01-01T00:00:00Z",
            "9223372036854775807.5",
        ] {
            assert_eq!(parse_time(none), None, "{none}");
        }
        assert_eq!(
            show_time(1_689_000_000_000).as_deref(),
            Some("2023-07-10T14:40:00Z")
        );
    }

    #[test]
    fn plain_times_agree_with_the_calendar() {
        for day in 0..40_000i64 {
            let time = day * 86_400_000 + day % 86_400 * 1000;
            let text = show_time(time).expect("in range");
            let date: i64 = text[8..10].parse().expect("a day");
            let expected = (date <= 28).then_some(time);
            assert_eq!(plain_time(&text), expected, "{text}");
            assert_eq!(parse_time(&text), Some(time), "{text}");
        }
        for odd in [
            "2023-02-30T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "1969-01-01T00:00:00Z",
        ] {
            assert_eq!(plain_time(odd), None, "{odd}");
        }
    }

    #[test]
    fn odd_types_are_read_as_text_or_absent() {
        let record = Record::parse(br#"{"eventName":"X","eventSource":"sts.amazonaws.com","readOnly":true,"userAgent":[1],"errorCode":null,"eventVersion":1.99}"#).expect("an event");
        assert_eq!(record.read_only.get(), "true");
        assert_eq!(record.user_agent.get(), "");
        assert!(
            Record::parse(br#"{"eventName":"ObjectCreated:Put","eventSource":"aws:s3"}"#).is_none()
        );
        assert!(Record::parse(b"{\"eventName\":\"\xff\"}").is_none());
    }
}
