//! The module's memory: handing it out, and what lies in it.

use bytemuck::Pod;
use core::arch::wasm32;
use core::cell::Cell;

const PAGE: u64 = 64 << 10;

unsafe extern "C" {
    /// Where the linker's own data ends.
    static __heap_base: u8;
}

struct End(Cell<u64>);

// SAFETY: an instance has one thread.
unsafe impl Sync for End {}

/// The end of what was handed out; 0 before the first time.
static END: End = End(Cell::new(0));

/// `len` bytes; of zeros unless [`back_to`] has taken them back before.
pub fn alloc(len: u64, align: u32) -> Option<u32> {
    let align = u64::from(align.max(1));
    if !align.is_power_of_two() {
        return None;
    }
    let end = END.0.get();
    let free = if end == 0 { (&raw const __heap_base).addr() as u64 } else { end };
    let start = (free + align - 1) & !(align - 1);
    let end = start.checked_add(len)?;
    let have = wasm32::memory_size(0) as u64;
    let pages = end.div_ceil(PAGE);
    // The last page stays free, so that no address is beyond 32 bits.
    if pages >= 1 << 16 {
        return None;
    }
    if pages > have && wasm32::memory_grow(0, (pages - have) as usize) == usize::MAX {
        return None;
    }
    END.0.set(end);
    u32::try_from(start).ok()
}

/// The highest end of what was handed out.
static MOST: End = End(Cell::new(0));

/// How far the memory is used, or was.
pub fn used() -> u32 {
    MOST.0.get().max(END.0.get()) as u32
}

/// The end of what was handed out, for [`back_to`].
pub fn mark() -> u64 {
    END.0.get()
}

/// Takes back what was handed out since [`mark`].
pub fn back_to(mark: u64) {
    MOST.0.set(MOST.0.get().max(END.0.get()));
    END.0.set(mark);
}

/// `len` items of what the host, the compiler or this module wrote there.
pub fn items<T: Pod>(address: u32, len: u32) -> &'static [T] {
    if len == 0 {
        return &[];
    }
    // SAFETY: the addresses are the host's or the compiler's, whose layout both sides compile, or come from `alloc`. Whatever is
    // wrong stays in this module's memory, which is the sandbox. Any bits are a `T: Pod`.
    unsafe { core::slice::from_raw_parts(address as usize as *const T, len as usize) }
}

/// As [`items`], to be written by one function at a time.
pub fn items_mut<T: Pod>(address: u32, len: u32) -> &'static mut [T] {
    if len == 0 {
        return &mut [];
    }
    // SAFETY: as in `items`; the addresses come from `alloc`, and no function here keeps such a slice while another has it.
    unsafe { core::slice::from_raw_parts_mut(address as usize as *mut T, len as usize) }
}
