//! The function of `tilefn zonal`: statistics of rasters in each zone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tilefn_guest::prelude::*;

/// Values of one zone so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Zone {
    /// Pixels; one that the zone covers in part counts for that part, here and below.
    count: f64,
    sum: f64,
    mean: f64,
    /// Sum of the squared distances from the mean.
    squares: f64,
    min: f64,
    max: f64,
    /// How often each value came, in their order; only for the median.
    values: BTreeMap<u64, u64>,
}

/// All zones so far that have pixels, valid or not: in each, the values of every band of every raster.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Zones(BTreeMap<i64, Vec<Zone>>);

impl Reduce for Zones {
    fn identity() -> Self {
        Self(BTreeMap::new())
    }

    fn merge(&mut self, later: Self) {
        for (id, bands) in later.0 {
            let own = self.0.entry(id).or_insert_with(|| vec![Zone::identity(); bands.len()]);
            own.iter_mut().zip(bands).for_each(|(own, later)| own.merge(later));
        }
    }

    /// A table, as a text that holds for many zones: a line for each, in the order of their numbers; the columns are repeated for
    /// each band. What there is none of is empty.
    fn finish(self) -> impl Serialize {
        let bands = self.0.first_key_value().map_or(1, |(_, bands)| bands.len());
        let mut table = String::from("id") + &",count,sum,mean,stdev,min,max,median".repeat(bands) + "\n";
        for (id, bands) in &self.0 {
            table += &id.to_string();
            for zone in bands {
                let Statistics { count, sum, mean, stdev, min, max } = zone.statistics();
                table += &match zone.median() {
                    _ if count == 0.0 => ",0,,,,,,".to_owned(),
                    Some(median) => format!(",{count},{sum},{mean},{stdev},{min},{max},{median}"),
                    None => format!(",{count},{sum},{mean},{stdev},{min},{max},"),
                };
            }
            table.push('\n');
        }
        table
    }
}

/// What is reported of a zone.
#[derive(Debug, PartialEq)]
struct Statistics {
    count: f64,
    sum: f64,
    mean: f64,
    stdev: f64,
    min: f64,
    max: f64,
}

impl Zone {
    /// Adds a pixel, or this part of it.
    fn add(&mut self, value: f64, part: f64, keep: bool) {
        self.count += part;
        self.sum += part * value;
        let before = value - self.mean;
        // The first value is the mean exactly, whatever its part.
        self.mean += if self.count == part { before } else { before * part / self.count };
        self.squares += part * before * (value - self.mean);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if keep {
            *self.values.entry(key(value)).or_default() += 1;
        }
    }

    /// The value in the middle; the mean of the two there if their number is even.
    fn median(&self) -> Option<f64> {
        let at = |rank: u64| {
            let mut before = 0;
            let found = self.values.iter().find(|(_, count)| {
                before += **count;
                before > rank
            });
            found.map(|(key, _)| value_of(*key))
        };
        let last = self.values.values().sum::<u64>().checked_sub(1)?;
        Some((at(last / 2)? + at(last.div_ceil(2))?) / 2.0)
    }

    fn statistics(&self) -> Statistics {
        let &Self { count, sum, mean, squares, min, max, .. } = self;
        Statistics { count, sum, mean, stdev: (squares / count).sqrt(), min, max }
    }
}

/// A number whose order is that of the values.
fn key(value: f64) -> u64 {
    // -0 is 0.
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

fn value_of(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 0 { !key } else { key & !(1 << 63) })
}

impl Reduce for Zone {
    fn identity() -> Self {
        Self {
            count: 0.0,
            sum: 0.0,
            mean: 0.0,
            squares: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            values: BTreeMap::new(),
        }
    }

    fn merge(&mut self, later: Self) {
        if later.count == 0.0 {
            return;
        }
        if self.count == 0.0 {
            *self = later;
            return;
        }
        let (own, other) = (self.count, later.count);
        let apart = later.mean - self.mean;
        self.count += later.count;
        self.sum += later.sum;
        self.mean += apart * other / (own + other);
        self.squares += later.squares + apart * apart * own * other / (own + other);
        self.min = self.min.min(later.min);
        self.max = self.max.max(later.max);
        for (value, count) in later.values {
            *self.values.entry(value).or_default() += count;
        }
    }

