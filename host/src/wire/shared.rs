//! Memory that both ends of a connection between processes of one machine have, so that pixels needn't pass the kernel.
//!
//! Each direction has some slots. A sender fills a free one and names it in the frame, in place of the bytes; the receiver
//! gives it back when it drops the payload. Nobody waits for a slot: when none is free, the bytes go through the connection.
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

use super::WireError;

/// Bytes of a slot: a tile of 1024 × 1024 pixels of four bytes four times over. Only what is filled takes memory.
pub(super) const SLOT: usize = 16 << 20;
/// A payload below this goes with its message: it costs little more than the message alone.
pub(super) const MIN_SHARED: u64 = 4 << 10;
/// Bytes before the slots, which have the state of each: at most 255 for each direction.
const STATES: usize = 4 << 10;

/// The sender may fill it.
const FREE: u32 = 0;
/// The sender is filling it, or has named it in a frame that the receiver has not read.
const TAKEN: u32 = 1;
/// The receiver uses it.
const HELD: u32 = 2;

/// One end's view of the memory.
#[derive(Debug)]
pub struct Shared {
    /// What this end fills.
    pub sends: Slots,
    /// What the other end fills.
    pub receives: Slots,
}

impl Shared {
    /// Memory with `slots` slots for each direction, as both ends see it. Once this process is copied, the
    /// copy can be one of them.
    ///
    /// # Errors
    /// When the system doesn't give the address space.
    pub fn pair(slots: u8) -> io::Result<(Self, Self)> {
        let mapping = Arc::new(Mapping::new(usize::from(slots).saturating_mul(2))?);
        let half = |first| Slots { mapping: mapping.clone(), first, count: usize::from(slots) };
        let (there, back) = (half(0), half(usize::from(slots)));
        let ours = Self { sends: there.clone(), receives: back.clone() };
        Ok((ours, Self { sends: back, receives: there }))
    }

    /// Later copies of this process will not have it.
    ///
    /// # Errors
    /// The system's; there is no known reason.
    pub fn withhold(&self) -> io::Result<()> {
        let Mapping { start, len, .. } = *self.sends.mapping;
        #[expect(unsafe_code, reason = "advice about memory may change what it contains")]
        // SAFETY: it's one mapping, and the advice changes nothing for this process.
        unsafe {
            madvise(start.as_ptr().cast(), len, Advice::LinuxDontFork)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    len: usize,
    /// Whether this process uses a slot, which needn't believe the other one's states.
    used: Vec<AtomicBool>,
}

#[expect(unsafe_code, reason = "a pointer is neither by itself")]
// SAFETY: it's only an address, of memory which threads and even processes access by the rules of the states.
unsafe impl Send for Mapping {}
#[expect(unsafe_code, reason = "a pointer is neither by itself")]
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(slots: usize) -> io::Result<Self> {
        let len = slots.checked_mul(SLOT).and_then(|len| len.checked_add(STATES)).ok_or(io::ErrorKind::OutOfMemory)?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        #[expect(unsafe_code, reason = "the way to memory that is shared with a copy of this process")]
        // SAFETY: the system chooses an address where nothing is.
        let start =
            unsafe { mmap_anonymous(std::ptr::null_mut(), len, access, MapFlags::SHARED | MapFlags::NORESERVE)? };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, len, used: std::iter::repeat_with(AtomicBool::default).take(slots).collect() })
    }

    /// Takes a slot from one state to another, if it's in that one and not in use here.
    fn turn(&self, slot: usize, from: u32, to: u32) -> bool {
        let Some(used) = self.used.get(slot).filter(|used| !used.swap(true, Ordering::Acquire)) else { return false };
        let turned = self.state(slot).compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed).is_ok();
        if !turned {
            used.store(false, Ordering::Release);
        }
        turned
    }

    /// Ends this process's use of a slot, and makes it free, or leaves that to the other one.
    fn release(&self, slot: usize, free: bool) {
        // First: as soon as it's free, it may be filled and come again.
        if let Some(used) = self.used.get(slot) {
            used.store(false, Ordering::Release);
        }
        if free {
            self.state(slot).store(FREE, Ordering::Release);
        }
    }

    fn state(&self, slot: usize) -> &AtomicU32 {
        assert!(slot < self.used.len(), "counted by Slots");
        #[expect(unsafe_code, reason = "the memory is not Rust's")]
        // SAFETY: inside of the states, aligned, zero at first, accessed in this way only.
        unsafe {
            AtomicU32::from_ptr(self.start.as_ptr().cast::<u32>().add(slot))
        }
    }

    /// Where a slot begins.
    fn place(&self, slot: usize) -> *mut u8 {
        assert!(slot < self.used.len(), "counted by Slots");
        #[expect(unsafe_code, reason = "the memory is not Rust's")]
        // SAFETY: inside of the mapping, whose length was computed from the number of slots.
        unsafe {
            self.start.as_ptr().add(STATES + slot * SLOT)
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "as it was mapped")]
        // SAFETY: whoever uses it holds a reference to this.
        let _unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// The slots of one direction.
