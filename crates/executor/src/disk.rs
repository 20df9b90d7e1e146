//! Waiting for the disk without holding up the other tasks of the same thread.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does work that waits for the disk. Where there are more threads, another one takes over
/// what this one had to do next; on a single thread everybody waits.
pub(crate) fn wait_for<T>(work: impl FnOnce() -> T) -> T {
    if has_threads() {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}

/// Whether other tasks go on while one waits for the disk.
pub(crate) fn has_threads() -> bool {
    Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread)
}
