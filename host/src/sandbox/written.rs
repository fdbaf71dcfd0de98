//! Which pages of a memory have been written since they came from the system: Linux's `PAGEMAP_SCAN`.

use std::fs::File;
use std::io;
use std::ops::Range;

use bytemuck::{Pod, Zeroable};
use rustix::ioctl::{Updater, ioctl, opcode};

/// The kinds of pages that the kernel tells apart, as many as are asked for.
mod category {
    /// Backed by a file and not written.
    pub const FILE: u64 = 1 << 2;
    pub const PRESENT: u64 = 1 << 3;
    /// Away for the moment: in swap space, or being moved.
    pub const SWAPPED: u64 = 1 << 4;
    /// The page of zeros that all memory begins with.
    pub const ZERO: u64 = 1 << 5;
}

/// A multiple of every system's page size, and a page of WebAssembly's.
const PAGE: usize = 64 << 10;
/// Ranges that the kernel reports at a time.
const RANGES: usize = 64;

/// `struct page_region`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

/// `struct pm_scan_arg`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// This process's map of pages.
#[derive(Debug)]
pub(super) struct PageMap(File);

impl PageMap {
    /// `None` where the kernel (before 6.7, or not Linux) can't say.
    pub fn open() -> Option<Self> {
        let map = Self(File::open("/proc/self/pagemap").ok()?);
        map.scan(0, 0).ok()?;
        Some(map)
    }

    /// The parts of a `range` of `memory` outside of which nothing of it has been written since the system gave the
    /// memory: it holds zeros there, or what is in the file it was mapped from.
    pub fn written(&self, memory: &[u8], range: Range<usize>) -> io::Result<Vec<Range<usize>>> {
        let base = memory.as_ptr().addr();
        // Whole pages; the memory has no others.
        let pages = range.start / PAGE * PAGE..range.end.next_multiple_of(PAGE).min(memory.len());
        let address = |offset: usize| base.checked_add(offset).ok_or(io::ErrorKind::InvalidInput).map(|sum| sum as u64);
        let (mut start, end) = (address(pages.start)?, address(pages.end)?);
        let mut written = Vec::new();
        while start < end && !range.is_empty() {
            let (regions, walked) = self.scan(start, end)?;
            for region in regions.iter().take_while(|region| region.end > region.start) {
                let offset = |address: u64| usize::try_from(address).ok()?.checked_sub(base);
                let (start, end) = offset(region.start).zip(offset(region.end)).ok_or(io::ErrorKind::InvalidData)?;
                let part = start.max(range.start)..end.min(range.end);
                written.extend((!part.is_empty()).then_some(part));
            }
            if walked <= start {
                return Err(io::ErrorKind::InvalidData.into());
            }
            start = walked;
        }
        Ok(written)
    }

    /// Regions of written pages between two addresses, and up to which address these are all.
    fn scan(&self, start: u64, end: u64) -> io::Result<([Region; RANGES], u64)> {
        let mut regions = [Region::zeroed(); RANGES];
        let mut scan = Scan {
            size: size_of::<Scan>() as u64,
            start,
            end,
            vec: regions.as_mut_ptr().expose_provenance() as u64,
            vec_len: RANGES as u64,
            category_inverted: category::FILE | category::ZERO,
            category_mask: category::FILE | category::ZERO,
            category_anyof_mask: category::PRESENT | category::SWAPPED,
            ..Scan::zeroed()
        };
        #[expect(unsafe_code, reason = "a question that rustix has no function for")]
        // SAFETY: number and structure are those of the kernel's `PAGEMAP_SCAN`; without flags it changes nothing but
        // `scan` and as many of the regions as `vec_len` says.
        unsafe {
            ioctl(&self.0, Updater::<{ opcode::read_write::<Scan>(b'f', 16) }, Scan>::new(&mut scan))?;
        }
        Ok((regions, scan.walk_end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_and_nothing_else_far_from_it() {
        let Some(map) = PageMap::open() else { return };
        let mut memory = vec![0_u8; 4096 * PAGE];
        let aligned = memory.as_ptr().align_offset(PAGE);
        let memory = &mut memory[aligned..aligned + 4000 * PAGE];
        assert!(map.written(memory, 0..memory.len()).unwrap().is_empty());
        assert_eq!(memory[5 * PAGE], 0, "read only");
        let places: Vec<_> = (0..200).map(|n| n * 20 * PAGE + 77).collect();
        for place in &places {
            memory[*place] = 1;
        }
        let written = map.written(memory, 0..memory.len()).unwrap();
        for place in &places {
            assert!(written.iter().any(|range| range.contains(place)), "{place}");
        }
        assert!(written.iter().map(ExactSizeIterator::len).sum::<usize>() <= places.len() * PAGE);
        assert_eq!(map.written(memory, 77..78).unwrap().first(), Some(&(77..78)));
        assert!(map.written(memory, 5 * PAGE + 3..5 * PAGE + 9).unwrap().is_empty());
        assert!(map.written(memory, 77..77).unwrap().is_empty());
    }
}
