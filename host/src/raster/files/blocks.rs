//! Writing a file block by block, past GDAL's block cache.
//!
//! In that cache each block would be allocated, copied and freed. And it's one cache for all files and threads: who needs room in it writes a block of
//! another thread's file, and if that thread wants the block again in this moment, it gets what the file had before, and its pixels are lost.

use super::fill::fill;
use super::io::Layout;
use super::{cpl, dtype};
use crate::grid::Window;
use gdal::raster::RasterBand;
use gdal::{Dataset, Metadata};
use gdal_sys::CPLErr;
use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use tilefn_abi::DType;

/// Bytes of blocks of which a part has not come yet; above that the first ones are written, and read again.
const MOST_IN_PARTS: usize = 64 << 20;

/// Writes the blocks of a file that are each of one band.
#[derive(Debug)]
pub(super) struct BlockWriter {
    /// All pixels of the file.
    grid: Window,
    rows: u32,
    cols: u32,
    dtype: DType,
    /// The bits of what a block holds beyond the grid's edge.
    blank: u64,
    /// Whether blocks are compressed. Then each is copied first: a tile's pixels may lie in memory that a worker has in common with this
    /// process, and a codec must not see them change.
    compressed: bool,
    /// A block that had to be copied, aligned for every type.
    copied: Vec<u64>,
    in_parts: BTreeMap<Place, InParts>,
}

/// A block: from the top, from the left, and the band from 1.
type Place = (c_int, c_int, usize);

/// A block of which a part has come.
#[derive(Debug)]
struct InParts {
    /// As `copied`.
    pixels: Vec<u64>,
    /// How many pixels are still to come.
    missing: u64,
}

/// A plane of pixels, where it is in the grid.
#[derive(Clone, Copy)]
struct Plane<'a> {
    window: &'a Window,
    pixels: &'a [u8],
    /// Bytes of a line.
    line: usize,
}

impl BlockWriter {
    /// `None` where blocks hold several bands, or pixels of another type.
    pub(super) fn new(dataset: &Dataset, dtype: DType, blank: u64) -> Option<Self> {
        let structure = |key: &str| dataset.metadata_item(key, "IMAGE_STRUCTURE");
        if dataset.raster_count() > 1 && structure("INTERLEAVE").is_some_and(|how| how != "BAND") {
            return None;
        }
        let first = dataset.rasterband(1).ok()?;
        let ((cols, rows), pixels) = (first.block_size(), first.band_type() as u32);
        let len = rows.checked_mul(cols)?.checked_mul(dtype.size()).filter(|len| *len > 0)?.div_ceil(8);
        let side = |n: usize| u32::try_from(n).ok();
        let (width, height) = dataset.raster_size();
        (pixels == dtype::to_gdal(dtype)).then_some(Self {
            grid: Window::new(0, 0, side(height)?, side(width)?),
            rows: side(rows)?,
            cols: side(cols)?,
            dtype,
            blank,
            compressed: structure("COMPRESSION").is_some(),
            copied: vec![0; len],
            in_parts: BTreeMap::new(),
        })
    }

