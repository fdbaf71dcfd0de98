//! Normalised difference vegetation index.

use tilefn_guest::prelude::*;

/// Normalised difference vegetation index: (nir - red) / (nir + red), from -1 to 1; vegetation is above about 0.3.
#[tile_function]
pub fn ndvi(
    /// Reflectance or counts of the red band.
    red: Tile<f32>,
    /// The same of the near infrared band.
    nir: Tile<f32>,
) -> Tile<f32> {
    red.zip_valid(&nir, |r, n| (n - r) / (n + r))
}
