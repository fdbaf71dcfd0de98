//! Reading tiles of one raster file.

use crate::files::fill::fill;
use crate::files::gdal::{dtype, pixels};
use crate::files::inspect::{info, open};
use crate::files::layout::{Layout, buffer_len};
use crate::files::read::convert::snap;
use crate::files::read::halo::read_with_edge;
use crate::files::read::place::{Counted, Place, rows};
use crate::files::read::resampled::Resampler;
use crate::files::read::turn::turn;
use crate::files::resample::overview;
use crate::{Error, Found, Result, SourceBand, SourceSpec, Way};
use gdal::Dataset;
use grid::{Placement, Turn, Window};
use std::ffi::c_int;

/// An open raster file. Each thread opens its own.
#[derive(Debug)]
pub struct Source {
    spec: SourceSpec,
    /// Only for a file that is resampled. It refers to the dataset, so it is dropped first.
    resampler: Option<Resampler>,
    dataset: Dataset,
    bands: Vec<c_int>,
    /// Runs of bands that are read in one call each.
    runs: Vec<Run>,
}

/// Bands that follow each other and are read in the same way.
#[derive(Debug)]
struct Run {
    /// Their places in the specification.
    bands: std::ops::Range<usize>,
    /// Whether GDAL converts them and puts them where they belong; if not, they are read in their own type and converted here.
    direct: bool,
}

impl Source {
    /// Opens the file.
    ///
    /// # Errors
    /// As `inspect`; [`Error::Shape`] when its size or bands aren't those of `spec`.
    pub fn open(spec: &SourceSpec) -> Result<Self> {
        let mut dataset = open::open(&spec.path)?.dataset;
        let shape = |reason: String| Error::Shape { path: spec.path.clone(), reason };
        let (cols, rows) = dataset.raster_size();
        let size = (u32::try_from(rows).ok(), u32::try_from(cols).ok());
        if size != (Some(spec.file_size.0), Some(spec.file_size.1)) {
            let (expected_rows, expected_cols) = spec.file_size;
            return Err(shape(format!(
                "it has {rows} rows × {cols} columns now, not {expected_rows} × {expected_cols}: it has changed"
            )));
        }
        if spec.bands.is_empty() {
            return Err(shape("no band is chosen".into()));
        }
        let count = dataset.raster_count();
        let mut bands = Vec::with_capacity(spec.bands.len());
        for &SourceBand { number, dtype, .. } in &spec.bands {
            let band = dataset.rasterband(number).ok().filter(|_| (1..=count).contains(&number));
            let (Some(band), Ok(c_number)) = (band, c_int::try_from(number)) else {
                return Err(shape(format!("there is no band {number}: it has {count}")));
            };
            if info::band_dtype(&band) != Some(dtype) {
                return Err(shape(format!("band {number} is not {} any more: it has changed", dtype.name())));
            }
            bands.push(c_number);
        }
        let resampler = match &spec.way {
            Way::Aligned(_) => None,
            Way::Resampled(how) => {
                if let Some(level) = how.overview {
                    dataset = overview::open_level(&spec.path, level)?;
                    overview::check_bands(&dataset, spec)?;
                }
                Some(Resampler::new(&dataset, spec, how)?)
            }
        };
        Ok(Self { runs: runs(spec), spec: spec.clone(), resampler, dataset, bands })
    }

    /// What is being read.
    pub const fn spec(&self) -> &SourceSpec {
        &self.spec
    }

    /// Reads a window of the working grid's pixels (a tile with its halo) into `out`: `[bands, rows, cols]` of the
    /// wanted type, in memory order, of any alignment. All bands are read in one call, so that a file that
    /// interleaves them decodes each block once.
    ///
    /// # Errors
    /// [`Error::Read`] when GDAL can't read or decode pixels, [`Error::NoFill`] when pixels outside the file are needed
    /// and a band has no mark, [`Error::Shape`] when `out` has another size than the window.
    pub fn read(&mut self, window: Window, out: &mut [u8]) -> Result<Found> {
        if window.is_empty() || buffer_len(self.bands.len(), &window, self.spec.dtype.size()) != Some(out.len()) {
            return Err(self.shape(format!("{} bytes for {} bands of {window}", out.len(), self.bands.len())));
        }
        let (rows, cols) = self.spec.grid_size;
        let file = self.spec.window();
        let data = Window::new(0, 0, rows, cols).union(&file).unwrap_or(file);
        let (how, size) = ((self.spec.edge, self.spec.halo), (self.bands.len(), self.spec.dtype.size()));
        let read = |window: &Window, core: &Window, out: &mut [u8]| self.read_with_fill(window, core, out);
        let too_large = || Err(self.shape(format!("a window of {window} is too large")));
        read_with_edge(how, &window, &data, size, out, read).unwrap_or_else(too_large)
    }

    fn shape(&self, reason: String) -> Error {
        Error::Shape { path: self.spec.path.clone(), reason }
    }

