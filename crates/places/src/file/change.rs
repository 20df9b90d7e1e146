//! Putting new content in the place of old.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use relatch_case::{Fault, FaultKind};
use tempfile::NamedTempFile;

use super::content::{Content, fault, version_of};
use super::stale;
use crate::Version;

/// The file is not what the caller saw.
pub(super) fn moved_on(path: &Path) -> Fault {
    let detail = format!("{} has changed since it was read", path.display());
    Fault::new(FaultKind::Conflict, detail)
}

/// Replaces the file at `path`, if it still is as `before`, by one with these bytes.
pub(super) fn replace(path: &Path, before: &Content, bytes: &[u8]) -> Result<Version, Fault> {
    if before.meta.nlink() > 1 {
        let detail = format!(
            "{} has other hard links, which would be cut off",
            path.display()
        );
        return Err(Fault::new(FaultKind::Invalid, detail));
    }
    let folder_path = before.real.parent().unwrap_or(Path::new("/"));
    // Opened beforehand: after the rename there is no turning back.
    let folder = File::open(folder_path).map_err(|error| fault(folder_path, "open", &error))?;
    stale::clean(folder_path);
    let new = prepare(folder_path, before, bytes)?;
    let mut now = Content::read(path)?;
    if now.real != before.real
        || now.meta.ino() != before.meta.ino()
        || now.bytes() != before.bytes()
    {
        return Err(moved_on(path));
    }
    new.persist(&before.real)
        .map_err(|error| fault(&before.real, "replace", &error.error))?;
    give_way(path, folder_path, &mut now)?;
    folder.sync_all().map_err(|error| unsettled(path, &error))?;
    Ok(version_of(bytes))
}

/// A file beside the old one with the new content and the old one's owner and mode.
fn prepare(folder: &Path, like: &Content, bytes: &[u8]) -> Result<NamedTempFile, Fault> {
    let failed = |error| fault(&like.real, "prepare a new version of", &error);
    let mut new = stale::new_file(folder).map_err(failed)?;
    new.write_all(bytes).map_err(failed)?;
    let made = new.as_file().metadata().map_err(failed)?;
    if (made.uid(), made.gid()) != (like.meta.uid(), like.meta.gid()) {
        fchown(new.as_file(), Some(like.meta.uid()), Some(like.meta.gid()))
            .map_err(|error| fault(&like.real, "keep the owner of", &error))?;
    }
    // Last: until here nobody but its owner can read the new file.
    let mode = fs::Permissions::from_mode(like.meta.mode() & 0o7777);
    new.as_file().set_permissions(mode).map_err(failed)?;
    new.as_file().sync_all().map_err(failed)?;
    Ok(new)
}

/// If another process wrote into the old file while the new one took its name, that content
/// is put back.
pub(super) fn give_way(path: &Path, folder: &Path, old: &mut Content) -> Result<(), Fault> {
    match old.written_since() {
        Ok(None) => Ok(()),
        Err(error) => Err(unsettled(path, &error)),
        Ok(Some(theirs)) => {
            let back = prepare(folder, old, &theirs).map_err(|fault| lost(path, &fault))?;
            back.persist(&old.real)
                .map_err(|error| unsettled(path, &error.error))?;
            Err(moved_on(path))
        }
    }
}

fn lost(path: &Path, fault: &Fault) -> Fault {
    let detail = format!(
        "another process wrote {} at the same time: {fault}",
        path.display()
    );
    Fault::new(FaultKind::Ambiguous, detail)
}

fn unsettled(path: &Path, error: &std::io::Error) -> Fault {
    let detail = format!("{} was replaced, but then: {error}", path.display());
    Fault::new(FaultKind::Ambiguous, detail)
}
