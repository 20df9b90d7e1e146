//! The allocator: ordinary memory for what is small, a mapped file for what is large.

#![expect(
    unsafe_code,
    reason = "an allocator is an unsafe trait: who calls it keeps pointers and layouts together"
)]

use std::alloc::Layout;
use std::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator, Global};

#[cfg(target_os = "linux")]
use crate::tidy;

/// From so many bytes on a file is worth its while.
#[cfg(target_os = "linux")]
const LARGE: usize = 4 << 20;

/// Memory that the system may put aside.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shelf;

// SAFETY: blocks come from `Global` or are mappings of their own, at least as long as asked and
// aligned to a page. A mapping stays where it is until `deallocate` or `grow` is called with its
// address; which of the two a block is, is known by its address. `Shelf` has no state, so that a
// copy is as good as it is.
unsafe impl Allocator for Shelf {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        match lend(layout) {
            Some(block) => Ok(NonNull::slice_from_raw_parts(block, layout.size())),
            None => Global.allocate(layout),
        }
    }

    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        if !give_back(block, layout) {
            // SAFETY: it is no mapping, so it came from `Global` with this layout.
            unsafe { Global.deallocate(block, layout) }
        }
    }

    unsafe fn grow(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        if let Some(grown) = extend(block, old, new) {
            return Ok(NonNull::slice_from_raw_parts(grown, new.size()));
        }
        let grown = self.allocate(new)?;
        // SAFETY: both are valid for the old size, which is not the greater one, and the new
        // block is not part of the old one. The old block is not used again.
        unsafe {
            grown
                .cast::<u8>()
                .copy_from_nonoverlapping(block, old.size());
            self.deallocate(block, old);
        }
        Ok(grown)
    }
}

#[cfg(target_os = "linux")]
fn lend(layout: Layout) -> Option<NonNull<u8>> {
    is_large(layout).then(|| tidy::lend(layout.size()))?
}

#[cfg(target_os = "linux")]
fn extend(block: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>> {
    (is_large(old) && is_large(new)).then(|| tidy::extend(block, new.size()))?
}

#[cfg(target_os = "linux")]
fn give_back(block: NonNull<u8>, layout: Layout) -> bool {
    is_large(layout) && tidy::give_back(block)
}

/// Whether a block of this layout may be a mapping.
#[cfg(target_os = "linux")]
fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= crate::mapping::PAGE
}

#[cfg(not(target_os = "linux"))]
fn lend(_: Layout) -> Option<NonNull<u8>> {
    None
}

#[cfg(not(target_os = "linux"))]
fn extend(_: NonNull<u8>, _: Layout, _: Layout) -> Option<NonNull<u8>> {
    None
}

#[cfg(not(target_os = "linux"))]
fn give_back(_: NonNull<u8>, _: Layout) -> bool {
    false
}
