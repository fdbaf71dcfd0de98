//! Writing a file so that nothing which is still to be written waits in GDAL's block cache.
//!
//! That cache is one for all files and threads: who needs room in it writes a block of another thread's file, and if that thread wants the
//! block again in this moment, it gets what the file had before, and its pixels are lost. And a whole block would only be allocated there, copied
//! and freed.

use super::fill::fill;
use super::io::{self, Layout};
use super::{cpl, dtype};
use gdal::{Dataset, Metadata};
use gdal_sys::GDALDataType;
use grid::Window;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::c_int;
use std::sync::atomic::{AtomicUsize, Ordering};
use tilefn_abi::DType;

/// Bytes of blocks in this process that wait for their missing parts; above that the first ones are written as they are, and read again.
const MOST_IN_PARTS: usize = 64 << 20;
static IN_PARTS: AtomicUsize = AtomicUsize::new(0);

/// Writes the tiles of a file.
#[derive(Debug)]
pub(super) struct BlockWriter {
    /// All pixels of the file.
    grid: Window,
    /// Rows and columns of a block.
    rows: u32,
    cols: u32,
    dtype: DType,
    /// The bands whose pixels are in a block together.
    groups: Vec<Vec<c_int>>,
    /// Writes whole blocks past the cache, where that can be done.
    past_cache: Option<PastCache>,
    /// Whether blocks of which a tile has a part are kept until the rest has come.
    keeps_parts: bool,
    in_parts: BTreeMap<Place, InParts>,
    /// Whether something has gone through the cache since it was flushed.
    in_cache: bool,
}

/// A block: from the top, from the left, and its bands, as in `BlockWriter::groups`.
type Place = (u32, u32, usize);

/// A block of which a part has come.
#[derive(Debug)]
struct InParts {
    /// What it has of the grid, packed as `[bands, rows, cols]`; in words to be aligned for every type.
    pixels: Vec<u64>,
    area: Window,
    layout: Layout,
    /// How many pixels of a band are still to come.
    missing: u64,
}

/// Pixels of a window, packed as `[bands, rows, cols]`.
#[derive(Clone, Copy)]
struct Tile<'a> {
    window: &'a Window,
    pixels: &'a [u8],
    layout: Layout,
}

impl BlockWriter {
    /// For tiles with so many rows; blocks of a GeoTIFF have `blank` beyond the grid's edge.
    ///
    /// # Errors
    /// When the file has no bands or is too large.
    pub(super) fn new(dataset: &Dataset, dtype: DType, tile_rows: u32, blank: Option<u64>) -> Result<Self, String> {
        let structure = |key: &str| dataset.metadata_item(key, "IMAGE_STRUCTURE");
        let side = |n: usize| u32::try_from(n).map_err(|_| format!("{n} pixels are too many"));
        let first = dataset.rasterband(1).map_err(|e| e.to_string())?;
        let ((cols, rows), (width, height)) = (first.block_size(), dataset.raster_size());
        let (rows, cols) = (side(rows)?.max(1), side(cols)?.max(1));
        let bands = 1..=c_int::try_from(dataset.raster_count()).map_err(|e| e.to_string())?;
        let apart = matches!(structure("INTERLEAVE").as_deref(), Some("BAND" | "LINE"));
        let groups: Vec<_> = if apart { bands.map(|band| vec![band]).collect() } else { vec![bands.collect()] };
        let compressed = structure("COMPRESSION").is_some();
        let grid = Window::new(0, 0, side(height)?, side(width)?);
        // What a row of tiles leaves waiting. Where that is too much, drivers write into lines that aren't compressed at little cost.
        let row = Window::new(0, 0, tile_rows.div_ceil(rows).saturating_mul(rows), grid.cols);
        let waiting = io::buffer_len(dataset.raster_count(), &row, dtype.size());
        let by_band = groups.iter().all(|bands| bands.len() == 1) && first.band_type() as u32 == dtype::to_gdal(dtype);
        let past_cache = blank.filter(|_| by_band).map(|blank| PastCache::new(rows, cols, dtype, compressed, blank));
        Ok(Self {
            grid,
            rows,
            cols,
            dtype,
            groups,
            past_cache: past_cache.transpose()?,
            keeps_parts: compressed || waiting.is_some_and(|bytes| bytes <= MOST_IN_PARTS),
            in_parts: BTreeMap::new(),
            in_cache: false,
        })
    }

