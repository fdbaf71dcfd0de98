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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_where_a_band_is_or_both_are_zero() {
        let red = Tile::from_rows([[10.0, 30.0, -1.0, 0.0]]).with_nodata(-1.0);
        let nir = Tile::from_rows([[30.0, 10.0, 5.0, 0.0]]);
        assert_eq!(ndvi(red, nir), Tile::from_rows([[0.5, -0.5, f32::NAN, f32::NAN]]));
    }
}
