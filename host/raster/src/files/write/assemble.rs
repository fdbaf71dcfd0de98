//! Cuts tiles into a file's blocks, and keeps each block until every tile that has a part of it has come: so each block is compressed and
//! written once. Nothing here knows GDAL.

use crate::files::layout::buffer_len;
use grid::Window;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A block of the file. Blocks are ordered as tiles come: from the top to the bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Block {
    /// Blocks above it.
    pub row: u32,
    /// Blocks to its left.
    pub col: u32,
    /// Its bands, as an index into [`Blocking::bands`].
    pub group: usize,
}

/// How a file's pixels are cut into blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blocking {
    /// All pixels of the file.
    pub grid: Window,
    /// Height of a block, in pixels; at least 1.
    pub rows: u32,
    /// Width of a block, in pixels; at least 1.
    pub cols: u32,
    /// For each group of bands that a block holds together: their number. Tiles have the groups one after the other.
    pub bands: Vec<usize>,
    /// Bytes of a pixel.
    pub pixel: usize,
}

/// The file that blocks are written to. Pixels are those of `area`, packed as `[bands, rows, cols]`.
pub(crate) trait BlockFile {
    /// Reads what the file has of a block: an earlier tile or run may have written some of it.
    fn read(&mut self, block: Block, area: &Window, pixels: &mut [u8]) -> Result<(), String>;
    /// Writes a part of a block, or all that the grid has of it.
    fn write(&mut self, block: Block, area: &Window, pixels: &[u8]) -> Result<(), String>;
}

/// Room for the blocks that wait for their missing parts. All outputs of a process share one.
#[derive(Debug)]
pub(crate) struct Room {
    /// Bytes that may be taken.
    pub most: usize,
    taken: AtomicUsize,
}

impl Room {
    pub(crate) const fn new(most: usize) -> Self {
        Self { most, taken: AtomicUsize::new(0) }
    }

    fn is_short(&self) -> bool {
        self.taken.load(Ordering::Relaxed) > self.most
    }
}

/// Puts the blocks of one file together.
#[derive(Debug)]
pub(crate) struct Assembler {
    blocking: Blocking,
    /// Whether incomplete blocks are kept. If not, each part is written at once.
    keeps: bool,
    /// Blocks that wait for their missing parts.
    waiting: BTreeMap<Block, Incomplete>,
    room: &'static Room,
    /// The pixels that are being written; in words, to be aligned for every type.
    packed: Vec<u64>,
}

/// A block of which a part has come.
#[derive(Debug)]
struct Incomplete {
    /// The pixels of `area`, packed; in words, to be aligned for every type.
    pixels: Vec<u64>,
    /// What the grid has of the block.
    area: Window,
    /// Pixels of each band that are still to come.
    missing: u64,
    room: &'static Room,
}

/// A tile's pixels of one group of bands, packed.
#[derive(Clone, Copy)]
struct Part<'a> {
    window: &'a Window,
    pixels: &'a [u8],
}

impl Blocking {
    /// What the grid has of a block.
    pub(crate) fn area(&self, block: Block) -> Option<Window> {
        let (row, col) = (i64::from(block.row) * i64::from(self.rows), i64::from(block.col) * i64::from(self.cols));
        Window::new(row, col, self.rows, self.cols).intersection(&self.grid)
    }

    /// Bytes of an area's pixels in a group of bands.
    fn len(&self, group: usize, area: &Window) -> Option<usize> {
        buffer_len(*self.bands.get(group)?, area, self.pixel)
    }

    /// The blocks of a group that a window has a part of.
    fn under(&self, window: &Window, group: usize) -> Option<impl Iterator<Item = Block> + use<>> {
        let along = |start: i64, end: i64, side: u32| {
            let block = |pixel: i64| u32::try_from(pixel / i64::from(side.max(1))).ok();
            Some(block(start)?..=block(end.checked_sub(1)?)?)
        };
        let rows = along(window.row, window.row_end(), self.rows)?;
        let cols = along(window.col, window.col_end(), self.cols)?;
        Some(rows.flat_map(move |row| cols.clone().map(move |col| Block { row, col, group })))
    }
}

impl Assembler {
    pub(crate) fn new(blocking: Blocking, keeps: bool, room: &'static Room) -> Self {
        Self { blocking, keeps, waiting: BTreeMap::new(), room, packed: Vec::new() }
    }

