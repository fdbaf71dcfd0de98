//! Finishes an output once all its pixels are there: statistics, colours, overviews.

use crate::files::colors::ColorRamp;
use crate::files::gdal::call;
use crate::files::write::progress::Progress;
use crate::files::write::spec::{RESAMPLING, TargetSpec, overview_levels};
use crate::files::write::statistics;
use gdal::raster::{ColorEntry, ColorTable, PaletteInterpretation};
use gdal::{Dataset, Metadata};
use gdal_sys::CPLErr;
use std::ffi::c_int;
use std::path::Path;
use std::ptr;
use tilefn_abi::DType;
use types::Nodata;

/// Adds statistics, colours and overviews as the job wants them. `file`, if the format allows it, is opened a second time to read the
/// pixels. The error has the step and the reason.
pub(crate) fn finish(
    dataset: &mut Dataset,
    file: Option<&Path>,
    spec: &TargetSpec,
    progress: &mut Progress,
) -> Result<(), (&'static str, String)> {
    let levels = overview_levels(spec);
    let computes = spec.statistics || spec.histogram || spec.color_table.is_some();
    let parts = f64::from(u8::from(computes) + u8::from(!levels.is_empty())).max(1.0);
    if computes {
        let share = 1.0 / parts / f64::from(spec.bands);
        let largest = compute(dataset, file, spec, share, progress).map_err(|reason| ("statistics", reason))?;
        if let Some(ramp) = spec.color_table.as_deref().and_then(ColorRamp::from_name) {
            color(dataset, ramp, largest, spec.nodata).map_err(|reason| ("colour table", reason))?;
        }
    }
    if !levels.is_empty() {
        progress.step(1.0 / parts);
        build_overviews(dataset, spec, &levels, progress).map_err(|reason| ("overviews", reason))?;
    }
    progress.step(0.0);
    Ok(())
}

/// Computes and stores the statistics of all bands, and returns the largest value, at least 0.
fn compute(
    dataset: &mut Dataset,
    file: Option<&Path>,
    spec: &TargetSpec,
    share: f64,
    progress: &mut Progress,
) -> Result<f64, String> {
    let reader = file.map(|file| {
        let (opened, messages) = call::watch(|| Dataset::open(file));
        opened.map_err(|e| messages.reason(&e.to_string()))
    });
    let reader = reader.transpose()?;
    let mut largest = 0.0f64;
    for number in 1..=dataset.raster_count() {
        progress.step(share);
        let found = statistics::compute(reader.as_ref().unwrap_or(dataset), number, spec, progress)?;
        largest = found.max.map_or(largest, |max| largest.max(max));
        let mut band = dataset.rasterband(number).map_err(|e| e.to_string())?;
        for (key, value) in found.items {
            band.set_metadata_item(&key, &value, "").map_err(|e| format!("{key}: {e}"))?;
        }
    }
    Ok(largest)
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

fn build_overviews(
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
