//! Reading tiles of one raster file.

use super::fill::fill;
use super::halo::positions;
use super::int8::{Widening, narrow};
use super::io::{self, Layout, buffer_len};
use super::turn::turn;
use super::{Edge, Error, Result, SourceSpec, dtype, inspect, open};
use crate::grid::Window;
use gdal::Dataset;
use gdal_sys::GDALDataType;
use std::ffi::c_int;
use tilefn_abi::DType;

/// An open raster file. Each thread opens its own.
#[derive(Debug)]
pub struct Source {
    spec: SourceSpec,
    dataset: Dataset,
    bands: Vec<c_int>,
    conversion: Conversion,
}

/// How pixels get from the file to the caller's type.
enum Conversion {
    /// GDAL does it.
    Gdal(GDALDataType::Type),
    /// From signed bytes that GDAL takes for unsigned ones.
    FromInt8(Widening),
    /// To signed bytes, which GDAL can't convert to.
    ToInt8,
}

impl std::fmt::Debug for Conversion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gdal(_) => "Gdal",
            Self::FromInt8(_) => "FromInt8",
            Self::ToInt8 => "ToInt8",
        })
    }
}

impl Source {
    /// Opens the file.
    ///
    /// # Errors
    /// As [`inspect`]; [`Error::Shape`] when its size or bands aren't those of `spec`.
    pub fn open(spec: &SourceSpec) -> Result<Self> {
        let dataset = open::open(&spec.path)?.dataset;
        let shape = |reason: String| Error::Shape { path: spec.path.clone(), reason };
        let (cols, rows) = dataset.raster_size();
        let size = (u32::try_from(rows).ok(), u32::try_from(cols).ok());
        if size != (Some(spec.file_size.0), Some(spec.file_size.1)) {
            let (expected_rows, expected_cols) = spec.file_size;
            return Err(shape(format!(
                "it has {rows} rows × {cols} columns now, not {expected_rows} × {expected_cols}: it has changed"
            )));
        }
        if spec.bands.len() != spec.fill.len() || spec.bands.is_empty() {
            return Err(shape(format!("{} bands but {} fill values", spec.bands.len(), spec.fill.len())));
        }
        let count = dataset.raster_count();
        let mut bands = Vec::with_capacity(spec.bands.len());
        let mut from_int8 = Vec::with_capacity(spec.bands.len());
        for &number in &spec.bands {
            let band = dataset.rasterband(number).ok().filter(|_| (1..=count).contains(&number));
            let (Some(band), Ok(c_number)) = (band, c_int::try_from(number)) else {
                return Err(shape(format!("there is no band {number}: it has {count}")));
            };
            bands.push(c_number);
            from_int8.push(inspect::band_dtype(&band) == Some(DType::Int8));
        }
        let conversion = match (spec.dtype, from_int8.iter().any(|b| *b)) {
            (wanted, _) if dtype::has_int8() => Conversion::Gdal(dtype::to_gdal(wanted)),
            (_, true) if !from_int8.iter().all(|b| *b) => {
                return Err(shape("int8 bands can't be read together with others by this GDAL: it needs 3.7".into()));
            }
            (DType::Int8, true) => Conversion::Gdal(GDALDataType::GDT_Byte),
            (DType::Int8, false) => Conversion::ToInt8,
            (wanted, true) => Conversion::FromInt8(Widening::to(wanted)),
            (wanted, false) => Conversion::Gdal(dtype::to_gdal(wanted)),
        };
        Ok(Self { spec: spec.clone(), dataset, bands, conversion })
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
    /// and a band has no fill value, [`Error::Shape`] when `out` has another size than the window.
    pub fn read(&mut self, window: Window, out: &mut [u8]) -> Result<()> {
        if window.is_empty() || buffer_len(self.bands.len(), &window, self.spec.dtype.size()) != Some(out.len()) {
            return Err(self.shape(format!("{} bytes for {} bands of {window}", out.len(), self.bands.len())));
        }
        let (rows, cols) = self.spec.grid_size;
        let file = self.file_window();
        let data = Window::new(0, 0, rows, cols).union(&file).unwrap_or(file);
        if self.spec.edge == Edge::Nodata || data.contains(&window) {
            self.read_with_fill(&window, out)
        } else {
            self.read_beyond(&window, &data, out)
        }
    }

    /// The file's pixels in the working grid.
    const fn file_window(&self) -> Window {
        let (rows, cols) = self.spec.file_size;
        self.spec.offset.window(rows, cols)
    }

    fn shape(&self, reason: String) -> Error {
        Error::Shape { path: self.spec.path.clone(), reason }
    }

    /// Reads what the file has of the window, and fills the rest.
    fn read_with_fill(&self, window: &Window, out: &mut [u8]) -> Result<()> {
        let pixel = self.spec.dtype.size();
        let too_large = || self.shape(format!("a window of {window} is too large"));
        let layout = Layout::packed(window.rows, window.cols, pixel).ok_or_else(too_large)?;
        let inside = window.intersection(&self.file_window());
        if inside != Some(*window) {
            let planes = out.chunks_exact_mut(layout.band);
            for ((plane, bits), &band) in planes.zip(&self.spec.fill).zip(&self.spec.bands) {
                let bits = bits.ok_or_else(|| Error::NoFill { path: self.spec.path.clone(), band, window: *window })?;
                fill(plane, bits, self.spec.dtype);
            }
        }
        let Some(inside) = inside else { return Ok(()) };
        let start = || {
            let rows = usize::try_from(inside.row.checked_sub(window.row)?).ok()?;
            let cols = usize::try_from(inside.col.checked_sub(window.col)?).ok()?;
            rows.checked_mul(layout.line)?.checked_add(cols.checked_mul(pixel)?)
        };
        let layout = Layout { start: start().ok_or_else(too_large)?, ..layout };
        let in_file = inside
            .relative_to(self.spec.offset.row, self.spec.offset.col)
            .and_then(|upright| self.spec.turn.in_file(&upright, self.spec.file_size))
            .ok_or_else(too_large)?;
        self.transfer(&in_file, out, &layout).map_err(|reason| Error::Read {
            path: self.spec.path.clone(),
            bands: self.spec.bands.clone(),
            window: in_file,
            reason,
        })?;
        turn(self.spec.turn, &in_file, out, &layout, self.bands.len());
        Ok(())
    }

    /// Reads a window of the file's own pixels to a place in `out`.
    fn transfer(&self, window: &Window, out: &mut [u8], layout: &Layout) -> Result<(), String> {
        let mut through = |gdal_type, size: usize, convert: &dyn Fn(&[u8], &mut [u8])| {
            let packed = Layout::packed(window.rows, window.cols, size).ok_or("the window is too large")?;
            let bytes = packed.band.checked_mul(self.bands.len()).ok_or("the window is too large")?;
            let mut scratch = vec![0; bytes];
            io::read(&self.dataset, &self.bands, window, gdal_type, &mut scratch, &packed)?;
            let row_len = packed.line / size * layout.pixel;
            for (index, plane) in scratch.chunks_exact(packed.band).enumerate() {
                let first = index * layout.band + layout.start;
                let rows = out.get_mut(first..).into_iter().flat_map(|rest| rest.chunks_mut(layout.line));
                for (from, to) in plane.chunks_exact(packed.line).zip(rows) {
                    if let Some(to) = to.get_mut(..row_len) {
                        convert(from, to);
                    }
                }
            }
            Ok(())
        };
        match &self.conversion {
            Conversion::Gdal(gdal_type) => io::read(&self.dataset, &self.bands, window, *gdal_type, out, layout),
            Conversion::FromInt8(widening) => {
                through(GDALDataType::GDT_Byte, 1, &|from, to| widening.convert(from, to))
            }
            Conversion::ToInt8 => through(GDALDataType::GDT_Int16, 2, &narrow),
        }
    }

    /// Reads a window that reaches beyond `data`, where the pixels are those of other positions within it.
    fn read_beyond(&self, window: &Window, data: &Window, out: &mut [u8]) -> Result<()> {
        let rows = positions(self.spec.edge, window.row, window.rows, data.row, data.row_end());
        let cols = positions(self.spec.edge, window.col, window.cols, data.col, data.col_end());
        let bounds = |positions: &[i64]| Some((*positions.iter().min()?, positions.iter().max()?.checked_add(1)?));
        let too_large = || self.shape(format!("a window of {window} is too large"));
        // The positions are consecutive or folded, so these are no more pixels than the window has.
        let (Some((row, row_end)), Some((col, col_end))) = (bounds(&rows), bounds(&cols)) else {
            return Err(too_large());
        };
        let shown = Window::between(row, col, row_end, col_end).ok_or_else(too_large)?;
        let pixel = self.spec.dtype.size();
        let layout = Layout::packed(shown.rows, shown.cols, pixel).ok_or_else(too_large)?;
        let mut scratch = vec![0; buffer_len(self.bands.len(), &shown, pixel).ok_or_else(too_large)?];
        self.read_with_fill(&shown, &mut scratch)?;

        let line = cols.len() * pixel;
        let from_cols: Vec<usize> = cols.iter().map(|c| usize::try_from(c - col).unwrap_or_default() * pixel).collect();
        let planes = scratch.chunks_exact(layout.band).zip(out.chunks_exact_mut(line * rows.len()));
        for (from_plane, to_plane) in planes {
            for (from_row, to_row) in rows.iter().zip(to_plane.chunks_exact_mut(line)) {
                let start = usize::try_from(from_row - row).unwrap_or_default() * layout.line;
                let Some(from_line) = from_plane.get(start..start + layout.line) else {
                    continue;
                };
                for (from, to) in from_cols.iter().zip(to_row.chunks_exact_mut(pixel)) {
                    if let Some(from) = from_line.get(*from..*from + pixel) {
                        to.copy_from_slice(from);
                    }
                }
            }
        }
        Ok(())
    }
}
