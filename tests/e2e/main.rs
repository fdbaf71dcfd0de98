//! End-to-end tests: the built program on job files, its pixels against numpy's and GDAL's, its messages word by word.

// For clippy: helpers outside `#[test]` functions are tests too.
#![cfg(test)]

mod arguments;
mod diff;
mod disk;
mod each;
mod ending;
mod environment;
mod examples;
mod expressions;
mod expressions_ends;
mod failures;
mod files;
#[path = "../gallery/mod.rs"]
mod gallery;
mod grids;
mod interrupt;
mod large;
mod lists;
mod mistakes;
mod outputs;
mod param_files;
mod pixels;
mod places;
mod preview;
#[path = "../../host/raster/tests/raster/python.rs"]
mod rasters;
mod rat;
mod reduced;
mod report;
mod shell;
mod stats;
mod support;
mod table;
mod terminal;
mod validity;
mod vectors;
mod zonal;