    /// Writes a window of the grid from packed `[bands, rows, cols]`. Blocks of which it has a part are written when the rest has come,
    /// or by [`settle`](Self::settle).
    pub(super) fn write(&mut self, dataset: &Dataset, window: &Window, data: &[u8]) -> Result<(), String> {
        let misfit = || format!("{} bytes are not the pixels of {window}", data.len());
        let layout = Layout::packed(window.rows, window.cols, self.dtype.size()).ok_or_else(misfit)?;
        let mut rest = data;
        for group in 0..self.groups.len() {
            let bands = self.groups.get(group).ok_or_else(misfit)?;
            let len = layout.band.checked_mul(bands.len()).ok_or_else(misfit)?;
            let (pixels, others) = rest.split_at_checked(len).ok_or_else(misfit)?;
            rest = others;
            let tile = Tile { window, pixels, layout };
            let under = |start: i64, end: i64, side: u32| {
                let block = |pixel: i64| u32::try_from(pixel / i64::from(side)).ok();
                Some(block(start)?..=block(end.checked_sub(1)?)?)
            };
            let down = under(window.row, window.row_end(), self.rows).ok_or_else(misfit)?;
            let along = under(window.col, window.col_end(), self.cols).ok_or_else(misfit)?;
            for place in down.flat_map(|down| along.clone().map(move |along| (down, along, group))) {
                self.put(dataset, place, tile)?;
            }
        }
        self.flush(dataset)
    }

    /// Writes what has come of all blocks that are not complete.
    pub(super) fn settle(&mut self, dataset: &Dataset) -> Result<(), String> {
        while self.write_first(dataset)? {}
        self.flush(dataset)
    }

    /// Leaves nothing of the file in GDAL's cache. And an error shows with the tile that it belongs to.
    fn flush(&mut self, dataset: &Dataset) -> Result<(), String> {
        for number in (1..=dataset.raster_count()).filter(|_| self.in_cache) {
            let band = dataset.rasterband(number).map_err(|e| e.to_string())?;
            let (result, messages) = cpl::watch(|| {
                #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
                // SAFETY: the handle is valid as long as `band` is.
                unsafe {
                    gdal_sys::GDALFlushRasterCache(band.c_rasterband())
                }
            });
            messages.outcome(result)?;
        }
        self.in_cache = false;
        Ok(())
    }

    /// Writes what a tile has of a block, or keeps it.
    fn put(&mut self, dataset: &Dataset, place: Place, tile: Tile<'_>) -> Result<(), String> {
        let (down, along, group) = place;
        let misfit = || format!("{} has nothing of block {down}, {along}", tile.window);
        let (row, col) = (i64::from(down) * i64::from(self.rows), i64::from(along) * i64::from(self.cols));
        let area = Window::new(row, col, self.rows, self.cols).intersection(&self.grid).ok_or_else(misfit)?;
        let here = area.intersection(tile.window).ok_or_else(misfit)?;
        let bands = self.groups.get(group).ok_or_else(misfit)?;
        let dtype = dtype::to_gdal(self.dtype);
        if here == area || !self.keeps_parts {
            match (&mut self.past_cache, &**bands) {
                (Some(past_cache), &[band]) if here == area => {
                    past_cache.write(dataset, band, (down, along), tile, &area)?;
                }
                _ => {
                    let layout = tile.part(&here).ok_or_else(misfit)?;
                    self.in_cache = true;
                    io::write(dataset, bands, &here, dtype, tile.pixels, &layout)?;
                }
            }
            self.in_parts.remove(&place);
            return Ok(());
        }
        self.in_cache = true;
        let part = match self.in_parts.entry(place) {
            Entry::Occupied(part) => part.into_mut(),
            Entry::Vacant(none) => {
                let mut part = InParts::new(area, bands.len(), self.dtype).ok_or_else(misfit)?;
                // The file may have some of it, from an earlier part or run.
                let layout = part.layout;
                io::read(dataset, bands, &area, dtype, part.bytes_mut(), &layout)?;
                none.insert(part)
            }
        };
        part.add(tile, &here, self.dtype).ok_or_else(misfit)?;
        if part.missing == 0 {
            part.write(dataset, bands, dtype)?;
            self.in_parts.remove(&place);
        }
        // The first ones, since tiles come from the top to the bottom.
        while self.in_parts.len() > 1 && IN_PARTS.load(Ordering::Relaxed) > MOST_IN_PARTS {
            self.write_first(dataset)?;
        }
        Ok(())
    }

