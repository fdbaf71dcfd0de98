//! Reading: windows of a file for a tile, and a whole file as a picture.

mod convert;
mod halo;
pub(crate) mod mosaic;
mod place;
mod resampled;
pub(crate) mod source;
pub(crate) mod thumbnail;
mod turn;
