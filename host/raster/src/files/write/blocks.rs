//! Writes an output's blocks so that nothing which is still to be written waits in GDAL's block cache.
//!
//! That cache is one for all files and threads. A thread that needs room in it writes another thread's block; if that other thread wants
//! the block again in this moment, it reads what the file had before, and pixels are lost (decision 18).

use crate::files::fill::fill;
use crate::files::gdal::{call, dtype, pixels};
use crate::files::layout::{Layout, buffer_len};
use crate::files::write::assemble::{Assembler, Block, BlockFile, Blocking, Room, copy};
use gdal::{Dataset, Metadata};
use grid::Window;
use std::ffi::c_int;
use tilefn_abi::DType;

/// Room, in bytes, for the incomplete blocks of all outputs of the process, but for their overviews; above that the first ones are written as they are, and read
/// again.
static ROOM: Room = Room::new(64 << 20);

/// Writes the tiles of a file.
#[derive(Debug)]
pub(crate) struct BlockWriter {
    assembler: Assembler,
    how: How,
}

/// How blocks of the file are written.
#[derive(Debug)]
struct How {
    dtype: DType,
    /// The bands of each group in [`Blocking`].
    groups: Vec<Vec<c_int>>,
    /// Where whole blocks go past the cache: the bits of what a block has beyond the grid's edge.
    past_cache: Option<u64>,
    /// A block with what it has beyond the grid's edge; in words, to be aligned for every type.
    padded: Vec<u64>,
    /// Whether pixels have gone through the cache since it was flushed.
    in_cache: bool,
}

impl BlockWriter {
    /// `tile_rows` is the height of the tiles, in pixels. `blank` has the bits of what blocks of a GeoTIFF have beyond the grid's edge;
    /// blocks of other formats go through the cache.
    ///
    /// # Errors
    /// When the file has no bands or is too large.
    pub(crate) fn new(dataset: &Dataset, dtype: DType, tile_rows: u32, blank: Option<u64>) -> Result<Self, String> {
        Self::with_room(dataset, dtype, tile_rows, blank, &ROOM)
    }

    /// As [`new`](Self::new), with other room for incomplete blocks.
    pub(crate) fn with_room(
        dataset: &Dataset,
        dtype: DType,
        tile_rows: u32,
        blank: Option<u64>,
        room: &'static Room,
    ) -> Result<Self, String> {
        let structure = |key: &str| dataset.metadata_item(key, "IMAGE_STRUCTURE");
        let side = |n: usize| u32::try_from(n).map_err(|_| format!("{n} pixels are too many"));
        let first = dataset.rasterband(1).map_err(|e| e.to_string())?;
        let ((cols, rows), (width, height)) = (first.block_size(), dataset.raster_size());
        let (rows, cols) = (side(rows)?.max(1), side(cols)?.max(1));
        let bands = 1..=c_int::try_from(dataset.raster_count()).map_err(|e| e.to_string())?;
        let apart = matches!(structure("INTERLEAVE").as_deref(), Some("BAND" | "LINE"));
        let groups: Vec<_> = if apart { bands.map(|band| vec![band]).collect() } else { vec![bands.collect()] };
        let grid = Window::new(0, 0, side(height)?, side(width)?);
        // Bytes that a row of tiles leaves waiting. If they are too many, tiles are written into the file at once, which costs little where
        // nothing is compressed.
        let row = Window::new(0, 0, tile_rows.div_ceil(rows).saturating_mul(rows), grid.cols);
        let waiting = buffer_len(dataset.raster_count(), &row, dtype.size());
        let keeps = structure("COMPRESSION").is_some() || waiting.is_some_and(|bytes| bytes <= room.most);
        let by_band = groups.iter().all(|bands| bands.len() == 1) && first.band_type() as u32 == dtype::to_gdal(dtype);
        let bands = groups.iter().map(Vec::len).collect();
        let blocking = Blocking { grid, rows, cols, bands, pixel: dtype.size() };
        let how = How { dtype, groups, past_cache: blank.filter(|_| by_band), padded: Vec::new(), in_cache: false };
        Ok(Self { assembler: Assembler::new(blocking, keeps, room), how })
    }

    /// Writes a window of the grid from packed `[bands, rows, cols]`. A block of which the window has a part is written when the rest has
    /// come, or by [`settle`](Self::settle).
    pub(crate) fn write(&mut self, dataset: &Dataset, window: &Window, data: &[u8]) -> Result<(), String> {
        self.with_file(dataset, |assembler, file| assembler.add(file, window, data))
    }

