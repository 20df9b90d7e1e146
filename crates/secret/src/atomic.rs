//! Private files, written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes `bytes` to `path` for the owner alone (mode 0600): a new file beside it, synced,
/// then renamed over it, and the folder synced so that the name survives a power cut.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A bare name has an empty parent, which names no folder.
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".relatch-")
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// Overwrites a file with zeros, syncs and removes it. A copy-on-write file system or an SSD
/// may keep the old blocks: what is destroyed here must be ciphertext or its key.
pub(crate) fn destroy(path: &Path) -> io::Result<()> {
    let length = match fs::metadata(path) {
        Ok(meta) => meta.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    io::copy(&mut io::Read::take(io::repeat(0), length), &mut file)?;
    file.sync_all()?;
    fs::remove_file(path)
}
