//! Moving windows against the same said window by window.

use crate::naive::{floats, ints, naive_of};
use proptest::prelude::*;
use tilefn_guest::prelude::*;

/// A tile whose halo is 3, and a radius up to it.
fn tile_and_radius<T, S>(tiles: impl Fn([usize; 3]) -> S) -> impl Strategy<Value = (Tile<T>, usize)>
where
    T: Element,
    S: Strategy<Value = Tile<T>>,
{
    (crate::naive::shape(3).prop_flat_map(tiles), 0usize..4).prop_map(|(tile, radius)| (tile.with_halo(3), radius))
}

/// The valid pixels of a window, row by row; `(row, col)` is a place in the result.
fn window<T: Element>(tile: &Tile<T>, radius: usize, (b, r, c): (usize, usize, usize)) -> Vec<T> {
    let places = (r..=r + 2 * radius).flat_map(|r| (c..=c + 2 * radius).map(move |c| (r, c)));
    places.filter_map(|(r, c)| tile.get(b, r, c)).collect()
}

/// What `f` makes of each window.
fn naive<T: Element, V: Element>(tile: &Tile<T>, radius: usize, f: impl Fn(Vec<T>) -> Option<V>) -> Tile<V> {
    let [bands, rows, cols] = tile.shape();
    let result = naive_of([bands, rows - 2 * radius, cols - 2 * radius], |b, r, c| f(window(tile, radius, (b, r, c))));
    result.with_halo(tile.halo() - radius)
}

