//! Reading: windows of a raster or vector file for a tile, a whole file as a picture, and two files side by side.

pub(crate) mod burn;
pub(crate) mod compare;
mod convert;
pub(crate) mod coverage;
mod halo;
pub(crate) mod mosaic;
mod place;
mod resampled;
pub(crate) mod source;
pub(crate) mod thumbnail;
mod turn;