    pub(crate) const fn blocking(&self) -> &Blocking {
        &self.blocking
    }

    /// Adds a tile, packed as `[bands, rows, cols]`, which lies in the grid. Complete blocks are written; the others wait, as far as
    /// there is room.
    pub(crate) fn add(&mut self, file: &mut impl BlockFile, window: &Window, tile: &[u8]) -> Result<(), String> {
        let misfit = || format!("{} bytes are not the pixels of {window}", tile.len());
        let mut rest = tile;
        for group in 0..self.blocking.bands.len() {
            let len = self.blocking.len(group, window).ok_or_else(misfit)?;
            let (pixels, others) = rest.split_at_checked(len).ok_or_else(misfit)?;
            rest = others;
            for block in self.blocking.under(window, group).ok_or_else(misfit)? {
                self.put(file, block, Part { window, pixels })?;
            }
        }
        Ok(())
    }

    /// Writes all blocks that are still incomplete, as they are.
    pub(crate) fn settle(&mut self, file: &mut impl BlockFile) -> Result<(), String> {
        while self.write_first(file)? {}
        Ok(())
    }

    /// Writes what a tile has of a block, or keeps it.
    fn put(&mut self, file: &mut impl BlockFile, block: Block, part: Part<'_>) -> Result<(), String> {
        let misfit = || format!("{} has nothing of block {}, {}", part.window, block.row, block.col);
        let area = self.blocking.area(block).ok_or_else(misfit)?;
        let here = area.intersection(part.window).ok_or_else(misfit)?;
        if here == area || !self.keeps {
            let len = self.blocking.len(block.group, &here).ok_or_else(misfit)?;
            self.packed.resize(len.div_ceil(size_of::<u64>()), 0);
            let packed: &mut [u8] = bytemuck::cast_slice_mut(&mut self.packed);
            let packed = packed.get_mut(..len).ok_or_else(misfit)?;
            part.copy(&here, packed, &here, self.blocking.pixel).ok_or_else(misfit)?;
            file.write(block, &here, packed)?;
            self.waiting.remove(&block);
            return Ok(());
        }
        let kept = match self.waiting.entry(block) {
            Entry::Occupied(kept) => kept.into_mut(),
            Entry::Vacant(none) => {
                let len = self.blocking.len(block.group, &area).ok_or_else(misfit)?;
                let mut kept = Incomplete::new(area, len, self.room);
                file.read(block, &area, kept.pixels_mut(len).ok_or_else(misfit)?)?;
                none.insert(kept)
            }
        };
        let len = self.blocking.len(block.group, &area).ok_or_else(misfit)?;
        let pixels = kept.pixels_mut(len).ok_or_else(misfit)?;
        part.copy(&here, pixels, &area, self.blocking.pixel).ok_or_else(misfit)?;
        kept.missing = kept.missing.saturating_sub(here.pixels());
        if kept.missing == 0 {
            self.write_waiting(file, block)?;
        }
        // The first ones are complete soonest, since tiles come from the top to the bottom.
        while self.waiting.len() > 1 && self.room.is_short() {
            self.write_first(file)?;
        }
        Ok(())
    }

    /// Writes the first block that waits; false if there is none.
    fn write_first(&mut self, file: &mut impl BlockFile) -> Result<bool, String> {
        let Some((&first, _)) = self.waiting.first_key_value() else { return Ok(false) };
        self.write_waiting(file, first).map(|()| true)
    }

    fn write_waiting(&mut self, file: &mut impl BlockFile, block: Block) -> Result<(), String> {
        let Some(mut kept) = self.waiting.remove(&block) else { return Ok(()) };
        let len = self.blocking.len(block.group, &kept.area).unwrap_or_default();
        let area = kept.area;
        file.write(block, &area, kept.pixels_mut(len).unwrap_or_default())
    }
}

impl Incomplete {
    fn new(area: Window, len: usize, room: &'static Room) -> Self {
        let pixels = vec![0; len.div_ceil(size_of::<u64>())];
        room.taken.fetch_add(size_of_val(&*pixels), Ordering::Relaxed);
        Self { pixels, area, missing: area.pixels(), room }
    }

    /// The pixels, which have so many bytes.
    fn pixels_mut(&mut self, len: usize) -> Option<&mut [u8]> {
        bytemuck::cast_slice_mut(&mut self.pixels).get_mut(..len)
    }
}

