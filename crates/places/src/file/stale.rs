//! New files on their way to take a name, and what a killed process left of them.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

/// How the names of new files begin.
const PREFIX: &str = ".relatch-place-";

/// A new file in `folder` for its owner alone (mode 0600), removed when it is dropped. It is
/// locked as long as this process lives, so that it can be told from what is left over.
pub(super) fn new_file(folder: &Path) -> io::Result<NamedTempFile> {
    let file = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempfile_in(folder)?;
    file.as_file().lock()?;
    Ok(file)
}

/// Removes new files that nobody holds any more. What cannot be removed stays: it is no
/// reason not to write.
pub(super) fn clean(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let ours = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX));
        if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let path = entry.path();
            if let Err(error) = remove_if_left(&path) {
                tracing::warn!(path = %path.display(), %error, "cannot remove a left-over file");
            }
        }
    }
}

fn remove_if_left(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    match file.try_lock() {
        Ok(()) => fs::remove_file(path),
        Err(fs::TryLockError::WouldBlock) => Ok(()),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}