    /// Writes the first block that is not complete; false if there is none.
    fn write_first(&mut self, dataset: &Dataset) -> Result<bool, String> {
        let Some(((_, _, group), first)) = self.in_parts.pop_first() else { return Ok(false) };
        self.in_cache = true;
        let bands = self.groups.get(group).map(Vec::as_slice).unwrap_or_default();
        first.write(dataset, bands, dtype::to_gdal(self.dtype)).map(|()| true)
    }
}

impl InParts {
    fn new(area: Window, bands: usize, dtype: DType) -> Option<Self> {
        let layout = Layout::packed(area.rows, area.cols, dtype.size())?;
        let pixels = vec![0; layout.band.checked_mul(bands)?.div_ceil(size_of::<u64>())];
        IN_PARTS.fetch_add(size_of_val(&*pixels), Ordering::Relaxed);
        Some(Self { pixels, area, layout, missing: area.pixels() })
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.pixels)
    }

    /// Adds what a tile has of it.
    fn add(&mut self, tile: Tile<'_>, here: &Window, dtype: DType) -> Option<()> {
        let (area, own) = (self.area, self.layout);
        let planes = tile.pixels.chunks_exact(tile.layout.band);
        for (from, to) in planes.zip(self.bytes_mut().chunks_exact_mut(own.band)) {
            copy(from, tile.window, here, to, &area, own.line, dtype)?;
        }
        self.missing = self.missing.saturating_sub(here.pixels());
        Some(())
    }

    fn write(&self, dataset: &Dataset, bands: &[c_int], dtype: GDALDataType::Type) -> Result<(), String> {
        io::write(dataset, bands, &self.area, dtype, bytemuck::cast_slice(&self.pixels), &self.layout)
    }
}

impl Drop for InParts {
    fn drop(&mut self) {
        IN_PARTS.fetch_sub(size_of_val(&*self.pixels), Ordering::Relaxed);
    }
}

impl Tile<'_> {
    /// Where these of its pixels are.
    fn part(&self, here: &Window) -> Option<Layout> {
        let skipped = |here: i64, start: i64| usize::try_from(here.checked_sub(start)?).ok();
        let rows = skipped(here.row, self.window.row)?.checked_mul(self.layout.line)?;
        let cols = skipped(here.col, self.window.col)?.checked_mul(self.layout.pixel)?;
        Some(Layout { start: rows.checked_add(cols)?, ..self.layout })
    }
}

/// Writes whole blocks of a GeoTIFF that are each of one band.
#[derive(Debug)]
struct PastCache {
    rows: u32,
    cols: u32,
    dtype: DType,
    /// Whether blocks are compressed. Then each is copied first: a tile's pixels may lie in memory that a worker has in common with this
    /// process, and a codec must not see them change.
    compressed: bool,
    /// The bits of what a block holds beyond the grid's edge.
    blank: u64,
    /// A block that had to be copied, aligned for every type.
    copied: Vec<u64>,
}

