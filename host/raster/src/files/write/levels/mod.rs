//! Overview levels of a GeoTIFF, written while tiles pass.
//!
//! Empty levels are made with the file. What a tile has of each goes there with the tile, through blocks that are put together as the
//! file's own are. Tiles that did not pass are read at the end. Where that isn't possible, [`Levels::plan`] says why, and GDAL builds the
//! overviews from the complete file (decision 26).

mod shrink;

use crate::files::fill::pixel_bytes;
use crate::files::gdal::call;
use crate::files::layout::buffer_len;
use crate::files::write::assemble::Room;
use crate::files::write::blocks::BlockWriter;
use crate::files::write::creation::{Creation, value};
use crate::files::write::passing::{Read, index_of, tiling};
use crate::files::write::spec::{Overviews, TargetSpec, nodata_bits, overview_levels};
use crate::files::write::tree::Tree;
use gdal::{Dataset, config};
use grid::{Tiling, Window};
use shrink::{Nearest, average, averages, has_modes, modes, pick};
use std::borrow::Cow;
use std::mem::ManuallyDrop;
use tilefn_abi::DType;

/// Room, in bytes, for the incomplete blocks of all levels of the process. A file of which a row needs more has none made here.
static ROOM: Room = Room::new(256 << 20);
/// The usual height of a level's blocks, for the estimate of what waits, in pixels.
const BLOCK: u32 = 512;

/// The levels of a file.
#[derive(Debug)]
pub(crate) struct Levels {
    levels: Vec<Level>,
    tiling: Tiling,
    /// The tiles that have come.
    tiles: Tree<()>,
    kind: Kind,
    /// Whether GDAL has to build them after all.
    given_up: bool,
    /// Whether tiles were added to the complete file.
    late: bool,
}

#[derive(Clone, Copy, Debug)]
struct Kind {
    method: Method,
    dtype: DType,
    nodata: Option<f64>,
    /// The nodata value in memory order.
    pixel: Option<[u8; 8]>,
    bands: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Nearest,
    Average,
    Mode,
}

#[derive(Debug)]
struct Level {
    factor: u32,
    rows: Nearest,
    cols: Nearest,
    blocks: BlockWriter,
}

