//! A raster as a small picture.

use crate::files::colors::ColorRamp;
use crate::files::gdal::call;
use crate::files::inspect::info::{Info, band_dtype, inspect};
use crate::files::inspect::open;
use crate::files::shades::{Plane, fit, rgb};
use crate::{Error, Result};
use gdal::Dataset;
use gdal::raster::{ColorTable, RasterBand, ResampleAlg};
use tilefn_abi::DType;
use types::Nodata;

/// What to show of a raster.
#[derive(Clone, Debug)]
pub struct View {
    /// Pixels of the picture's longer side at most; a smaller raster is not enlarged.
    pub size: u32,
    /// One band, or three for red, green and blue, from 1. Empty: the first three where there are three, else the first.
    pub bands: Vec<usize>,
    /// Colours of a single band; default: the file's own colour table, else gray.
    pub ramp: Option<ColorRamp>,
    /// Values shown darkest and brightest; default: the 2nd and 98th percentile of each band in the picture.
    pub range: Option<(f64, f64)>,
}

/// A picture, transparent where the raster has no valid pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct Thumbnail {
    pub rows: u32,
    pub cols: u32,
    /// Red, green, blue and opacity, `[rows, cols, 4]`.
    pub rgba: Vec<u8>,
}

/// Draws the raster at `path`. Pixels that the picture has no room for are averaged over the valid ones, from the file's
/// overviews where it has some; a file with a colour table is sampled instead.
///
/// # Errors
/// As [`inspect()`]; [`Error::Unsupported`] for bands that don't exist or can't make a picture, and when pixels can't be read.
pub fn thumbnail(path: &str, view: &View) -> Result<Thumbnail> {
    let info = inspect(path)?;
    let unsupported = |reason: String| Error::Unsupported { path: path.to_owned(), reason };
    let numbers = choose(&info, &view.bands).map_err(unsupported)?;
    let dataset = open::open(path)?.dataset;
    let (rows, cols) = fit(info.grid.rows, info.grid.cols, view.size.max(1));
    let (drawn, _) = call::watch(|| draw(&dataset, &info, &numbers, view, (rows, cols)));
    Ok(Thumbnail { rows, cols, rgba: drawn.map_err(unsupported)? })
}

/// The bands to show, checked.
fn choose(info: &Info, wanted: &[usize]) -> Result<Vec<usize>, String> {
    let count = info.bands.len();
    let bands = match wanted {
        [] if count >= 3 => vec![1, 2, 3],
        [] => vec![1],
        _ => wanted.to_vec(),
    };
    if !matches!(bands.len(), 1 | 3) {
        return Err(format!("a picture takes one band or three, not {}", bands.len()));
    }
    match bands.iter().find(|b| !(1..=count).contains(*b)) {
        Some(missing) => Err(format!("there is no band {missing}: it has {count}")),
        None => Ok(bands),
    }
}

fn draw(
    dataset: &Dataset,
    info: &Info,
    numbers: &[usize],
    view: &View,
    size: (u32, u32),
) -> std::result::Result<Vec<u8>, String> {
    let band = |number: usize| dataset.rasterband(number).map_err(|e| format!("band {number}: {e}"));
    let nodata = |number: usize| info.bands.get(number.wrapping_sub(1)).and_then(|b| b.nodata);
    if let (&[number], None, None) = (numbers, view.ramp, view.range) {
        let band = band(number)?;
        if let Some(table) = band.color_table() {
            let plane = read(&band, nodata(number), size, ResampleAlg::NearestNeighbour)?;
            return Ok(plane.0.iter().flat_map(|v| entry(&table, *v)).collect());
        }
    }
    let mut planes = Vec::with_capacity(numbers.len());
    for &number in numbers {
        let plane = read(&band(number)?, nodata(number), size, ResampleAlg::Average)?;
        let range = view.range.unwrap_or_else(|| plane.stretch());
        planes.push((plane, range));
    }
    Ok(match planes.as_slice() {
        [(red, r), (green, g), (blue, b)] => rgb([red, green, blue], [*r, *g, *b]),
        _ => {
            let ramp = view.ramp.unwrap_or(ColorRamp::GRAY);
            planes.iter().flat_map(|(plane, range)| plane.ramp(ramp, *range)).collect()
        }
    })
}

/// Reads a whole band at another size. The mask of the file or its alpha band counts as its nodata value does.
fn read(
    band: &RasterBand,
    nodata: Option<Nodata>,
    (rows, cols): (u32, u32),
    how: ResampleAlg,
) -> std::result::Result<Plane, String> {
    let side = |n: u32| usize::try_from(n).map_err(|e| e.to_string());
    let shape = (side(cols)?, side(rows)?);
    // GDAL before 3.7 takes signed bytes for unsigned ones, and would average them so.
    let signed = band_dtype(band) == Some(DType::Int8) && !crate::files::gdal::dtype::has_int8();
    let how = if signed { ResampleAlg::NearestNeighbour } else { how };
    let at =
        |how| move |b: &RasterBand| b.read_as::<f64>((0, 0), b.size(), shape, Some(how)).map_err(|e| e.to_string());
    let mut values = at(how)(band)?.data().to_vec();
    if signed {
        values.iter_mut().filter(|v| **v > 127.0).for_each(|v| *v -= 256.0);
    }
    if let Some(nodata) = nodata {
        let nodata = as_float(nodata, band_dtype(band));
        values.iter_mut().filter(|v| **v == nodata).for_each(|v| *v = f64::NAN);
    }
    let flags = band.mask_flags().map_err(|e| e.to_string())?;
    if flags.is_per_dataset() || flags.is_alpha() {
        let mask = at(how)(&band.open_mask_band().map_err(|e| e.to_string())?)?;
        for (value, opacity) in values.iter_mut().zip(mask.data()) {
            if *opacity == 0.0 {
                *value = f64::NAN;
            }
        }
    }
    Ok(Plane(values))
}

/// A nodata value as the float that pixels of it are read as.
fn as_float(nodata: Nodata, dtype: Option<DType>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "pixels are rounded in the same way")]
    let value = match nodata {
        Nodata::Int(value) => value as f64,
        Nodata::Float(value) => value,
    };
    #[expect(clippy::cast_possible_truncation, reason = "pixels are rounded in the same way")]
    let rounded = if dtype == Some(DType::Float32) { f64::from(value as f32) } else { value };
    rounded
}

/// The colour of a value in the file's own table.
fn entry(table: &ColorTable, value: f64) -> [u8; 4] {
    if value.is_nan() || value < 0.0 {
        return [0; 4];
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; `as` saturates")]
    let index = value as usize;
    let byte = |n: i16| u8::try_from(n.clamp(0, 255)).unwrap_or(u8::MAX);
    table.entry_as_rgb(index).map_or([0; 4], |c| [byte(c.r), byte(c.g), byte(c.b), byte(c.a)])
}
