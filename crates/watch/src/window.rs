//! What to read next, so that events that arrive late or out of order are not missed.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How late events can arrive, at most, in seconds: CloudTrail delivers within about 15
/// minutes. Source: AWS CloudTrail FAQ, on delivery times.
pub const DELIVERY_S: u32 = 15 * 60;

/// How windows are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windowing {
    /// Seconds after which an event is taken to have arrived.
    pub delivery_s: u32,
    /// Seconds to read again beyond that, for sources that are later than they say.
    pub more_s: u32,
}

impl Default for Windowing {
    fn default() -> Self {
        Self {
            delivery_s: DELIVERY_S,
            more_s: DELIVERY_S,
        }
    }
}

/// A stretch of time to look through, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// From here.
    pub from: Timestamp,
    /// To here.
    pub to: Timestamp,
    /// What may be recorded as looked through once it was read without fault: younger events
    /// may not have arrived.
    pub through: Timestamp,
}

impl Windowing {
    /// The next window of a source that was looked through up to `through`; `since` is the
    /// earliest retirement, from which a source that was never read is read. Windows overlap,
    /// so a use is given more than once and [`crate::sift()`] tells it once; what is recorded
    /// never moves back, even when the clock does.
    pub fn next(&self, through: Option<Timestamp>, since: Timestamp, now: Timestamp) -> Window {
        let behind = i64::from(self.delivery_s) + i64::from(self.more_s);
        // What happened while retiring was not yet recorded counts too.
        let from = back(through.map_or(since, |through| through.max(since)), behind);
        let settled = back(now, i64::from(self.delivery_s));
        Window {
            from,
            to: now.max(from),
            through: through.map_or(settled, |through| through.max(settled)),
        }
    }
}

fn back(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_sub(SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    #[test]
    fn windows_reach_behind_what_was_looked_through() {
        let usual = Windowing::default();
        let first = usual.next(None, at(100_000), at(110_000));
        assert_eq!((first.from, first.to), (at(98_200), at(110_000)));
        assert_eq!(first.through, at(109_100));
        let second = usual.next(Some(first.through), at(100_000), at(110_060));
        assert_eq!(second.from, at(107_300));
        assert_eq!(second.through, at(109_160));
    }

    #[test]
    fn a_clock_that_goes_back_takes_nothing_back() {
        let window = Windowing::default().next(Some(at(50_000)), at(0), at(1_000));
        assert_eq!(window.through, at(50_000));
        assert!(window.from <= window.to);
    }

    proptest! {
        /// Whatever arrives within the delivery time is read by some window.
        #[test]
        fn no_late_event_is_missed(
            event in 0i64..10_000,
            late in 0i64..=900,
            pauses in prop::collection::vec(1i64..2_000, 1..40),
        ) {
            let windowing = Windowing { delivery_s: 900, more_s: 0 };
            let (mut now, mut through, mut seen) = (0, None, false);
            for pause in pauses.into_iter().chain([12_000]) {
                now += pause;
                let window = windowing.next(through, at(0), at(now));
                let arrived = event + late <= now;
                seen |= arrived && window.from <= at(event) && at(event) <= window.to;
                through = Some(window.through);
            }
            prop_assert!(seen);
        }
    }
}