impl Drop for Incomplete {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(size_of_val(&*self.pixels), Ordering::Relaxed);
    }
}

impl Part<'_> {
    /// Copies the pixels of `here`, in all bands, to `to`, which has those of `area`.
    fn copy(&self, here: &Window, to: &mut [u8], area: &Window, pixel: usize) -> Option<()> {
        let plane = |window: &Window| buffer_len(1, window, pixel).filter(|bytes| *bytes > 0);
        for (from, to) in self.pixels.chunks_exact(plane(self.window)?).zip(to.chunks_exact_mut(plane(area)?)) {
            copy(from, self.window, here, to, area, pixel)?;
        }
        Some(())
    }
}

/// Copies the pixels of `here` from a plane that has those of `window` to one that has those of `area`.
pub(crate) fn copy(
    from: &[u8],
    window: &Window,
    here: &Window,
    to: &mut [u8],
    area: &Window,
    pixel: usize,
) -> Option<()> {
    let count = |pixels: i64| usize::try_from(pixels).ok();
    let bytes = |pixels: i64| count(pixels)?.checked_mul(pixel);
    let len = bytes(here.cols.into())?;
    let (start, place) = (bytes(here.col.checked_sub(window.col)?)?, bytes(here.col.checked_sub(area.col)?)?);
    let lines = from.chunks_exact(bytes(window.cols.into())?).skip(count(here.row.checked_sub(window.row)?)?);
    let places = to.chunks_exact_mut(bytes(area.cols.into())?).skip(count(here.row.checked_sub(area.row)?)?);
    for (to, line) in places.zip(lines).take(count(here.rows.into())?) {
        to.get_mut(place..place.checked_add(len)?)?.copy_from_slice(line.get(start..start.checked_add(len)?)?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// A file in memory: one byte a pixel, in two groups of one and two bands.
    struct Memory {
        grid: Window,
        pixels: HashMap<(usize, i64, i64), u8>,
        writes: Vec<(Block, Window)>,
        fails: bool,
    }

    fn blocking(grid: (u32, u32), block: (u32, u32)) -> Blocking {
        let grid = Window::new(0, 0, grid.0, grid.1);
        Blocking { grid, rows: block.0, cols: block.1, bands: vec![1, 2], pixel: 1 }
    }

    fn memory(blocking: &Blocking) -> Memory {
        Memory { grid: blocking.grid, pixels: HashMap::new(), writes: Vec::new(), fails: false }
    }

    fn places(group: usize, area: &Window) -> impl Iterator<Item = (usize, i64, i64)> + use<> {
        let area = *area;
        let bands = if group == 0 { 0..1 } else { 1..3 };
        bands.flat_map(move |band| {
            (area.row..area.row_end()).flat_map(move |row| (area.col..area.col_end()).map(move |col| (band, row, col)))
        })
    }

    impl BlockFile for Memory {
        fn read(&mut self, block: Block, area: &Window, pixels: &mut [u8]) -> Result<(), String> {
            for (place, pixel) in places(block.group, area).zip(pixels) {
                *pixel = self.pixels.get(&place).copied().unwrap_or(255);
            }
            Ok(())
        }

        fn write(&mut self, block: Block, area: &Window, pixels: &[u8]) -> Result<(), String> {
            if self.fails {
                return Err("the disk is full".into());
            }
            assert_eq!(places(block.group, area).count(), pixels.len());
            self.pixels.extend(places(block.group, area).zip(pixels.iter().copied()));
            self.writes.push((block, *area));
            Ok(())
        }
    }

    fn value((band, row, col): (usize, i64, i64)) -> u8 {
        u8::try_from((i64::try_from(band).unwrap() * 83 + row * 13 + col * 7) % 250).unwrap()
    }

    fn tile(window: &Window) -> Vec<u8> {
        places(0, window).chain(places(1, window)).map(value).collect()
    }

    fn tiles(grid: &Window, (rows, cols): (u32, u32)) -> Vec<Window> {
        let starts = |end: u32, step: u32| (0..end).step_by(usize::try_from(step).unwrap());
        let windows = starts(grid.rows, rows).flat_map(|row| starts(grid.cols, cols).map(move |col| (row, col)));
        windows.filter_map(|(row, col)| Window::new(row.into(), col.into(), rows, cols).intersection(grid)).collect()
    }

    fn is_complete(file: &Memory) -> bool {
        places(0, &file.grid).chain(places(1, &file.grid)).all(|at| file.pixels.get(&at) == Some(&value(at)))
    }

    static AMPLE: Room = Room::new(1 << 20);

    #[test]
    fn a_block_that_tiles_share_is_written_once_when_its_last_part_has_come() {
        let mut assembler = Assembler::new(blocking((6, 6), (4, 4)), true, &AMPLE);
        let mut file = memory(assembler.blocking());
        let tiles = tiles(&file.grid, (3, 6));
        assembler.add(&mut file, &tiles[0], &tile(&tiles[0])).unwrap();
        assert_eq!(file.writes, []);
        assembler.add(&mut file, &tiles[1], &tile(&tiles[1])).unwrap();
        let mut written: Vec<_> = file.writes.iter().map(|(block, _)| *block).collect();
        written.sort();
        written.dedup();
        // 2 × 2 blocks of two groups, each as far as the grid reaches.
        assert_eq!((file.writes.len(), written.len()), (8, 8));
        assert!(file.writes.contains(&(Block { row: 1, col: 1, group: 1 }, Window::new(4, 4, 2, 2))));
        assert!(is_complete(&file));
    }

    #[test]
    fn what_waits_at_the_end_is_written_and_gone_on_with() {
        let mut assembler = Assembler::new(blocking((6, 6), (4, 4)), true, &AMPLE);
        let mut file = memory(assembler.blocking());
        let tiles = tiles(&file.grid, (3, 3));
        assembler.add(&mut file, &tiles[0], &tile(&tiles[0])).unwrap();
        assembler.settle(&mut file).unwrap();
        let first = Window::new(0, 0, 4, 4);
        assert_eq!(file.writes, [0, 1].map(|group| (Block { row: 0, col: 0, group }, first)));
        // What no tile has had yet stays as the file has it.
        assert_eq!(file.pixels.get(&(0, 3, 3)), Some(&255));
        for window in &tiles[1..] {
            assembler.add(&mut file, window, &tile(window)).unwrap();
        }
        // The first blocks again; one part is missing since it came before: they wait for it until the end.
        assembler.settle(&mut file).unwrap();
        assert!(is_complete(&file));
    }

    #[test]
    fn without_room_the_first_blocks_are_written_early() {
        static NONE: Room = Room::new(0);
        let mut assembler = Assembler::new(blocking((4, 12), (4, 4)), true, &NONE);
        let mut file = memory(assembler.blocking());
        let tiles = tiles(&file.grid, (2, 12));
        assembler.add(&mut file, &tiles[0], &tile(&tiles[0])).unwrap();
        assert_eq!((file.writes.len(), assembler.waiting.len()), (5, 1));
        assembler.add(&mut file, &tiles[1], &tile(&tiles[1])).unwrap();
        assembler.settle(&mut file).unwrap();
        assert!(is_complete(&file));
        assert_eq!(NONE.taken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn an_error_of_the_file_ends_the_tile() {
        let mut assembler = Assembler::new(blocking((4, 4), (4, 4)), true, &AMPLE);
        let mut file = Memory { fails: true, ..memory(assembler.blocking()) };
        let all = file.grid;
        assert_eq!(assembler.add(&mut file, &all, &tile(&all)).unwrap_err(), "the disk is full");
        let text = assembler.add(&mut file, &all, &[0; 5]).unwrap_err();
        assert_eq!(text, "5 bytes are not the pixels of rows 0..4, columns 0..4");
    }

    proptest! {
        #[test]
        fn every_pixel_arrives(
            grid in (1u32..20, 1u32..20), block in (1u32..9, 1u32..9), size in (1u32..9, 1u32..9), keeps: bool, ample: bool,
        ) {
            static SOME: Room = Room::new(64);
            let mut assembler = Assembler::new(blocking(grid, block), keeps, if ample { &AMPLE } else { &SOME });
            let mut file = memory(assembler.blocking());
            for window in tiles(&file.grid, size) {
                assembler.add(&mut file, &window, &tile(&window)).unwrap();
            }
            if keeps && ample {
                prop_assert!(assembler.waiting.is_empty());
                let mut blocks: Vec<_> = file.writes.iter().map(|(block, _)| *block).collect();
                let all = blocks.len();
                blocks.sort();
                blocks.dedup();
                prop_assert_eq!(blocks.len(), all);
            }
            assembler.settle(&mut file).unwrap();
            prop_assert!(is_complete(&file));
        }
    }
}