    /// Reads the part of the window that the file has, and fills the rest. Changes of pixels count within `core`.
    pub(crate) fn read_with_fill(&self, window: &Window, core: &Window, out: &mut [u8]) -> Result<Found> {
        match (&self.spec.way, &self.resampler) {
            (Way::Aligned(placement), _) => self.read_aligned(placement, window, core, out),
            (Way::Resampled(_), Some(resampler)) => {
                let counted = Counted::of(window, core, Turn::default());
                resampler.read(&self.dataset, &self.spec, window, &counted, out)
            }
            (Way::Resampled(_), None) => Err(self.shape("it has no resampler".into())),
        }
    }

    /// As [`read_with_fill`](Self::read_with_fill), for a file whose pixels are the grid's.
    fn read_aligned(&self, placement: &Placement, window: &Window, core: &Window, out: &mut [u8]) -> Result<Found> {
        let pixel = self.spec.dtype.size();
        let too_large = || self.shape(format!("a window of {window} is too large"));
        let layout = Layout::packed(window.rows, window.cols, pixel).ok_or_else(too_large)?;
        let inside = window.intersection(&self.spec.window());
        if inside != Some(*window) {
            for (plane, band) in out.chunks_exact_mut(layout.band).zip(&self.spec.bands) {
                let mark = band.mark.ok_or_else(|| Error::NoFill {
                    path: self.spec.path.clone(),
                    band: band.number,
                    window: *window,
                })?;
                fill(plane, mark, self.spec.dtype);
            }
        }
        let Some(inside) = inside else { return Ok(Found::default()) };
        let start = || {
            let rows = usize::try_from(inside.row.checked_sub(window.row)?).ok()?;
            let cols = usize::try_from(inside.col.checked_sub(window.col)?).ok()?;
            rows.checked_mul(layout.line)?.checked_add(cols.checked_mul(pixel)?)
        };
        let layout = Layout { start: start().ok_or_else(too_large)?, ..layout };
        let in_file = inside
            .relative_to(placement.offset.row, placement.offset.col)
            .and_then(|upright| placement.turn.in_file(&upright, self.spec.file_size))
            .ok_or_else(too_large)?;
        let counted = Counted::of(&inside, core, placement.turn);
        let whole = inside == *window;
        let mut found = Found::default();
        for run in &self.runs {
            self.transfer(run, &in_file, &counted, whole, out, &layout, &mut found).map_err(|reason| Error::Read {
                path: self.spec.path.clone(),
                bands: self.spec.bands.iter().map(|band| band.number).collect(),
                window: in_file,
                reason,
            })?;
        }
        turn(placement.turn, &in_file, out, &layout, self.bands.len());
        Ok(found)
    }

    /// Reads a run of bands in a window of the file's own pixels to its place in `out`. `whole`: the window covers all of `out`.
    fn transfer(
        &self,
        run: &Run,
        window: &Window,
        counted: &Counted,
        whole: bool,
        out: &mut [u8],
        layout: &Layout,
        found: &mut Found,
    ) -> Result<(), String> {
        let too_large = || format!("a window of {window} is too large");
        let (numbers, bands) = (self.bands.get(run.bands.clone()), self.spec.bands.get(run.bands.clone()));
        let (Some(numbers), Some(bands)) = (numbers, bands) else { return Ok(()) };
        let first = run.bands.start.checked_mul(layout.band).ok_or_else(too_large)?;
        let out = out.get_mut(first..).ok_or_else(too_large)?;
        let cols = usize::try_from(window.cols).map_err(|_| too_large())?;
        if run.direct {
            pixels::read(&self.dataset, numbers, window, dtype::to_gdal(self.spec.dtype), out, layout)?;
            for (plane, band) in out.chunks_mut(layout.band).zip(bands).filter(|(_, band)| band.is_fuzzy()) {
                for row in rows(plane, layout, window, cols) {
                    snap(band, self.spec.dtype, row);
                }
            }
            return Ok(());
        }
        let Some(own) = bands.first().map(|band| band.dtype) else { return Ok(()) };
        let packed = Layout::packed(window.rows, window.cols, own.size()).ok_or_else(too_large)?;
        let mut scratch = vec![0; packed.band.checked_mul(bands.len()).ok_or_else(too_large)?];
        pixels::read(&self.dataset, numbers, window, dtype::to_gdal(own), &mut scratch, &packed)?;
        let mut masks = pixels::Masks::default();
        let planes = scratch.chunks_exact(packed.band).zip(out.chunks_mut(layout.band));
        let place = Place { window, layout, dtype: self.spec.dtype, counted, whole };
        for ((index, band), (from, plane)) in run.bands.clone().zip(bands).zip(planes) {
            let mask = if band.mask { Some(masks.read(&self.dataset, band.number, window)?) } else { None };
            place.put((index, band), from, mask, plane, found);
        }
        Ok(())
    }
}

/// Cuts the bands into runs: neighbours that GDAL can convert, or neighbours of one type that it can't.
fn runs(spec: &SourceSpec) -> Vec<Run> {
    let mut runs: Vec<(Run, SourceBand)> = Vec::new();
    for (index, band) in spec.bands.iter().enumerate() {
        let direct = band.is_direct(spec.dtype, dtype::has_int8());
        match runs.last_mut() {
            Some((run, last)) if run.direct == direct && (direct || last.dtype == band.dtype) => {
                run.bands.end = index + 1
            }
            _ => runs.push((Run { bands: index..index + 1, direct }, *band)),
        }
    }
    runs.into_iter().map(|(run, _)| run).collect()
}
