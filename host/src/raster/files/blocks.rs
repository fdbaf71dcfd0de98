//! Writing whole blocks past GDAL's block cache, in which each would be allocated, copied and freed.

use super::fill::fill;
use super::io::Layout;
use super::{cpl, dtype};
use crate::grid::Window;
use gdal::{Dataset, Metadata};
use std::ffi::c_int;
use tilefn_abi::DType;

/// Writes the blocks of a GeoTIFF that are each of one band.
#[derive(Debug)]
pub(super) struct BlockWriter {
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
}

impl BlockWriter {
    /// `None` where blocks hold several bands, or pixels of another type.
    pub(super) fn new(dataset: &Dataset, dtype: DType, blank: u64) -> Option<Self> {
        let structure = |key: &str| dataset.metadata_item(key, "IMAGE_STRUCTURE");
        if dataset.raster_count() > 1 && structure("INTERLEAVE").as_deref() != Some("BAND") {
            return None;
        }
        let first = dataset.rasterband(1).ok()?;
        let ((cols, rows), pixels) = (first.block_size(), first.band_type() as u32);
        let len = rows.checked_mul(cols)?.checked_mul(dtype.size()).filter(|len| *len > 0)?.div_ceil(8);
        let (rows, cols) = (u32::try_from(rows).ok()?, u32::try_from(cols).ok()?);
        let (compressed, copied) = (structure("COMPRESSION").is_some(), vec![0; len]);
        (pixels == dtype::to_gdal(dtype)).then_some(Self { rows, cols, dtype, blank, compressed, copied })
    }

    /// Writes a window that begins and ends where blocks or the grid do, from packed `[bands, rows, cols]`.
    pub(super) fn write(&mut self, dataset: &Dataset, window: &Window, data: &[u8]) -> Result<(), String> {
        let misfit = || format!("{} bytes are not the blocks of {window}", data.len());
        let layout = Layout::packed(window.rows, window.cols, self.dtype.size()).ok_or_else(misfit)?;
        for (band, plane) in (1..=dataset.raster_count()).zip(data.chunks_exact(layout.band)) {
            let band = dataset.rasterband(band).map_err(|e| e.to_string())?;
            let at = |position: i64, side: u32| c_int::try_from(position / i64::from(side)).map_err(|_| misfit());
            for row in (0..window.rows).step_by(self.rows as usize) {
                for col in (0..window.cols).step_by(self.cols as usize) {
                    let down = at(window.row.saturating_add(row.into()), self.rows)?;
                    let along = at(window.col.saturating_add(col.into()), self.cols)?;
                    let block = self.block(plane, window, row, col).ok_or_else(misfit)?;
                    let (result, messages) = cpl::watch(|| {
                        #[expect(unsafe_code, reason = "the gdal crate's call takes the type as a generic")]
                        // SAFETY: the band's dataset is open and ours; `block` has as many pixels of the band's type as its
                        // blocks, see `new`, and GDAL's GeoTIFF driver changes them in a copy, if at all; GDAL refuses a
                        // block that isn't there.
                        unsafe {
                            gdal_sys::GDALWriteBlock(band.c_rasterband(), along, down, block.as_ptr().cast_mut().cast())
                        }
                    });
                    messages.outcome(result)?;
                }
            }
        }
        Ok(())
    }

    /// The block that begins at these pixels of the window: where it lies, if its lines follow each other there and no codec
    /// reads them.
    fn block<'a>(&'a mut self, plane: &'a [u8], window: &Window, row: u32, col: u32) -> Option<&'a [u8]> {
        let bytes = |pixels: u32| usize::try_from(pixels).ok()?.checked_mul(self.dtype.size());
        let (rows, cols) = (self.rows.min(window.rows.checked_sub(row)?), self.cols.min(window.cols.checked_sub(col)?));
        let (wide, line) = (bytes(self.cols)?, bytes(window.cols)?);
        let lines = plane.get(line.checked_mul(usize::try_from(row).ok()?)?..)?;
        let is_whole = (rows, cols) == (self.rows, self.cols);
        if is_whole && wide == line && !self.compressed {
            let block = lines.get(..wide.checked_mul(usize::try_from(rows).ok()?)?)?;
            if block.as_ptr().addr().is_multiple_of(self.dtype.size()) {
                return Some(block);
            }
        }
        let from = bytes(col)?..bytes(col.checked_add(cols)?)?;
        let block = bytemuck::cast_slice_mut(&mut self.copied);
        if !is_whole {
            fill(block, self.blank, self.dtype);
        }
        let lines = lines.chunks_exact(line).take(usize::try_from(rows).ok()?);
        for (to, line) in block.chunks_exact_mut(wide).zip(lines) {
            to.get_mut(..from.len())?.copy_from_slice(line.get(from.clone())?);
        }
        Some(block)
    }
}
