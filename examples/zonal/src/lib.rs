//! Statistics of a raster in each polygon of a vector file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tilefn_guest::prelude::*;

/// Values of one zone so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

/// What is reported of a zone.
#[derive(Serialize)]
struct Statistics {
    count: u64,
    mean: f64,
    min: f64,
    max: f64,
}

impl Summary {
    fn add(&mut self, value: f64) {
        self.merge(Self { count: 1, sum: value, min: value, max: value });
    }
}

impl Reduce for Summary {
    fn identity() -> Self {
        Self { count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }

    fn merge(&mut self, later: Self) {
        self.count += later.count;
        self.sum += later.sum;
        self.min = self.min.min(later.min);
        self.max = self.max.max(later.max);
    }

    fn finish(self) -> impl Serialize {
        let Self { count, sum, min, max } = self;
        Statistics { count, mean: sum / count as f64, min, max }
    }
}

/// Count, mean, minimum and maximum of the values in each zone.
#[tile_function]
pub fn zonal(
    /// A number for each pixel's zone, such as a vector input with burn_attribute; pixels without one belong to no zone.
    zones: Tile<i64>,
    /// The values; all bands count.
    values: Tile<f64>,
) -> Reduced<BTreeMap<i64, Summary>> {
    let mut found = BTreeMap::new();
    // Pixels of a zone follow each other: the map is only asked where the zone changes.
    let mut run = (0, Summary::identity());
    let mut end = |(zone, summary): (i64, Summary)| {
        if summary.count > 0 {
            found.entry(zone).or_insert_with(Summary::identity).merge(summary);
        }
    };
    for ((_, row, col), value) in values.valid_indexed() {
        let Some(zone) = zones.get(0, row, col) else { continue };
        if zone != run.0 {
            end(std::mem::replace(&mut run, (zone, Summary::identity())));
        }
        run.1.add(value);
    }
    end(run);
    Reduced(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_zone_has_its_own_values() {
        let zones = Tile::from_rows([[1i64, 1, 2], [0, 2, 1]]).with_nodata(0);
        let values = Tile::from_rows([[1.0, 3.0, 10.0], [99.0, f64::NAN, 5.0]]);
        let Reduced(found) = zonal(zones, values);
        let one = Summary { count: 3, sum: 9.0, min: 1.0, max: 5.0 };
        assert_eq!(found, BTreeMap::from([(1, one), (2, Summary { count: 1, sum: 10.0, min: 10.0, max: 10.0 })]));
    }

    #[test]
    fn zones_without_values_are_not_reported() {
        let Reduced(found) = zonal(Tile::from_rows([[7i64]]), Tile::from_rows([[f64::NAN]]));
        assert!(found.is_empty());
    }
}
