//! Median over a moving window: the benchmark's job that computes most.

use tilefn_guest::prelude::*;

/// Median of the valid pixels in the 5 × 5 around each pixel.
#[tile_function(halo = 2)]
pub fn focal_median(
    /// Any image; each band by itself.
    image: Tile<f32>,
) -> Tile<f32> {
    image.focal(2).median()
}
