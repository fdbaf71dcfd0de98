//! What marks invalid pixels never costs a valid one its value.

use crate::naive::{ints, naive, shape};
use proptest::prelude::*;
use tilefn_guest::{ndarray::Array3, prelude::*};

/// Every pixel of a tile: its value or none.
fn pixels<T: Element>(tile: &Tile<T>) -> Vec<Option<T>> {
    let [bands, rows, cols] = tile.shape();
    let places = (0..bands).flat_map(|b| (0..rows).flat_map(move |r| (0..cols).map(move |c| (b, r, c))));
    places.map(|(b, r, c)| tile.get(b, r, c)).collect()
}

/// What each method makes of a tile with one invalid pixel, if it gives every valid one the same value.
fn assert_kept<V: Element>(value: V) {
    let tile = || Tile::from_rows([[3u8, 7, 3]]).with_nodata(7);
    let (a, wide) = (tile(), tile().cast::<u32>());
    let fill = value;
    let results = [
        a.map_valid(|_| value),
        a.map_valid_or(fill, |_| value),
        a.map_valid_indexed(|_, _| value),
        a.zip_valid(&wide, |_, _| value),
        a.zip_valid_or(&wide, fill, |_, _| value),
        a.zip3_valid(&a, &wide, |_, _, _| value),
        a.zip3_valid_or(&a, &wide, fill, |_, _, _| value),
        Tile::zip_all([&a, &a], |_| value),
        Tile::zip_all_or([&a, &a], fill, |_| value),
        Tile::filled([1, 1, 3], value).masked_by(&a),
        a.focal(0).map(|w| w.get(0, 0).map(|_| value)),
        a.focal(0).fold((), |(), _| (), |(), n| (n > 0).then_some(value)),
        Tile::series(&[tile()]).map(|values| values.first().map(|_| value)),
        Tile::series(&[tile(), tile()]).fold((), |(), _| (), |(), n| (n > 0).then_some(value)),
    ];
    for (number, result) in results.into_iter().enumerate() {
        assert_eq!(pixels(&result), [Some(value), None, Some(value)], "{} by method {number}", V::DTYPE.name());
    }
    let all = Tile::from_rows([[3u8, 3]]);
    let results = [all.map_valid(|_| value), all.map_valid_or(fill, |_| value), all.focal(0).map(|_| Some(value))];
    for result in results {
        assert_eq!((pixels(&result), result.nodata(0)), (vec![Some(value); 2], None), "{}", V::DTYPE.name());
    }
}

#[test]
fn a_value_that_equals_the_mark_stays_a_value() {
    assert_kept(u8::MAX);
    assert_kept(0u8);
    assert_kept(i8::MIN);
    assert_kept(u16::MAX);
    assert_kept(i16::MIN);
    assert_kept(-1i16);
    assert_kept(u32::MAX);
    assert_kept(i32::MIN);
    assert_kept(u64::MAX);
    assert_kept(i64::MIN);
    assert_kept(-9999.0f32);
    assert_kept(f64::INFINITY);
}

proptest! {
    #[test]
    fn no_fill_changes_a_result(
        (tile, other) in shape(0).prop_flat_map(|shape| (ints::<u8>(shape), ints::<u16>(shape))),
        fill in 0u8..12,
    ) {
        let sum = |x: u8, y: u16| x.wrapping_add(y as u8).wrapping_sub(4);
        let expected: Vec<_> = pixels(&tile).into_iter().zip(pixels(&other)).map(|(x, y)| Some(sum(x?, y?))).collect();
        prop_assert_eq!(pixels(&tile.zip_valid_or(&other, fill, sum)), expected.clone());
        prop_assert_eq!(pixels(&tile.zip_valid(&other, sum)), expected);
    }

    #[test]
    fn left_out_results_are_invalid_whatever_the_others_are(tile in shape(0).prop_flat_map(ints::<u8>), top in 250u8..) {
        // Line by line, some with values that are the mark and some without.
        let value = |v: u8| if v.is_multiple_of(2) { Some(top.saturating_add(v)) } else { None };
        let expected: Vec<_> = pixels(&tile).into_iter().map(|v| value(v?)).collect();
        prop_assert_eq!(pixels(&tile.focal(0).map(|w| value(w.get(0, 0)?))), expected.clone());
        let tiles = [tile];
        prop_assert_eq!(pixels(&Tile::series(&tiles).map(|v| value(*v.first()?))), expected.clone());
        let fold = Tile::series(&tiles).fold(0, |_, v| v, |v, n| if n > 0 { value(v) } else { None });
        prop_assert_eq!(pixels(&fold), expected);
    }

    #[test]
    fn more_nodata_makes_no_pixel_valid(tile in shape(0).prop_flat_map(ints::<u8>), more in 0u8..9) {
        let expected = naive(&tile, |b, r, c| tile.get(b, r, c).filter(|v| *v != more));
        prop_assert_eq!(&tile.clone().with_nodata(more), &expected);
        let bands = vec![Some(more); tile.bands()];
        prop_assert_eq!(&tile.clone().with_band_nodata(bands), &expected);
        prop_assert_eq!(&tile.clone().with_band_nodata(vec![None; tile.bands()]), &tile);
    }
}

