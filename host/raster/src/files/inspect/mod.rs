//! What a raster file is: its grid and bands, whether it is whole, and which files it depends on.

pub(crate) mod crs;
pub(crate) mod damage;
pub(crate) mod fingerprint;
pub(crate) mod info;
pub(crate) mod netcdf3;
pub(crate) mod open;
mod vrt;
