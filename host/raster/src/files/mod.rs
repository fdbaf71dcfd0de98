//! Raster files through GDAL: what a file is, reading windows of it, writing a new one.
//!
//! A dataset belongs to one thread at a time; every thread opens its own [`Source`]. GDAL itself prints nothing: its
//! warnings go to `tracing`, its failures into [`Error`](crate::Error).

mod colors;
mod fill;
mod gdal;
mod inspect;
mod layout;
mod rat;
mod read;
mod resample;
mod table;
mod vector;
mod write;

pub use self::gdal::attributes::{Column, ColumnType, Values};
pub use self::gdal::setup::{formats, gdal_version, init, lend_credentials, settings_warnings};
pub use self::gdal::vsi::exists;
pub use colors::{ColorRamp, Colors, Rgba, rgba};
pub use inspect::crs::{crs_argument, crs_from_user, crs_name, same_crs};
pub use inspect::fingerprint::{Fingerprint, fingerprints};
pub use inspect::info::{BandInfo, Georeferencing, Info, Mask, inspect};
pub use inspect::vector::{AttributeInfo, LayerInfo, VectorInfo, inspect_vector};
pub use rat::{Changed, Import, TableInfo, import_columns, read_table, table_info};
pub use read::burn::{Burner, Selection};
pub use read::coverage::Coverage;
pub use read::mosaic::Mosaic;
pub use read::source::Source;
pub use read::thumbnail::{Thumbnail, View, thumbnail};
pub use resample::extent::Overlay;
pub use resample::overlays::Overlays;
pub use resample::overview::{Overview, overview};
pub use vector::zones::Zones;
pub use write::destination::{destination, stale};
pub use write::existing::{BandStatistics, complete};
pub use write::passing::Finishing;
pub use write::probe::probe;
pub use write::rehearsal::Rehearsal;
pub use write::spec::{Class, Overviews, TargetSpec};
pub use write::staging::{Stamp, discard_unfinished, is_stamped};
pub use write::target::{Incomplete, Target};
pub use write::unfinished::{Checkpoint, Complete, Saved, Unfinished, Written};