#[test]
fn the_types_own_mark_comes_first_and_then_its_neighbours() {
    let tile = Tile::from_rows([[0u8, 1, 2, 3]]).with_nodata(0);
    assert_eq!(tile.map_valid_or(9, |_| 9u8).nodata(0), Some(255));
    assert_eq!(tile.map_valid(|v| if v > 1 { 255u8 } else { 254 }).nodata(0), Some(253));
    assert_eq!(tile.map_valid(|_| i16::MIN).nodata(0), Some(i16::MIN + 1));
    assert_eq!(tile.map_valid_or(-9999.0, f32::from).nodata(0), Some(-9999.0));
}

#[test]
#[should_panic(
    expected = "the valid pixels of a uint8 result take all its values, and none is left for the invalid ones; \
                           give the result a wider type"
)]
fn a_result_of_all_values_has_no_mark() {
    let _ = Tile::from_vec([1, 1, 257], (0..257).collect::<Vec<u16>>()).with_nodata(256).map_valid(|v| v as u8);
}

#[test]
fn a_result_of_all_values_needs_no_mark_where_all_are_valid() {
    let all = Tile::from_vec([1, 1, 256], (0..=255).collect::<Vec<u8>>());
    assert_eq!((all.map_valid(|v| v).nodata(0), all.map_valid_or(0, |v| v)), (None, all));
}

#[test]
fn bands_keep_their_pixels_when_their_nodata_differ() {
    let image = Tile::from_array(array![[[1i16, -1]], [[-1, -2]]]).with_band_nodata([Some(-1), Some(-2)]);
    let AnyTile::Int16(copy) =
        with_tile!(AnyTile::from(image), |t| t.map_valid_or(t.nodata(0).unwrap_or_default(), |v| v).into())
    else {
        panic!("another type")
    };
    assert_eq!(pixels(&copy), [Some(1), None, Some(-1), None]);
}

#[test]
fn the_array_of_a_tile_keeps_what_is_invalid() {
    let tile = Tile::from_rows([[1.0f32, -9999.0, f32::NAN]]).with_nodata(-9999.0);
    let doubled = Tile::from_array(tile.to_array() * 2.0);
    assert_eq!(pixels(&doubled), [Some(2.0), None, None]);
    assert_eq!(tile.to_array_or(0.0), array![[[1.0, 0.0, 0.0]]]);

    let ints = Tile::from_array(array![[[1i16, -1]], [[-1, -2]]]).with_band_nodata([Some(-1), None]);
    assert_eq!(ints.to_array_or(0), array![[[1, 0]], [[-1, -2]]]);
    let marked = Tile::from_rows([[5u8, 6]]).with_nodata(0);
    assert_eq!(marked.to_array(), array![[[5, 6]]]);
    let floats: Array3<f64> = ints.cast().to_array() / 2.0;
    assert_eq!(pixels(&Tile::from_array(floats)), [Some(0.5), None, Some(-0.5), Some(-1.0)]);
}

#[test]
#[should_panic(expected = "the tile has invalid pixels, and an array of int16 can't say so: give them a value with \
                           to_array_or, or take floats, whose invalid pixels are NaN")]
fn the_array_of_integers_can_not_say_what_is_invalid() {
    let _ = Tile::from_rows([[1i16, -1]]).with_nodata(-1).to_array();
}