    fn finish(self) -> impl Serialize {
        self.count
    }
}

/// Which pixels belong to which zones.
enum Zoning {
    /// A zone for each pixel.
    Whole(Tile<i64>),
    /// Bands of zones that share pixels, and as many of the parts that they have.
    Parts(Tile<f64>),
}

impl Zoning {
    /// How many zones may share a pixel.
    fn layers(&self) -> usize {
        match self {
            Self::Whole(_) => 1,
            Self::Parts(covered) => covered.bands() / 2,
        }
    }

    /// The zone of a pixel in a layer, and the part of the pixel that it has.
    fn at(&self, layer: usize, row: usize, col: usize) -> Option<(i64, f64)> {
        match self {
            Self::Whole(zones) => Some((zones.get(0, row, col)?, 1.0)),
            Self::Parts(covered) => {
                let part = covered.get(self.layers() + layer, row, col).filter(|part| *part > 0.0)?;
                Some((covered.get(layer, row, col)? as i64, part))
            }
        }
    }

    /// Every zone at least once.
    fn zones(&self) -> Box<dyn Iterator<Item = i64> + '_> {
        match self {
            Self::Whole(zones) => Box::new(zones.valid()),
            Self::Parts(covered) => {
                let values = covered.valid_indexed().filter(|((band, _, _), _)| *band < self.layers());
                Box::new(values.map(|(_, zone)| zone as i64))
            }
        }
    }
}

