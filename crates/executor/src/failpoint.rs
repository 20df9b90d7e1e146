//! Moments between two things that must not be torn apart, at which tests kill the process.
//! In a release build there are none.
//!
//! `RELATCH_FAILPOINT=NAME:N` kills this process with SIGKILL when it passes `NAME` for the
//! N-th time; `RELATCH_FAILPOINT_LOG=FILE` writes every pass into a file, a line each, so that
//! a test knows what there is to kill at.

/// Passes a failpoint.
#[inline]
pub(crate) fn pass(name: &str) {
    #[cfg(debug_assertions)]
    armed::pass(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

#[cfg(debug_assertions)]
mod armed {
    use std::io::Write as _;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Armed {
        name: String,
        at: usize,
        passed: AtomicUsize,
    }

    pub(super) fn pass(name: &str) {
        static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
        static LOG: OnceLock<Option<String>> = OnceLock::new();
        if let Some(path) = LOG.get_or_init(|| std::env::var("RELATCH_FAILPOINT_LOG").ok()) {
            note(path, name);
        }
        let Some(armed) = ARMED.get_or_init(read) else {
            return;
        };
        if armed.name == name && armed.passed.fetch_add(1, Ordering::SeqCst) + 1 == armed.at {
            die();
        }
    }

    fn read() -> Option<Armed> {
        let wanted = std::env::var("RELATCH_FAILPOINT").ok()?;
        let (name, at) = wanted.rsplit_once(':')?;
        Some(Armed {
            name: name.to_string(),
            at: at.parse().ok()?,
            passed: AtomicUsize::new(0),
        })
    }

    fn note(path: &str, name: &str) {
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path);
        if let Ok(mut file) = file {
            let _ = file.write_all(format!("{name}\n").as_bytes());
        }
    }

    /// As from outside: nothing is flushed, nothing is given back, nothing is dumped.
    fn die() {
        let me = std::process::id().to_string();
        let _ = std::process::Command::new("kill")
            .args(["-9", &me])
            .status();
        loop {
            std::thread::park();
        }
    }
}
