//! The allocator: std's own, which also takes the room that the host has given the module's memory from the start.
//!
//! Memory that grows is slower, since the host must change its protection for each tile.

#![expect(unsafe_code, reason = "an allocator's interface")]

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32;
use core::cell::{Cell, UnsafeCell};

use dlmalloc::{Allocator, Dlmalloc};

/// Bytes of a page of memory.
const PAGE: usize = 64 << 10;

unsafe extern "C" {
    /// Where the memory ends that the linker gave the module.
    static __heap_end: u8;
}

/// The memory behind the linker's, handed out from its beginning on; what was handed out is never taken back.
struct Room {
    /// The end of what was handed out; 0 before the first time.
    used: Cell<usize>,
    /// The end of what may be handed out before the memory has to grow.
    end: Cell<usize>,
}

impl Room {
    /// As many bytes, a multiple of a page.
    fn take(&self, size: usize) -> Option<*mut u8> {
        let memory = wasm32::memory_size(0).checked_mul(PAGE)?;
        if self.used.get() == 0 {
            self.used.set((&raw const __heap_end).addr());
            self.end.set(memory);
        }
        if self.end.get() < memory {
            // Somebody else has made the memory grow, and has what was added.
            self.used.set(memory);
            self.end.set(memory);
        }
        let start = self.used.get();
        // The address space has one byte less than fits: nothing may end at address 0.
        let end = start.checked_add(size)?;
        if let Some(missing) = end.checked_sub(self.end.get()).filter(|missing| *missing > 0) {
            if wasm32::memory_grow(0, missing.div_ceil(PAGE)) == usize::MAX {
                return None;
            }
            self.end.set(end);
        }
        self.used.set(end);
        Some(core::ptr::with_exposed_provenance_mut(start))
    }
}

// SAFETY: nobody else uses what lies between the linker's end and that of the memory at the first call, nor what is made to
// grow here; nothing is handed out twice.
unsafe impl Allocator for Room {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        (self.take(size).unwrap_or(core::ptr::null_mut()), size, 0)
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        core::ptr::null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE
    }
}

/// The only heap.
struct Heap(UnsafeCell<Dlmalloc<Room>>);

// SAFETY: an instance has one thread.
unsafe impl Sync for Heap {}

#[global_allocator]
static HEAP: Heap = Heap(UnsafeCell::new(Dlmalloc::new_with_allocator(Room { used: Cell::new(0), end: Cell::new(0) })));

// SAFETY: passed on to dlmalloc, on one thread, and never from within it.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller's.
        unsafe { (*self.0.get()).malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller's.
        unsafe { (*self.0.get()).calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller's.
        unsafe { (*self.0.get()).free(pointer, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller's.
        unsafe { (*self.0.get()).realloc(pointer, layout.size(), layout.align(), size) }
    }
}

/// The export that says how much memory was used, and with it that there may be room.
#[unsafe(no_mangle)]
extern "C" fn tilefn_memory_used() -> usize {
    // SAFETY: on one thread, and not from within the allocator.
    let room = unsafe { (*HEAP.0.get()).allocator() };
    room.used.get()
}
