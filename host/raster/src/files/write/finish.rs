//! Finishes an output once all its pixels are there: statistics, colours, overviews.

use crate::files::colors::ColorRamp;
use crate::files::gdal::{call, dtype, pixels};
use crate::files::layout::Layout;
use crate::files::write::passing::Passed;
use crate::files::write::progress::Progress;
use crate::files::write::spec::{RESAMPLING, TargetSpec, overview_levels};
use crate::files::write::statistics::{Computed, Summary};
use gdal::raster::{ColorEntry, ColorTable, PaletteInterpretation};
use gdal::{Dataset, Metadata};
use gdal_sys::CPLErr;
use grid::Window;
use std::ffi::c_int;
use std::path::Path;
use std::ptr;
use tilefn_abi::DType;
use types::Nodata;

/// Adds statistics, colours and overviews as the job wants them. `passed` has what is known of the tiles that have passed; the others are read, from
/// `file`, opened a second time, if the format allows that. The error has the step and the reason.
pub(crate) fn finish(
    dataset: &mut Dataset,
    file: Option<&Path>,
    spec: &TargetSpec,
    passed: &mut Passed,
    progress: &mut Progress,
) -> Result<(), (&'static str, String)> {
    let levels = overview_levels(spec);
    let parts = f64::from(u8::from(passed.summary.is_some()) + u8::from(!levels.is_empty())).max(1.0);
    if let Some(summary) = &mut passed.summary {
        progress.step(1.0 / parts);
        let largest = compute(dataset, file, spec, summary, progress).map_err(|reason| ("statistics", reason))?;
        if let Some(ramp) = spec.color_table.as_deref().and_then(ColorRamp::from_name) {
            color(dataset, ramp, largest, spec.nodata).map_err(|reason| ("colour table", reason))?;
        }
    }
    if !levels.is_empty() {
        progress.step(1.0 / parts);
        let made = match passed.levels.as_mut().filter(|levels| !levels.given_up()) {
            Some(ready) => ready.complete(dataset, &mut reader(dataset, file, spec), &mut |part| progress.at(part)),
            None => build_overviews(dataset, spec, &levels, progress),
        };
        made.map_err(|reason| ("overviews", reason))?;
    }
    progress.step(0.0);
    Ok(())
}

/// Completes and stores the statistics of all bands, and returns the largest value, at least 0.
fn compute(
    dataset: &mut Dataset,
    file: Option<&Path>,
    spec: &TargetSpec,
    summary: &mut Summary,
    progress: &mut Progress,
) -> Result<f64, String> {
    summary.read_missing(&mut reader(dataset, file, spec), &mut |part| progress.at(part))?;
    let mut largest = 0.0f64;
    for (number, found) in (1..).zip(summary.results()) {
        largest = largest.max(found.moments.max);
        store(dataset, number, &found, &spec.path)?;
    }
    Ok(largest)
}

/// Stores the statistics of a band.
pub(crate) fn store(dataset: &Dataset, number: usize, found: &Computed, path: &str) -> Result<(), String> {
    if found.moments.infinite > 0 {
        let infinite = found.moments.infinite;
        tracing::warn!("{path}: {infinite} infinite values of band {number} are left out of its statistics");
    }
    let mut band = dataset.rasterband(number).map_err(|e| e.to_string())?;
    let mut items = found.items.iter();
    items.try_for_each(|(key, value)| band.set_metadata_item(key, value, "").map_err(|e| format!("{key}: {e}")))
}

/// Reads windows of what has been written, from `file`, opened a second time, if there is one.
pub(crate) fn reader<'a>(
    dataset: &'a Dataset,
    file: Option<&'a Path>,
    spec: &'a TargetSpec,
) -> impl FnMut(usize, &Window, &mut [u8]) -> Result<(), String> + use<'a> {
    let mut second = None;
    move |band, window, bytes| {
        if let (None, Some(file)) = (&second, file) {
            let (opened, messages) = call::watch(|| Dataset::open(file));
            second = Some(opened.map_err(|e| messages.reason(&e.to_string()))?);
        }
        let bands = [c_int::try_from(band + 1).map_err(|e| e.to_string())?];
        let layout = Layout::packed(window.rows, window.cols, spec.dtype.size());
        let layout = layout.ok_or_else(|| format!("{window} is too large"))?;
        let dtype = dtype::to_gdal(spec.dtype);
        pixels::read(second.as_ref().unwrap_or(dataset), &bands, window, dtype, bytes, &layout)
    }
}

/// Gives the values from 0 to `largest` the colours of the ramp. Nodata is transparent.
fn color(dataset: &Dataset, ramp: ColorRamp, largest: f64, nodata: Option<Nodata>) -> Result<(), String> {
    let mut table = ColorTable::new(PaletteInterpretation::Rgba);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float is clamped to the type's range"
    )]
    let largest = largest as u16;
    let count = usize::from(largest) + 1;
    let nodata =
        nodata.and_then(|value| value.as_bits_for(DType::UInt16).ok()).and_then(|bits| u16::try_from(bits).ok());
    for value in (0..=largest).chain(nodata) {
        let [r, g, b] = ramp.color(value.into(), count).map(i16::from);
        let alpha = if nodata == Some(value) { 0 } else { 255 };
        table.set_color_entry(value, &ColorEntry::rgba(r, g, b, alpha));
    }
    let (set, messages) = call::watch(|| dataset.rasterband(1).map(|mut band| band.set_color_table(&table)));
    set.map_err(|e| e.to_string())?;
    messages.failure().map_or(Ok(()), Err)
}

pub(crate) fn build_overviews(
    dataset: &Dataset,
    spec: &TargetSpec,
    levels: &[c_int],
    progress: &mut Progress,
) -> Result<(), String> {
    let name = spec.overview_resampling.as_deref().unwrap_or("nearest").to_ascii_lowercase();
    let (_, resampling) =
        RESAMPLING.iter().find(|(n, _)| *n == name).ok_or_else(|| format!("no resampling method \"{name}\""))?;
    let count = c_int::try_from(levels.len()).map_err(|e| e.to_string())?;
    let (result, messages) = call::watch(|| {
        let (function, argument) = progress.callback();
        let build = || {
            #[expect(unsafe_code, reason = "the gdal crate doesn't report progress")]
            // SAFETY: the dataset is open, `levels` has `count` items, no bands stand for all, and what `argument`
            // points to outlives the call.
            unsafe {
                gdal_sys::GDALBuildOverviews(
                    dataset.c_dataset(),
                    resampling.as_ptr(),
                    count,
                    levels.as_ptr(),
                    0,
                    ptr::null(),
                    function,
                    argument,
                )
            }
        };
        call::with_setting("GDAL_NUM_THREADS", &spec.threads.max(1).to_string(), build)
    });
    if result == CPLErr::CE_None && messages.failure().is_none() {
        Ok(())
    } else {
        Err(messages.reason("GDAL gives no reason"))
    }
}