impl Levels {
    /// Whether the levels can be written while tiles pass: if so, how; if not, why.
    pub(crate) fn plan(spec: &TargetSpec) -> Result<Method, &'static str> {
        let factors = overview_levels(spec);
        let factors: Vec<_> = factors.iter().filter_map(|factor| u32::try_from(*factor).ok()).collect();
        let creation = Creation::plan(spec).map_err(|_| "the format isn't known")?;
        if factors.is_empty() {
            return Err("none are wanted");
        }
        if creation.direct && !creation.is_geotiff() {
            return Err("the format has no empty ones");
        }
        if creation.direct && spec.bands > 1 && !is_apart(&creation) {
            return Err("the file has the bands of a pixel together");
        }
        if matches!(spec.dtype, DType::UInt64 | DType::Int64) && spec.nodata.is_some() {
            return Err("GDAL 3.6 spoils files of 64-bit integers with a nodata value that have several");
        }
        let outside = ["TIFF_USE_OVR", "GDAL_TIFF_OVR_BLOCKSIZE"];
        if outside.iter().any(|key| config::get_config_option(key, "").is_ok_and(|value| !value.is_empty())) {
            return Err("settings of GDAL change where they are");
        }
        let (rows, cols) = (spec.grid.rows, spec.grid.cols);
        let waiting = factors.iter().try_fold(0usize, |sum, factor| {
            let row = Window::new(0, 0, BLOCK, cols.div_ceil(*factor));
            sum.checked_add(buffer_len(usize::try_from(spec.bands).ok()?, &row, spec.dtype.size())?)
        });
        if waiting.is_none_or(|bytes| bytes > ROOM.most) {
            return Err("the raster is too wide to keep their blocks");
        }
        let method = spec.overview_resampling.as_deref().unwrap_or("nearest");
        if !factors.is_sorted_by(|a, b| a < b) {
            return Err("they aren't in order");
        }
        if method.eq_ignore_ascii_case("nearest") {
            return Ok(Method::Nearest);
        }
        let nodata = spec.nodata.map(|nodata| nodata.as_f64());
        let method = match &*method.to_ascii_lowercase() {
            "average" if averages(spec.dtype, nodata) && !spec.has_colors() => Method::Average,
            "mode" if has_modes(spec.dtype) => Method::Mode,
            "average" | "mode" => return Err("GDAL takes such values together in its own way"),
            _ => return Err("the method needs more than a tile"),
        };
        // GDAL makes each level from the one before.
        let nested = factors.iter().zip(factors.iter().skip(1)).all(|(a, b)| b.is_multiple_of(*a));
        let largest = factors.last().copied().unwrap_or(1);
        let whole =
            |side: u32, tile: u32| side.is_multiple_of(largest) && (tile.is_multiple_of(largest) || tile >= side);
        if !nested || !whole(rows, spec.tile.0) || !whole(cols, spec.tile.1) {
            return Err("pixels of a level have parts of several tiles");
        }
        Ok(method)
    }

    /// Makes empty levels in a new file. `None`: GDAL has to build them from the complete one.
    pub(crate) fn create(spec: &TargetSpec, dataset: &mut Dataset, keeps_pixels: bool) -> crate::Result<Option<Self>> {
        match Self::plan(spec) {
            Ok(_) if keeps_pixels => {}
            Ok(_) => return Ok(None),
            Err(reason) => {
                if spec.overviews != Overviews::None {
                    tracing::info!("{}: overviews are built at the end: {reason}", spec.path);
                }
                return Ok(None);
            }
        }
        let (made, messages) = call::watch(|| dataset.build_overviews("NONE", &overview_levels(spec), &[]));
        if made.is_err() || messages.failure().is_some() {
            return Ok(None);
        }
        Self::open(spec, dataset, keeps_pixels)
    }

    /// The levels of a file that has them already.
    pub(crate) fn open(spec: &TargetSpec, dataset: &Dataset, keeps_pixels: bool) -> crate::Result<Option<Self>> {
        let Ok(method) = Self::plan(spec) else { return Ok(None) };
        let failed = |reason: String| crate::Error::Create { path: spec.path.clone(), reason };
        let factors = overview_levels(spec);
        if !keeps_pixels || !is_ready(dataset, &factors, method).map_err(failed)? {
            return Ok(None);
        }
        let blank = Some(nodata_bits(spec)?);
        let mut levels: Vec<Level> = Vec::new();
        // GDAL takes the levels of a file whose bands lie apart from the file, and each of all other files from the level before.
        let apart = spec.bands > 1 || Creation::plan(spec).is_ok_and(|creation| is_apart(&creation));
        for (index, factor) in factors.iter().enumerate() {
            let factor = u32::try_from(*factor).unwrap_or(1);
            let level = level(dataset, index).map_err(failed)?;
            let blocks = BlockWriter::with_room(&level, spec.dtype, spec.tile.0.div_ceil(factor), blank, &ROOM)
                .map_err(failed)?;
            let before: Vec<_> = levels.iter().rev().filter(|_| !apart).map(|level| level.factor).collect();
            let side = |side: u32| {
                let factors = [factor].into_iter().chain(before.iter().copied()).chain([1]);
                Nearest::new(factors.map(|factor| side.div_ceil(factor)).collect())
            };
            let (rows, cols) = (side(spec.grid.rows), side(spec.grid.cols));
            levels.push(Level { factor, rows, cols, blocks });
        }
        let tiling = tiling(spec)?;
        let bands = usize::try_from(spec.bands).unwrap_or_default();
        let pixel = spec.nodata.map(|_| nodata_bits(spec)).transpose()?.map(|bits| pixel_bytes(bits, spec.dtype));
        let kind = Kind { method, dtype: spec.dtype, nodata: spec.nodata.map(|nodata| nodata.as_f64()), pixel, bands };
        Ok(Some(Self { levels, tiling, tiles: Tree::new(tiling.count()), kind, given_up: false, late: false }))
    }

    /// Whether GDAL has to build them after all.
    pub(crate) const fn given_up(&self) -> bool {
        self.given_up
    }

    /// Notes that the file was left as it was before it was completed: what has been added since then isn't in it.
    pub(crate) fn undone(&mut self) {
        self.given_up |= self.late;
    }

    /// Takes a window that is being written, packed as `[bands, rows, cols]`.
    pub(crate) fn pass(&mut self, dataset: &Dataset, window: &Window, data: &[u8]) -> Result<(), String> {
        let Some(index) = index_of(&self.tiling, window) else {
            self.given_up = true;
            return Ok(());
        };
        self.add(dataset, window, data)?;
        self.come(index);
        Ok(())
    }

    /// Notes that a window is left without valid pixels, as it is in a level that has never been written.
    pub(crate) fn skip(&mut self, window: &Window) {
        match index_of(&self.tiling, window) {
            Some(index) if !self.tiles.has(index) => self.come(index),
            _ => self.given_up = true,
        }
    }

    fn come(&mut self, index: u64) {
        if !self.tiles.has(index) {
            self.tiles.add(index, (), |(), ()| ());
        }
    }

    /// Writes what a tile has of each level.
    fn add(&mut self, dataset: &Dataset, window: &Window, data: &[u8]) -> Result<(), String> {
        let misfit = || format!("{} bytes are not the pixels of {window}", data.len());
        let kind = self.kind;
        let (mut before, mut before_width, mut before_factor) = (Cow::Borrowed(data), window.cols, 1);
        for (index, level) in self.levels.iter_mut().enumerate() {
            let area = level.area(window).ok_or_else(misfit)?;
            if area.is_empty() {
                continue;
            }
            let mut pixels = Vec::new();
            match kind.method {
                Method::Nearest => level.take(kind, window, &area, data, &mut pixels).ok_or_else(misfit)?,
                Method::Average | Method::Mode => {
                    let width = usize::try_from(before_width).map_err(|e| e.to_string())?;
                    let plane = before.len().checked_div(kind.bands).filter(|plane| *plane > 0).ok_or_else(misfit)?;
                    let factor = usize::try_from(level.factor / before_factor).map_err(|e| e.to_string())?;
                    before.chunks_exact(plane).for_each(|plane| kind.shrink(plane, width, factor, &mut pixels));
                }
            }
            level.blocks.write(&*self::level(dataset, index)?, &area, &pixels)?;
            (before, before_width, before_factor) = (Cow::Owned(pixels), area.cols, level.factor);
        }
        Ok(())
    }

    /// Reads the tiles that have not passed, and writes all blocks that are still incomplete. `go_on` is told which part is done.
    pub(crate) fn complete(
        &mut self,
        dataset: &Dataset,
        read: &mut Read<'_>,
        go_on: &mut dyn FnMut(f64) -> bool,
    ) -> Result<(), String> {
        let (mut at, mut data) = (0, Vec::new());
        while let Some(tile) = self.tiles.missing(at).and_then(|index| self.tiling.tile(index)) {
            if !go_on(tile.index as f64 / self.tiles.leaves() as f64) {
                return Err("stopped".into());
            }
            let too_large = || format!("{} is too large", tile.window);
            let plane = buffer_len(1, &tile.window, self.kind.dtype.size()).filter(|plane| *plane > 0);
            let plane = plane.ok_or_else(too_large)?;
            data.resize(plane.checked_mul(self.kind.bands).ok_or_else(too_large)?, 0);
            self.late = true;
            data.chunks_exact_mut(plane).enumerate().try_for_each(|(band, plane)| read(band, &tile.window, plane))?;
            self.pass(dataset, &tile.window, &data)?;
            at = tile.index + 1;
        }
        self.settle(dataset)
    }

    /// Writes all blocks that are still incomplete.
    pub(crate) fn settle(&mut self, dataset: &Dataset) -> Result<(), String> {
        let mut levels = self.levels.iter_mut().enumerate();
        levels.try_for_each(|(index, own)| own.blocks.settle(&*level(dataset, index)?))
    }
}

