//! Where logs of a bucket lie while they are read: end to end in one file without a name, so that
//! nothing stays behind however the program ends.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use relatch_evidence::Source;

use crate::error::{CommandError, Kind};

/// The file, and how much of it is spoken for.
pub(super) struct Copies {
    file: Arc<File>,
    taken: AtomicU64,
}

/// Room for one log in the file.
pub(super) struct Room {
    file: Arc<File>,
    start: u64,
    bytes: u64,
    written: u64,
}

impl Copies {
    /// An empty file in the folder for temporary files.
    pub(super) fn new() -> Result<Self, CommandError> {
        let file = tempfile::tempfile().map_err(|error| no_room(&error.to_string()))?;
        Ok(Self {
            file: Arc::new(file),
            taken: AtomicU64::new(0),
        })
    }

    /// Room for a log of so many bytes.
    pub(super) fn room(&self, bytes: u64) -> Room {
        Room {
            file: self.file.clone(),
            start: self.taken.fetch_add(bytes, Ordering::Relaxed),
            bytes,
            written: 0,
        }
    }
}

impl Room {
    /// Begins anew.
    pub(super) fn clear(&mut self) {
        self.written = 0;
    }

    /// How many bytes it was asked for.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What was written, to be read.
    pub(super) fn source(self, name: String) -> Source {
        Source::Piece {
            name,
            file: self.file,
            start: self.start,
            bytes: self.bytes,
        }
    }
}

impl Write for Room {
    /// What there is no room for is counted by the caller, and does not touch the next one's.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = usize::try_from(self.bytes - self.written).unwrap_or(usize::MAX);
        let fits = &bytes[..bytes.len().min(room)];
        self.file.write_all_at(fits, self.start + self.written)?;
        self.written += fits.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A copy that could not be written.
pub(super) fn no_room(why: &str) -> CommandError {
    let folder = std::env::temp_dir();
    let words = format!("logs cannot be copied to {}: {why}", folder.display());
    CommandError::new(Kind::Failed, words).hint("TMPDIR names another folder, with more room")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn every_log_has_room_of_its_own() {
        let copies = Copies::new().expect("a file");
        let (mut one, mut two) = (copies.room(3), copies.room(4));
        two.write_all(b"wxyz").expect("written");
        one.write_all(b"not").expect("written");
        one.clear();
        one.write_all(b"ab").expect("written");
        one.write_all(b"cdef").expect("counted by whoever writes");
        let mut all = Vec::new();
        (&*copies.file).read_to_end(&mut all).expect("read");
        assert_eq!(all, b"abcwxyz");
    }
}