proptest! {
    #[test]
    fn float_windows((tile, radius) in tile_and_radius(floats)) {
        let focal = tile.focal(radius);
        // Small integers: their sums are exact in any order.
        let sum = |values: &[f32]| values.iter().map(|v| f64::from(*v)).sum::<f64>();
        let some = |values: &[f32]| !values.is_empty();
        prop_assert_eq!(focal.sum(), naive(&tile, radius, |v| some(&v).then(|| sum(&v))));
        prop_assert_eq!(focal.mean(), naive(&tile, radius, |v| some(&v).then(|| (sum(&v) / v.len() as f64) as f32)));
        prop_assert_eq!(focal.min(), naive(&tile, radius, |v| v.into_iter().reduce(f32::min)));
        prop_assert_eq!(focal.max(), naive(&tile, radius, |v| v.into_iter().reduce(f32::max)));
        prop_assert_eq!(focal.median(), naive(&tile, radius, crate::naive::median));
        prop_assert_eq!(focal.count(), naive(&tile, radius, |v| Some(v.len() as u32)));
    }

    // 225 and 289 pixels: counts fit in a byte or don't.
    #[test]
    fn wide_windows(values in prop::collection::vec(prop::option::weighted(0.9, -9i16..10), 20 * 24), radius in 7usize..9) {
        let values = values.into_iter().map(|v| v.unwrap_or(i16::MIN)).collect();
        let tile = Tile::from_vec([1, 20, 24], values).with_nodata(i16::MIN).with_halo(8);
        let focal = tile.focal(radius);
        prop_assert_eq!(focal.count(), naive(&tile, radius, |v| Some(v.len() as u32)));
        prop_assert_eq!(focal.sum(), naive(&tile, radius, |v| (!v.is_empty()).then(|| v.into_iter().map(f64::from).sum())));
        prop_assert_eq!(focal.max(), naive(&tile, radius, |v| v.into_iter().max()));
    }

    #[test]
    fn integer_windows((tile, radius) in tile_and_radius(ints::<u16>)) {
        let focal = tile.focal(radius);
        prop_assert_eq!(focal.min(), naive(&tile, radius, |v| v.into_iter().min()));
        prop_assert_eq!(focal.max(), naive(&tile, radius, |v| v.into_iter().max()));
        prop_assert_eq!(focal.median(), naive(&tile, radius, crate::naive::median));
        let spread = |least: u16, greatest: u16| i32::from(greatest) - i32::from(least);
        let folded = focal.fold(
            (u16::MAX, u16::MIN),
            |(least, greatest), v| (least.min(v), greatest.max(v)),
            |(least, greatest), n| (n > 2).then(|| spread(least, greatest)),
        );
        let expected = naive(&tile, radius, |v| {
            (v.len() > 2).then(|| spread(*v.iter().min().unwrap(), *v.iter().max().unwrap()))
        });
        prop_assert_eq!(folded, expected);
    }

    #[test]
    fn any_function_of_a_window((tile, radius) in tile_and_radius(floats)) {
        let focal = tile.focal(radius);
        prop_assert_eq!(focal.map(|w| w.values().last()), naive(&tile, radius, |v| v.last().copied()));
        let [bands, rows, cols] = tile.shape();
        let corner = focal.map(|w| Some(w.get(-(radius as isize), radius as isize)? - w.get(0, 0)?));
        let expected = naive_of([bands, rows - 2 * radius, cols - 2 * radius], |b, r, c| {
            Some(tile.get(b, r, c + 2 * radius)? - tile.get(b, r + radius, c + radius)?)
        });
        prop_assert_eq!(corner, expected.with_halo(3 - radius));
        prop_assert_eq!(focal.map(|w| w.get(radius as isize + 1, 0)).count_valid(), 0);
    }

    #[test]
    fn weighted_sums((tile, weights) in (tile_and_radius(floats), prop::collection::vec(-2i8..3, 9))) {
        let ((tile, _), weights) = (tile, weights.into_iter().map(f64::from).collect::<Vec<_>>());
        let [bands, rows, cols] = tile.shape();
        let expected = naive_of([bands, rows - 2, cols - 2], |b, r, c| {
            let terms = weights.iter().enumerate().filter(|(_, w)| **w != 0.0);
            let sum = terms.map(|(k, w)| Some(f64::from(tile.get(b, r + k / 3, c + k % 3)?) * w)).sum::<Option<f64>>();
            sum.map(|sum| sum as f32)
        });
        prop_assert_eq!(tile.focal(1).convolve(&weights), expected.with_halo(2));
    }

    #[test]
    fn moved_tiles_hold_the_neighbours((tile, _) in tile_and_radius(floats), row in -3isize..4, col in -3isize..4) {
        let moved = tile.shifted(row, col);
        let inside = tile.without_halo();
        let [bands, rows, cols] = inside.shape();
        let at = |place: usize, by: isize| (place + 3).checked_add_signed(by).unwrap();
        let expected = naive_of([bands, rows, cols], |b, r, c| tile.get(b, at(r, row), at(c, col)));
        prop_assert_eq!(moved.without_halo(), expected);
        prop_assert_eq!(moved.halo(), 3 - row.unsigned_abs().max(col.unsigned_abs()));
    }

    #[test]
    fn means_of_any_window_are_near_exact_ones(values in prop::collection::vec(-1e6f32..1e6, 13 * 40), radius in 4usize..6) {
        let tile = Tile::from_vec([1, 13, 40], values).with_halo(6);
        // Every third pixel or so is a hole.
        let tile = tile.map_valid(|v| if v as i32 % 3 == 0 { f32::NAN } else { v });
        let mean = |values: Vec<f32>| {
            (!values.is_empty()).then(|| values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64)
        };
        let (means, exact) = (tile.focal(radius).mean(), naive(&tile, radius, mean));
        for (place, exact) in exact.valid_indexed() {
            let off = f64::from(means[<[usize; 3]>::from(place)]) - exact;
            prop_assert!(off.abs() <= 1.02e-6 * 1e6, "{off} at {place:?}");
        }
        prop_assert_eq!(means.count_valid(), exact.count_valid());
    }

    #[test]
    fn a_window_does_not_depend_on_where_tiles_begin(values in prop::collection::vec(-1e6f32..1e6, 15 * 40)) {
        let whole = Tile::from_vec([1, 15, 40], values).with_halo(2);
        let cut = |from: usize, cols: usize| {
            let part = whole.view().slice_move(tilefn_guest::ndarray::s![.., .., from..from + cols]).to_owned();
            Tile::from_array(part).with_halo(2)
        };
        let halves = [cut(0, 24), cut(20, 20)].map(|tile| tile.focal(2).mean());
        let together = tilefn_guest::ndarray::concatenate![
            tilefn_guest::ndarray::Axis(2), halves[0].view(), halves[1].view()
        ];
        prop_assert_eq!(whole.focal(2).mean().to_array(), together);
    }
}

#[test]
fn windows_follow_each_other_as_far_as_the_halo_goes() {
    let tile = Tile::from_array(tilefn_guest::ndarray::Array2::from_shape_fn((9, 9), |(r, c)| (r * 9 + c) as f32));
    let twice = tile.with_halo(2).focal(1).max().focal(1).min();
    assert_eq!((twice.halo(), twice.shape()), (0, [1, 5, 5]));
    assert_eq!(twice[[0, 0, 0]], 20.0);
}

#[test]
#[should_panic(expected = "the window reaches 2 pixels beyond the tile, but the tile's halo is 1; declare it: \
                           #[tile_function(halo = 2)]")]
fn a_window_needs_a_halo() {
    let _ = Tile::filled([1, 5, 5], 0u8).with_halo(1).focal(2);
}

#[test]
#[should_panic(expected = "3 weights for a window of 9 pixels")]
fn weights_are_as_many_as_pixels() {
    let _ = Tile::filled([1, 3, 3], 0u8).with_halo(1).focal(1).convolve(&[1.0, 2.0, 1.0]);
}
