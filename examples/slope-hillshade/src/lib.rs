//! Slope and hillshade of a terrain model.

use tilefn_guest::prelude::*;

/// What the function makes of the terrain.
#[derive(Outputs)]
pub struct Terrain {
    /// Steepness in degrees, 0 is level.
    pub slope: Tile<f32>,
    /// Light from the given direction, from 1 (dark) to 255.
    #[output(nodata = 0)]
    pub hillshade: Tile<u8>,
}

/// Slope and hillshade by Horn's formula over 3 × 3 pixels, as gdaldem computes them. Invalid where one of the nine is.
#[tile_function(halo = 1)]
pub fn slope_hillshade(
    /// Heights; pixel sizes and heights in the same unit, or see `scale`.
    dem: Tile<f32>,
    /// Units of height in one unit of the map: 111120 for metres over degrees.
    #[param(default = 1.0, min = 1e-9)]
    scale: f64,
    /// Where the light comes from, in degrees clockwise from north.
    #[param(default = 315.0, min = 0.0, max = 360.0)]
    azimuth: f64,
    /// How high the light stands above the horizon, in degrees.
    #[param(default = 45.0, min = 0.0, max = 90.0)]
    altitude: f64,
    ctx: &Context,
) -> Terrain {
    let around = |row, col| dem.shifted(row, col);
    let [nw, n, ne] = [around(-1, -1), around(-1, 0), around(-1, 1)];
    let [w, centre, e] = [around(0, -1), around(0, 0), around(0, 1)];
    let [sw, s, se] = [around(1, -1), around(1, 0), around(1, 1)];

    // Rise per pixel, eight times.
    let eastward = Tile::zip_all([&nw, &w, &sw, &ne, &e, &se, &centre], |[nw, w, sw, ne, e, se, _]| {
        (ne + e + e + se) - (nw + w + w + sw)
    });
    let northward = Tile::zip_all([&nw, &n, &ne, &sw, &s, &se, &centre], |[nw, n, ne, sw, s, se, _]| {
        (nw + n + n + ne) - (sw + s + s + se)
    });

    let (width, height) = ctx.pixel_size();
    let (per_col, per_row) = ((1.0 / (8.0 * width * scale)) as f32, (1.0 / (8.0 * height * scale)) as f32);
    let slope = eastward.zip_valid(&northward, |x, y| {
        let (x, y) = (x * per_col, y * per_row);
        (x * x + y * y).sqrt().atan().to_degrees()
    });

    let (azimuth, altitude) = (azimuth.to_radians(), altitude.to_radians());
    let up = altitude.sin() as f32;
    let (east, north) = ((azimuth.sin() * altitude.cos()) as f32, (azimuth.cos() * altitude.cos()) as f32);
    let hillshade = eastward.zip_valid_or(&northward, 0, |x, y| {
        let (x, y) = (x * per_col, y * per_row);
        // The cosine between the light and the surface's normal.
        let light = (up - x * east - y * north) / (1.0 + x * x + y * y).sqrt();
        (1.5 + 254.0 * light.max(0.0)) as u8
    });
    Terrain { slope, hillshade }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(dem: Tile<f32>, azimuth: f64, altitude: f64) -> Terrain {
        let ctx = Context::for_test(1, 1).with_geotransform([0.0, 10.0, 0.0, 0.0, 0.0, -10.0]).with_halo(1);
        slope_hillshade(dem.with_halo(1), 1.0, azimuth, altitude, &ctx)
    }

    #[test]
    fn level_ground() {
        let Terrain { slope, hillshade } = run(Tile::filled([1, 3, 3], 7.0), 315.0, 90.0);
        assert_eq!(slope, Tile::from_rows([[0.0]]));
        assert_eq!(hillshade, Tile::from_rows([[255]]));
    }

    #[test]
    fn a_plane_that_rises_to_the_east_by_its_pixels_size() {
        let dem = Tile::from_rows([[0.0, 10.0, 20.0]; 3]);
        let Terrain { slope, hillshade } = run(dem.clone(), 270.0, 45.0);
        assert!((slope[[0, 0, 0]] - 45.0).abs() < 1e-5);
        // The light falls on it at a right angle; from the other side it just misses it.
        assert_eq!(hillshade, Tile::from_rows([[255]]));
        assert_eq!(run(dem, 90.0, 45.0).hillshade, Tile::from_rows([[1]]));
    }

    #[test]
    fn a_hole_beside_it_makes_a_pixel_invalid() {
        for hole in 0..9 {
            let mut pixels = vec![1.0; 9];
            pixels[hole] = f32::NAN;
            let Terrain { slope, hillshade } = run(Tile::from_vec([1, 3, 3], pixels), 315.0, 45.0);
            assert_eq!((slope.count_valid(), hillshade.count_valid()), (0, 0), "hole {hole}");
        }
    }
}
