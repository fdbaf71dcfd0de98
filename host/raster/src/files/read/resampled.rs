//! Reading windows of a file that is resampled onto the working grid.

use crate::files::gdal::{dtype, pixels};
use crate::files::layout::{Layout, buffer_len};
use crate::files::read::place::{Counted, Place};
use crate::files::resample::gather::Nearest;
use crate::files::resample::transformer::Transformer;
use crate::files::resample::warp::{Warper, holds};
use crate::{Error, Found, Resampled, Result, SourceBand, SourceSpec};
use gdal::Dataset;
use gdal::raster::ColorInterpretation;
use grid::Window;
use std::ffi::c_int;
use tilefn_abi::DType;
use types::{Number, Pixel, Resampling, for_dtype};

/// How one file is resampled.
#[derive(Debug)]
pub(crate) enum Resampler {
    /// Nearest neighbour, and the file's columns and rows run along the grid's.
    Nearest(Transformer),
    /// Everything else.
    Warped(Warper),
}

impl Resampler {
    pub(crate) fn new(dataset: &Dataset, spec: &SourceSpec, how: &Resampled) -> Result<Self> {
        let fail = |reason: String| Error::Unsupported { path: spec.path.clone(), reason };
        let transformer = Transformer::of_file(dataset, how.crs.as_ref(), &how.grid, how.reprojects).map_err(fail)?;
        let straight =
            dataset.geo_transform().is_ok_and(|[_, _, row_term, _, col_term, _]| row_term == 0.0 && col_term == 0.0);
        if how.method == Resampling::Nearest && !how.reprojects && straight {
            return Ok(Self::Nearest(transformer));
        }
        if let Some(band) = spec.bands.iter().find(|band| !holds(band.dtype) || is_signed_byte(band.dtype)) {
            return Err(fail(format!(
                "band {} is {}, which GDAL can't resample {}: convert it first, e.g. with gdal_translate -ot {}",
                band.number,
                band.dtype.name(),
                if holds(band.dtype) { "before version 3.7" } else { "without loss" },
                if holds(band.dtype) { "Int16" } else { "Int32 or Float64" },
            )));
        }
        let alpha = validity(dataset, spec).map_err(fail)?;
        let warper = Warper::new(dataset, transformer, &spec.bands, alpha, how, size(dataset));
        Ok(Self::Warped(warper.map_err(fail)?))
    }

    /// Reads a window of the working grid's pixels into `out`, which is packed.
    pub(crate) fn read(
        &self,
        dataset: &Dataset,
        spec: &SourceSpec,
        window: &Window,
        counted: &Counted,
        out: &mut [u8],
    ) -> Result<Found> {
        let fail = |reason| Error::Resample { path: spec.path.clone(), window: *window, reason };
        let too_large = || fail(format!("a window of {window} is too large"));
        let layout = Layout::packed(window.rows, window.cols, spec.dtype.size()).ok_or_else(too_large)?;
        let place = Place { window, layout: &layout, dtype: spec.dtype, counted, whole: true };
        let pixels = buffer_len(1, window, 1).ok_or_else(too_large)?;
        let mut found = Found::default();
        let mut mask = vec![0u8; pixels];
        let planes = out.chunks_exact_mut(layout.band.max(1));
        match self {
            Self::Nearest(transformer) => {
                let nearest = Nearest::new(transformer, window, size(dataset));
                for ((index, band), plane) in spec.bands.iter().enumerate().zip(planes) {
                    let mut own = vec![0; pixels.checked_mul(band.dtype.size()).ok_or_else(too_large)?];
                    mask.fill(0);
                    if let Some(nearest) = &nearest {
                        gather(dataset, band, nearest, &mut own, &mut mask).map_err(fail)?;
                    }
                    place.put((index, band), &own, Some(&mask), plane, &mut found);
                }
            }
            Self::Warped(warper) => {
                let warped = warper.read(window).map_err(fail)?;
                let bands = spec.bands.iter().enumerate().zip(warped.chunks_exact(pixels.max(1)));
                for (((index, band), values), plane) in bands.zip(planes) {
                    let mut own = vec![0; pixels.checked_mul(band.dtype.size()).ok_or_else(too_large)?];
                    for_dtype!(band.dtype, settle(band, values, &mut own, &mut mask));
                    place.put((index, band), &own, Some(&mask), plane, &mut found);
                }
            }
        }
        Ok(found)
    }
}