impl Kind {
    /// Makes one pixel of each square of a plane.
    fn shrink(&self, plane: &[u8], width: usize, factor: usize, out: &mut Vec<u8>) {
        let pixel = self.pixel.as_ref();
        match self.method {
            Method::Mode if self.dtype.size() == 1 => {
                modes(plane, width, factor, pixel.and_then(|pixel| pixel.first_chunk::<1>()).copied(), out);
            }
            Method::Mode => {
                modes(plane, width, factor, pixel.and_then(|pixel| pixel.first_chunk::<2>()).copied(), out);
            }
            _ => average(plane, width, factor, self.dtype, self.nodata, out),
        }
    }
}

impl Level {
    /// The level's pixels that a window of the raster has.
    fn area(&self, window: &Window) -> Option<Window> {
        let along = |side: &Nearest, start: i64, len: u32| {
            let start = u32::try_from(start).ok()?;
            Some(side.pixels(start, start.checked_add(len)?))
        };
        let (top, bottom) = along(&self.rows, window.row, window.rows)?;
        let (left, right) = along(&self.cols, window.col, window.cols)?;
        Some(Window::new(top.into(), left.into(), bottom - top, right - left))
    }

    /// Takes the pixels of `area` from those of `window`.
    fn take(&self, kind: Kind, window: &Window, area: &Window, data: &[u8], pixels: &mut Vec<u8>) -> Option<()> {
        let places = |side: &Nearest, first: i64, len: u32, start: i64| {
            let first = u32::try_from(first).ok()?;
            let place = |pixel| usize::try_from(i64::from(side.source(pixel)).checked_sub(start)?).ok();
            (first..first.checked_add(len)?).map(place).collect::<Option<Vec<_>>>()
        };
        let rows = places(&self.rows, area.row, area.rows, window.row)?;
        let cols = places(&self.cols, area.col, area.cols, window.col)?;
        let (size, width) = (kind.dtype.size(), usize::try_from(window.cols).ok()?);
        let plane = buffer_len(1, window, size).filter(|plane| *plane > 0)?;
        data.chunks_exact(plane).try_for_each(|plane| pick(plane, width, &rows, &cols, size, pixels))
    }
}

