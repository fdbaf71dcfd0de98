//! Rasters through GDAL: what a file is, reading windows of it, writing a new one.
//!
//! A dataset belongs to one thread at a time; every thread opens its own [`Source`]. GDAL itself prints nothing: its
//! warnings go to `tracing`, its failures into [`Error`].

mod colors;
mod cpl;
mod creation;
mod crs;
mod dataset;
mod dtype;
mod edge;
mod error;
mod finishing;
mod hdf5;
mod inspect;
mod int8;
mod io;
mod nodata;
mod open;
mod source;
mod staging;
mod statistics;
mod target;
mod thumbnail;

pub use colors::ColorRamp;
pub use cpl::init;
pub use crs::{crs_from_user, same_crs};
pub use edge::Edge;
pub use error::Error;
pub use inspect::{BandInfo, Info, inspect};
pub use nodata::{Nodata, NotRepresentable};
pub use open::{exists, gdal_path};
pub use source::{Source, SourceSpec};
pub use target::{Checkpoint, Complete, Overviews, Target, TargetSpec, Written};
pub use thumbnail::{Thumbnail, View, thumbnail};

/// A result of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;
