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
    let (same, _) = cpl::watch(
        || match (SpatialRef::from_wkt(&a.0), SpatialRef::from_wkt(&b.0)) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        },
    );
    same
}
