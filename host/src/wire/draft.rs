//! A payload that is made where the receiver will find it: in a slot of the memory that both sides have.
use std::ops::Range;

use super::WireError;
use super::payload::{Layout, places};
use super::shared::{MIN_SHARED, Slots, Taken};

/// A payload to be filled, part by part, and sent by [`Writer::send_draft`](super::Writer::send_draft). Dropped unsent, it gives the slot
/// back.
#[derive(Debug)]
pub struct Draft {
    layout: Layout,
    parts: Vec<Range<usize>>,
    slot: Taken,
}

impl Draft {
    /// A payload with parts of these sizes, if it's worth a slot, fits and one is free. Anything may be in it.
    ///
    /// # Errors
    /// When the sizes overflow.
    pub fn new(sizes: &[u64], slots: &Slots) -> Result<Option<Self>, WireError> {
        let layout = Layout::of(sizes)?;
        if layout.total() < MIN_SHARED {
            return Ok(None);
        }
        let (len, parts) = places(&layout)?;
        Ok(slots.take(len).map(|slot| Self { layout, parts, slot }))
    }

    /// Part `index`, its first byte aligned to 16.
    pub fn part_mut(&mut self, index: usize) -> Option<&mut [u8]> {
        self.slot.bytes_mut().get_mut(self.parts.get(index)?.clone())
    }

    /// Bytes of the whole payload, if its parts have the sizes that a message announces.
    pub(super) fn fits(&self, layout: &Layout) -> Option<u64> {
        (self.layout == *layout).then(|| layout.total())
    }

    /// The slot's number, for the frame.
    pub(super) fn number(&self) -> u8 {
        self.slot.number()
    }

    /// Leaves the slot to the receiver.
    pub(super) fn leave(self) {
        self.slot.leave();
    }
}
