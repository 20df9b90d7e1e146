//! What a file holds and whose it is.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use relatch_case::{Fault, FaultKind};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::Version;

/// Largest file that is read: places are configuration, not data.
const LIMIT: u64 = 1024 * 1024;

/// A regular file as it was read.
pub(super) struct Content {
    /// Where it really is, behind all symbolic links.
    pub(super) real: PathBuf,
    /// The open file; it stays the one that was read when another takes over its name.
    file: File,
    /// Its mode, owner and links.
    pub(super) meta: fs::Metadata,
    bytes: Zeroizing<Vec<u8>>,
}

impl Content {
    /// Reads the file at `path`, which must be a regular one of at most 1 MiB.
    pub(super) fn read(path: &Path) -> Result<Self, Fault> {
        let failed = |error: io::Error| fault(path, "read", &error);
        let real = fs::canonicalize(path).map_err(failed)?;
        // Asked before opening: opening a pipe would wait for its other end.
        refuse_odd(path, &fs::metadata(&real).map_err(failed)?)?;
        let mut file = File::open(&real).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        refuse_odd(path, &meta)?;
        let bytes = read_all(&mut file, meta.len()).map_err(failed)?;
        Ok(Self {
            real,
            file,
            meta,
            bytes,
        })
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The content as text.
    pub(super) fn text(&self) -> Result<&str, Fault> {
        std::str::from_utf8(&self.bytes).map_err(|_| {
            let detail = format!("{} is not UTF-8 text", self.real.display());
            Fault::new(FaultKind::Invalid, detail)
        })
    }

    /// The hash of the bytes.
    pub(super) fn version(&self) -> Version {
        version_of(&self.bytes)
    }

    /// What the very file that was read holds now, if it is not what was read.
    pub(super) fn written_since(&mut self) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        use std::io::Seek;
        self.file.rewind()?;
        let length = self.file.metadata()?.len();
        let now = read_all(&mut self.file, length)?;
        Ok((*now != *self.bytes).then_some(now))
    }
}

/// The version of a file with these bytes.
pub(super) fn version_of(bytes: &[u8]) -> Version {
    Version(format!("sha256:{}", hex::encode(Sha256::digest(bytes))))
}

/// Reads to the end. Room is made beforehand, so that no outgrown copy stays in memory.
fn read_all(file: &mut File, length: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let room = usize::try_from(length.min(LIMIT)).unwrap_or_default() + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LIMIT {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it grew beyond 1 MiB",
        ));
    }
    Ok(bytes)
}

fn refuse_odd(path: &Path, meta: &fs::Metadata) -> Result<(), Fault> {
    let why = if !meta.is_file() {
        "is not a regular file"
    } else if meta.len() > LIMIT {
        "is larger than 1 MiB"
    } else {
        return Ok(());
    };
    Err(Fault::new(
        FaultKind::Invalid,
        format!("{} {why}", path.display()),
    ))
}

/// What the system said, as a fault that changed nothing.
pub(super) fn fault(path: &Path, verb: &str, error: &io::Error) -> Fault {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => FaultKind::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => FaultKind::Denied,
        io::ErrorKind::FileTooLarge | io::ErrorKind::NotADirectory => FaultKind::Invalid,
        _ => FaultKind::Local,
    };
    Fault::new(kind, format!("cannot {verb} {}: {error}", path.display()))
}
