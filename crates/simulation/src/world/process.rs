//! A process that runs the engine: it can be killed, and it can stand still.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use tokio::sync::Notify;

/// One process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) number: u32,
    pub(crate) name: String,
    dead: AtomicBool,
    frozen: AtomicBool,
    /// The fence of its lease; 0: none.
    fence: AtomicU64,
    died: Arc<Notify>,
    thawed: Notify,
    waker: Mutex<Option<Waker>>,
}

impl Process {
    /// A process; `died` is notified when it is killed.
    pub(crate) fn new(number: u32, name: String, died: &Arc<Notify>) -> Arc<Self> {
        Arc::new(Self {
            number,
            name,
            dead: AtomicBool::new(false),
            frozen: AtomicBool::new(false),
            fence: AtomicU64::new(0),
            died: Arc::clone(died),
            thawed: Notify::new(),
            waker: Mutex::new(None),
        })
    }

    pub(crate) fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.died.notify_one();
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    pub(crate) fn freeze(&self) {
        self.frozen.store(true, Ordering::SeqCst);
    }

    pub(crate) fn thaw(&self) {
        self.frozen.store(false, Ordering::SeqCst);
        self.thawed.notify_waiters();
        if let Some(waker) = self.waker().take() {
            waker.wake();
        }
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::SeqCst)
    }

    pub(crate) fn fence(&self) -> u64 {
        self.fence.load(Ordering::SeqCst)
    }

    pub(crate) fn holds(&self, fence: u64) {
        self.fence.store(fence, Ordering::SeqCst);
    }

    /// Stands still while it is frozen, and for ever once it is dead.
    pub(crate) async fn go_on(&self) {
        loop {
            let thawed = self.thawed.notified();
            if !self.is_frozen() {
                break;
            }
            thawed.await;
        }
        if self.is_dead() {
            std::future::pending::<()>().await;
        }
    }

    /// Runs the main loop of this process: it is not looked at while the process stands still.
    pub(crate) async fn run<T>(&self, main: impl Future<Output = T>) -> T {
        let mut main = pin!(main);
        std::future::poll_fn(|cx| {
            if self.is_frozen() {
                *self.waker() = Some(cx.waker().clone());
                return Poll::Pending;
            }
            main.as_mut().poll(cx)
        })
        .await
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
