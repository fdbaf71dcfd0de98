//! Mean over a moving window.

use tilefn_guest::prelude::*;

/// Mean of the valid pixels in a square window around each pixel. A pixel that is invalid itself stays so.
#[tile_function(halo = "radius")]
pub fn focal_mean(
    /// Any image; each band by itself.
    image: Tile<f32>,
    /// Pixels on each side of the middle one: 1 is a window of 3 × 3.
    #[param(default = 2, min = 1, max = 50)]
    radius: usize,
) -> Tile<f32> {
    image.focal(radius).mean().masked_by(&image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_valid_pixels_and_keeps_holes() {
        let image = Tile::from_rows([[1.0, 2.0, 3.0, 4.0], [5.0, -1.0, 7.0, 8.0], [9.0, 10.0, 11.0, 12.0]]);
        // (2 + 3 + 4 + 7 + 8 + 10 + 11 + 12) / 8
        let expected = Tile::from_rows([[f32::NAN, 7.125]]);
        assert_eq!(focal_mean(image.with_nodata(-1.0).with_halo(1), 1), expected);
    }
}
