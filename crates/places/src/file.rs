//! Files as places.
//!
//! A file is replaced whole: a new file beside it, synced, and renamed over it, so that a
//! reader sees the old content or the new and never half of one.

mod change;
mod content;
mod stale;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use relatch_case::model::{Container, Slot};
use relatch_case::{Fault, FaultKind};
use relatch_secret::Secret;

use crate::formats::Format;
use crate::{Document, Store, Version};
use content::Content;

/// The store of files: kind `file`, no region, an absolute path as name.
///
/// - The version is a hash of the bytes.
/// - Symbolic links are followed; the file they lead to is changed, the links stay.
/// - Mode and owner stay. Where the owner cannot be kept, or the file has other hard links or
///   is no regular file, nothing is changed.
/// - POSIX has no compare-and-set: the content is compared directly before the rename, and
///   what another process wrote into the old file during the rename is put back.
/// - Extended attributes and access control lists are not carried over.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileStore;

#[async_trait]
impl Store for FileStore {
    fn kind(&self) -> &'static str {
        "file"
    }

    async fn read(&self, container: &Container) -> Result<Document, Fault> {
        let path = path_of(container)?;
        blocking(FaultKind::Local, move || read(&path)).await
    }

    async fn write(
        &self,
        container: &Container,
        version: &Version,
        changes: &BTreeMap<Slot, Secret>,
    ) -> Result<Version, Fault> {
        let (path, version, changes) = (path_of(container)?, version.clone(), changes.clone());
        blocking(FaultKind::Ambiguous, move || {
            write(&path, &version, &changes)
        })
        .await
    }
}

fn path_of(container: &Container) -> Result<PathBuf, Fault> {
    let path = PathBuf::from(&container.name);
    if container.kind == "file" && container.region.is_empty() && path.is_absolute() {
        Ok(path)
    } else {
        let detail = format!("{container} is not the absolute path of a file");
        Err(Fault::new(FaultKind::Invalid, detail))
    }
}

/// Runs blocking work; `lost` is what it means when its outcome is lost.
async fn blocking<T: Send + 'static>(
    lost: FaultKind,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let died = |_| Fault::new(lost, "the work on the file ended unexpectedly");
    tokio::task::spawn_blocking(work).await.map_err(died)?
}

fn read(path: &Path) -> Result<Document, Fault> {
    let content = Content::read(path)?;
    let slots = Format::of(path, content.text()?).slots(content.text()?)?;
    Ok(Document {
        version: content.version(),
        slots,
    })
}

fn write(
    path: &Path,
    version: &Version,
    changes: &BTreeMap<Slot, Secret>,
) -> Result<Version, Fault> {
    let before = Content::read(path)?;
    if before.version() != *version {
        return Err(change::moved_on(path));
    }
    let text = before.text()?;
    let format = Format::of(path, text);
    let after = format.replace(text, changes)?;
    if Format::of(path, &after) != format {
        let detail = format!(
            "{} tells its format by its content alone, and with the new value it would be read \
             as another",
            path.display()
        );
        return Err(Fault::new(FaultKind::Invalid, detail));
    }
    change::replace(path, &before, after.as_bytes())
}

#[cfg(test)]
#[path = "file/tests.rs"]
mod tests;
