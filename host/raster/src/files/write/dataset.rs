//! Makes, copies and closes the datasets of an output, and notices every failure: GDAL before 3.7 doesn't return those that come up on
//! closing.

use crate::files::gdal::messages::Messages;
use crate::files::gdal::{call, dtype};
use crate::files::write::creation::Creation;
use crate::files::write::progress::Progress;
use crate::files::write::spec::TargetSpec;
use gdal::raster::RasterBand;
use gdal::spatial_ref::SpatialRef;
use gdal::{Dataset, DatasetOptions, GdalOpenFlags, Metadata};
use std::ffi::{CString, c_int};
use std::path::Path;
use tilefn_abi::DType;
use types::Nodata;

/// An error if the call failed, or if GDAL reported a failure without telling the caller, as it does on closing.
pub(crate) fn check_call<T, E: std::fmt::Display>(result: Result<T, E>, messages: &Messages) -> Result<T, String> {
    match (result, messages.failure()) {
        (_, Some(reason)) => Err(reason),
        (Err(e), None) => Err(messages.reason(&e.to_string())),
        (Ok(value), None) => Ok(value),
    }
}

pub(crate) fn close(dataset: Dataset) -> Result<(), String> {
    let (closed, messages) = call::watch(|| dataset.close());
    check_call(closed, &messages)
}

/// Opens a closed GeoTIFF to be completed.
pub(crate) fn reopen(file: &Path) -> Result<Dataset, String> {
    let open_flags = GdalOpenFlags::GDAL_OF_RASTER | GdalOpenFlags::GDAL_OF_UPDATE;
    let options = DatasetOptions { open_flags, ..DatasetOptions::default() };
    let (opened, messages) = call::watch(|| Dataset::open_ex(file, options));
    check_call(opened, &messages)
}

/// Opens a closed GeoTIFF to write more tiles into it, compressing with `threads` threads.
pub(crate) fn reopen_for_writing(file: &Path, threads: u32) -> Result<Dataset, String> {
    let threads = format!("NUM_THREADS={}", threads.max(1));
    let options = DatasetOptions {
        open_flags: GdalOpenFlags::GDAL_OF_RASTER | GdalOpenFlags::GDAL_OF_UPDATE,
        open_options: Some(&[&threads]),
        ..DatasetOptions::default()
    };
    let (opened, messages) = call::watch(|| Dataset::open_ex(file, options));
    check_call(opened, &messages)
}

/// Creates the dataset and sets all that must be known before the first pixel.
pub(crate) fn create(spec: &TargetSpec, creation: &Creation, file: &Path) -> Result<Dataset, String> {
    let int = |n: u32| c_int::try_from(n).map_err(|_| format!("{n} is more than GDAL can count"));
    let name = CString::new(file.to_string_lossy().into_owned()).map_err(|e| e.to_string())?;
    let (cols, rows, bands) = (int(spec.grid.cols)?, int(spec.grid.rows)?, int(spec.bands)?);
    let (driver, options) = (creation.driver()?, creation.list()?);
    let (dataset, messages) = call::watch(|| {
        #[expect(unsafe_code, reason = "the gdal crate's call takes the type as a generic")]
        // SAFETY: the driver lives as long as GDAL, name and options until the call returns; a handle that isn't null
        // is an open dataset that nobody else has.
        unsafe {
            let handle = gdal_sys::GDALCreate(
                driver.c_driver(),
                name.as_ptr(),
                cols,
                rows,
                bands,
                dtype::to_gdal(spec.dtype),
                options.as_ptr(),
            );
            (!handle.is_null()).then(|| Dataset::from_c_dataset(handle))
        }
    });
    // Some drivers only report what they can't do, go on, and lose all pixels.
    let mut dataset = check_call(dataset.ok_or("GDAL gives no reason"), &messages)?;
    let (described, messages) = call::watch(|| {
        describe(&mut dataset, spec)?;
        // Writing a GeoTIFF's head loads PROJ's database. This thread does it now, so that no thread that writes tiles has to.
        if creation.is_geotiff() { dataset.flush_cache() } else { Ok(()) }
    });
    check_call(described, &messages)?;
    if spec.thematic {
        mark_thematic(&dataset)?;
    }
    Ok(dataset)
}

