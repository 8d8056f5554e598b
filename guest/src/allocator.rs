//! The component's allocator: free lists for small blocks, the crate talc for the rest.
//!
//! Handling an event allocates a dozen short strings that are freed when the call returns. Each size
//! has a list of free blocks, so that allocating and freeing one take a handful of instructions;
//! talc alone took a sixth of the time.

#![allow(unsafe_code)] // an allocator hands out raw memory

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr::null_mut;
use talc::wasm::WasmDynamicTalc;

/// Sizes of small blocks are rounded up to a multiple of this, a power of two; it is also their
/// alignment.
const STEP: usize = 16;
/// Blocks of up to `STEP * LISTS` bytes are small.
const LISTS: usize = 32;

/// The global allocator of the component. See the module's documentation.
pub struct Allocator {
    large: WasmDynamicTalc,
    /// The first free block of each size; each begins with the address of the next one.
    free: UnsafeCell<[*mut u8; LISTS]>,
}

// SAFETY: a component has one thread.
unsafe impl Sync for Allocator {}

impl Allocator {
    /// With nothing allocated yet.
    pub const fn new() -> Self {
        Self { large: talc::wasm::new_wasm_dynamic_allocator(), free: UnsafeCell::new([null_mut(); LISTS]) }
    }
}

/// The index of the free list for this layout; none if it is not small.
fn list(layout: Layout) -> Option<usize> {
    let index = layout.size().wrapping_sub(1) / STEP;
    (index < LISTS && layout.align() <= STEP).then_some(index)
}

// `inline(never)`: inlined wherever something allocates, this would make the component 5% larger.
// SAFETY: a small block comes from talc with its list's size and alignment STEP, and is either in
// use or on that one list, never both; every other block is allocated and freed by talc.
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
