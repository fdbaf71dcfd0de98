//! A function that tilefn runs over rasters.

use tilefn_guest::prelude::*;

/// Normalised difference of two bands, (a - b) / (a + b).
#[tile_function]
pub fn {{function}}(
    /// Near infrared for a vegetation index.
    a: Tile<f32>,
    /// Red for a vegetation index.
    b: Tile<f32>,
    /// The result is multiplied by this.
    #[param(default = 1.0)]
    scale: f32,
) -> Tile<f32> {
    a.zip_valid(&b, |a, b| scale * (a - b) / (a + b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_where_a_band_is() {
        let a = Tile::from_rows([[3.0, 5.0, -9999.0]]).with_nodata(-9999.0);
        let b = Tile::from_rows([[1.0, f32::NAN, 2.0]]);
        assert_eq!({{function}}(a, b, 10.0), Tile::from_rows([[5.0, f32::NAN, f32::NAN]]));
    }
}
