//! Memory that the host writes: handing it out, and looking at what is in it.

#[cfg(target_arch = "wasm32")]
use core::alloc::Layout;

use bytemuck::Pod;

/// `len` items that the host wrote at `address`; none if the address can't be one.
///
/// Memory handed to the host is never freed, so the items live as long as the instance.
#[cfg(target_arch = "wasm32")]
pub(super) fn host_slice<T: Pod>(address: u32, len: usize) -> Option<&'static [T]> {
    if len == 0 {
        return Some(&[]);
    }
    let pointer = address as usize as *const T;
    let bytes = len.checked_mul(size_of::<T>())?;
    (address as usize).checked_add(bytes)?;
    if pointer.is_null() || !pointer.is_aligned() || bytes > isize::MAX as usize {
        return None;
    }
    #[expect(unsafe_code, reason = "the ABI passes data by address")]
    // SAFETY: the host allocated the range with `tilefn_alloc`, filled it before the call, and neither side writes to
    // or frees it afterwards; address, alignment and length were checked above; any bits are a valid `T: Pod`.
    unsafe {
        Some(core::slice::from_raw_parts(pointer, len))
    }
}

/// Outside the sandbox there is no host that could have written anything.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn host_slice<T: Pod>(_address: u32, len: usize) -> Option<&'static [T]> {
    (len == 0).then_some(&[])
}

/// The export that hands the host memory to fill: `len` bytes, aligned to `align`; 0 when there is none.
#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "an export needs a fixed name, and the allocator's interface is unsafe")]
#[unsafe(no_mangle)]
extern "C" fn tilefn_alloc(len: usize, align: usize) -> *mut u8 {
    match Layout::from_size_align(len.max(1), align) {
        // SAFETY: the size isn't zero.
        Ok(layout) => unsafe { alloc::alloc::alloc(layout) },
        Err(_) => core::ptr::null_mut(),
    }
}
