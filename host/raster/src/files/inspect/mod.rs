//! What a file is: a raster's grid and bands, whether it is whole, and which files it depends on; a vector file's layers.

pub(crate) mod crs;
pub(crate) mod damage;
pub(crate) mod fingerprint;
pub(crate) mod info;
pub(crate) mod netcdf3;
pub(crate) mod open;
pub(crate) mod vector;
mod vrt;
