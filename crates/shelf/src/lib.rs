//! Memory for tables that grow with a log: large ones lie in nameless temporary files.
//!
//! A [`List`] or a [`Table`] is used like any other. From four megabytes on its memory is a file
//! mapped in by the system, which fetches what is looked at; while anything lies there, a thread
//! puts them aside as soon as the process holds more than [`MOST_RESIDENT`] bytes. So a log of
//! any size is held in as much memory as is looked at within some milliseconds, and a log of
//! ordinary size costs no more than before.
//!
//! The files have no name, are readable by nobody else, and are gone with the process, however it
//! ends. They lie in `TMPDIR`, else `/var/tmp`. Where there is no room, or no such system call,
//! memory is ordinary memory.
//!
//! Invariant: nothing secret is put here; what is here can be written to a disk.

#[cfg(target_os = "linux")]
mod mapping;
mod shelf;
#[cfg(target_os = "linux")]
mod tidy;

use std::fmt;
use std::ops::{Deref, DerefMut};

pub use shelf::Shelf;

/// Shelves are put aside when the process holds more memory than this, in bytes; looked at two
/// hundred times a second.
pub const MOST_RESIDENT: usize = 192 << 20;

/// So many bytes of them stay, whatever else the process holds.
pub const LEAST_RESIDENT: usize = 32 << 20;

/// A hash table on the shelf.
pub type Table<T> = hashbrown::HashTable<T, Shelf>;

/// A vector on the shelf.
pub struct List<T>(allocator_api2::vec::Vec<T, Shelf>);

impl<T> List<T> {
    /// As many of one value.
    pub fn of(value: T, count: usize) -> Self
    where
        T: Copy,
    {
        let mut list = List::default();
        list.resize(count, value);
        list
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        List(allocator_api2::vec::Vec::new_in(Shelf))
    }
}

impl<T> Deref for List<T> {
    type Target = allocator_api2::vec::Vec<T, Shelf>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T> DerefMut for List<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<T> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut list = List::default();
        list.extend(values);
        list
    }
}

impl<'l, T> IntoIterator for &'l List<T> {
    type Item = &'l T;
    type IntoIter = std::slice::Iter<'l, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: fmt::Debug> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