    /// Writes all blocks that are still incomplete, as they are.
    pub(crate) fn settle(&mut self, dataset: &Dataset) -> Result<(), String> {
        self.with_file(dataset, |assembler, file| assembler.settle(file))
    }

    /// Leaves nothing of the file in GDAL's cache: so no other thread writes it, and an error shows with the tile that it belongs to.
    fn with_file(
        &mut self,
        dataset: &Dataset,
        work: impl FnOnce(&mut Assembler, &mut GdalFile<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        let blocking = self.assembler.blocking().clone();
        let mut file = GdalFile { dataset, blocking: &blocking, how: &mut self.how };
        work(&mut self.assembler, &mut file)?;
        file.flush()
    }
}

/// A dataset that is written to.
struct GdalFile<'a> {
    dataset: &'a Dataset,
    blocking: &'a Blocking,
    how: &'a mut How,
}

impl BlockFile for GdalFile<'_> {
    fn read(&mut self, block: Block, area: &Window, pixels: &mut [u8]) -> Result<(), String> {
        self.how.in_cache = true;
        let layout = packed(area, self.how.dtype)?;
        pixels::read(self.dataset, self.bands(block), area, dtype::to_gdal(self.how.dtype), pixels, &layout)
    }

    fn write(&mut self, block: Block, area: &Window, pixels: &[u8]) -> Result<(), String> {
        match self.how.past_cache {
            Some(blank) if self.blocking.area(block) == Some(*area) => {
                self.write_past_cache(block, area, pixels, blank)
            }
            _ => {
                self.how.in_cache = true;
                let layout = packed(area, self.how.dtype)?;
                pixels::write(self.dataset, self.bands(block), area, dtype::to_gdal(self.how.dtype), pixels, &layout)
            }
        }
    }
}

impl GdalFile<'_> {
    fn bands(&self, block: Block) -> &[c_int] {
        self.how.groups.get(block.group).map(Vec::as_slice).unwrap_or_default()
    }

    /// Writes all that the grid has of a block of one band of a GeoTIFF.
    fn write_past_cache(&mut self, block: Block, area: &Window, pixels: &[u8], blank: u64) -> Result<(), String> {
        let misfit = || format!("{} bytes are not all of the block of {area}", pixels.len());
        let index = |n: u32| c_int::try_from(n).map_err(|_| misfit());
        let (down, along) = (index(block.row)?, index(block.col)?);
        let band = self.bands(block).first().and_then(|band| usize::try_from(*band).ok()).ok_or_else(misfit)?;
        let band = self.dataset.rasterband(band).map_err(|e| e.to_string())?;
        let (whole, dtype) = (Window::new(area.row, area.col, self.blocking.rows, self.blocking.cols), self.how.dtype);
        let len = buffer_len(1, &whole, dtype.size()).ok_or_else(misfit)?;
        let pixels = if *area == whole {
            pixels
        } else {
            self.how.padded.resize(len.div_ceil(size_of::<u64>()), 0);
            let padded: &mut [u8] = bytemuck::cast_slice_mut(&mut self.how.padded);
            let padded = padded.get_mut(..len).ok_or_else(misfit)?;
            fill(padded, blank, dtype);
            copy(pixels, area, area, padded, &whole, dtype.size()).ok_or_else(misfit)?;
            padded
        };
        if pixels.len() != len {
            return Err(misfit());
        }
        let (result, messages) = call::watch(|| {
            #[expect(unsafe_code, reason = "the gdal crate's call takes the type as a generic")]
            // SAFETY: the band's dataset is open and ours; `pixels` has as many pixels of the band's type as its blocks have, as
            // `BlockWriter::new` and the check above see to; GDAL's GeoTIFF driver changes them in a copy, if at all; GDAL refuses a
            // block that isn't there.
            unsafe {
                gdal_sys::GDALWriteBlock(band.c_rasterband(), along, down, pixels.as_ptr().cast_mut().cast())
            }
        });
        messages.outcome(result)
    }

    fn flush(&mut self) -> Result<(), String> {
        for number in (1..=self.dataset.raster_count()).filter(|_| self.how.in_cache) {
            let band = self.dataset.rasterband(number).map_err(|e| e.to_string())?;
            let (result, messages) = call::watch(|| {
                #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
                // SAFETY: the handle is valid as long as `band` is.
                unsafe {
                    gdal_sys::GDALFlushRasterCache(band.c_rasterband())
                }
            });
            messages.outcome(result)?;
        }
        self.how.in_cache = false;
        Ok(())
    }
}

fn packed(area: &Window, dtype: DType) -> Result<Layout, String> {
    Layout::packed(area.rows, area.cols, dtype.size()).ok_or_else(|| format!("{area} is too large"))
}
