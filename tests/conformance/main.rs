//! What RIOS is known to do and to get wrong, as tests: its own cases (C…) with their numbers, its bugs (W…) done right, and what users of
//! it ask for. A test's name has the number of the case.
//!
//! Statistics of every type (C22, W5, W12, W13) are also in `host/raster/tests/raster/statistics.rs`. What RIOS can't do by its design
//! is tested elsewhere:
//!
//! - W20, W22, W23, W29: workers that are lost, come late and leave early: `tests/remote/processes.rs`, `chaos.rs`, `network.rs`.
//! - W21: runs that are continued: `tests/e2e/interrupt.rs`. W24, W34: outputs in S3, COG, Zarr: `tests/e2e/ending.rs`, `outputs.rs`,
//!   `host/raster/tests/raster/formats.rs`.
//! - W25: functions that mean harm: `host/sandbox/tests`, `tests/python/python_hostile.rs`, `tests/remote/hostile.rs`.
//! - W26, W27, W28: workers on AWS without an image of their own, in clusters that exist, and nothing left: `tests/aws`.
//! - W30: `tests/remote/scale.rs`. W31, W32: memory, and thousands of files: `tests/e2e/large.rs`, `lists.rs`.
//! - W33: jobs of a program, several at once: `tests/python_api`, `tests/e2e/interrupt.rs`.
//! - W35: bands, nodata and units of single files and outputs: `tests/e2e/lists.rs`, `validity.rs`.
//! - W36: edges, empty tiles, dry runs: `tests/e2e/pixels.rs`, `report.rs`. W37, W39: `tests/e2e/report.rs`, `failures.rs`.

// For clippy: helpers outside `#[test]` functions are tests too.
#![cfg(test)]

#[expect(dead_code, unused_imports, reason = "the end-to-end tests' support; what is not needed here is needed there")]
#[path = "../e2e/support/mod.rs"]
mod support;

mod basics;
mod generators;
mod grids;
mod info;
mod statistics;
mod tables;
mod vectors;