impl PastCache {
    fn new(rows: u32, cols: u32, dtype: DType, compressed: bool, blank: u64) -> Result<Self, String> {
        let len = io::buffer_len(1, &Window::new(0, 0, rows, cols), dtype.size());
        let len = len.ok_or_else(|| format!("blocks of {rows} × {cols} pixels are too large"))?;
        Ok(Self { rows, cols, dtype, compressed, blank, copied: vec![0; len.div_ceil(size_of::<u64>())] })
    }

    /// Writes the block with this area, all of which the tile has.
    fn write(
        &mut self,
        dataset: &Dataset,
        band: c_int,
        (down, along): (u32, u32),
        tile: Tile<'_>,
        area: &Window,
    ) -> Result<(), String> {
        let misfit = || format!("{} has not all of the block of {area}", tile.window);
        let index = |n: u32| c_int::try_from(n).map_err(|_| misfit());
        let (down, along) = (index(down)?, index(along)?);
        let band = usize::try_from(band).map_err(|_| misfit())?;
        let band = dataset.rasterband(band).map_err(|e| e.to_string())?;
        let block = self.block(tile, area).ok_or_else(misfit)?;
        let (result, messages) = cpl::watch(|| {
            #[expect(unsafe_code, reason = "the gdal crate's call takes the type as a generic")]
            // SAFETY: the band's dataset is open and ours; `block` has as many pixels of the band's type as its
            // blocks, see `BlockWriter::new`, and GDAL's GeoTIFF driver changes them in a copy, if at all; GDAL refuses a
            // block that isn't there.
            unsafe {
                gdal_sys::GDALWriteBlock(band.c_rasterband(), along, down, block.as_ptr().cast_mut().cast())
            }
        });
        messages.outcome(result)
    }

    /// The block: where it lies in the tile, if its lines follow each other there and no codec reads them.
    fn block<'a>(&'a mut self, tile: Tile<'a>, area: &Window) -> Option<&'a [u8]> {
        let Layout { start, line, .. } = tile.part(area)?;
        let is_full = (area.rows, area.cols) == (self.rows, self.cols);
        if is_full && area.cols == tile.window.cols && !self.compressed {
            let len = line.checked_mul(usize::try_from(area.rows).ok()?)?;
            let block = tile.pixels.get(start..start.checked_add(len)?)?;
            if block.as_ptr().addr().is_multiple_of(self.dtype.size()) {
                return Some(block);
            }
        }
        let wide = Layout::packed(self.rows, self.cols, self.dtype.size())?.line;
        let block = bytemuck::cast_slice_mut(&mut self.copied);
        if !is_full {
            fill(block, self.blank, self.dtype);
        }
        copy(tile.pixels, tile.window, area, block, area, wide, self.dtype)?;
        Some(block)
    }
}

/// Copies the pixels of `here` from a plane of `window` to one whose first pixel is that of `area`, and whose lines have so many bytes.
fn copy(
    from: &[u8],
    window: &Window,
    here: &Window,
    to: &mut [u8],
    area: &Window,
    wide: usize,
    dtype: DType,
) -> Option<()> {
    let count = |pixels: i64| usize::try_from(pixels).ok();
    let bytes = |pixels: i64| count(pixels)?.checked_mul(dtype.size());
    let len = bytes(here.cols.into())?;
    let (start, place) = (bytes(here.col.checked_sub(window.col)?)?, bytes(here.col.checked_sub(area.col)?)?);
    let lines = from.chunks_exact(bytes(window.cols.into())?).skip(count(here.row.checked_sub(window.row)?)?);
    let places = to.chunks_exact_mut(wide).skip(count(here.row.checked_sub(area.row)?)?);
    for (to, line) in places.zip(lines).take(count(here.rows.into())?) {
        to.get_mut(place..place.checked_add(len)?)?.copy_from_slice(line.get(start..start.checked_add(len)?)?);
    }
    Some(())
}
