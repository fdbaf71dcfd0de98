//! tilefn.

pub mod grid;
#[cfg(feature = "gdal")]
pub mod raster;
