//! How much there is of each class.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tilefn_guest::prelude::*;

/// Pixels of each class so far.
#[derive(Serialize, Deserialize)]
pub struct Counts {
    pixels: BTreeMap<i64, u64>,
    /// Of one pixel, in square units of the map.
    area: f64,
}

/// One class's part of the raster.
#[derive(Serialize)]
struct Class {
    class: i64,
    pixels: u64,
    area: f64,
    share: f64,
}

impl Reduce for Counts {
    fn identity() -> Self {
        Self { pixels: BTreeMap::new(), area: 0.0 }
    }

    fn merge(&mut self, later: Self) {
        for (class, pixels) in later.pixels {
            *self.pixels.entry(class).or_default() += pixels;
        }
        self.area = later.area;
    }

    fn finish(self) -> impl Serialize {
        let all: u64 = self.pixels.values().sum();
        let class = |(class, pixels): (i64, u64)| {
            let (area, share) = (pixels as f64 * self.area, pixels as f64 / all as f64);
            Class { class, pixels, area, share }
        };
        self.pixels.into_iter().map(class).collect::<Vec<_>>()
    }
}

/// Counts the pixels of each class: their number, area in square units of the map, and share of all valid pixels.
#[tile_function]
pub fn land_cover_histogram(
    /// A raster of classes, of any integer type; all its bands count.
    classes: AnyTile,
    ctx: &Context,
) -> Result<Reduced<Counts>, Error> {
    if classes.dtype().is_float() {
        return Err(format!("classes are integers; this raster is {}", classes.dtype().name()).into());
    }
    let (width, height) = ctx.pixel_size();
    Ok(Reduced(Counts { pixels: count(&classes.cast()), area: width * height }))
}

/// Counts runs of the same class, which are long in most maps.
fn count(classes: &Tile<i64>) -> BTreeMap<i64, u64> {
    let mut pixels = BTreeMap::new();
    let mut run = (0, 0);
    for class in classes.valid() {
        if class == run.0 {
            run.1 += 1;
        } else {
            *pixels.entry(run.0).or_default() += run.1;
            run = (class, 1);
        }
    }
    *pixels.entry(run.0).or_default() += run.1;
    // The first run may have been empty.
    pixels.retain(|_, pixels| *pixels > 0);
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(classes: impl Into<AnyTile>) -> Result<Reduced<Counts>, Error> {
        let ctx = Context::for_test(1, 1).with_geotransform([0.0, 10.0, 0.0, 0.0, 0.0, -20.0]);
        land_cover_histogram(classes.into(), &ctx)
    }

    #[test]
    fn counts_valid_pixels_of_all_tiles() {
        let Reduced(mut counts) = run(Tile::from_rows([[4u8, 4, 255], [4, 7, 4]]).with_nodata(255)).unwrap();
        let Reduced(later) = run(Tile::from_rows([[-1i16, 7, 0]])).unwrap();
        counts.merge(later);
        assert_eq!(counts.pixels, BTreeMap::from([(-1, 1), (0, 1), (4, 4), (7, 2)]));
        assert_eq!(counts.area, 200.0);
    }

    #[test]
    fn a_tile_without_valid_pixels_has_no_class() {
        let Reduced(counts) = run(Tile::from_rows([[0u8, 0]]).with_nodata(0)).unwrap();
        assert!(counts.pixels.is_empty());
    }

    #[test]
    fn floats_are_no_classes() {
        let Err(error) = run(Tile::from_rows([[0.5f32]])) else { panic!("no error") };
        assert_eq!(error.message(), "classes are integers; this raster is float32");
    }
}
