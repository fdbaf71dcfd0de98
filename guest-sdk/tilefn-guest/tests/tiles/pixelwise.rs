//! Maps, zips and lists of tiles against the same said pixel by pixel.

use crate::naive::{floats, ints, naive, shape};
use proptest::prelude::*;
use tilefn_guest::prelude::*;

proptest! {
    #[test]
    fn a_map_is_the_function_of_each_valid_pixel(tile in shape(0).prop_flat_map(floats)) {
        let expected = naive(&tile, |b, r, c| tile.get(b, r, c).map(|v| v * 2.0 - 1.0));
        prop_assert_eq!(tile.map_valid(|v| v * 2.0 - 1.0), expected);
    }

    #[test]
    fn a_zip_is_valid_where_both_are(
        (a, b) in shape(0).prop_flat_map(|shape| (floats(shape), ints::<u8>(shape))),
    ) {
        let pair = |(band, r, c)| Some((a.get(band, r, c)?, b.get(band, r, c)?));
        let expected = naive(&a, |band, r, c| pair((band, r, c)).map(|(x, y)| x / f32::from(y)));
        prop_assert_eq!(a.zip_valid(&b, |x, y| x / f32::from(y)), expected);

        // Integers divide by their nodata value, 0, only if the function is called where it shouldn't.
        let b = b.with_nodata(0);
        let quotients = b.zip_valid_or(&b, 7, |x, y| 100 * (x / y));
        for ((band, r, c), v) in b.valid_indexed() {
            prop_assert_eq!(quotients.get(band, r, c), Some(100), "{} at {:?}", v, (band, r, c));
        }
        prop_assert_eq!(quotients.count_valid(), b.count_valid());
    }

    #[test]
    fn three_and_more_tiles_go_together(
        tiles in shape(0).prop_flat_map(|shape| [floats(shape), floats(shape), floats(shape), floats(shape)]),
    ) {
        let [a, b, c, d] = &tiles;
        let all = |band, r, col| -> Option<Vec<f32>> { tiles.iter().map(|tile| tile.get(band, r, col)).collect() };
        let three = naive(a, |band, r, col| Some(a.get(band, r, col)? + b.get(band, r, col)? * c.get(band, r, col)?));
        prop_assert_eq!(a.zip3_valid(b, c, |a, b, c| a + b * c), three);
        let four = naive(a, |band, r, col| all(band, r, col).map(|v| v[0] + v[1] * v[2] - v[3]));
        prop_assert_eq!(Tile::zip_all([a, b, c, d], |[a, b, c, d]| a + b * c - d), four);
    }

    #[test]
    fn a_single_band_and_a_smaller_halo_go_with_the_others(
        (image, mask) in shape(2).prop_flat_map(|[bands, rows, cols]| {
            (floats([bands, rows, cols]), ints::<u16>([1, rows - 2, cols - 2]))
        }),
    ) {
        let (image, mask) = (image.with_halo(2), mask.with_halo(1));
        let masked = image.zip_valid(&mask, |v, m| v + f32::from(m));
        prop_assert_eq!((masked.halo(), masked.shape()[0]), (1, image.bands()));
        let expected = naive(&masked, |b, r, c| Some(image.get(b, r + 1, c + 1)? + f32::from(mask.get(0, r, c)?)));
        prop_assert_eq!(masked, expected.with_halo(1));
    }

    #[test]
    fn places_are_those_of_the_view(tile in shape(0).prop_flat_map(floats)) {
        let places = tile.map_valid_indexed(|(b, r, c), _| (b * 10_000 + r * 100 + c) as u32);
        let expected = naive(&tile, |b, r, c| tile.get(b, r, c).map(|_| (b * 10_000 + r * 100 + c) as u32));
        prop_assert_eq!(places, expected);
    }

    #[test]
    fn valid_pixels_are_listed_without_the_halo(tile in shape(1).prop_flat_map(ints::<i16>)) {
        let tile = tile.with_halo(1);
        let inside = tile.without_halo();
        let listed: Vec<_> = tile.valid_indexed().map(|((b, r, c), v)| ((b, r - 1, c - 1), v)).collect();
        let expected: Vec<_> = inside.valid_indexed().collect();
        prop_assert_eq!(&listed, &expected);
        prop_assert_eq!(tile.count_valid(), listed.len());
        for ((b, r, c), v) in listed {
            prop_assert_eq!(inside.get(b, r, c), Some(v));
        }
    }

    #[test]
    fn lists_are_taken_pixel_by_pixel(
        tiles in (shape(0), 1usize..20).prop_flat_map(|(shape, n)| prop::collection::vec(ints::<u8>(shape), n)),
    ) {
        let values = |b, r, c| tiles.iter().filter_map(|tile| tile.get(b, r, c)).collect::<Vec<_>>();
        let first = &tiles[0];
        let last = naive(first, |b, r, c| values(b, r, c).last().copied());
        prop_assert_eq!(Tile::series(&tiles).map(|v| v.last().copied()), last);
        let sum = naive(first, |b, r, c| {
            let values = values(b, r, c);
            (values.len() > 1).then(|| values.iter().map(|v| u32::from(*v)).sum::<u32>())
        });
        prop_assert_eq!(Tile::series(&tiles).fold(0, |sum, v| sum + u32::from(v), |sum, n| (n > 1).then_some(sum)), sum);
        let median = naive(first, |b, r, c| crate::naive::median(values(b, r, c)));
        prop_assert_eq!(Tile::series(&tiles).median(), median);
    }

    #[test]
    fn a_series_counts_only_the_classes_that_are_wanted(
        (tiles, classes, others) in (shape(0), 1usize..20).prop_flat_map(|(shape, n)| (
            prop::collection::vec(floats(shape), n),
            prop::collection::vec(ints::<u8>(shape), n),
            prop::collection::vec(ints::<i16>(shape), n),
        )),
        wanted in prop::collection::vec(0u8..9, 0..4),
        other in 0i16..9,
    ) {
        let values = |b, r, c| {
            let kept = |n: &usize| classes[*n].get(b, r, c).is_some_and(|class| wanted.contains(&class));
            (0..tiles.len()).filter(kept).filter_map(|n| tiles[n].get(b, r, c)).collect::<Vec<_>>()
        };
        let series = || Tile::series(&tiles).where_in(&classes, &wanted);
        let first = &tiles[0];
        prop_assert_eq!(series().map(|v| v.last().copied()), naive(first, |b, r, c| values(b, r, c).last().copied()));
        let count = naive(first, |b, r, c| u16::try_from(values(b, r, c).len()).ok());
        prop_assert_eq!(series().fold(0u16, |n, _| n + 1, |n, _| Some(n)), count);
        prop_assert_eq!(series().median(), naive(first, |b, r, c| crate::naive::median(values(b, r, c))));
        let both = naive(first, |b, r, c| {
            let kept = |n: &usize| others[*n].get(b, r, c) == Some(other) && tiles[*n].is_valid(b, r, c);
            let class = |n: &usize| classes[*n].get(b, r, c).is_some_and(|class| wanted.contains(&class));
            u16::try_from((0..tiles.len()).filter(kept).filter(class).count()).ok()
        });
        let other = [other];
        prop_assert_eq!(series().where_in(&others, &other).fold(0u16, |n, _| n + 1, |n, _| Some(n)), both);
    }

    #[test]
    fn a_mask_is_the_same_in_place_and_not(
        (tile, mask) in shape(0).prop_flat_map(|shape| (floats(shape), ints::<i16>(shape))),
    ) {
        let expected = naive(&tile, |b, r, c| tile.get(b, r, c).filter(|_| mask.is_valid(b, r, c)));
        let made = tile.map_valid(|v| v);
        let shared = made.clone();
        prop_assert_eq!(shared.clone().masked_by(&mask), expected.clone());
        prop_assert_eq!(&shared, &made);
        drop((made, shared));
        prop_assert_eq!(tile.map_valid(|v| v).masked_by(&mask), expected);
    }

    #[test]
    fn stacked_bands_keep_their_nodata(
        tiles in shape(0).prop_flat_map(|[_, r, c]| [ints::<i32>([2, r, c]), ints::<i32>([1, r, c])]),
    ) {
        let stack = Tile::stack(&tiles);
        let bands: Vec<_> = tiles.iter().flat_map(Tile::iter_bands).collect();
        prop_assert_eq!(stack.bands(), 3);
        for (band, expected) in stack.iter_bands().zip(&bands) {
            prop_assert_eq!(&band, expected);
            prop_assert_eq!(band.nodata(0), expected.nodata(0));
        }
    }

    #[test]
    fn equal_tiles_have_the_same_valid_pixels(tile in shape(0).prop_flat_map(floats)) {
        let again = tile.map_valid(|v| v);
        prop_assert_eq!(&tile, &again);
        prop_assert_eq!(tile == tile.map_valid(|v| v + 1.0), tile.count_valid() == 0);
        prop_assert_eq!(&AnyTile::from(tile.clone()).into_tile::<f32>().unwrap(), &tile);
    }
}

