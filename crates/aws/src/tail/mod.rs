//! A queue that tells of new log files, or brings the events themselves, while they arrive.
//!
//! A message is taken away only by whoever is done with it. What cannot be used stays in the
//! queue, for another try and then for its dead-letter queue.

mod notice;
mod queue;

pub use notice::{Notice, NoticeError, notices};
pub use queue::{Message, Queue, Standing};
