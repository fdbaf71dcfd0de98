//! Rasters: what to read of a file, what can go wrong with it, and in `files` the files themselves, through GDAL.
//!
//! A build without the feature `gdal` has a [`Source`] that opens nothing, for workers that are sent their pixels.

mod burn_spec;
mod coverage_spec;
mod error;
#[cfg_attr(not(feature = "gdal"), path = "without_gdal.rs")]
mod files;
mod mosaic_spec;
mod source_spec;

pub use burn_spec::{Burn, BurnSpec, burned_bits};
pub use coverage_spec::CoverageSpec;
pub use error::Error;
pub use files::*;
pub use mosaic_spec::MosaicSpec;
pub use source_spec::{Found, Resampled, SourceBand, SourceSpec, Way};

/// Whether this build can read files at all.
pub const READS: bool = cfg!(feature = "gdal");

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