#[derive(Clone, Debug)]
pub struct Slots {
    mapping: Arc<Mapping>,
    first: usize,
    count: usize,
}

impl Slots {
    /// A free slot for `len` bytes; none when they don't fit or all are in use.
    pub(super) fn take(&self, len: usize) -> Option<Taken> {
        // The first that is free, so that the same memory is used again while it's in the processor's cache.
        let mut all = (0..self.count).filter(|_| len <= SLOT);
        let number = all.find(|number| self.mapping.turn(self.first + number, FREE, TAKEN))?;
        Some(Taken(Place { slots: self.clone(), number, len, left: false }))
    }

    /// The slot that the peer says it has filled with `len` bytes.
    ///
    /// # Errors
    /// [`WireError::Malformed`] when there is no such slot, it has no room for them, or the peer has no right to fill it.
    pub(super) fn hold(&self, number: u8, len: u64) -> Result<Held, WireError> {
        let (number, len) = (usize::from(number), usize::try_from(len).unwrap_or(usize::MAX));
        if number >= self.count || len > SLOT {
            return Err(WireError::Malformed(format!("{len} bytes in slot {number} of {}", self.count)));
        }
        if !self.mapping.turn(self.first + number, TAKEN, HELD) {
            return Err(WireError::Malformed(format!("slot {number}, which has not been filled")));
        }
        Ok(Held(Place { slots: self.clone(), number, len, left: false }))
    }
}

/// A slot in use by this end, which is free again when this is dropped.
#[derive(Debug)]
struct Place {
    slots: Slots,
    number: usize,
    len: usize,
    /// Whether it's the other end that makes it free.
    left: bool,
}

impl Place {
    fn start(&self) -> *mut u8 {
        self.slots.mapping.place(self.slots.first + self.number)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.slots.mapping.release(self.slots.first + self.number, !self.left);
    }
}

/// A slot to be filled.
#[derive(Debug)]
pub(super) struct Taken(Place);

impl Taken {
    /// What to fill; anything may be in it.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        #[expect(unsafe_code, reason = "the memory is not Rust's")]
        // SAFETY: `len` bytes of the slot are mapped, and any of them is a u8. Until it's named in a frame, nobody else uses a slot that this
        // end has taken.
        unsafe {
            std::slice::from_raw_parts_mut(self.0.start(), self.0.len)
        }
    }

    /// Its number, for the frame.
    pub fn number(&self) -> u8 {
        u8::try_from(self.0.number).unwrap_or(u8::MAX)
    }

    /// Leaves it to the receiver, who makes it free.
    pub fn leave(mut self) {
        self.0.left = true;
    }
}

/// A slot that the peer has filled.
#[derive(Debug)]
pub(super) struct Held(Place);

impl Held {
    pub fn bytes(&self) -> &[u8] {
        #[expect(unsafe_code, reason = "the memory is not Rust's")]
        // SAFETY: `len` bytes of the slot are mapped, and any of them is a u8. A peer that keeps to the rules writes nothing until
        // the slot is free again. One that breaks them can change pixels while they are copied, as it could have sent other ones:
        // nothing that is decided here depends on them.
        unsafe {
            std::slice::from_raw_parts(self.0.start(), self.0.len)
        }
    }
}
