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
const PAUSE: Duration = Duration::from_millis(2);

/// Mappings by their address.
#[derive(Debug)]
struct Shelves {
    mappings: BTreeMap<usize, Mapping>,
    /// The thread is there; it ends when nothing is left to keep.
    tidied: bool,
}

static SHELVES: Mutex<Shelves> = Mutex::new(Shelves {
    mappings: BTreeMap::new(),
    tidied: false,
});

/// A block of so many bytes, if there is room for it.
pub(crate) fn lend(bytes: usize) -> Option<NonNull<u8>> {
    // The disk may take its time; nobody else waits for it.
    let mapping = Mapping::new(bytes)?;
    let mut shelves = lock();
    if !shelves.tidied {
        let named = thread::Builder::new().name("shelf".to_owned());
        shelves.tidied = named.spawn(tidy).is_ok();
    }
    Some(shelves.keep(mapping))
}

/// Makes a block longer; `None` if it is no mapping, or there is no room.
pub(crate) fn extend(block: NonNull<u8>, bytes: usize) -> Option<NonNull<u8>> {
    let mut mapping = lock().take(block)?;
    let extended = mapping.extend(bytes);
    lock().keep(mapping);
    extended
}

/// Frees a block; false if it is no mapping.
pub(crate) fn give_back(block: NonNull<u8>) -> bool {
    let mapping = lock().take(block);
    mapping.is_some()
}

/// All shelves. Nothing here can panic halfway.
fn lock() -> MutexGuard<'static, Shelves> {
    SHELVES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shelves {
    fn take(&mut self, block: NonNull<u8>) -> Option<Mapping> {
        self.mappings.remove(&address(block))
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
        let mut shelves = lock();
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