/// Whether the options say that the bands lie apart, even if there is only one.
fn is_apart(creation: &Creation) -> bool {
    value(&creation.options, "INTERLEAVE").is_some_and(|value| value.eq_ignore_ascii_case("BAND"))
}

/// Whether the file has just these levels, and bands that GDAL looks at one by one.
fn is_ready(dataset: &Dataset, factors: &[i32], method: Method) -> Result<bool, String> {
    let (cols, rows) = dataset.raster_size();
    for number in 1..=dataset.raster_count() {
        let band = dataset.rasterband(number).map_err(|e| e.to_string())?;
        let flags = band.mask_flags().map_err(|e| e.to_string())?;
        let alone = flags.is_all_valid() || (flags.is_nodata() && !flags.is_per_dataset());
        let count = band.overview_count().map_err(|e| e.to_string())?;
        if usize::try_from(count) != Ok(factors.len()) || (method != Method::Nearest && !alone) {
            return Ok(false);
        }
        for (index, factor) in factors.iter().enumerate() {
            let size = band.overview(index).map_err(|e| e.to_string())?.size();
            let factor = usize::try_from(*factor).unwrap_or(1).max(1);
            if size != (cols.div_ceil(factor), rows.div_ceil(factor)) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// A level of the file as a dataset, which belongs to the file's own.
fn level(dataset: &Dataset, index: usize) -> Result<ManuallyDrop<Dataset>, String> {
    let band = dataset.rasterband(1).and_then(|band| band.overview(index)).map_err(|e| e.to_string())?;
    #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
    // SAFETY: the band's handle is valid as long as `dataset` is borrowed. A level's dataset belongs to the file's, so it is neither closed
    // nor used longer than that: callers drop what they get before they let go of `dataset`.
    let level = unsafe {
        let handle = gdal_sys::GDALGetBandDataset(band.c_rasterband());
        (!handle.is_null()).then(|| ManuallyDrop::new(Dataset::from_c_dataset(handle)))
    };
    level.ok_or_else(|| "GDAL doesn't give its overview".to_owned())
}
