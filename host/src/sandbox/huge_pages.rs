//! Huge pages for the memories of instances, where the system offers them.
//!
//! A large memory is had from the system, and looked through for what has to be cleared after a tile, faster in pieces of
//! 2 MiB than of 4 KiB.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// The memories for which huge pages were asked. Those of a pool are used again and again, and need it once.
#[derive(Debug, Default)]
pub(super) struct HugePages(Mutex<HashSet<usize>>);

impl HugePages {
    /// Asks for huge pages in the first `len` bytes of the address space that is reserved for a memory.
    pub fn ask(&self, memory: *mut u8, len: usize) {
        if !self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(memory.addr()) {
            return;
        }
        #[cfg(target_os = "linux")]
        #[expect(unsafe_code, reason = "a wish about memory")]
        // SAFETY: it changes how the kernel backs the addresses, never what they hold. A refusal does no harm.
        let _refused = unsafe { rustix::mm::madvise(memory.cast(), len, rustix::mm::Advice::LinuxHugepage) };
    }
}
