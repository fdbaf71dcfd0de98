//! Tasselled cap transformation of a Landsat-7 scene.

use tilefn_guest::prelude::*;

/// Weights of ETM+ bands 1 to 5 and 7 for at-satellite reflectance (Huang et al. 2002, International Journal of Remote
/// Sensing 23, 1741-1748).
const BRIGHTNESS: [f32; 6] = [0.3561, 0.3972, 0.3904, 0.6966, 0.2286, 0.1596];
const GREENNESS: [f32; 6] = [-0.3344, -0.3544, -0.4556, 0.6966, -0.0242, -0.2630];
const WETNESS: [f32; 6] = [0.2626, 0.2141, 0.0926, 0.0656, -0.7629, -0.5388];

/// Brightness, greenness and wetness, a band each. Invalid where one of the six bands is.
#[tile_function]
pub fn tasselled_cap(
    /// The six reflective bands, in the order 1, 2, 3, 4, 5, 7.
    scene: Tile<f32>,
) -> Result<Tile<f32>, Error> {
    if scene.bands() != 6 {
        return Err(format!("the scene has {} bands; needed are six: 1, 2, 3, 4, 5, 7", scene.bands()).into());
    }
    let bands = [0, 1, 2, 3, 4, 5].map(|band| scene.band(band));
    let component = |weights: [f32; 6]| {
        Tile::zip_all(bands.each_ref(), |pixel| (0..6).map(|band| weights[band] * pixel[band]).sum::<f32>())
    };
    Ok(Tile::stack(&[component(BRIGHTNESS), component(GREENNESS), component(WETNESS)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weighs_each_band() {
        for band in 0..6 {
            let mut pixels = vec![0.0; 6];
            pixels[band] = 100.0;
            let expected = [BRIGHTNESS, GREENNESS, WETNESS].map(|weights| weights[band] * 100.0);
            let result = tasselled_cap(Tile::from_vec([6, 1, 1], pixels)).unwrap();
            assert_eq!(result, Tile::from_vec([3, 1, 1], expected.into()));
        }
    }

    #[test]
    fn a_hole_in_one_band_is_a_hole() {
        let mut pixels = vec![1.0; 6];
        pixels[3] = f32::NAN;
        let result = tasselled_cap(Tile::from_vec([6, 1, 1], pixels)).unwrap();
        assert_eq!(result.count_valid(), 0);
    }

    #[test]
    fn other_scenes_are_refused() {
        let error = tasselled_cap(Tile::filled([4, 1, 1], 0.0)).unwrap_err();
        assert_eq!(error.message(), "the scene has 4 bands; needed are six: 1, 2, 3, 4, 5, 7");
    }
}