#[test]
fn a_median_of_many_scenes_is_selected() {
    // More values than the sorting network takes, a different number of them valid at each pixel.
    let scene = |k: u16| Tile::from_rows([[k, k % 7, if k < 120 { 0 } else { 1000 - k }]]).with_nodata(0);
    let scenes: Vec<_> = (0..130).rev().map(scene).collect();
    let values = |col| scenes.iter().filter_map(|scene: &Tile<u16>| scene.get(0, 0, col)).collect::<Vec<_>>();
    let expected = [0, 1, 2].map(|col| crate::naive::median(values(col)).unwrap());
    assert_eq!(expected, [65.0, 3.0, 875.5]);
    assert_eq!(Tile::series(&scenes).median(), Tile::from_rows([expected]));
}

/// Medians of up to 14 scenes with these values, in lines longer than what is sorted at a time: in one place all are
/// valid, in another none.
fn assert_medians_of<T: Element>(values: [T; 5], nodata: T) {
    const COLS: usize = 150;
    for scenes in 1..15 {
        let scene = |k: usize| {
            let pixel = |col: usize| {
                let valid = match col / 64 {
                    0 => k * col % 11 > col % 9,
                    1 => false,
                    _ => true,
                };
                if valid { values[(col + k * (1 + col % 4)) % values.len()] } else { nodata }
            };
            Tile::from_vec([1, 1, COLS], (0..COLS).map(pixel).collect()).with_nodata(nodata)
        };
        let scenes: Vec<_> = (0..scenes).map(scene).collect();
        let values = |b, r, c| scenes.iter().filter_map(|scene| scene.get(b, r, c)).collect::<Vec<_>>();
        let expected = naive(&scenes[0], |b, r, c| crate::naive::median(values(b, r, c)));
        assert_eq!(Tile::series(&scenes).median(), expected);
    }
}

