//! Rasters: what to read of a file, what can go wrong with it, and in `files` the files themselves, through GDAL.
//!
//! A build without the feature `gdal` has a [`Source`] that opens nothing, for workers that are sent their pixels.

mod edge;
mod error;
#[cfg(feature = "gdal")]
mod files;
mod nodata;
mod pixel;
mod source_spec;
#[cfg(not(feature = "gdal"))]
mod without_gdal;

pub use edge::Edge;
pub use error::Error;
#[cfg(feature = "gdal")]
pub use files::*;
pub use nodata::{Nodata, NotRepresentable};
pub(crate) use pixel::for_dtype;
pub use pixel::{Pixel, holds_all};
pub use source_spec::{Found, SourceBand, SourceSpec};
#[cfg(not(feature = "gdal"))]
pub use without_gdal::{Source, init};

/// Whether this build can read files at all.
pub const READS: bool = cfg!(feature = "gdal");

/// A result of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;
