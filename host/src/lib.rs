//! tilefn runs a user's own function, compiled to a WebAssembly module, over the tiles of big rasters.
//!
//! `ARCHITECTURE.md` walks one tile through the modules. Each knows only those that follow it in the order
//! `cli`, `job`, `dashboard`, `controller`, `wire`, `worker`, `raster` and `sandbox`, `grid`.

#[cfg(feature = "aws")]
pub mod aws;
pub mod cli;
pub mod controller;
pub mod dashboard;
mod dtype_name;
pub mod grid;
pub mod job;
mod memory;
pub mod raster;
pub mod sandbox;
pub mod wire;
pub mod worker;
