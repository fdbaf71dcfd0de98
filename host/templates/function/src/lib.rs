//! A function over raster tiles.

use tilefn_guest::prelude::*;

/// Normalised difference of two bands: (b - a) / (b + a), from -1 to 1.
#[tile_function]
pub fn {{function}}(
    /// The first band.
    a: Tile<f32>,
    /// The second band.
    b: Tile<f32>,
    /// What the result is multiplied by.
    #[param(default = 1.0)]
    scale: f32,
) -> Tile<f32> {
    // Pixels that are nodata or NaN in a or b have no value in the result.
    a.zip_valid(&b, |a, b| (b - a) / (b + a) * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let a = Tile::from_rows([[1.0, 2.0]]);
        let b = Tile::from_rows([[3.0, f32::NAN]]);
        assert_eq!({{function}}(a, b, 10.0), Tile::from_rows([[5.0, f32::NAN]]));
    }
}