fn describe(dataset: &mut Dataset, spec: &TargetSpec) -> gdal::errors::Result<()> {
    if spec.georeferenced {
        dataset.set_geo_transform(&spec.grid.transform.0)?;
    }
    if !spec.grid.crs.is_none() {
        dataset.set_spatial_ref(&SpatialRef::from_wkt(&spec.grid.crs.0)?)?;
    }
    for (key, value) in &spec.metadata {
        dataset.set_metadata_item(key, value, "")?;
    }
    for number in 1..=dataset.raster_count() {
        let mut band = dataset.rasterband(number)?;
        match (spec.dtype, spec.nodata) {
            (_, None) => {}
            (DType::Int64, Some(Nodata::Int(value))) => band.set_no_data_value_i64(i64::try_from(value).ok())?,
            (DType::UInt64, Some(Nodata::Int(value))) => band.set_no_data_value_u64(u64::try_from(value).ok())?,
            // At most 32 bits, which a float holds exactly.
            (_, Some(Nodata::Int(value))) => band.set_no_data_value(Some(value as f64))?,
            (_, Some(Nodata::Float(value))) => band.set_no_data_value(Some(value))?,
        }
        if let Some(name) = spec.band_names.get(number - 1) {
            band.set_description(name)?;
        }
        if let Some(scale) = spec.scale {
            band.set_scale(scale)?;
        }
        if let Some(offset) = spec.offset {
            band.set_offset(offset)?;
        }
        if let Some(unit) = &spec.unit {
            set_unit(&band, unit)?;
        }
    }
    Ok(())
}

fn mark_thematic(dataset: &Dataset) -> Result<(), String> {
    for number in 1..=dataset.raster_count() {
        let mut band = dataset.rasterband(number).map_err(|e| e.to_string())?;
        let (marked, messages) = call::watch(|| band.set_metadata_item("LAYER_TYPE", "thematic", ""));
        let reason =
            "its bands can't be marked as thematic: leave `thematic` and `classes` out, or choose another format";
        check_call(marked.map_err(|_| messages.reason(reason)), &messages)?;
    }
    Ok(())
}

fn set_unit(band: &RasterBand, unit: &str) -> gdal::errors::Result<()> {
    let unit = CString::new(unit)?;
    #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
    // SAFETY: the band's handle is valid as long as `band` is, the text until the call returns. A failure is reported as
    // a message, which the caller looks at.
    unsafe {
        gdal_sys::GDALSetRasterUnitType(band.c_rasterband(), unit.as_ptr());
    }
    Ok(())
}

pub(crate) fn copy(
    dataset: &Dataset,
    creation: &Creation,
    file: &Path,
    progress: &mut Progress,
) -> Result<Dataset, String> {
    let name = CString::new(file.to_string_lossy().into_owned()).map_err(|e| e.to_string())?;
    let (driver, options) = (creation.driver()?, creation.list()?);
    let (copied, messages) = call::watch(|| {
        let (function, argument) = progress.callback();
        #[expect(unsafe_code, reason = "the gdal crate doesn't report progress")]
        // SAFETY: driver and dataset are valid, name, options and what `argument` points to outlive the call; a handle
        // that isn't null is an open dataset that nobody else has.
        unsafe {
            let handle = gdal_sys::GDALCreateCopy(
                driver.c_driver(),
                name.as_ptr(),
                dataset.c_dataset(),
                c_int::from(true),
                options.as_ptr(),
                function,
                argument,
            );
            (!handle.is_null()).then(|| Dataset::from_c_dataset(handle))
        }
    });
    copied.ok_or_else(|| messages.reason("GDAL gives no reason"))
}
