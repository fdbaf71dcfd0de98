//! Tiles on their way into a file: whether they are what the file will have, and which ones they are.

use crate::files::gdal::dtype;
use crate::files::write::creation::{Creation, value};
use crate::files::write::levels::Levels;
use crate::files::write::spec::{TargetSpec, overview_levels};
use crate::files::write::statistics::Summary;
use crate::{Error, Result};
use gdal::Dataset;
use grid::{Tiling, Window};

/// Reads a window of a band, from 0, into bytes that have room for just that.
pub(crate) type Read<'a> = dyn FnMut(usize, &Window, &mut [u8]) -> Result<(), String> + 'a;

/// What tiles yield on their way into a file.
#[derive(Debug)]
pub(crate) struct Passed {
    /// Statistics and histogram, if the job wants any.
    pub(crate) summary: Option<Summary>,
    /// Overviews, if the job wants any and they can be made from passing tiles.
    pub(crate) levels: Option<Levels>,
}

impl Passed {
    /// Nothing yet; in a `new` file the levels of its overviews are made, empty.
    pub(crate) fn new(spec: &TargetSpec, dataset: &mut Dataset, new: bool) -> Result<Self> {
        let keeps = keeps_pixels(spec, dataset);
        let levels = if new { Levels::create(spec, dataset, keeps)? } else { Levels::open(spec, dataset, keeps)? };
        Ok(Self { summary: Summary::new(spec, keeps)?, levels })
    }

    /// Takes a window that has been written, packed as `[bands, rows, cols]`.
    pub(crate) fn pass(&mut self, dataset: &Dataset, window: &Window, data: &[u8]) -> Result<(), String> {
        if let Some(summary) = &mut self.summary {
            summary.pass(window, data);
        }
        self.levels.as_mut().map_or(Ok(()), |levels| levels.pass(dataset, window, data))
    }

    /// Takes a window that is left without valid pixels.
    pub(crate) fn skip(&mut self, window: &Window) {
        self.summary.iter_mut().for_each(|summary| summary.skip(window));
        self.levels.iter_mut().for_each(|levels| levels.skip(window));
    }
}

/// Formats that are known to keep all pixels, unless their options say otherwise.
const KEEP: [&str; 6] = ["GTiff", "HFA", "KEA", "ENVI", "netCDF", "Zarr"];

/// Whether the file to which tiles are written keeps all pixels, so that what is computed from them holds for the file.
fn keeps_pixels(spec: &TargetSpec, dataset: &Dataset) -> bool {
    dataset.rasterband(1).is_ok_and(|band| band.band_type() as u32 == dtype::to_gdal(spec.dtype))
        && may_change(spec).is_none()
}

/// Why the file to which tiles are written may not keep all pixels. A format that is made by copying counts as the temporary GeoTIFF.
fn may_change(spec: &TargetSpec) -> Option<String> {
    let creation = match Creation::plan(spec) {
        Ok(creation) if creation.direct => creation,
        Ok(_) => return None,
        Err(reason) => return Some(reason),
    };
    if let Some(bits) = value(&creation.options, "NBITS") {
        return Some(format!("NBITS={bits} may change pixels"));
    }
    let driver = creation.driver_name();
    let unknown = || (!KEEP.contains(&driver)).then(|| format!("{driver} isn't known to keep all pixels"));
    spec.changes_pixels().map(|what| format!("{what} changes pixels")).or_else(unknown)
}

/// What is made of an output's pixels, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finishing {
    /// `statistics`, with histogram and colours, or `overviews`.
    pub step: &'static str,
    /// Why it needs a second pass over the file. Without, it is made while tiles pass.
    pub second_pass: Option<String>,
}

impl TargetSpec {
    /// What is made of the pixels of an output that no earlier run has begun.
    pub fn finishing(&self) -> Vec<Finishing> {
        let changes = may_change(self);
        let mut steps = Vec::new();
        if self.statistics || self.histogram || self.color_table.is_some() {
            steps.push(Finishing { step: "statistics", second_pass: changes.clone() });
        }
        if !overview_levels(self).is_empty() {
            let planned = Levels::plan(self).err().map(str::to_owned);
            steps.push(Finishing { step: "overviews", second_pass: planned.or(changes) });
        }
        steps
    }
}

/// The tiles in which the output is written.
pub(crate) fn tiling(spec: &TargetSpec) -> Result<Tiling> {
    let ((rows, cols), tile) = ((spec.grid.rows, spec.grid.cols), spec.tile);
    Tiling::new(rows, cols, tile.0.clamp(1, rows.max(1)), tile.1.clamp(1, cols.max(1)))
        .map_err(|e| Error::Create { path: spec.path.clone(), reason: e.to_string() })
}

/// The number of the tile that is this window.
pub(crate) fn index_of(tiling: &Tiling, window: &Window) -> Option<u64> {
    let (rows, cols) = tiling.tile_size();
    let at = |first: i64, side: u32| u64::try_from(first).ok()?.checked_div(side.into());
    let (row, col) = at(window.row, rows).zip(at(window.col, cols))?;
    let index = row.checked_mul(tiling.matrix_cols().into())?.checked_add(col)?;
    tiling.tile(index).is_some_and(|tile| tile.window == *window).then_some(index)
}
