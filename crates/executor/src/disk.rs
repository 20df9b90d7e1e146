//! Waiting for the disk without holding up the other tasks of the same thread.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does work that waits for the disk. Where there are more threads, another one takes over
/// what this one had to do next; on a single thread everybody waits.
pub(crate) fn wait_for<T>(work: impl FnOnce() -> T) -> T {
    let many = Handle::try_current()
        .is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if many {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}
