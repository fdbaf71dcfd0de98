//! A list of tiles taken together: composites.

use alloc::vec::Vec;

use super::{Tile, operands::Frame, result::Marker, samples::Samples, sort::Medians};
use crate::Element;

impl<T: Element> Tile<T> {
    /// `f` of each pixel's valid values over the tiles, in the order of the tiles; none makes the pixel invalid.
    ///
    /// `f` may reorder the values, and gets an empty slice where no tile is valid.
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let scenes = [[1.0f32, 5.0], [f32::NAN, 6.0], [3.0, 9.0]].map(|row| Tile::from_rows([row]));
    /// let latest = Tile::per_pixel(&scenes, |values| values.last().copied());
    /// assert_eq!(latest, Tile::from_rows([[3.0, 9.0]]));
    /// ```
    ///
    /// # Panics
    ///
    /// When there is no tile or they differ in size, and as [`map_valid`](Self::map_valid).
    #[must_use]
    #[track_caller]
    pub fn per_pixel<V: Element>(tiles: &[Self], mut f: impl FnMut(&mut [T]) -> Option<V>) -> Tile<V> {
        let mut marker = Marker::new();
        let (frame, pixels) = line_by_line(tiles, |samples, out| samples.map(&mut f, &mut marker, out));
        marker.finish(pixels, frame)
    }

    /// Folds each pixel's valid values over the tiles, in the order of the tiles. `finish` gets what was gathered and
    /// the number of valid values, which may be 0; none makes the pixel invalid.
    ///
    /// Faster than [`per_pixel`](Self::per_pixel): with a simple `step` it runs on vectors.
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let scenes = [[1.0f32, 5.0], [f32::NAN, 6.0], [3.0, 10.0]].map(|row| Tile::from_rows([row]));
    /// let mean = Tile::fold(&scenes, 0.0, |sum, v| sum + v, |sum, n| (n >= 2).then(|| sum / n as f32));
    /// assert_eq!(mean, Tile::from_rows([[2.0, 7.0]]));
    /// ```
    ///
    /// # Panics
    ///
    /// When there is no tile or they differ in size, and as [`map_valid`](Self::map_valid).
    #[must_use]
    #[track_caller]
    pub fn fold<A: Copy, V: Element>(
        tiles: &[Self],
        init: A,
        mut step: impl FnMut(A, T) -> A,
        mut finish: impl FnMut(A, usize) -> Option<V>,
    ) -> Tile<V> {
        let mut marker = Marker::new();
        let (frame, pixels) =
            line_by_line(tiles, |samples, out| samples.fold(init, &mut step, &mut finish, &mut marker, out));
        marker.finish(pixels, frame)
    }

    /// The median of each pixel's valid values over the tiles; of an even number, halfway between the middle two.
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let scenes = [[1u8, 0], [2, 0], [9, 5], [4, 8]].map(|row| Tile::from_rows([row]).with_nodata(0));
    /// assert_eq!(Tile::median(&scenes), Tile::from_rows([[3.0f32, 6.5]]));
    /// ```
    ///
    /// # Panics
    ///
    /// When there is no tile or they differ in size.
    #[must_use]
    #[track_caller]
    pub fn median(tiles: &[Self]) -> Tile<T::Float> {
        let mut medians = Medians::new(tiles.len());
        let (frame, pixels) = line_by_line(tiles, |samples, out| medians.append(samples, out));
        Marker::new().finish(pixels, frame)
    }
}

/// The results of `append`, which gets line after line.
#[track_caller]
fn line_by_line<'a, T: Element, V: Element>(
    tiles: &'a [Tile<T>],
    mut append: impl FnMut(&Samples<'a, T>, &mut Vec<V>),
) -> (Frame, Vec<V>) {
    assert!(!tiles.is_empty(), "the list has no tile");
    let frame = Frame::of_all(tiles);
    let mut out = Vec::with_capacity(frame.bands * frame.rows * frame.cols);
    for band in 0..frame.bands {
        let operands: Vec<_> = tiles.iter().map(|tile| tile.operand(frame, band)).collect();
        let all_valid = !T::DTYPE.is_float() && tiles.iter().all(|tile| !tile.declares_nodata());
        let mut samples = Samples::new(frame.cols, all_valid);
        for row in 0..frame.rows {
            samples.set_lines(operands.iter().map(|(plane, check)| (plane.line(row), *check)));
            append(&samples, &mut out);
        }
    }
    (frame, out)
}
