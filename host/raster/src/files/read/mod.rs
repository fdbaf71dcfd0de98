//! Reading: windows of a raster or vector file for a tile, and a whole file as a picture.

pub(crate) mod burn;
mod convert;
pub(crate) mod coverage;
mod halo;
pub(crate) mod mosaic;
mod place;
mod resampled;
pub(crate) mod source;
pub(crate) mod thumbnail;
mod turn;
