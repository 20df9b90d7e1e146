//! What may be said of a queue that was looked through, and when a message is nearly gone.

use serde::{Deserialize, Serialize};

/// Receipts after which a message is told as lost from view, if its queue names no number.
const USUAL_RECEIPTS: u32 = 3;

/// How a look through a queue ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueLook {
    /// Whether the queue had nothing more to give.
    pub drained: bool,
    /// Messages of this look that could not be used and stay.
    pub left: u64,
    /// Messages that wait, also those whose time has not come.
    pub waiting: u64,
    /// Messages that were received, by us before or by others, and not taken away.
    pub in_flight: u64,
}

impl QueueLook {
    /// Whether all that the queue had was used, so that it may be recorded as looked through. A
    /// message that stayed behind in an earlier look is in flight or waits, and counts.
    pub fn is_whole(&self) -> bool {
        self.drained && self.left == 0 && self.waiting == 0 && self.in_flight == 0
    }
}

/// Whether a message that could not be used may not be seen again: after `most` receipts it goes
/// to the dead-letter queue.
pub fn is_last_receipt(received: u32, most: Option<u32>) -> bool {
    received >= most.unwrap_or(USUAL_RECEIPTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_queue_is_looked_through() {
        let whole = QueueLook {
            drained: true,
            left: 0,
            waiting: 0,
            in_flight: 0,
        };
        assert!(whole.is_whole());
        for not in [
            QueueLook {
                drained: false,
                ..whole
            },
            QueueLook { left: 1, ..whole },
            QueueLook {
                waiting: 1,
                ..whole
            },
            QueueLook {
                in_flight: 1,
                ..whole
            },
        ] {
            assert!(!not.is_whole(), "{not:?}");
        }
    }

    #[test]
    fn the_last_receipt_is_known_by_the_policy_or_by_habit() {
        assert!(is_last_receipt(5, Some(5)) && !is_last_receipt(4, Some(5)));
        assert!(is_last_receipt(3, None) && !is_last_receipt(2, None));
    }
}
