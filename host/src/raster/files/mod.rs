//! Raster files through GDAL: what a file is, reading windows of it, writing a new one.
//!
//! A dataset belongs to one thread at a time; every thread opens its own [`Source`]. GDAL itself prints nothing: its
//! warnings go to `tracing`, its failures into [`Error`].

mod blocks;
mod colors;
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
mod int8;
mod io;
mod marks;
mod open;
mod place;
mod rehearsal;
mod settings;
mod source;
mod staging;
mod statistics;
mod target;
mod thumbnail;

pub use colors::ColorRamp;
pub use cpl::init;
pub use crs::{crs_from_user, same_crs};
pub use inspect::{BandInfo, Info, Inspector, inspect};
pub use marks::{Mark, marks};
pub use open::{exists, gdal_path, is_remote};
pub use place::{destination, stale};
pub use rehearsal::Rehearsal;
pub use settings::warnings as settings_warnings;
pub use source::Source;
pub use target::{Checkpoint, Complete, Overviews, Target, TargetSpec, Written};
pub use thumbnail::{Thumbnail, View, thumbnail};

use super::{Edge, Error, Nodata, Result, SourceSpec, nodata};
