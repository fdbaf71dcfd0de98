//! Finishes an output once all its pixels are there: statistics, classes and colours, overviews.

use crate::files::gdal::{call, dtype, pixels};
use crate::files::layout::Layout;
use crate::files::write::classes::{self, Occurring};
use crate::files::write::creation::Creation;
use crate::files::write::passing::Passed;
use crate::files::write::progress::Progress;
use crate::files::write::spec::{RESAMPLING, TargetSpec, overview_levels};
use crate::files::write::statistics::{Computed, Summary};
use gdal::{Dataset, Metadata};
use gdal_sys::CPLErr;
use grid::Window;
use std::ffi::c_int;
use std::path::Path;
use std::ptr;

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
    let mut found = Vec::new();
    if let Some(summary) = &mut passed.summary {
        progress.step(1.0 / parts);
        found = compute(dataset, file, spec, summary, progress).map_err(|reason| ("statistics", reason))?;
    }
    let creation = Creation::plan(spec).map_err(|reason| ("classes and colours", reason))?;
    let stored = classes::store(dataset, spec, creation.driver_name(), &found);
    stored.map_err(|reason| ("classes and colours", reason))?;
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

/// Completes and stores the statistics of all bands, and returns their values.
fn compute(
    dataset: &mut Dataset,
    file: Option<&Path>,
    spec: &TargetSpec,
    summary: &mut Summary,
    progress: &mut Progress,
) -> Result<Vec<Occurring>, String> {
    summary.read_missing(&mut reader(dataset, file, spec), &mut |part| progress.at(part))?;
    let mut values = Vec::new();
    for (number, found) in (1..).zip(summary.results()) {
        store(dataset, number, &found, &spec.path)?;
        values.push(found.occurring);
    }
    Ok(values)
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
