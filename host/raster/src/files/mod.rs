//! Raster files through GDAL: what a file is, reading windows of it, writing a new one.
//!
//! A dataset belongs to one thread at a time; every thread opens its own [`Source`]. GDAL itself prints nothing: its
//! warnings go to `tracing`, its failures into [`Error`].

mod assemble;
mod blocks;
mod colors;
mod convert;
mod cpl;
mod creation;
mod crs;
mod damage;
mod dataset;
mod dtype;
mod fill;
mod finishing;
mod halo;
mod hdf5;
mod inspect;
mod io;
mod lossy;
mod marks;
mod netcdf3;
mod open;
mod place;
mod probe;
mod rehearsal;
mod settings;
mod source;
mod staging;
mod statistics;
mod target;
mod thumbnail;
mod turn;
mod unfinished;
mod vsi;

pub use colors::ColorRamp;
pub use cpl::{gdal_version, init};
pub use crs::{crs_argument, crs_from_user, crs_name, same_crs};
pub use inspect::{BandInfo, Georeferencing, Info, Mask, inspect};
pub use marks::{Mark, marks};
pub use open::{gdal_path, is_remote};
pub use place::{destination, stale};
pub use probe::probe;
pub use rehearsal::Rehearsal;
pub use settings::warnings as settings_warnings;
pub use source::Source;
pub use staging::{Stamp, discard_unfinished, is_stamped};
pub use target::{Incomplete, Overviews, Target, TargetSpec, Written};
pub use thumbnail::{Thumbnail, View, thumbnail};
pub use unfinished::{Checkpoint, Complete, Saved, Unfinished};
pub use vsi::exists;

use super::{Edge, Error, Found, Nodata, Result, SourceBand, SourceSpec, holds_all};
