//! All shelves of the process, and the thread that keeps little of them in memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::mapping::Mapping;
use crate::{LEAST_RESIDENT, MOST_RESIDENT};

/// How long the thread sleeps between looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Mappings by their address.
#[derive(Debug)]
pub(crate) struct Shelves {
    mappings: BTreeMap<usize, Mapping>,
    /// The thread is there; it ends when nothing is left to keep.
    tidied: bool,
}

static SHELVES: Mutex<Shelves> = Mutex::new(Shelves {
    mappings: BTreeMap::new(),
    tidied: false,
});

impl Shelves {
    /// All of them. Nothing here can panic halfway.
    pub(crate) fn lock() -> MutexGuard<'static, Shelves> {
        SHELVES.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block of so many bytes, if there is room for it.
    pub(crate) fn lend(&mut self, bytes: usize) -> Option<NonNull<u8>> {
        let mapping = Mapping::new(bytes)?;
        if !self.tidied {
            let named = thread::Builder::new().name("shelf".to_owned());
            self.tidied = named.spawn(tidy).is_ok();
        }
        Some(self.keep(mapping))
    }

    /// Makes a block longer; `None` if it is no mapping, or there is no room.
    pub(crate) fn extend(&mut self, block: NonNull<u8>, bytes: usize) -> Option<NonNull<u8>> {
        let mapping = self.mappings.get_mut(&address(block))?;
        mapping.extend(bytes)?;
        let mapping = self.mappings.remove(&address(block))?;
        Some(self.keep(mapping))
    }

    /// Frees a block; false if it is no mapping.
    pub(crate) fn give_back(&mut self, block: NonNull<u8>) -> bool {
        self.mappings.remove(&address(block)).is_some()
    }

    /// Makes room: half of what may be there. The largest come first: of a list to which is added
    /// only its end is looked at, while small tables are looked at everywhere.
    fn put_aside(&self) {
        let mut mappings: Vec<&Mapping> = self.mappings.values().collect();
        mappings.sort_by_key(|mapping| Reverse(mapping.bytes()));
        for mapping in mappings {
            mapping.put_aside();
            let now = Resident::now();
            if now.is_none_or(|now| now.all < MOST_RESIDENT / 2 || now.files < LEAST_RESIDENT) {
                return;
            }
        }
    }

    fn keep(&mut self, mapping: Mapping) -> NonNull<u8> {
        let start = mapping.start();
        self.mappings.insert(address(start), mapping);
        start
    }
}

fn address(block: NonNull<u8>) -> usize {
    block.as_ptr().addr()
}

/// Looks after the shelves until there are none.
fn tidy() {
    loop {
        thread::sleep(PAUSE);
        let mut shelves = Shelves::lock();
        if shelves.mappings.is_empty() {
            shelves.tidied = false;
            return;
        }
        if Resident::now().is_some_and(|now| now.is_much()) {
            shelves.put_aside();
        }
    }
}

/// Memory that the process holds, in bytes (proc(5), statm).
struct Resident {
    all: usize,
    /// Files that are mapped in: shelves, and the program itself.
    files: usize,
}

impl Resident {
    fn now() -> Option<Resident> {
        let pages = fs::read_to_string("/proc/self/statm").ok()?;
        let mut bytes = pages
            .split(' ')
            .skip(1)
            .map_while(|count| count.parse::<usize>().ok())
            .map(|count| count.saturating_mul(rustix::param::page_size()));
        Some(Resident {
            all: bytes.next()?,
            files: bytes.next()?,
        })
    }

    fn is_much(&self) -> bool {
        self.all > MOST_RESIDENT && self.files > LEAST_RESIDENT
    }
}
