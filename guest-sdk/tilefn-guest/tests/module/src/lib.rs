//! Functions that tests/wasm.rs runs in a module: one for each thing that a signature can have.
#![forbid(unsafe_code)]

use tilefn_guest::prelude::*;

/// Normalised difference vegetation index.
#[tile_function]
pub fn ndvi(red: Tile<f32>, nir: Tile<f32>) -> Tile<f32> {
    red.zip_valid(&nir, |r, n| (n - r) / (n + r))
}

/// Counts in two classes.
#[tile_function(nodata = 255)]
pub fn above(
    /// Height in metres.
    dem: Tile<u16>,
    /// Where the upper class begins.
    #[param(default = 100, min = 1)]
    limit: u16,
) -> Tile<u8> {
    dem.map_valid(|v| u8::from(v >= limit))
}
