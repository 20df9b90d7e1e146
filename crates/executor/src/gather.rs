//! One write to disk for what many steps have to write at the same time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::disk;

/// How long a write waits for those of other steps while many are at work: no more than a quick
/// request takes, and a sync of the disk is shared by ten steps instead of two.
const WAIT: Duration = Duration::from_millis(10);

/// What waits to be written, and for whom.
pub(crate) struct Gather<T, A> {
    queue: Mutex<Vec<(T, oneshot::Sender<A>)>>,
    turn: tokio::sync::Mutex<()>,
    /// Whether the last write was for several: then more of them are about to come.
    busy: AtomicBool,
}

impl<T, A> Default for Gather<T, A> {
    fn default() -> Self {
        Self {
            queue: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            busy: AtomicBool::default(),
        }
    }
}

impl<T, A> Gather<T, A> {
    /// Has `item` written together with what others bring meanwhile, and returns its answer.
    /// `write` gives one for each item, in their order; `None` if it did not. Who gives up
    /// waiting may still see its item written.
    pub(crate) async fn write(&self, item: T, write: impl FnOnce(Vec<T>) -> Vec<A>) -> Option<A> {
        let (done, mut answer) = oneshot::channel();
        self.lock().push((item, done));
        // Who comes to its turn first writes for everybody who waits.
        let turn = self.turn.lock().await;
        if let Ok(answer) = answer.try_recv() {
            return Some(answer);
        }
        if self.busy.load(Ordering::Relaxed) && disk::has_threads() {
            tokio::time::sleep(WAIT).await;
        }
        let (items, waiting): (Vec<T>, Vec<_>) =
            std::mem::take(&mut *self.lock()).into_iter().unzip();
        self.busy.store(items.len() > 1, Ordering::Relaxed);
        let answers = disk::wait_for(|| write(items));
        for (answer, done) in answers.into_iter().zip(waiting) {
            let _ = done.send(answer);
        }
        drop(turn);
        answer.await.ok()
    }

    /// What is in the queue is whole, whoever panicked meanwhile.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(T, oneshot::Sender<A>)>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