/// Count, sum, mean, standard deviation, minimum, maximum and, if wanted, median of the values in each zone.
#[tile_function]
pub fn zonal(
    /// Each pixel's zone.
    zones: Option<Tile<i64>>,
    /// In place of `zones`: the zones that share each pixel, and the part of it that each covers. There is no median then.
    coverage: Option<Tile<f64>>,
    /// The values: any number of rasters, with any number of bands.
    values: Vec<Tile<f64>>,
    /// Whether the median is wanted, which takes memory for each different value.
    #[param(default = false)]
    median: bool,
) -> Reduced<Zones> {
    let columns: usize = values.iter().map(Tile::bands).sum();
    let mut found: BTreeMap<i64, Vec<Zone>> = BTreeMap::new();
    let Some(zoning) = coverage.map(Zoning::Parts).or(zones.map(Zoning::Whole)) else { return Reduced(Zones(found)) };
    // A zone has a row even where no value is valid. Its pixels follow each other: the map is only asked where the zone changes.
    let mut last = None;
    for zone in zoning.zones() {
        if last.replace(zone) != Some(zone) {
            found.entry(zone).or_insert_with(|| vec![Zone::identity(); columns]);
        }
    }
    for layer in 0..zoning.layers() {
        let mut column = 0;
        for raster in &values {
            let mut run: ((usize, i64), Zone) = ((column, 0), Zone::identity());
            let mut end = |((column, zone), part): ((usize, i64), Zone)| {
                if part.count > 0.0
                    && let Some(own) = found.get_mut(&zone).and_then(|bands| bands.get_mut(column))
                {
                    own.merge(part);
                }
            };
            for ((band, row, col), value) in raster.valid_indexed() {
                let Some((zone, part)) = zoning.at(layer, row, col) else { continue };
                let place = (column + band, zone);
                if place != run.0 {
                    end(std::mem::replace(&mut run, (place, Zone::identity())));
                }
                run.1.add(value, part, median);
            }
            end(run);
            column += raster.bands();
        }
    }
    Reduced(Zones(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_parts_are_those_of_the_whole() {
        let values = [3.0, -1.0, 0.0, -0.0, 10.0, 3.0];
        let mut whole = Zone::identity();
        values.iter().for_each(|value| whole.add(*value, 1.0, true));
        for cut in 0..=values.len() {
            let mut parts = [Zone::identity(), Zone::identity()];
            for (n, value) in values.iter().enumerate() {
                parts[usize::from(n >= cut)].add(*value, 1.0, true);
            }
            let [mut first, second] = parts;
            first.merge(second);
            let found = first.statistics();
            assert_eq!((found.count, found.sum, found.min, found.max), (6.0, 15.0, -1.0, 10.0));
            assert_eq!((first.median(), whole.median()), (Some(1.5), Some(1.5)));
            // The squared distances from 2.5 add up to 81.5.
            let stdev = (81.5f64 / 6.0).sqrt();
            assert!((found.mean - 2.5).abs() < 1e-12 && (found.stdev - stdev).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn pixels_without_zone_or_value_are_left_out() {
        let zones = Tile::from_rows([[1i64, 1, 2, 3], [9, 2, 1, 3]]).with_nodata(9);
        let (a, b) = ([[1.0, 3.0, 10.0, f64::NAN], [99.0, f64::NAN, 5.0, f64::NAN]], [[1.0; 4], [2.0; 4]]);
        let Reduced(Zones(found)) = zonal(Some(zones), None, vec![Tile::from_rows(a), Tile::from_rows(b)], false);
        let of = |zone: &Zone| (zone.count, zone.sum, zone.median());
        let found: Vec<_> = found.iter().map(|(id, bands)| (*id, bands.iter().map(of).collect::<Vec<_>>())).collect();
        let expected = [
            (1, vec![(3.0, 9.0, None), (3.0, 4.0, None)]),
            (2, vec![(1.0, 10.0, None), (2.0, 3.0, None)]),
            (3, vec![(0.0, 0.0, None), (2.0, 3.0, None)]),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_single_value_has_no_deviation() {
        let mut zone = Zone::identity();
        zone.add(0.3, 0.055_666_245_928_848_17, false);
        let mut whole = Zone::identity();
        whole.merge(zone);
        let found = whole.statistics();
        assert_eq!((found.mean, found.stdev), (0.3, 0.0));
    }

    #[test]
    fn a_pixel_counts_for_the_part_that_a_zone_covers() {
        // Zones 1 and 2 share the second pixel; none has the fourth.
        let (zones, more) = ([[1.0, 1.0, 2.0, 9.0]], [[9.0, 2.0, 9.0, 9.0]]);
        let (parts, more_parts) = ([[1.0, 0.25, 0.5, 0.0]], [[0.0, 0.75, 0.0, 0.0]]);
        let bands = [zones, more, parts, more_parts].concat().concat();
        let covered = Tile::from_vec([4, 1, 4], bands).with_nodata(9.0);
        let Reduced(Zones(found)) = zonal(None, Some(covered), vec![Tile::from_rows([[2.0, 6.0, 10.0, 99.0]])], false);
        let found: Vec<_> = found.iter().map(|(id, bands)| (*id, bands[0].statistics())).collect();
        let of = |count, sum, mean, stdev: f64, min, max| Statistics { count, sum, mean, stdev, min, max };
        // Of 2 with weight 1 and 6 with 0.25: mean 2.8, variance (0.8² + 0.25 · 3.2²) / 1.25 = 2.56.
        // Of 6 with weight 0.75 and 10 with 0.5: mean 7.6, variance (0.75 · 1.6² + 0.5 · 2.4²) / 1.25 = 3.84.
        let expected = [(1, of(1.25, 3.5, 2.8, 1.6, 2.0, 6.0)), (2, of(1.25, 9.5, 7.6, 3.84f64.sqrt(), 6.0, 10.0))];
        for ((id, found), (expected_id, expected)) in found.iter().zip(&expected) {
            let exact = |s: &Statistics| (s.count, s.sum, s.min, s.max);
            assert_eq!((id, exact(found)), (expected_id, exact(expected)));
            assert!(
                (found.mean - expected.mean).abs() < 1e-12 && (found.stdev - expected.stdev).abs() < 1e-12,
                "{found:?}"
            );
        }
        assert_eq!(found.len(), 2);
    }
}
