//! tilefn runs a user's own function, compiled to a WebAssembly module, over the tiles of big rasters.
//!
//! `ARCHITECTURE.md` walks one tile through the modules. Each knows only those that follow it in the order
//! `cli`, `job`, `dashboard`, `controller`, `wire`, `worker`, `raster` and `sandbox`, `grid`.
//!
//! Without the feature `gdal` there is only what a worker needs that is sent its pixels.

#[cfg(feature = "aws")]
pub mod aws;
pub mod cli;
#[cfg(feature = "gdal")]
pub mod controller;
#[cfg(feature = "gdal")]
pub mod dashboard;
mod dtype_name;
pub mod grid;
#[cfg(feature = "gdal")]
pub mod job;
pub mod memory;
mod open_files;
pub mod raster;
mod runtime;
pub mod sandbox;
pub mod tally;
mod text;
pub mod wire;
pub mod worker;