#[test]
fn medians_of_the_greatest_and_least_values() {
    assert_medians_of([f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 1.0], 0.0);
    assert_medians_of([f64::INFINITY, f64::NEG_INFINITY, 3.0, -3.0, 1.0], f64::NAN);
    assert_medians_of([u8::MAX, 0, 1, 254, 7], 2);
    assert_medians_of([i16::MAX, i16::MIN, 0, -1, 7], 3);
    assert_medians_of([u32::MAX, 0, 1, u32::MAX - 1, 7], 2);
    assert_medians_of([i64::MAX, i64::MIN, 0, -1, 7], 1);
}

#[test]
fn a_median_of_zeros_has_no_sign() {
    for scenes in [[0.0f32, -0.0, -0.0], [-0.0, -0.0, 0.0], [-0.0; 3]] {
        let median = Tile::series(&scenes.map(|v| Tile::from_rows([[v]]))).median();
        assert_eq!(median[[0, 0, 0]].to_bits(), 0);
    }
}

#[test]
fn casts_clamp_and_cut() {
    let floats = Tile::from_rows([[-1.5f64, 0.9, 254.9, 300.0, f64::INFINITY]]);
    assert_eq!(floats.cast::<u8>().to_array(), array![[[0u8, 0, 254, 255, 255]]]);
    let ints = Tile::from_rows([[i64::MIN, -1, 70_000, i64::MAX]]);
    assert_eq!(ints.cast::<u16>().to_array(), array![[[0u16, 0, 65_535, 65_535]]]);
    assert_eq!(ints.cast::<i64>().to_array(), ints.to_array());
    assert_eq!(Tile::from_rows([[u64::MAX]]).cast::<i64>().to_array(), array![[[i64::MAX]]]);
    let marked = Tile::from_rows([[f32::NAN, 3.0]]).cast::<i16>();
    assert_eq!((marked.nodata(0), marked.view()), (Some(i16::MIN), array![[[i16::MIN, 3]]].view()));
}

#[test]
fn nothing_is_marked_where_everything_is_valid() {
    let tile = Tile::from_rows([[254u8, 255]]);
    let result = tile.map_valid(|v| v);
    assert_eq!((result.nodata(0), result.count_valid()), (None, 2));
}

#[test]
#[should_panic(expected = "tiles of different size don't go together: 1 × 2 and 1 × 3 pixels without halo")]
fn sizes_must_agree() {
    let _ = Tile::from_rows([[1, 2]]).zip_valid(&Tile::from_rows([[1, 2, 3]]), |a: i32, b: i32| a + b);
}

#[test]
#[should_panic(expected = "tiles of 2 and 3 bands don't go together; only a single band goes with many")]
fn bands_must_agree() {
    let [two, three] = [2, 3].map(|bands| Tile::filled([bands, 1, 1], 0u8));
    let _ = three.zip_valid(&two, |a, b| a + b);
}

#[test]
#[should_panic(expected = "the series has no tile")]
fn a_series_needs_a_tile() {
    let _ = Tile::<f32>::series(&[]).median();
}

#[test]
#[should_panic(expected = "2 tiles, but 1 of classes")]
fn a_series_needs_as_many_classes_as_tiles() {
    let tiles = [1u8, 2].map(|v| Tile::from_rows([[v]]));
    let _ = Tile::series(&tiles).where_in(&tiles[..1], &[1]).median();
}
