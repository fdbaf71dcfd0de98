//! Rasters in and out, checked against GDAL's own Python bindings and numpy.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "helpers of tests are tests"
)]

mod burn;
mod burn_crs;
mod burn_whole;
mod classes;
mod coverage;
mod damage;
mod existing;
mod faults;
mod formats;
mod inspection;
mod mosaic;
mod overviews;
mod passing;
mod python;
mod rehearsal;
mod resample;
mod sketch;
mod source;
mod statistics;
mod support;
mod target;
mod unfinished;
mod validity;
mod vectors;
