//! What RIOS is known to do and to get wrong, as tests: its own cases (C…) with their numbers, its bugs (W…) done right, and what users of
//! it ask for. A test's name has the number of the case.
//!
//! Statistics of every type (C22, W5, W12, W13) are also in `host/raster/tests/raster/statistics.rs`, workers that are lost (W20) in
//! `tests/remote/processes.rs`, runs that are continued (W21) in `tests/e2e/interrupt.rs`.

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
