//! A block of memory that is a file without a name.

#![expect(
    unsafe_code,
    reason = "the system's calls for mappings; nobody else can open or shorten the file"
)]

use std::ffi::c_void;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::ptr::{NonNull, null_mut};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::mm::{Advice, MapFlags, MremapFlags, ProtFlags, madvise, mmap, mremap, munmap};

/// The least alignment of a mapping, in bytes.
pub(crate) const PAGE: usize = 4096;

/// A file mapped into memory, shared with nobody. Dropping it unmaps it.
#[derive(Debug)]
pub(crate) struct Mapping {
    file: File,
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a mapping belongs to the process and not to a thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// So many bytes, all zero. `None` where there is no room or no such file.
    pub(crate) fn new(bytes: usize) -> Option<Self> {
        let file = tempfile::tempfile_in(folder()).ok()?;
        reserve(&file, bytes)?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the system's choice.
        let start = unsafe { mmap(null_mut(), bytes, access, MapFlags::SHARED, &file, 0) };
        Some(Mapping {
            start: NonNull::new(start.ok()?.cast())?,
            file,
            bytes,
        })
    }

    /// Where it begins.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// How long it is.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes it longer and says where it begins now; `None` leaves it as it was. The caller has
    /// no reference into it.
    pub(crate) fn extend(&mut self, bytes: usize) -> Option<NonNull<u8>> {
        reserve(&self.file, bytes)?;
        // SAFETY: the old range is this mapping's, and is not used again when it moved.
        let start = unsafe { mremap(self.at(), self.bytes, bytes, MremapFlags::MAYMOVE) };
        self.start = NonNull::new(start.ok()?.cast())?;
        self.bytes = bytes;
        Some(self.start)
    }

    /// Takes its pages out of memory; they come back when they are looked at.
    pub(crate) fn put_aside(&self) {
        // SAFETY: of a shared mapping of a file nothing is lost by this: the pages are the file's.
        // It is advice: where it is not taken, more stays in memory.
        let _ = unsafe { madvise(self.at(), self.bytes, Advice::LinuxDontNeed) };
    }

    fn at(&self) -> *mut c_void {
        self.start.as_ptr().cast()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is this mapping's, and whoever drops it uses it no more. It cannot
        // fail for such a range.
        let _ = unsafe { munmap(self.at(), self.bytes) };
    }
}

/// Makes sure of room on the disk: writing to a page without room would end the process.
fn reserve(file: &File, bytes: usize) -> Option<()> {
    let bytes = u64::try_from(bytes).ok()?;
    fallocate(file, FallocateFlags::empty(), 0, bytes).ok()
}

/// `/tmp` often is memory itself.
fn folder() -> PathBuf {
    let named = std::env::var_os("TMPDIR").map(PathBuf::from);
    let large = Path::new("/var/tmp");
    named.unwrap_or_else(|| {
        if large.is_dir() {
            large.to_path_buf()
        } else {
            std::env::temp_dir()
        }
    })
}
