//! The component's memory: small blocks by size, the rest by talc.
//!
//! An event is a dozen short strings that are gone when the call returns. Each size has a list of
//! its free blocks, so that taking one and giving it back are a handful of instructions; talc alone
//! took a sixth of an event's time.

#![allow(unsafe_code)] // an allocator hands out raw memory

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr::null_mut;
use talc::wasm::WasmDynamicTalc;

/// Sizes are rounded up to this, and it is the alignment of every block: a power of two.
const STEP: usize = 16;
/// Blocks up to `STEP * LISTS` bytes are small.
const LISTS: usize = 32;

/// See the module's documentation.
pub struct Allocator {
    large: WasmDynamicTalc,
    /// First free block of each size; each begins with the address of the next.
    free: UnsafeCell<[*mut u8; LISTS]>,
}

// SAFETY: a component has one thread.
unsafe impl Sync for Allocator {}

impl Allocator {
    /// With nothing taken yet.
    pub const fn new() -> Self {
        Self { large: talc::wasm::new_wasm_dynamic_allocator(), free: UnsafeCell::new([null_mut(); LISTS]) }
    }
}

/// The list of the blocks that serve this layout, if it is small.
fn list(layout: Layout) -> Option<usize> {
    let index = layout.size().wrapping_sub(1) / STEP;
    (index < LISTS && layout.align() <= STEP).then_some(index)
}

// Out of line: a copy at every place that allocates would make the component a twentieth larger.
// SAFETY: a small block comes from talc with its list's size and STEP as alignment, and is in use
// or on that one list, never both; every other block is talc's.
unsafe impl GlobalAlloc for Allocator {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(index) = list(layout) else {
            return unsafe { self.large.alloc(layout) };
        };
        let free = unsafe { &mut (*self.free.get())[index] };
        let block = *free;
        if block.is_null() {
            let whole = unsafe { Layout::from_size_align_unchecked((index + 1) * STEP, STEP) };
            return unsafe { self.large.alloc(whole) };
        }
        *free = unsafe { block.cast::<*mut u8>().read() };
        block
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(index) = list(layout) else {
            return unsafe { self.large.dealloc(block, layout) };
        };
        let free = unsafe { &mut (*self.free.get())[index] };
        unsafe { block.cast::<*mut u8>().write(*free) };
        *free = block;
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(wanted) = Layout::from_size_align(size, layout.align()) else { return null_mut() };
        match (list(layout), list(wanted)) {
            (None, None) => return unsafe { self.large.realloc(block, layout, size) },
            (here, there) if here == there => return block,
            _ => {}
        }
        let moved = unsafe { self.alloc(wanted) };
        if !moved.is_null() {
            unsafe {
                std::ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.dealloc(block, layout);
            }
        }
        moved
    }
}