    /// Writes a window of the grid from packed `[bands, rows, cols]`. Blocks of which it has a part are written when the rest has come,
    /// or by [`settle`](Self::settle).
    pub(super) fn write(&mut self, dataset: &Dataset, window: &Window, data: &[u8]) -> Result<(), String> {
        let misfit = || format!("{} bytes are not the blocks of {window}", data.len());
        let layout = Layout::packed(window.rows, window.cols, self.dtype.size()).ok_or_else(misfit)?;
        let index = |pixel: i64, side: u32| c_int::try_from(pixel / i64::from(side)).map_err(|_| misfit());
        let down = index(window.row, self.rows)?..=index(window.row_end().saturating_sub(1), self.rows)?;
        let along = index(window.col, self.cols)?..=index(window.col_end().saturating_sub(1), self.cols)?;
        for (number, pixels) in (1..=dataset.raster_count()).zip(data.chunks_exact(layout.band)) {
            let band = dataset.rasterband(number).map_err(|e| e.to_string())?;
            let plane = Plane { window, pixels, line: layout.line };
            for down in down.clone() {
                for along in along.clone() {
                    let place = (down, along, number);
                    let area = self.area(place).ok_or_else(misfit)?;
                    if window.contains(&area) {
                        write_block(&band, place, self.whole(plane, &area).ok_or_else(misfit)?)?;
                        self.in_parts.remove(&place);
                    } else {
                        self.add(dataset, place, plane, &area)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes what has come of all blocks that are not complete.
    pub(super) fn settle(&mut self, dataset: &Dataset) -> Result<(), String> {
        while self.write_first(dataset)? {}
        Ok(())
    }

    /// The pixels of the grid that are in a block.
    fn area(&self, (down, along, _): Place) -> Option<Window> {
        let (row, col) = (i64::from(down) * i64::from(self.rows), i64::from(along) * i64::from(self.cols));
        Window::new(row, col, self.rows, self.cols).intersection(&self.grid)
    }

    /// The block with this area, all of which the plane has: where it lies, if its lines follow each other there and no codec
    /// reads them.
    fn whole<'a>(&'a mut self, plane: Plane<'a>, area: &Window) -> Option<&'a [u8]> {
        let is_full = (area.rows, area.cols) == (self.rows, self.cols);
        if is_full && area.cols == plane.window.cols && !self.compressed {
            let first = usize::try_from(area.row.checked_sub(plane.window.row)?).ok()?;
            let start = first.checked_mul(plane.line)?;
            let len = plane.line.checked_mul(usize::try_from(area.rows).ok()?)?;
            let block = plane.pixels.get(start..start.checked_add(len)?)?;
            if block.as_ptr().addr().is_multiple_of(self.dtype.size()) {
                return Some(block);
            }
        }
        let block = bytemuck::cast_slice_mut(&mut self.copied);
        if !is_full {
            fill(block, self.blank, self.dtype);
        }
        copy(plane, area, area, block, self.cols, self.dtype)?;
        Some(block)
    }

    /// Adds what the plane has of a block, and writes the block if it's complete then.
    fn add(&mut self, dataset: &Dataset, place: Place, plane: Plane<'_>, area: &Window) -> Result<(), String> {
        let misfit = || format!("{} has nothing of the block of {area}", plane.window);
        let here = area.intersection(plane.window).ok_or_else(misfit)?;
        let band = dataset.rasterband(place.2).map_err(|e| e.to_string())?;
        let mut block = match self.in_parts.remove(&place) {
            Some(block) => block,
            None => {
                // The file may have some of it, from an earlier part or run.
                let mut pixels = vec![0; self.copied.len()];
                read_block(&band, place, bytemuck::cast_slice_mut(&mut pixels))?;
                InParts { pixels, missing: area.pixels() }
            }
        };
        copy(plane, &here, area, bytemuck::cast_slice_mut(&mut block.pixels), self.cols, self.dtype)
            .ok_or_else(misfit)?;
        block.missing = block.missing.saturating_sub(here.pixels());
        if block.missing == 0 {
            return write_block(&band, place, bytemuck::cast_slice(&block.pixels));
        }
        self.in_parts.insert(place, block);
        let bytes = self.copied.len().saturating_mul(8);
        // The first ones, since tiles come from the top to the bottom.
        while self.in_parts.len() > 1 && self.in_parts.len().saturating_mul(bytes) > MOST_IN_PARTS {
            self.write_first(dataset)?;
        }
        Ok(())
    }

    /// Writes the first block that is not complete; false if there is none.
    fn write_first(&mut self, dataset: &Dataset) -> Result<bool, String> {
        let Some((place, block)) = self.in_parts.pop_first() else { return Ok(false) };
        let band = dataset.rasterband(place.2).map_err(|e| e.to_string())?;
        write_block(&band, place, bytemuck::cast_slice(&block.pixels)).map(|()| true)
    }
}

/// Copies these pixels of the plane to where they belong in a block with this area, whose lines have so many pixels.
fn copy(plane: Plane<'_>, pixels: &Window, area: &Window, block: &mut [u8], cols: u32, dtype: DType) -> Option<()> {
    let count = |pixels: i64| usize::try_from(pixels).ok();
    let bytes = |pixels: i64| count(pixels)?.checked_mul(dtype.size());
    let len = bytes(pixels.cols.into())?;
    let (from, to) = (bytes(pixels.col - plane.window.col)?, bytes(pixels.col - area.col)?);
    let lines = plane.pixels.chunks_exact(plane.line).skip(count(pixels.row - plane.window.row)?);
    let places = block.chunks_exact_mut(bytes(cols.into())?).skip(count(pixels.row - area.row)?);
    for (place, line) in places.zip(lines).take(count(pixels.rows.into())?) {
        place.get_mut(to..to.checked_add(len)?)?.copy_from_slice(line.get(from..from.checked_add(len)?)?);
    }
    Some(())
}

fn write_block(band: &RasterBand<'_>, place: Place, block: &[u8]) -> Result<(), String> {
    // GDAL's drivers change its bytes in a copy, if at all.
    transfer(gdal_sys::GDALWriteBlock, band, place, block.as_ptr().cast_mut())
}

fn read_block(band: &RasterBand<'_>, place: Place, block: &mut [u8]) -> Result<(), String> {
    transfer(gdal_sys::GDALReadBlock, band, place, block.as_mut_ptr())
}

/// `block` has to be as large as the band's blocks.
fn transfer(
    call: unsafe extern "C" fn(gdal_sys::GDALRasterBandH, c_int, c_int, *mut c_void) -> CPLErr::Type,
    band: &RasterBand<'_>,
    (down, along, _): Place,
    block: *mut u8,
) -> Result<(), String> {
    let (result, messages) = cpl::watch(|| {
        #[expect(unsafe_code, reason = "the gdal crate's calls take the type as a generic")]
        // SAFETY: the band's dataset is open and ours; every block here has as many pixels of the band's type as its blocks, see
        // `BlockWriter::new`; GDAL refuses a block that isn't there.
        unsafe {
            call(band.c_rasterband(), along, down, block.cast())
        }
    });
    messages.outcome(result)
}
