//! Whether two CRS are the same.

use super::cpl;
use crate::grid::Crs;
use gdal::spatial_ref::SpatialRef;

/// Whether two CRS are the same to PROJ, however they are written. None equals none, and a text that PROJ can't read
/// equals only itself.
pub fn same_crs(a: &Crs, b: &Crs) -> bool {
    if a == b {
        return true;
    }
    if a.is_none() || b.is_none() {
        return false;
    }
    let (same, _) = cpl::watch(|| match (SpatialRef::from_wkt(&a.0), SpatialRef::from_wkt(&b.0)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    });
    same
}

/// The CRS that a user's text means: `EPSG:28355`, another authority's code, WKT or a PROJ string.
///
/// # Errors
/// When PROJ doesn't know it.
pub fn crs_from_user(text: &str) -> Result<Crs, String> {
    let (found, messages) = cpl::watch(|| SpatialRef::from_definition(text).and_then(|s| s.to_wkt()));
    found
        .map(|wkt| Crs::from(wkt.as_str()))
        .map_err(|e| format!("{text:?} is no CRS: {}", messages.reason(&e.to_string())))
}