/// Rows and columns; those of the overview if one is read.
fn size(dataset: &Dataset) -> (u32, u32) {
    let (cols, rows) = dataset.raster_size();
    let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (side(rows), side(cols))
}

/// Before GDAL 3.7, signed bytes are unsigned ones with a remark that its warper doesn't see.
fn is_signed_byte(dtype: DType) -> bool {
    dtype == DType::Int8 && !dtype::has_int8()
}

/// The alpha band to give the warper, if the file has one and the job lets it count. The warper looks at a mask of the whole file by
/// itself, and at no other.
fn validity(dataset: &Dataset, spec: &SourceSpec) -> Result<Option<c_int>, String> {
    let mut masks = spec.bands.iter().filter_map(|wanted| {
        let band = dataset.rasterband(wanted.number).ok()?;
        let flags = band.mask_flags().ok()?;
        Some((wanted, flags))
    });
    let Some((wanted, flags)) = masks.next() else { return Ok(None) };
    let has_mask = flags.is_per_dataset() || !(flags.is_all_valid() || flags.is_nodata());
    if !has_mask {
        return Ok(None);
    }
    if !wanted.mask {
        return Err("it has a mask, which GDAL can't leave aside when it resamples: leave `mask` out, or copy the \
                    file without it, e.g. with gdal_translate -mask none"
            .into());
    }
    if !flags.is_per_dataset() {
        return Err(
            "its bands have masks of their own, which GDAL doesn't resample: resample it first with gdalwarp".into()
        );
    }
    if !flags.is_alpha() {
        return Ok(None);
    }
    let is_alpha = |number: &usize| {
        dataset.rasterband(*number).is_ok_and(|band| band.color_interpretation() == ColorInterpretation::AlphaBand)
    };
    Ok((1..=dataset.raster_count()).rev().find(is_alpha).and_then(|number| c_int::try_from(number).ok()))
}

/// Reads the pixels that `nearest` needs, and whether they are valid, and puts them where they belong.
fn gather(
    dataset: &Dataset,
    band: &SourceBand,
    nearest: &Nearest,
    own: &mut [u8],
    mask: &mut [u8],
) -> Result<(), String> {
    let source = &nearest.source;
    let too_large = || format!("a window of {source} is too large");
    let number = [c_int::try_from(band.number).map_err(|_| too_large())?];
    let size = band.dtype.size();
    let layout = Layout::packed(source.rows, source.cols, size).ok_or_else(too_large)?;
    let mut scratch = vec![0; layout.band];
    pixels::read(dataset, &number, source, dtype::to_gdal(band.dtype), &mut scratch, &layout)?;
    nearest.put(&scratch, size, own);
    if band.mask {
        nearest.put(pixels::Masks::default().read(dataset, band.number, source)?, 1, mask);
    } else {
        nearest.put(&vec![255; buffer_len(1, source, 1).ok_or_else(too_large)?], 1, mask);
    }
    Ok(())
}

/// What gdalwarp would write for the warper's values: rounded to the band's own type, beside its nodata value where a valid pixel
/// would equal it. NaN becomes an invalid pixel.
fn settle<T: Pixel>(band: &SourceBand, values: &[f64], own: &mut [u8], mask: &mut [u8]) {
    let nodata = band.nodata.map(T::from_bits);
    let pixels = own.chunks_exact_mut(size_of::<T>()).zip(mask);
    for (value, (own, mask)) in values.iter().zip(pixels) {
        *mask = if value.is_nan() { 0 } else { 255 };
        // GDAL rounds halves up.
        let whole = if band.dtype.is_float() { *value } else { (value + 0.5).floor() };
        let (mut pixel, _) = T::nearest(Number::Float(whole));
        match nodata {
            Some(nodata) if value.is_nan() => pixel = nodata,
            Some(nodata) if pixel == nodata => pixel = beside(nodata),
            _ => {}
        }
        own.copy_from_slice(bytemuck::bytes_of(&pixel));
    }
}

/// The value that gdalwarp writes for a valid pixel that equals nodata: the integer before it, or after the smallest one. A float gets
/// one that isn't taken for nodata.
fn beside<T: Pixel>(nodata: T) -> T {
    let value = nodata.number().as_float();
    let of = |value: f64| T::nearest(Number::Float(value)).0;
    let before = if nodata.distance().is_some() { of(value - 1.0) } else { of(value * (1.0 - 1e-5)) };
    if before == nodata { of(value + 1.0) } else { before }
}
