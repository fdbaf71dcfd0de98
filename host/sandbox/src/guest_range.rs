//! Parts of an instance's memory.

use std::ops::Range;

use super::error::Error;

/// A part of an instance's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestRange {
    start: u32,
    len: u32,
}

impl GuestRange {
    /// Only for a range that has been checked against the memory.
    pub(super) const fn new(start: u32, len: u32) -> Self {
        Self { start, len }
    }

    /// The pointer to its first byte, as the module sees it.
    pub const fn pointer(self) -> u32 {
        self.start
    }

    /// Its bytes.
    pub const fn len(self) -> usize {
        self.len as usize
    }

    pub(super) const fn guest_len(self) -> u32 {
        self.len
    }

    pub(super) fn bounds(self) -> Range<usize> {
        let start = self.start as usize;
        start..start.saturating_add(self.len())
    }

    /// Whether it has no bytes.
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// The error for a range outside the instance's memory.
pub(super) fn foreign_range() -> Error {
    Error::Engine("a range of another instance's memory".to_owned())
}
