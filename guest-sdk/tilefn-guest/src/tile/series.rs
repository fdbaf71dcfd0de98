//! A series of tiles taken together, pixel by pixel: composites.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use super::{Tile, operands::Frame, result::Optional, samples::Samples, sort::Medians};
use crate::Element;

/// The same pixel of several tiles, such as the dates of a scene; made by [`Tile::series`].
///
/// Results take the valid values of each pixel, and are invalid where it has none.
#[derive(Debug)]
pub struct Series<'a, T: Element> {
    tiles: &'a [Tile<T>],
    kept: Option<Kept<'a>>,
}

/// Which pixels of a series are kept, by other tiles of the same places.
struct Kept<'a> {
    frames: Vec<Frame>,
    mark: Box<Mark<'a>>,
}

/// Marks with 1 the pixels of a line that are kept: of this tile, in a frame, band and row.
type Mark<'a> = dyn Fn(usize, Frame, usize, usize, &mut [u8]) + 'a;

impl fmt::Debug for Kept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("frames", &self.frames).finish_non_exhaustive()
    }
}

impl<T: Element> Tile<T> {
    /// The tiles, taken pixel by pixel.
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let scenes = [[1u8, 0], [2, 0], [9, 5], [4, 8]].map(|row| Tile::from_rows([row]).with_nodata(0));
    /// assert_eq!(Tile::series(&scenes).median(), Tile::from_rows([[3.0f32, 6.5]]));
    /// ```
    #[must_use]
    pub fn series(tiles: &[Self]) -> Series<'_, T> {
        Series { tiles, kept: None }
    }
}

impl<'a, T: Element> Series<'a, T> {
    /// Only pixels for which the tile at the same place of `classes` has one of these values; the others count as invalid.
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let scenes = [[1.0f32, 5.0], [3.0, 70.0]].map(|row| Tile::from_rows([row]));
    /// let classes = [[4u8, 4], [5, 9]].map(|row| Tile::from_rows([row]));
    /// let clear = Tile::series(&scenes).where_in(&classes, &[4, 5]);
    /// assert_eq!(clear.median(), Tile::from_rows([[2.0, 5.0]]));
    /// ```
    ///
    /// # Panics
    ///
    /// When there are not as many classes as tiles.
    #[must_use]
    #[track_caller]
    pub fn where_in<U: Element>(mut self, classes: &'a [Tile<U>], values: &'a [U]) -> Self {
        assert!(self.tiles.len() == classes.len(), "{} tiles, but {} of classes", self.tiles.len(), classes.len());
        let before = self.kept.take();
        let mut frames: Vec<_> = classes.iter().map(Frame::of).collect();
        frames.extend(before.iter().flat_map(|kept| &kept.frames));
        let mark = move |tile: usize, frame: Frame, band: usize, row: usize, marks: &mut [u8]| {
            let Some(classes) = classes.get(tile) else { return };
            let (plane, check) = classes.operand(frame, band);
            for value in values.iter().filter(|value| check.is_valid(**value)) {
                for (mark, class) in marks.iter_mut().zip(plane.line(row)) {
                    *mark |= u8::from(class == value);
                }
            }
            if let Some(before) = &before {
                let mut others = alloc::vec![0; marks.len()];
                (before.mark)(tile, frame, band, row, &mut others);
                marks.iter_mut().zip(others).for_each(|(mark, other)| *mark &= other);
            }
        };
        Self { kept: Some(Kept { frames, mark: Box::new(mark) }), ..self }
    }

    /// `f` of each pixel's values, in the order of the tiles; none makes the pixel invalid.
    ///
    /// `f` may reorder the values, and gets an empty slice where no tile is valid.
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let scenes = [[1.0f32, 5.0], [f32::NAN, 6.0], [3.0, 9.0]].map(|row| Tile::from_rows([row]));
    /// let latest = Tile::series(&scenes).map(|values| values.last().copied());
    /// assert_eq!(latest, Tile::from_rows([[3.0, 9.0]]));
    /// ```
    ///
    /// # Panics
    ///
    /// When there is no tile or they differ in size, and as [`Tile::map_valid`].
    #[must_use]
    #[track_caller]
    pub fn map<V: Element>(self, mut f: impl FnMut(&mut [T]) -> Option<V>) -> Tile<V> {
        let mut results = Optional::new();
        let (frame, pixels) = self.line_by_line(|samples, out| samples.map(&mut f, &mut results, out));
        results.finish(pixels, frame)
    }

    /// Folds each pixel's values, in the order of the tiles. `finish` gets what was gathered and the number of values,
    /// which may be 0; none makes the pixel invalid.
    ///
    /// Faster than [`map`](Self::map): with a simple `step` it runs on vectors.
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let scenes = [[1.0f32, 5.0], [f32::NAN, 6.0], [3.0, 10.0]].map(|row| Tile::from_rows([row]));
    /// let mean = Tile::series(&scenes).fold(0.0, |sum, v| sum + v, |sum, n| (n >= 2).then(|| sum / n as f32));
    /// assert_eq!(mean, Tile::from_rows([[2.0, 7.0]]));
    /// ```
    ///
    /// # Panics
    ///
    /// When there is no tile or they differ in size, and as [`Tile::map_valid`].
    #[must_use]
    #[track_caller]
    pub fn fold<A: Copy, V: Element>(
        self,
        init: A,
        mut step: impl FnMut(A, T) -> A,
        mut finish: impl FnMut(A, usize) -> Option<V>,
    ) -> Tile<V> {
        let mut results = Optional::new();
        let (frame, pixels) =
            self.line_by_line(|samples, out| samples.fold(init, &mut step, &mut finish, &mut results, out));
        results.finish(pixels, frame)
    }

    /// The median of each pixel's values; of an even number, halfway between the middle two.
    ///
    /// # Panics
    ///
    /// When there is no tile or they differ in size.
    #[must_use]
    #[track_caller]
    pub fn median(self) -> Tile<T::Float> {
        let mut medians = Medians::new(self.tiles.len());
        let (frame, pixels) = self.line_by_line(|samples, out| medians.append(samples, out));
        Tile::of_floats(pixels, frame)
    }

    /// The results of `append`, which gets line after line.
    #[track_caller]
    fn line_by_line<V: Element>(self, mut append: impl FnMut(&Samples<'a, T>, &mut Vec<V>)) -> (Frame, Vec<V>) {
        let Self { tiles, kept } = self;
        assert!(!tiles.is_empty(), "the series has no tile");
        let mut frames: Vec<_> = tiles.iter().map(Frame::of).collect();
        frames.extend(kept.iter().flat_map(|kept| &kept.frames));
        let frame = Frame::common(&frames);
        let mut out = Vec::with_capacity(frame.bands * frame.rows * frame.cols);
        for band in 0..frame.bands {
            let operands: Vec<_> = tiles.iter().map(|tile| tile.operand(frame, band)).collect();
            let all_valid = kept.is_none() && !T::DTYPE.is_float() && tiles.iter().all(|tile| !tile.declares_nodata());
            let mut samples = Samples::new(frame.cols, all_valid);
            for row in 0..frame.rows {
                samples.set_lines(operands.iter().map(|(plane, check)| (plane.line(row), *check)));
                if let Some(kept) = &kept {
                    samples.mark_kept(|tile, marks| (kept.mark)(tile, frame, band, row, marks));
                }
                append(&samples, &mut out);
            }
        }
        (frame, out)
    }
}
