//! Raster files through GDAL: what a file is, reading windows of it, writing a new one.
//!
//! A dataset belongs to one thread at a time; every thread opens its own [`Source`]. GDAL itself prints nothing: its
//! warnings go to `tracing`, its failures into [`Error`].

mod blocks;
mod colors;
mod convert;
mod cpl;
mod creation;
mod crs;
mod dataset;
mod dtype;
mod fill;
mod finishing;
mod geokeys;
mod halo;
mod hdf5;
mod inspect;
mod io;
mod lossy;
mod open;
mod source;
mod staging;
mod statistics;
mod target;
mod thumbnail;

pub use colors::ColorRamp;
pub use cpl::init;
pub use crs::{crs_from_user, same_crs};
pub use inspect::{BandInfo, Info, Inspector, Mask, inspect};
pub use open::{exists, gdal_path, is_remote};
pub use source::Source;
pub use target::{Checkpoint, Complete, Overviews, Target, TargetSpec, Written};
pub use thumbnail::{Thumbnail, View, thumbnail};

use super::{Edge, Error, Found, Nodata, Result, SourceBand, SourceSpec, holds_all, pixel};
