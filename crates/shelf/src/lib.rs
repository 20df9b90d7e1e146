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
    /// An empty one with room for so many, which need not be moved.
    pub fn with_room(count: usize) -> Self {
        List(allocator_api2::vec::Vec::with_capacity_in(count, Shelf))
    }

    /// As many of one value.
    pub fn of(value: T, count: usize) -> Self
    where
        T: Copy,
    {
        let mut list = List::with_room(count);
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

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// More than is kept, and than is taken from ordinary memory.
    const LONG: usize = 40_000_000;

    #[test]
    fn a_long_list_is_whole_after_it_was_put_aside() {
        let mut list: List<u64> = List::default();
        for number in 0..LONG as u64 {
            list.push(number * 3);
        }
        // Two threads look while everything is put aside again and again.
        thread::scope(|scope| {
            for step in [1, 7] {
                let list = &list;
                scope.spawn(move || {
                    for number in (0..LONG).step_by(step) {
                        assert_eq!(list[number], number as u64 * 3);
                    }
                });
            }
        });
        list.truncate(10);
        list.shrink_to_fit();
        assert_eq!(list.as_slice(), [0, 3, 6, 9, 12, 15, 18, 21, 24, 27]);
    }

    #[test]
    fn a_list_grows_shrinks_and_is_freed_at_every_size() {
        for bits in [0, 10, 21, 22, 23, 26] {
            let mut list = List::of(7u8, 1 << bits);
            list.extend([1, 2, 3]);
            let copy: List<u8> = list.iter().copied().collect();
            list.truncate(2);
            list.shrink_to_fit();
            assert_eq!((list.first(), copy.last()), (Some(&7), Some(&3)));
            assert_eq!(copy.len(), (1 << bits) + 3);
        }
        assert_eq!(List::<u64>::default().len(), 0);
    }

    #[test]
    fn a_large_table_finds_everything() {
        let mut table: Table<u32> = Table::default();
        let hash = |number: u32| u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for number in 0..3_000_000 {
            table.insert_unique(hash(number), number, |number| hash(*number));
        }
        let found = |number: u32| table.find(hash(number), |other| *other == number);
        assert!(
            (0..3_000_000)
                .step_by(11)
                .all(|number| found(number).is_some())
        );
        assert_eq!(found(3_000_000), None);
    }
}
