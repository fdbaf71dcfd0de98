//! Tells whether tiles on their way into a file are what the file will have.

use crate::files::gdal::dtype;
use crate::files::write::creation::{Creation, value};
use crate::files::write::spec::TargetSpec;
use gdal::Dataset;

/// Formats that are known to keep all pixels, unless their options say otherwise.
const KEEP: [&str; 6] = ["GTiff", "HFA", "KEA", "ENVI", "netCDF", "Zarr"];

/// Whether the file to which tiles are written keeps all pixels, so that what is computed from them holds for the file. A format that is
/// made by copying counts as the temporary GeoTIFF.
pub(crate) fn keeps_pixels(spec: &TargetSpec, dataset: &Dataset) -> bool {
    let Ok(creation) = Creation::plan(spec) else { return false };
    let whole = dataset.rasterband(1).is_ok_and(|band| band.band_type() as u32 == dtype::to_gdal(spec.dtype));
    if !creation.direct {
        return whole;
    }
    let bits = value(&creation.options, "NBITS").is_some();
    whole && !bits && KEEP.contains(&creation.driver_name()) && spec.changes_pixels().is_none()
}
