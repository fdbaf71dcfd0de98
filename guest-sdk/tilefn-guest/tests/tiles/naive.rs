//! Random tiles, and results made the slow way.

use proptest::{prelude::*, sample::select};
use tilefn_guest::{Element, Tile};

/// A shape of a few pixels, also wider than a vector; room for a halo on each side.
pub fn shape(halo: usize) -> impl Strategy<Value = [usize; 3]> {
    let side = 2 * halo + 1;
    (1usize..4, side..side + 6, prop_oneof![side..side + 6, side + 14..side + 40])
        .prop_map(|(bands, rows, cols)| [bands, rows, cols])
}

/// Small floats, some of them NaN, and per band a nodata value among them or none.
pub fn floats(shape: [usize; 3]) -> impl Strategy<Value = Tile<f32>> {
    let pixel = prop_oneof![4 => (-4i8..5).prop_map(f32::from), 1 => Just(f32::NAN)];
    tiles(shape, pixel.boxed(), select(vec![None, Some(2.0), Some(f32::NAN)]).boxed())
}

/// Small integers, and per band a nodata value among them or none.
pub fn ints<T: Element + From<u8>>(shape: [usize; 3]) -> impl Strategy<Value = Tile<T>> {
    tiles(shape, (0u8..9).prop_map(T::from).boxed(), select(vec![None, Some(T::from(0)), Some(T::from(3))]).boxed())
}

fn tiles<T: Element>(
    shape: [usize; 3],
    pixel: BoxedStrategy<T>,
    nodata: BoxedStrategy<Option<T>>,
) -> impl Strategy<Value = Tile<T>> {
    let pixels = prop::collection::vec(pixel, shape.iter().product::<usize>());
    let nodata = prop::collection::vec(nodata, shape[0]);
    (pixels, nodata).prop_map(move |(pixels, nodata)| Tile::from_vec(shape, pixels).with_band_nodata(nodata))
}

/// A tile of the same shape whose pixels are said one by one.
pub fn naive<T: Element, V: Element>(like: &Tile<T>, f: impl Fn(usize, usize, usize) -> Option<V>) -> Tile<V> {
    naive_of(like.shape(), f)
}

/// A tile whose pixels are said one by one.
pub fn naive_of<V: Element>(shape: [usize; 3], f: impl Fn(usize, usize, usize) -> Option<V>) -> Tile<V> {
    let places = places_of(shape);
    let pixels = places.map(|(b, r, c)| f(b, r, c).unwrap_or(V::MARKER)).collect();
    let tile = Tile::from_vec(shape, pixels);
    if V::DTYPE.is_float() { tile } else { tile.with_nodata(V::MARKER) }
}

fn places_of([bands, rows, cols]: [usize; 3]) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..bands).flat_map(move |b| (0..rows).flat_map(move |r| (0..cols).map(move |c| (b, r, c))))
}

/// The median by sorting all.
pub fn median<T: Element>(mut values: Vec<T>) -> Option<T::Float> {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let last = values.len().checked_sub(1)?;
    let middle = |place: usize| -> f64 { num_traits::AsPrimitive::as_(values[place]) };
    Some(T::Float::from_f64((middle(last / 2) + middle(values.len() / 2)) / 2.0))
}
