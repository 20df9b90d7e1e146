//! Where logs of a bucket lie while they are read.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use crate::error::{CommandError, Kind};

/// A folder for copies, made when the first is. It goes with this.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    folder: OnceLock<TempDir>,
    made: AtomicUsize,
    /// Whether Ctrl-C, which ends the program, takes the folder along.
    go_when_stopped: bool,
}

impl Copies {
    /// Copies that do not stay behind when a person stops the program.
    pub(super) fn that_go_when_stopped() -> Self {
        Self {
            go_when_stopped: true,
            ..Self::default()
        }
    }

    /// Where one more can be written.
    pub(super) fn one_more(&self) -> Result<PathBuf, CommandError> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        Ok(self.folder()?.join(number.to_string()))
    }

    fn folder(&self) -> Result<&Path, CommandError> {
        if let Some(folder) = self.folder.get() {
            return Ok(folder.path());
        }
        let made = tempfile::Builder::new().prefix("relatch-logs-").tempdir();
        let made = made.map_err(|error| no_room(&error.to_string()))?;
        if self.go_when_stopped {
            tokio::spawn(end_when_stopped(made.path().to_path_buf()));
        }
        Ok(self.folder.get_or_init(|| made).path())
    }
}

/// From now on a Ctrl-C comes here. What reads logs changes nothing, and ends where it is.
async fn end_when_stopped(folder: PathBuf) {
    if tokio::signal::ctrl_c().await.is_ok() {
        // Where it was removed already, all is well.
        let _ = std::fs::remove_dir_all(folder);
        std::process::exit(130);
    }
}

/// A copy that could not be written.
pub(super) fn no_room(why: &str) -> CommandError {
    let folder = std::env::temp_dir();
    let words = format!("logs cannot be copied to {}: {why}", folder.display());
    CommandError::new(Kind::Failed, words).hint("TMPDIR names another folder, with more room")
}
